//! The description of the API, served by the API.
//!
//! Each handler describes itself where it stands, and [`router`](super::router) takes route and description from it together,
//! so that none can be without the other. What holds for many is added here.

use axum::{Extension, response::Response};
use bytes::Bytes;
use utoipa::{
    PartialSchema,
    openapi::{
        ComponentsBuilder, Content, ContentBuilder, Info, OpenApi, PathItem, Paths, Ref, RefOr, ResponseBuilder,
        path::{Operation, Parameter, ParameterIn},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::answer;
use crate::front::ErrorBody;

/// The name of the schema of errors.
const ERROR: &str = "Error";

/// The names of the ways to be known.
const KEY: &str = "key";
const BEARER: &str = "bearer";
const PASSWORD: &str = "password";

/// The description as it is sent.
#[derive(Clone)]
pub(super) struct Document(Bytes);

/// The beginning of the description, to which handlers add themselves.
pub(super) fn head() -> OpenApi {
    let mut info = Info::new("gaffer", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Keep applications running, and control them. What takes GET takes HEAD as well. Errors are objects with `errno` (the status), `error` (a code for \
         programs) and `reason` (a sentence for people)."
            .to_owned(),
    );
    let mut document = OpenApi::new(info, Paths::new());
    let header = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-Api-Key")));
    let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    let password = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Basic).build());
    document.components = Some(
        ComponentsBuilder::new()
            .schema(ERROR, ErrorBody::schema())
            .security_scheme(KEY, header)
            .security_scheme(BEARER, bearer)
            .security_scheme(PASSWORD, password)
            .build(),
    );
    document
}

impl Document {
    /// Completes what the handlers said of themselves.
    pub(super) fn new(mut document: OpenApi) -> Self {
        // A rest of any length has no notation of its own: it is described as one segment is.
        let paths = std::mem::take(&mut document.paths.paths).into_iter();
        document.paths.paths = paths.map(|(path, item)| (path.replace("{*", "{"), item)).collect();
        for (path, item) in &mut document.paths.paths {
            for (method, operation) in operations(item) {
                complete(path, method, operation);
            }
        }
        // Strings and numbers: it always serialises.
        Self(serde_json::to_vec(&document).unwrap_or_default().into())
    }
}

/// `GET /openapi.json`: this description.
#[utoipa::path(get, path = "/openapi.json", tag = "node", responses(
    (status = 200, description = "OpenAPI 3.1", body = serde_json::Value),
))]
pub(super) async fn document(Extension(document): Extension<Document>) -> Response {
    answer::whole(document.0, "application/json")
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    [
        ("get", &mut item.get),
        ("head", &mut item.head),
        ("put", &mut item.put),
        ("post", &mut item.post),
        ("delete", &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

const JSON: &str = "application/json";

fn error() -> Content {
    ContentBuilder::new().schema(Some(Ref::from_schema_name(ERROR))).build()
}

/// Whether a call needs no key.
fn is_open(path: &str, method: &str) -> bool {
    matches!(path, "/" | "/ping" | "/version" | "/openapi.json")
        || path.starts_with("/_plugin/")
        || (path == "/auth" && method == "get")
}

/// Makes the operation's name unique, and adds the refusals that any of its kind may give.
fn complete(path: &str, method: &str, operation: &mut Operation) {
    let family = operation.tags.iter().flatten().next().cloned().unwrap_or_default();
    let name = operation.operation_id.take().unwrap_or_else(|| method.to_owned());
    operation.operation_id = Some(format!("{family}_{name}"));

    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        if status.starts_with(['4', '5']) {
            response.content.insert(JSON.to_owned(), error().into());
        }
        if response.description.is_empty() {
            "done".clone_into(&mut response.description);
        }
    }
    let mut refuses = |status: &str, why: &str| {
        let response = ResponseBuilder::new().description(why).content(JSON, error()).build();
        operation.responses.responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(response));
    };
    let takes_body = operation.request_body.is_some();
    let in_path = path.contains('{');
    let is_query = |parameter: &_| matches!(parameter, RefOr::T(Parameter { parameter_in: ParameterIn::Query, .. }));
    let in_query = operation.parameters.iter().flatten().any(is_query);
    if takes_body || in_path || in_query {
        refuses("400", "something in the path, the query or the body does not read; `reason` says what");
    }
    if in_path {
        refuses("404", "there is no such thing");
    }
    if takes_body {
        refuses("408", "the body did not arrive in time");
        refuses("413", "the body is too large");
    }
    let needs = |name: &str| SecurityRequirement::new(name, Vec::<String>::new());
    operation.security = if path == "/auth" && method == "get" {
        Some(vec![needs(PASSWORD)])
    } else {
        // A key only where the node requires one.
        (!is_open(path, method)).then(|| vec![needs(KEY), needs(BEARER), SecurityRequirement::default()])
    };
    if is_open(path, method) {
        refuses("403", "the node has no such name, or a web page from elsewhere may not act here");
    } else {
        refuses("401", "an API key is needed");
        let why =
            "the key does not permit it; the node has no such name; or a web page from elsewhere may not act here";
        refuses("403", why);
    }
    refuses("500", "an error inside gaffer");
    refuses("503", "the node is shutting down");
}
