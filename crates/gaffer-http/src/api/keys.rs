//! `/keys`: what keys there are, and what they permit.

use axum::{
    http::{HeaderValue, header},
    response::Response,
};
use gaffer_core::{
    access::{InvalidKeyId, KeyId, Permissions},
    api::access::{KeyInfo, NewKey},
};
use gaffer_state::AccessError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::{
    ApiError,
    access::{API_KEY, KeysRequired},
    answer::{self, Done},
    extract::{Object, Path, Query},
    schema,
};

/// How much to tell.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Listing {
    /// `true`: of a list, all that is known of each key, and not only its id; of one key, also which go with it.
    include_keys: Option<String>,
}

impl Listing {
    fn includes_keys(&self) -> bool {
        matches!(self.include_keys.as_deref(), Some("true" | "1"))
    }
}

/// An id, or all that is known.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum KeyOrId {
    #[schema(value_type = String)]
    Id(KeyId),
    #[schema(value_type = schema::Key)]
    Key(KeyInfo),
}

#[derive(Serialize, ToSchema)]
struct Keys {
    keys: Vec<KeyOrId>,
}

/// Lists the keys that the caller may see, by their ids: all of them for an admin, those that were made with it for a key that has
/// `create_key`.
#[utoipa::path(get, path = "/keys", tag = "keys", params(Listing), responses(
    (status = 200, description = "in the order of their making", body = Keys),
))]
pub(super) async fn list(
    KeysRequired { access, author }: KeysRequired,
    Query(listing): Query<Listing>,
) -> Result<Response, ApiError> {
    let permissions = author.key.permissions();
    if !permissions.admin && !permissions.create_key {
        return Err(
            AccessError::Forbidden("your key does not permit to list keys: it has no `create_key`".to_owned()).into()
        );
    }
    let keys = access.keys(&author.key).into_iter();
    let keys = keys.map(|key| if listing.includes_keys() { KeyOrId::Key(key) } else { KeyOrId::Id(key.key) }).collect();
    Ok(answer::private(&Keys { keys }))
}

/// A key, whole: this is the only time that it is shown.
#[derive(Serialize, ToSchema)]
struct Made<'a> {
    /// Always true.
    ok: bool,
    api_key: &'a str,
}

/// Makes a key, which may permit no more than the caller's.
#[utoipa::path(post, path = "/keys", tag = "keys", request_body = schema::NewKey, responses(
    (status = 200, body = Made, headers(
        ("X-Api-Key" = String, description = "the key"),
        ("Location" = String, description = "where it is handled"),
    )),
))]
pub(super) async fn create(
    KeysRequired { access, author }: KeysRequired,
    Object(object): Object,
) -> Result<Response, ApiError> {
    let new = read(&object)?;
    let made = access.create_key(&author, new).await?;
    let mut response = answer::secret(&Made { ok: true, api_key: made.as_str() });
    let headers = response.headers_mut();
    headers.extend(HeaderValue::from_str(made.as_str()).map(|value| (API_KEY, value)));
    headers.extend(HeaderValue::from_str(&format!("/keys/{}", made.id())).map(|value| (header::LOCATION, value)));
    Ok(response)
}

/// Reads what is said of a key. What a key is cannot be chosen.
fn read(object: &Map<String, Value>) -> Result<NewKey, ApiError> {
    let text = |field: &'static str| match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(wrong(field, format!("must be a string, but is {other}"))),
    };
    let permissions = match object.get("permissions") {
        Some(Value::Object(permissions)) => Permissions::from_json(permissions).map_err(ApiError::bad_request)?,
        None | Some(Value::Null) => return Err(wrong("permissions", "is missing; give an object")),
        Some(other) => return Err(wrong("permissions", format!("must be an object, but is {other}"))),
    };
    let parent = text("parent")?.filter(|parent| !parent.is_empty());
    let parent = parent.map(|parent| KeyId::of(&parent).map_err(|error| wrong("parent", error.to_string())));
    let expires_in =
        match object.get("expires_in") {
            None | Some(Value::Null) => None,
            Some(value) => {
                let seconds = value.as_u64().filter(|seconds| *seconds > 0);
                Some(seconds.ok_or_else(|| {
                    wrong("expires_in", format!("must be a number of seconds from 1, but is {value}"))
                })?)
            }
        };
    let label = text("label")?.filter(|label| !label.is_empty());
    Ok(NewKey { label, permissions, parent: parent.transpose()?, expires_in })
}

fn wrong(field: &str, problem: impl std::fmt::Display) -> ApiError {
    ApiError::bad_request(format_args!("{field}: {problem}"))
}

/// A key by its id.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ByKey {
    /// The id of a key, or the key.
    key: String,
}

impl ByKey {
    fn id(&self) -> Result<KeyId, ApiError> {
        // What is not even an id is no key that is there.
        KeyId::of(&self.key).map_err(|InvalidKeyId| AccessError::UnknownKey.into())
    }
}

/// A key, and those that go with it.
#[derive(Serialize, ToSchema)]
struct KeyDetail {
    #[serde(flatten)]
    #[schema(value_type = schema::Key)]
    key: KeyInfo,
    /// If they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    keys: Option<Vec<KeyId>>,
}

/// Tells what a key permits: the caller's own, or one that was made with it; any, for an admin.
#[utoipa::path(get, path = "/keys/{key}", tag = "keys", params(ByKey, Listing), responses((status = 200, body = KeyDetail)))]
pub(super) async fn detail(
    KeysRequired { access, author }: KeysRequired,
    Path(path): Path<ByKey>,
    Query(listing): Query<Listing>,
) -> Result<Response, ApiError> {
    let (info, children) = access.key_info(&author.key, &path.id()?)?;
    Ok(answer::private(&KeyDetail { key: info, keys: listing.includes_keys().then_some(children) }))
}

/// Revokes a key, and those that go with it. Feeds and websockets that were opened with one of them end.
#[utoipa::path(delete, path = "/keys/{key}", tag = "keys", params(ByKey), responses((status = 200, body = Done)))]
pub(super) async fn revoke(
    KeysRequired { access, author }: KeysRequired,
    Path(path): Path<ByKey>,
) -> Result<Done, ApiError> {
    let id = path.id()?;
    access.revoke_key(&author, id).await?;
    Ok(Done::default())
}
