//! A program that supervises a job, with an application of its own in the same process: it counts exits, and tells at the end.
//!
//! `cargo run --package gaffer-core --example application`, then Ctrl-C. What a plugin's program does over its stdin and stdout,
//! such an application does with the manager itself.

#![expect(clippy::print_stdout, reason = "a program's own word")]

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use gaffer_core::{
    JobSpec, Manager, ManagerOptions,
    applications::{Application, ApplicationError, BoxFuture, SignalHandler},
    backend::RealBackend,
    events::{Delivery, EventKind, Pattern},
};
use tokio::task::JoinHandle;

/// Counts exits.
#[derive(Default)]
struct Tally {
    exits: Arc<AtomicU64>,
    /// From the start to the stop.
    task: Option<JoinHandle<()>>,
}

impl Application for Tally {
    fn name(&self) -> &str {
        "tally"
    }

    fn start(&mut self, manager: Manager) -> BoxFuture<'_, Result<(), ApplicationError>> {
        // From here on no exit is missed.
        let mut events = manager.subscribe(&Pattern::Kind(EventKind::Exit));
        let exits = Arc::clone(&self.exits);
        self.task = Some(tokio::spawn(async move {
            // It ends with the manager.
            while let Some(delivery) = events.recv().await {
                let number = match delivery {
                    Delivery::Item(_) => 1,
                    Delivery::Lagged(lost) => lost,
                };
                if exits.fetch_add(number, Ordering::Relaxed) == 0 {
                    println!("the first exit");
                }
            }
        }));
        Box::pin(std::future::ready(Ok(())))
    }

    fn stop(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            println!("{} exits", self.exits.load(Ordering::Relaxed));
            if let Some(task) = self.task.take() {
                task.abort();
            }
        })
    }

    fn restart(&mut self) -> BoxFuture<'_, ()> {
        self.exits.store(0, Ordering::Relaxed);
        Box::pin(std::future::ready(()))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let manager = Manager::start(ManagerOptions::default(), RealBackend::start)?;
    let signals = SignalHandler::install()?;
    let started = manager.start_applications(vec![Box::new(signals), Box::new(Tally::default())]).await;
    started.map_err(|(name, error)| format!("cannot start {name}: {error}"))?;
    manager.load(JobSpec::new("hasty".parse()?, "sleep 1").check()?).await?;
    manager.stopped().await; // Until Ctrl-C.
    Ok(())
}
