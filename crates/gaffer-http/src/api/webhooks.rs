//! `/webhooks`: to whom events are sent.

use std::time::Duration;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use gaffer_core::{
    api::webhooks::{WebhookInfo, WebhookList},
    config::{MAX_PATTERNS, SecretSource, WebhookConfig},
    events::Pattern,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::IntoParams;

use super::{
    ApiError,
    access::{ManagesHooks, audit},
    answer::{self, Done},
    extract::{Object, Path},
    schema,
};
use crate::webhooks::WebhookError;

/// Lists the webhooks, and what has become of their events. For whoever may manage everything.
#[utoipa::path(get, path = "/webhooks", tag = "webhooks", responses(
    (status = 200, description = "those of the configuration, then those of the API", body = schema::Webhooks),
    (status = 404, description = "this node has no webhooks"),
))]
pub(super) async fn list(ManagesHooks { webhooks, .. }: ManagesHooks) -> Response {
    answer::private(&WebhookList { webhooks: webhooks.list() })
}

/// A hook, and what of the request meant nothing.
#[derive(Serialize)]
struct Made {
    #[serde(flatten)]
    hook: WebhookInfo,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored: Vec<String>,
}

/// Has events sent to a URL, from now on. For whoever may manage everything.
#[utoipa::path(post, path = "/webhooks", tag = "webhooks", request_body = schema::NewWebhook, responses(
    (status = 201, body = schema::Webhook, headers(("Location" = String, description = "where it is handled"))),
    (status = 404, description = "this node has no webhooks"),
    (status = 409, description = "these events are sent there already, or there are too many hooks"),
))]
pub(super) async fn add(
    ManagesHooks { webhooks, caller }: ManagesHooks,
    Object(object): Object,
) -> Result<Response, ApiError> {
    let (config, ignored) = read(object)?;
    let origin = config.url.origin().to_owned();
    let hook = webhooks.add(config).await?;
    audit::done(&caller, format_args!("added webhook {}, which sends {} to {origin}", hook.id, hook.events.join(", ")));
    let location = HeaderValue::from_str(&format!("/webhooks/{}", hook.id));
    let mut response = answer::private(&Made { hook, ignored });
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().extend(location.map(|location| (header::LOCATION, location)));
    Ok(response)
}

/// A webhook by its id.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ById {
    /// The id of a webhook.
    id: String,
}

/// Tells of a webhook. For whoever may manage everything.
#[utoipa::path(get, path = "/webhooks/{id}", tag = "webhooks", params(ById), responses((status = 200, body = schema::Webhook)))]
pub(super) async fn detail(
    ManagesHooks { webhooks, .. }: ManagesHooks,
    Path(path): Path<ById>,
) -> Result<Response, ApiError> {
    let hook = webhooks.get(&path.id).ok_or(WebhookError::Unknown(path.id))?;
    Ok(answer::private(&hook))
}

/// Sends nothing more to a webhook of the API: what waits for it is dropped. For whoever may manage everything.
#[utoipa::path(delete, path = "/webhooks/{id}", tag = "webhooks", params(ById), responses(
    (status = 200, body = Done),
    (status = 409, description = "it is one of the configuration"),
))]
pub(super) async fn remove(
    ManagesHooks { webhooks, caller }: ManagesHooks,
    Path(path): Path<ById>,
) -> Result<Response, ApiError> {
    webhooks.remove(&path.id).await?;
    audit::done(&caller, format_args!("removed webhook {}", path.id));
    Ok(Done::default().into_response())
}

/// The keys that mean something.
const KEYS: [&str; 7] = ["event", "pattern", "events", "url", "secret", "timeout", "cacert"];

/// Reads what is said of a hook, and which keys mean nothing.
fn read(object: Map<String, Value>) -> Result<(WebhookConfig, Vec<String>), ApiError> {
    let mut given =
        KEYS[..3].iter().filter_map(|key| object.get(*key).filter(|value| !value.is_null()).map(|value| (*key, value)));
    let events = match given.next() {
        Some((key, value)) => patterns(key, value)?,
        None => {
            return Err(wrong(
                "event",
                "is missing; give a pattern such as `exit` or `proc.web`, or `.` for everything",
            ));
        }
    };
    if let Some((key, _)) = given.next() {
        return Err(wrong(key, "is another name of a key that is given, too; keep one of the two"));
    }
    let url = text(&object, "url")?.ok_or_else(|| wrong("url", "is missing; say where the events go"))?;
    let mut config = WebhookConfig::new(events, url.parse().map_err(|error| wrong("url", error))?);
    if let Some(secret) = text(&object, "secret")? {
        config.secret = Some(SecretSource::Text(secret.parse().map_err(|error| wrong("secret", error))?));
    }
    if let Some(file) = text(&object, "cacert")? {
        if !config.url.is_tls() {
            return Err(wrong("cacert", "has no meaning without TLS; give a `url` that begins with `https://`"));
        }
        config.cacert = Some(file.into());
    }
    if let Some(timeout) = object.get("timeout").filter(|value| !value.is_null()) {
        let (least, most) = WebhookConfig::TIMEOUTS;
        let span = timeout.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let span = span.filter(|span| (least..=most).contains(span));
        config.timeout = span.ok_or_else(|| {
            wrong("timeout", format_args!("must be a number of seconds from 0.1 to 300, but is {timeout}"))
        })?;
    }
    let ignored = object.into_iter().map(|(key, _)| key).filter(|key| !KEYS.contains(&key.as_str())).collect();
    Ok((config, ignored))
}

/// A pattern, or a list of some.
fn patterns(key: &str, value: &Value) -> Result<Vec<Pattern>, ApiError> {
    let one = |value: &Value| {
        let odd = || wrong(key, format_args!("must be a pattern of events, or a list of some, but has {value} in it"));
        value.as_str().ok_or_else(odd)?.parse::<Pattern>().map_err(|error| wrong(key, error))
    };
    let Value::Array(list) = value else { return Ok(vec![one(value)?]) };
    if list.is_empty() || list.len() > MAX_PATTERNS {
        return Err(wrong(key, format_args!("must have 1 to {MAX_PATTERNS} patterns, but has {}", list.len())));
    }
    let mut patterns: Vec<Pattern> = Vec::new();
    for value in list {
        let pattern = one(value)?;
        if !patterns.contains(&pattern) {
            patterns.push(pattern);
        }
    }
    Ok(patterns)
}

fn text<'a>(object: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, ApiError> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong(key, "must be a string")),
    }
}

fn wrong(key: &str, problem: impl std::fmt::Display) -> ApiError {
    ApiError::bad_request(format_args!("{key}: {problem}"))
}
