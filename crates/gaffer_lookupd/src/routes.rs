//! What those ask who look for something.

use std::sync::Arc;

use axum::{Router, extract::State, http::StatusCode, response::Response, routing::get};
use gaffer_http::{
    front::{self, ApiError, Path, Query, Websocket},
    serve::Lifetime,
};
use serde::{Deserialize, Serialize};

use crate::{
    directory::Directory,
    node,
    options::{Options, Pings},
    watcher,
};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What handlers ask.
#[derive(Clone)]
struct Lookupd {
    directory: Arc<Directory>,
    pings: Pings,
    lifetime: Lifetime,
}

/// The routes of a lookup server, with a registry of their own. Connections of nodes, and of who watches, end with `lifetime`.
pub fn router(options: Options, lifetime: Lifetime) -> Router {
    let Options { front, pings } = options;
    let directory = Directory::new(pings.interval);
    let watcher = watcher::routes(Arc::clone(&directory), front.origins.clone(), lifetime.clone());
    let routes = Router::new()
        .route("/", get(welcome))
        .route("/ping", get(async || front::word("OK")))
        .route("/version", get(async || front::object(&Version { version: VERSION })))
        .route("/nodes", get(nodes))
        .route("/sessions", get(sessions))
        .route("/sessions/{node}", get(sessions_of))
        .route("/jobs", get(jobs))
        .route("/findJob", get(find_job))
        .route("/findSession", get(find_session))
        .route("/ws", get(register))
        .with_state(Lookupd { directory, pings, lifetime });
    front.surround(routes, watcher)
}

/// Who answers.
#[derive(Serialize)]
struct Welcome {
    welcome: &'static str,
    version: &'static str,
}

/// What answers.
#[derive(Serialize)]
struct Version {
    version: &'static str,
}

async fn welcome() -> Response {
    front::object(&Welcome { welcome: "gaffer-lookupd", version: VERSION })
}

async fn nodes(State(lookupd): State<Lookupd>) -> Response {
    front::object(&lookupd.directory.look(|registry| registry.nodes()))
}

async fn sessions(State(lookupd): State<Lookupd>) -> Response {
    front::ready(lookupd.directory.sessions().await)
}

async fn sessions_of(State(lookupd): State<Lookupd>, Path(node): Path<String>) -> Response {
    front::object(&lookupd.directory.look(|registry| registry.sessions(Some(&node))))
}

async fn jobs(State(lookupd): State<Lookupd>) -> Response {
    front::ready(lookupd.directory.jobs().await)
}

#[derive(Deserialize)]
struct JobQuery {
    name: Option<String>,
}

async fn find_job(State(lookupd): State<Lookupd>, Query(query): Query<JobQuery>) -> Result<Response, ApiError> {
    let name = query.name.ok_or_else(|| missing("name", "the job to find"))?;
    Ok(front::object(&lookupd.directory.look(|registry| registry.find_job(&name))))
}

#[derive(Deserialize)]
struct SessionQuery {
    sessionid: Option<String>,
}

async fn find_session(State(lookupd): State<Lookupd>, Query(query): Query<SessionQuery>) -> Result<Response, ApiError> {
    let session = query.sessionid.ok_or_else(|| missing("sessionid", "the session to find"))?;
    Ok(front::object(&lookupd.directory.look(|registry| registry.find_session(&session))))
}

async fn register(State(lookupd): State<Lookupd>, websocket: Websocket) -> Response {
    node::serve(websocket, lookupd.directory, lookupd.pings, &lookupd.lifetime)
}

fn missing(parameter: &str, what: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "bad_request", format!("the query needs `{parameter}`: {what}"))
}
