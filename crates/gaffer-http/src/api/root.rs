//! Signs of life.

use axum::response::{Html, Response};
use serde::Serialize;

use super::answer;

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Serialize)]
struct Welcome {
    welcome: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Version {
    name: &'static str,
    version: &'static str,
}

/// `GET /`
pub(super) async fn welcome() -> Response {
    answer::object(&Welcome { welcome: "gaffer", version: VERSION })
}

/// `GET /ping`
pub(super) async fn ping() -> Html<&'static str> {
    Html("OK")
}

/// `GET /version`
pub(super) async fn version() -> Response {
    answer::object(&Version { name: "gaffer", version: VERSION })
}
