//! A program that supervises a job, serves gaffer's API, and has a page of its own beside it.
//!
//! `cargo run --example embed -- 127.0.0.1:5000`, then `curl localhost:5000/jobs-that-run` and `curl localhost:5000/processes`.

#![expect(clippy::print_stderr, reason = "a program's own word")]

use std::{env, error::Error};

use axum::{Json, Router, extract::State, routing::get};
use gaffer_core::{Manager, ManagerOptions, applications::SignalHandler, backend::RealBackend, config::JobSpec};
use gaffer_http::{HttpHandler, api::Options, serve::Endpoint};

/// A handler of one's own: it asks the manager as ours do.
async fn jobs_that_run(State(manager): State<Manager>) -> Json<Vec<String>> {
    let infos = manager.infos().await.unwrap_or_default(); // Stopped: nothing runs.
    Json(infos.iter().filter(|info| info.active).map(|info| info.name.to_string()).collect())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let bind = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned()).parse()?;
    let http = HttpHandler::bind(&[Endpoint { bind, ..Endpoint::default() }]).await?;
    let addresses = http.addresses().to_vec();

    let manager = Manager::start(ManagerOptions::default(), RealBackend::start)?;
    let routes = Router::new().route("/jobs-that-run", get(jobs_that_run)).with_state(manager.clone());
    let http = http.with_options(Options { routes, ..Options::default() });
    let signals = SignalHandler::install()?;
    let started = manager.start_applications(vec![Box::new(signals), Box::new(http)]).await;
    started.map_err(|(name, error)| format!("cannot start {name}: {error}"))?;

    manager.load(JobSpec::new("sleeper".parse()?, "sleep 1000").check()?).await?;
    for address in addresses {
        eprintln!("listening on {address}");
    }
    manager.stopped().await; // Until Ctrl-C.
    Ok(())
}
