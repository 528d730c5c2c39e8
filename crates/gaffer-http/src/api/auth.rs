//! `/auth`: from a name and a password to a key.

use axum::{
    extract::{FromRequestParts, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use gaffer_state::{ApiKey, LogInError};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Api, ApiError,
    access::{API_KEY, KeysRequired, Place, basic},
    answer::{self, Done},
};

/// The key that a log-in gives; `null` if the user has no rights.
#[derive(Serialize, ToSchema)]
struct LoggedIn<'a> {
    api_key: Option<&'a str>,
}

/// What somebody who logs in says, and from where.
pub(super) struct LoggingIn {
    credentials: Option<(String, String)>,
    place: Place,
}

impl<S: Send + Sync> FromRequestParts<S> for LoggingIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Ok(Self { credentials: basic(&parts.headers), place: Place::of(&parts.extensions) })
    }
}

/// Logs in with the name and password of a user, in the header `Authorization: Basic`.
///
/// Each log-in gives a new key, with the rights of the key that the user has. It is good for a time, and gone with the user, the password and
/// that key.
#[utoipa::path(get, path = "/auth", tag = "auth", responses(
    (status = 200, body = LoggedIn, headers(("X-Api-Key" = String, description = "the key"))),
    (status = 401, description = "name or password are wrong, or missing"),
    (status = 404, description = "this node requires no keys"),
    (status = 429, description = "too many log-ins have failed; `Retry-After` says when to try again",
        headers(("Retry-After" = u64, description = "seconds"))),
))]
pub(super) async fn log_in(
    State(api): State<Api>,
    LoggingIn { credentials, place }: LoggingIn,
) -> Result<Response, ApiError> {
    let not_found = |error: ApiError| ApiError::new(StatusCode::NOT_FOUND, "not_found", error.reason());
    let access = api.doorkeeper.access().map_err(not_found)?;
    let missing = || wrong("a name and a password are needed: `Authorization: Basic`");
    let (user, password) = credentials.ok_or_else(missing)?;
    let key = access.log_in(&user, &password, &place.0).await.map_err(refusal)?;
    let shown = key.as_ref().map(ApiKey::as_str);
    let mut response = answer::secret(&LoggedIn { api_key: shown });
    response.headers_mut().extend(shown.and_then(|key| Some((API_KEY, HeaderValue::from_str(key).ok()?))));
    Ok(response)
}

/// Without the header that has browsers ask for a password by themselves.
fn wrong(reason: impl std::fmt::Display) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", reason)
}

fn refusal(error: LogInError) -> ApiError {
    match &error {
        LogInError::Wrong => wrong(error),
        LogInError::TooMany(wait) => {
            let seconds = HeaderValue::from(wait.as_secs_f64().ceil().max(1.0) as u64);
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", error)
                .with_header(header::RETRY_AFTER, seconds)
        }
        LogInError::State(state) => ApiError::of_state(state),
    }
}

/// Logs out: the key of a log-in is revoked.
#[utoipa::path(delete, path = "/auth", tag = "auth", responses(
    (status = 200, body = Done),
    (status = 403, description = "the key is of no log-in; or this node requires no keys"),
))]
pub(super) async fn log_out(KeysRequired { access, author }: KeysRequired) -> Result<Response, ApiError> {
    access.log_out(&author).await?;
    Ok(Done::default().into_response())
}
