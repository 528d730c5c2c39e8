//! Extensions that live with the manager.

mod console;
mod signals;

use std::{future::Future, pin::Pin};

pub use console::{ConsoleOutput, ConsoleSettings, DEFAULT_ACTIONS};
pub use signals::SignalHandler;

use crate::manager::Manager;

/// A future as [`Application`]s return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why an application did not start.
pub type ApplicationError = Box<dyn std::error::Error + Send + Sync>;

/// An extension that lives with the manager and may act on it, listen to its events, or serve it to others.
///
/// The manager starts its applications in the order given, and stops them in that order once all jobs are stopped.
pub trait Application: Send {
    /// For logs and errors.
    fn name(&self) -> &str;

    /// Called when the manager starts.
    ///
    /// # Errors
    /// An error keeps the manager from starting; applications that had started are stopped again.
    fn start(&mut self, manager: Manager) -> BoxFuture<'_, Result<(), ApplicationError>>;

    /// Called when the manager has stopped all jobs.
    fn stop(&mut self) -> BoxFuture<'_, ()>;

    /// Called when the manager restarts everything.
    fn restart(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}
