//! Plugins, and their sites.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use futures_util::future::{BoxFuture, ready};
use gaffer_core::api::plugins::PluginInfo;
use serde::Serialize;
use tracing::error;
use utoipa::ToSchema;

use super::{ApiError, access::ReadsEverything, answer, frame, schema};
use crate::sites::{NotServed, Sites};

/// Sends a file of a plugin's site.
#[utoipa::path(get, path = "/_plugin/{plugin}/{*path}", tag = "plugins", params(
    ("plugin" = String, Path, description = "Name of a plugin."),
    ("path" = String, Path, description = "Path of a file in its site: any number of segments. None, or a slash at the end, is the `index.html` there."),
), responses(
    (status = 200, description = "the file", content_type = "*/*"),
    (status = 206, description = "the part that `Range` asks for", content_type = "*/*"),
    (status = 304, description = "the file is the one that the client has"),
    (status = 307, description = "a folder is named without the slash at its end; `Location` has it"),
    (status = 412, description = "the file is not the one that `If-Match` or `If-Unmodified-Since` asks for"),
    (status = 416, description = "the file does not have the part that `Range` asks for"),
    (status = 503, description = "too many files are being sent; or the node is shutting down"),
))]
pub(super) async fn file(State(Plugins { sites, policy, .. }): State<Plugins>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    match sites.serve(&head).await {
        Ok(mut response) => {
            response.headers_mut().extend(policy.map(|policy| (header::CONTENT_SECURITY_POLICY, policy)));
            response
        }
        Err(reason) => refusal(reason, head.uri).await,
    }
}

/// The plugins.
#[derive(Serialize, ToSchema)]
#[schema(as = PluginList)]
struct Told {
    /// In the order of their names.
    #[schema(value_type = Vec<schema::Plugin>)]
    plugins: Vec<PluginInfo>,
}

/// Lists the plugins: what they are, and how their applications do.
#[utoipa::path(get, path = "/plugins", tag = "plugins", responses(
    (status = 200, description = "in the order of their names", body = Told),
))]
pub(super) async fn list(_: ReadsEverything, State(Plugins { list, .. }): State<Plugins>) -> Response {
    answer::object(&Told { plugins: list.ask().await }).into_response()
}

/// Who knows what plugins there are.
#[derive(Clone)]
pub struct PluginList(Arc<dyn Fn() -> BoxFuture<'static, Vec<PluginInfo>> + Send + Sync>);

impl PluginList {
    /// Asks this for the list, whenever a client does.
    pub fn new(ask: impl Fn() -> BoxFuture<'static, Vec<PluginInfo>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }

    async fn ask(&self) -> Vec<PluginInfo> {
        (self.0)().await
    }
}

impl Default for PluginList {
    /// Of no plugins.
    fn default() -> Self {
        Self::new(|| Box::pin(ready(Vec::new())))
    }
}

impl std::fmt::Debug for PluginList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginList").finish_non_exhaustive()
    }
}

/// The sites of plugins.
#[derive(Clone)]
pub(super) struct Plugins {
    pub(super) list: PluginList,
    pub(super) sites: Sites,
    /// Who may have their pages in a frame: what a user clicks there is an act of the node's own page.
    pub(super) policy: Option<HeaderValue>,
}

async fn refusal(reason: NotServed, uri: Uri) -> Response {
    match reason {
        NotServed::Nothing => frame::no_route(uri).await.into_response(),
        NotServed::Changed => {
            ApiError::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", reason).into_response()
        }
        NotServed::Unsatisfiable { length } => {
            let has = HeaderValue::from_str(&format!("bytes */{length}")).map(|has| (header::CONTENT_RANGE, has));
            let error = ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", reason);
            let mut response = error.into_response();
            response.headers_mut().extend(has);
            response
        }
        NotServed::TooMany => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_files", reason).into_response(),
        NotServed::Unreadable(cause) => {
            error!(path = uri.path(), error = &cause as &dyn std::error::Error, "a file of a site cannot be read");
            let reason = "an error inside gaffer; its log has more";
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", reason).into_response()
        }
    }
}
