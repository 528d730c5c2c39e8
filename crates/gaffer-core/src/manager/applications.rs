//! Starting and stopping what lives with the manager.

use std::sync::Arc;

use tokio::sync::watch;
use tracing::error;

use super::{
    Manager,
    shared::{End, Shared, Stage},
};
use crate::applications::{Application, ApplicationError};

/// The applications that have started, in that order.
#[derive(Default)]
pub(crate) struct Started {
    applications: Vec<(Batch, Box<dyn Application>)>,
    last_batch: u64,
}

/// Tells what one call has started from what another has.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Batch(u64);

impl Started {
    fn new_batch(&mut self) -> Batch {
        self.last_batch += 1;
        Batch(self.last_batch)
    }
}

impl Manager {
    /// Starts applications, in the order given. They are stopped in that order once all jobs are stopped.
    ///
    /// If the manager stops meanwhile, what has started is stopped with it and the rest is not started; that is no error.
    ///
    /// # Errors
    /// The first application that does not start, with its name; those before it are stopped again.
    pub async fn start_applications(
        &self,
        applications: Vec<Box<dyn Application>>,
    ) -> Result<(), (String, ApplicationError)> {
        let batch = self.shared.applications.lock().await.new_batch();
        for mut application in applications {
            if self.ends() {
                break;
            }
            // Without the lock: an application that takes its time must not keep the others from being stopped.
            if let Err(error) = application.start(self.clone()).await {
                let started = &mut *self.shared.applications.lock().await;
                for (_, mut started) in started.applications.extract_if(.., |(of, _)| *of == batch) {
                    started.stop().await;
                }
                return Err((application.name().to_owned(), error));
            }
            let mut started = self.shared.applications.lock().await;
            // Looked at under the lock: `close` ends what it finds there, after it has said that the end has come.
            if self.ends() {
                drop(started);
                stop(application).await;
                break;
            }
            started.applications.push((batch, application));
        }
        Ok(())
    }

    /// Restarts all applications. Gives up when the manager ends: that must not wait for an application that hangs.
    pub(super) async fn restart_applications(&self) {
        let mut stage = self.shared.stage.clone();
        let restart = async {
            for (_, application) in &mut self.shared.applications.lock().await.applications {
                application.restart().await;
            }
        };
        tokio::select! {
            biased;
            _ = stage.wait_for(|stage| *stage != Stage::Running) => {} // An error says that the actor is gone: the end, too.
            () = restart => {}
        }
    }

    /// Whether all jobs are stopped, and applications are stopped next or were already.
    fn ends(&self) -> bool {
        *self.shared.stage.borrow() != Stage::Running
    }
}

/// Ends what is left once the actor is done: applications first, as they may still tell their clients, then the events.
pub(super) async fn close(shared: Arc<Shared>, stage: watch::Sender<Stage>, end: End) {
    stage.send_replace(Stage::Closing);
    let started = std::mem::take(&mut shared.applications.lock().await.applications);
    for (_, application) in started {
        stop(application).await;
    }
    shared.monitor.close();
    shared.journal.close();
    stage.send_replace(Stage::Stopped(Arc::new(end)));
}

/// Stops an application, in a task of its own: a panic in it must not keep the others from being stopped.
async fn stop(mut application: Box<dyn Application>) {
    let name = application.name().to_owned();
    if let Err(error) = tokio::spawn(async move { application.stop().await }).await {
        error!(%error, "stopping the application {name} failed");
    }
}
