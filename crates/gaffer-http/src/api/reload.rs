//! `/_reload`: having the node read its configuration again.

use std::{fmt, sync::Arc};

use axum::{
    extract::{FromRequestParts, State},
    http::{StatusCode, request::Parts},
    response::Response,
};
use futures_util::future::BoxFuture;
use gaffer_core::{
    access::{Resource, Right},
    api::Reconfiguration,
};

use super::{Api, ApiError, access::Visitor, answer, schema};

/// Why a configuration was not read again, or what it comes to not be told. Nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReconfigureError {
    /// It has mistakes, one a line, each with its place; or the node cannot do what it says.
    #[error("{0}")]
    Invalid(String),
    /// The node has none.
    #[error("gafferd was started without a configuration file, so there is none to be read again")]
    None,
    /// It is being read, and once more after that is asked for already.
    #[error(
        "the configuration is being read, and somebody waits for it to be read once more; ask again when that is over"
    )]
    Busy,
    /// The node is going down.
    #[error("the node is shutting down")]
    Stopping,
}

/// What reads a node's configuration again.
pub trait Reconfigure: Send + Sync {
    /// Says what would change. Nothing is done.
    fn plan(&self) -> BoxFuture<'static, Result<Reconfiguration, ReconfigureError>>;

    /// Has the node be as the configuration says. It is refused whole, or applied whole but for what is said to have failed; also if the
    /// future is dropped.
    fn apply(&self) -> BoxFuture<'static, Result<Reconfiguration, ReconfigureError>>;
}

/// What reads the configuration again, if anything does.
#[derive(Clone, Default)]
pub struct Reconfigurer(Option<Arc<dyn Reconfigure>>);

impl Reconfigurer {
    /// By this.
    pub fn new(reconfigure: Arc<dyn Reconfigure>) -> Self {
        Self(Some(reconfigure))
    }

    fn get(&self) -> Result<&Arc<dyn Reconfigure>, ApiError> {
        self.0.as_ref().ok_or_else(|| ReconfigureError::None.into())
    }
}

impl fmt::Debug for Reconfigurer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reconfigurer").field(&self.0.is_some()).finish()
    }
}

impl From<ReconfigureError> for ApiError {
    fn from(error: ReconfigureError) -> Self {
        let (status, code) = match &error {
            ReconfigureError::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_configuration"),
            ReconfigureError::None => (StatusCode::CONFLICT, "no_configuration"),
            ReconfigureError::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            ReconfigureError::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "shutting_down"),
        };
        Self::new(status, code, error)
    }
}

/// Leave to do what concerns the whole node.
pub(super) struct ManagesEverything;

impl FromRequestParts<Api> for ManagesEverything {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _api: &Api) -> Result<Self, ApiError> {
        Visitor::of(&parts.extensions).known()?.check(Right::Manage, Resource::Everything)?;
        Ok(Self)
    }
}

/// Reads the configuration, and says what the node would change to be as it says. Nothing is done.
#[utoipa::path(get, path = "/_reload", tag = "node", responses(
    (status = 200, body = schema::Reconfiguration),
    (status = 409, description = "the node has no configuration file"),
    (status = 422, description = "it has mistakes, which are listed, one a line"),
))]
pub(super) async fn plan(_: ManagesEverything, State(api): State<Api>) -> Result<Response, ApiError> {
    Ok(answer::object(&api.reconfigurer.get()?.plan().await?))
}

/// Reads the configuration again, and has the node be as it says. If it has mistakes, nothing is done.
#[utoipa::path(post, path = "/_reload", tag = "node", responses(
    (status = 200, description = "done, but for what `failed` lists", body = schema::Reconfiguration),
    (status = 409, description = "the node has no configuration file"),
    (status = 422, description = "it has mistakes, which are listed, one a line; all goes on as it was"),
))]
pub(super) async fn apply(_: ManagesEverything, State(api): State<Api>) -> Result<Response, ApiError> {
    Ok(answer::object(&api.reconfigurer.get()?.apply().await?))
}
