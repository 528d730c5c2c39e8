//! Answers that say yes.

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A JSON object.
pub fn object(value: &impl Serialize) -> Response {
    json(value, "application/json; charset=UTF-8")
}

/// A JSON object that is written already.
pub fn ready(body: Bytes) -> Response {
    whole(body, "application/json; charset=UTF-8")
}

/// A JSON list. The original types it without a character set, which some of its clients take literally.
pub(crate) fn list(value: &[impl Serialize]) -> Response {
    json(&value, "application/json")
}

/// A word, typed as the original does.
pub fn word(word: &'static str) -> Response {
    whole(Bytes::from_static(word.as_bytes()), "text/html; charset=UTF-8")
}

/// What serialises, as a value that can be looked into.
pub(crate) fn value(told: &impl Serialize) -> Value {
    // Serialising fails only for types that no answer has, such as maps with keys that are no strings.
    serde_json::to_value(told).unwrap_or_default()
}

fn json(value: &impl Serialize, content_type: &'static str) -> Response {
    // Serialising fails only for types that no answer has, such as maps with keys that are no strings.
    whole(serde_json::to_vec(value).unwrap_or_default().into(), content_type)
}

/// An object that is nobody else's business, and that nothing on the way is to keep.
pub(crate) fn private(value: &impl Serialize) -> Response {
    let mut response = object(value);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A private object that is not even to be known again by its `ETag`.
pub(crate) fn secret(value: &impl Serialize) -> Response {
    let mut response = private(value);
    response.extensions_mut().remove::<Whole>();
    response
}

/// An answer that is ready as it is.
pub(crate) fn whole(body: Bytes, content_type: &'static str) -> Response {
    let mut response = ([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))], body.clone()).into_response();
    response.extensions_mut().insert(Whole(body));
    response
}

/// The body of an answer, beside the answer: for whoever has to look at it and must not take it.
#[derive(Clone)]
pub(crate) struct Whole(pub(crate) Bytes);

/// `{"ok": true}`, with whatever else there is to say.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Done {
    /// Always true.
    #[schema(value_type = bool)]
    ok: True,
    /// The new number of processes, where it was to be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    numprocesses: Option<u32>,
    /// Keys of the request that mean nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored: Vec<String>,
}

#[derive(Debug, Default)]
struct True;

impl Serialize for True {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(true)
    }
}

impl Done {
    /// Done, and the job now wants so many processes.
    pub(crate) fn number(number: u32) -> Self {
        Self { numprocesses: Some(number), ..Self::default() }
    }

    /// Done, but these keys of the request mean nothing.
    pub(crate) fn ignoring(keys: Vec<String>) -> Self {
        Self { ignored: keys, ..Self::default() }
    }
}

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        object(&self)
    }
}
