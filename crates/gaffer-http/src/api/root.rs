//! Signs of life.

use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Who answers.
#[derive(Serialize, ToSchema)]
struct Welcome {
    welcome: &'static str,
    version: &'static str,
}

/// What answers.
#[derive(Serialize, ToSchema)]
struct Version {
    name: &'static str,
    version: &'static str,
}

/// Says hello.
#[utoipa::path(get, path = "/", tag = "node", responses((status = 200, body = Welcome)))]
pub(super) async fn welcome() -> Response {
    answer::object(&Welcome { welcome: "gaffer", version: VERSION })
}

/// Says that the node is there.
#[utoipa::path(get, path = "/ping", tag = "node", responses(
    (status = 200, description = "`OK`", body = String, content_type = "text/html; charset=UTF-8"),
))]
pub(super) async fn ping() -> Response {
    answer::word("OK")
}

/// Tells name and version.
#[utoipa::path(get, path = "/version", tag = "node", responses((status = 200, body = Version)))]
pub(super) async fn version() -> Response {
    answer::object(&Version { name: "gaffer", version: VERSION })
}
