//! Whether answers are what the API's own description promises: every answer that any test here gets is held against it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

use axum::http::{HeaderMap, Method, StatusCode};
use jsonschema::Validator;
use serde_json::{Value, json};

/// The description.
pub(crate) struct Contract {
    document: Value,
    /// By the place of the schema in the document.
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// What is promised of the body of one answer.
pub(crate) struct Promise {
    what: String,
    schema: Option<Arc<Validator>>,
}

impl Promise {
    /// Nothing.
    pub(crate) fn none() -> Self {
        Self { what: String::new(), schema: None }
    }

    /// Fails the test if the body, or a message of a feed, is not what was promised.
    pub(crate) fn check(&self, body: &str) {
        let Some(schema) = &self.schema else { return };
        let value: Value =
            serde_json::from_str(body).unwrap_or_else(|error| panic!("{}: {error}: {body:?}", self.what));
        let wrong: Vec<String> =
            schema.iter_errors(&value).map(|error| format!("{} at {}", error, error.instance_path())).collect();
        assert!(wrong.is_empty(), "{} is not as described: {wrong:#?} in {body}", self.what);
    }
}

impl Contract {
    pub(crate) fn new(mut document: Value) -> Self {
        close(&mut document);
        Self { document, validators: Mutex::default() }
    }

    /// Holds an answer against the description. What remains is its body.
    pub(crate) fn check(&self, method: &Method, path: &str, status: StatusCode, headers: &HeaderMap) -> Promise {
        let what = format!("{method} {path}: {status}");
        // A browser's questions are answered alike everywhere, and 304 is for whoever knows the answer already.
        if method == Method::OPTIONS || status == StatusCode::NOT_MODIFIED {
            return Promise::none();
        }
        let media_type = headers.get("content-type").map(|value| essence(value.to_str().unwrap()));
        let Some(operation) = self.operation(method, path) else {
            assert!(status.is_client_error(), "{what}, but no such call is described");
            let schema = (method != Method::HEAD).then(|| self.validator("/components/schemas/Error"));
            return Promise { what, schema };
        };
        let response = format!("{operation}/responses/{}", status.as_str());
        let Some(described) = self.document.pointer(&response) else { panic!("{what} is not described") };
        if method == Method::HEAD {
            return Promise::none();
        }
        let empty = serde_json::Map::new();
        let content = described.get("content").and_then(Value::as_object).unwrap_or(&empty);
        let Some(media_type) = media_type else {
            assert!(content.is_empty(), "{what} has no content type, but is described as {content:?}");
            return Promise::none();
        };
        let Some(key) = content.keys().find(|key| [media_type, "*/*"].contains(&essence(key))) else {
            panic!("{what} is {media_type}, but described as {:?}", content.keys())
        };
        let schema = (essence(key) == "application/json").then(|| {
            let key = key.replace('~', "~0").replace('/', "~1");
            self.validator(&format!("{response}/content/{key}/schema"))
        });
        Promise { what, schema }
    }

    /// The place of the operation in the document.
    fn operation(&self, method: &Method, path: &str) -> Option<String> {
        let (path, _) = path.split_once('?').unwrap_or((path, ""));
        let paths = self.document["paths"].as_object().unwrap();
        // As the router has it: plain text goes before a parameter.
        let (template, item) =
            paths.iter().filter(|(template, _)| is_like(template, path)).min_by_key(|(template, _)| {
                template.split('/').map(|segment| segment.starts_with('{')).collect::<Vec<_>>()
            })?;
        let method = method.as_str().to_ascii_lowercase();
        let method = if method == "head" && item.get("head").is_none() { "get" } else { method.as_str() };
        item.get(method)?;
        Some(format!("/paths/{}/{method}", template.replace('~', "~0").replace('/', "~1")))
    }

