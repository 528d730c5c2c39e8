//! From the errors of the manager, and of reading requests, to statuses and codes.

use axum::http::StatusCode;
use gaffer_core::{
    ManagerError,
    api::channel::Failure,
    config::InvalidConfig,
    names::{InvalidJobName, InvalidLabel, InvalidSignal},
    supervisor::Refusal,
};
use gaffer_state::{AccessError, StateError};
use tracing::error;

use super::family;
use crate::{front::ApiError, webhooks::WebhookError};

impl ApiError {
    /// What cannot be kept.
    pub(crate) fn of_state(error: &StateError) -> Self {
        error!(error = error as &dyn std::error::Error, "keys and users cannot be kept");
        Self::internal()
    }

    /// What is nobody's fault but ours, and told in the log.
    fn internal() -> Self {
        let reason = "an error inside gaffer; its log has more";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", reason)
    }

    /// The same in the words of the sessions family, as messages of `/channel` carry it.
    pub(crate) fn failure(&self) -> Failure {
        let code = family::in_sessions(self.code()).unwrap_or(self.code());
        Failure { errno: self.status().as_u16(), error: code.to_owned(), reason: self.reason().to_owned() }
    }
}

impl From<ManagerError> for ApiError {
    fn from(error: ManagerError) -> Self {
        // No `_` arm: a new variant must choose its status.
        let (status, code) = match &error {
            ManagerError::Refused(refusal) => match refusal {
                Refusal::UnknownJob(_) | Refusal::UnknownSession(_) | Refusal::UnknownProcess(_) => {
                    (StatusCode::NOT_FOUND, "not_found")
                }
                Refusal::AlreadyLoaded(_) => (StatusCode::CONFLICT, "conflict"),
                Refusal::NotStarted { .. } | Refusal::NotLaunched { .. } => {
                    (StatusCode::UNPROCESSABLE_ENTITY, "not_started")
                }
                Refusal::Superseded(_) => (StatusCode::CONFLICT, "superseded"),
                Refusal::Reserved(_) => (StatusCode::FORBIDDEN, "forbidden"),
                Refusal::TooMany { .. } => (StatusCode::BAD_REQUEST, "bad_value"),
                Refusal::NotKept { .. } => (StatusCode::INSUFFICIENT_STORAGE, "not_kept"),
                Refusal::ShuttingDown => (StatusCode::SERVICE_UNAVAILABLE, "shutting_down"),
            },
            ManagerError::NotRedirected(_) => (StatusCode::BAD_REQUEST, "io_not_redirected"),
            ManagerError::UnknownStream { .. } => (StatusCode::NOT_FOUND, "io_not_found"),
            ManagerError::NotWritable { .. } => (StatusCode::NOT_FOUND, "not_found"),
            ManagerError::NoStdin(_) => (StatusCode::FORBIDDEN, "forbidden_write"),
            ManagerError::Write { .. } => (StatusCode::CONFLICT, "stream_closed"),
            ManagerError::Stopped => (StatusCode::SERVICE_UNAVAILABLE, "shutting_down"),
        };
        Self::new(status, code, error)
    }
}

impl From<AccessError> for ApiError {
    fn from(error: AccessError) -> Self {
        let (status, code) = match &error {
            AccessError::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden"),
            AccessError::UnknownKey | AccessError::UnknownUser => (StatusCode::NOT_FOUND, "not_found"),
            AccessError::TooMany(_) => (StatusCode::CONFLICT, "too_many"),
            AccessError::UserExists(_) => (StatusCode::CONFLICT, "user_conflict"),
            AccessError::State(error) => return Self::of_state(error),
            AccessError::Invalid { .. } => (StatusCode::BAD_REQUEST, "bad_request"),
        };
        Self::new(status, code, error)
    }
}

impl From<WebhookError> for ApiError {
    fn from(error: WebhookError) -> Self {
        let (status, code) = match &error {
            WebhookError::Unusable { .. } | WebhookError::Unkept => (StatusCode::BAD_REQUEST, "bad_request"),
            WebhookError::Unknown(_) => (StatusCode::NOT_FOUND, "not_found"),
            WebhookError::Exists { .. } | WebhookError::Configured { .. } => (StatusCode::CONFLICT, "conflict"),
            WebhookError::TooMany => (StatusCode::CONFLICT, "too_many"),
            WebhookError::State(error) => {
                error!(error = error as &dyn std::error::Error, "webhooks cannot be kept");
                return Self::internal();
            }
            WebhookError::Random => {
                error!(%error, "no webhook can be made");
                return Self::internal();
            }
            WebhookError::Ended => (StatusCode::SERVICE_UNAVAILABLE, "shutting_down"),
        };
        Self::new(status, code, error)
    }
}

impl From<InvalidConfig> for ApiError {
    fn from(error: InvalidConfig) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_process_info", error)
    }
}

impl From<InvalidJobName> for ApiError {
    fn from(error: InvalidJobName) -> Self {
        Self::bad_value(error)
    }
}

impl From<InvalidSignal> for ApiError {
    fn from(error: InvalidSignal) -> Self {
        Self::bad_value(error)
    }
}

impl From<InvalidLabel> for ApiError {
    fn from(error: InvalidLabel) -> Self {
        Self::bad_value(error)
    }
}