    fn validator(&self, place: &str) -> Arc<Validator> {
        let mut validators = self.validators.lock().unwrap();
        let make = || {
            let schema = self.document.pointer(place).unwrap_or_else(|| panic!("nothing at {place}"));
            let whole = json!({"allOf": [schema], "components": self.document["components"]});
            Arc::new(jsonschema::validator_for(&whole).unwrap())
        };
        validators.entry(place.to_owned()).or_insert_with(make).clone()
    }
}

/// The media type without its parameters.
fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

fn is_like(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    let fits = |(template, segment): (&&str, &&str)| match *template {
        // At the root only numbers are pids.
        "{pid}" if path.get(1) == Some(segment) => segment.bytes().all(|byte| byte.is_ascii_digit()),
        parameter if parameter.starts_with('{') => !segment.is_empty(),
        text => text == *segment,
    };
    // A rest may have any number of segments, or none.
    let (template, path) = match template.split_last() {
        Some((&"{path}", beginning)) => (beginning, path.get(..beginning.len()).unwrap_or_default()),
        _ => (&*template, &*path),
    };
    template.len() == path.len() && template.iter().zip(path).all(fits)
}

/// Makes the description stricter than it is: an answer may have no key that it does not describe.
fn close(document: &mut Value) {
    let mut parts = HashSet::new();
    collect_parts(document, &mut parts);
    let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) else { return };
    for (name, schema) in schemas {
        let is_object = schema.get("properties").is_some() || schema.get("allOf").is_some();
        // A part of another schema does not know the other parts.
        if is_object && !parts.contains(&format!("#/components/schemas/{name}")) {
            schema["unevaluatedProperties"] = false.into();
        }
    }
}

/// What `allOf` refers to.
fn collect_parts(value: &Value, found: &mut HashSet<String>) {
    match value {
        Value::Object(map) => {
            let parts = map.get("allOf").and_then(Value::as_array).into_iter().flatten();
            found.extend(parts.filter_map(|part| part.get("$ref")?.as_str()).map(str::to_owned));
            map.values().for_each(|value| collect_parts(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| collect_parts(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

mod tests {
    use super::*;

    fn contract() -> Contract {
        let object = json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}});
        let ok =
            json!({"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}});
        Contract::new(json!({
            "paths": {
                "/a": {"get": {"responses": {"200": ok}}},
                "/{pid}": {"get": {"responses": {"200": ok}}},
            },
            "components": {"schemas": {"A": object, "Error": object}},
        }))
    }

    fn json_headers() -> HeaderMap {
        [("content-type".parse().unwrap(), "application/json; charset=UTF-8".parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn what_is_described_passes() {
        let contract = contract();
        for path in ["/a", "/a?x=/", "/7"] {
            contract.check(&Method::GET, path, StatusCode::OK, &json_headers()).check(r#"{"a": 1}"#);
        }
        contract.check(&Method::GET, "/b", StatusCode::NOT_FOUND, &json_headers()).check(r#"{"a": 1}"#);
    }

    #[test]
    #[should_panic(expected = "is not described")]
    fn a_status_that_is_not_described_is_found() {
        contract().check(&Method::GET, "/a", StatusCode::CREATED, &json_headers());
    }

    #[test]
    #[should_panic(expected = "no such call is described")]
    fn a_call_that_is_not_described_is_found() {
        contract().check(&Method::GET, "/b", StatusCode::OK, &json_headers());
    }

    #[test]
    #[should_panic(expected = "but described as")]
    fn another_content_type_is_found() {
        let headers = [("content-type".parse().unwrap(), "text/html".parse().unwrap())].into_iter().collect();
        contract().check(&Method::GET, "/a", StatusCode::OK, &headers);
    }

    #[test]
    #[should_panic(expected = "is not as described")]
    fn another_type_is_found() {
        contract().check(&Method::GET, "/a", StatusCode::OK, &json_headers()).check(r#"{"a": "1"}"#);
    }

    #[test]
    #[should_panic(expected = "is not as described")]
    fn a_key_that_is_not_described_is_found() {
        contract().check(&Method::GET, "/a", StatusCode::OK, &json_headers()).check(r#"{"a": 1, "b": 2}"#);
    }
}
