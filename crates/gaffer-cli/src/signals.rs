//! Signals that end the program, for who has to leave something in order.

use std::{future::pending, io, ops::ControlFlow};

use gaffer_core::names::Signal;
use tokio::signal::unix::{SignalKind, signal};

use crate::Failure;

/// The next signal that asks the program to end: SIGINT, SIGTERM or SIGHUP. From the first call on they do not end it by themselves.
///
/// # Errors
/// When they cannot be listened to.
async fn deadly_signal() -> Result<Signal, Failure> {
    let listen =
        |kind| signal(kind).map_err(|error: io::Error| Failure::Failed(format!("cannot listen to signals: {error}")));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    let kind = tokio::select! {
        Some(()) = interrupt.recv() => SignalKind::interrupt(),
        Some(()) = terminate.recv() => SignalKind::terminate(),
        Some(()) = hangup.recv() => SignalKind::hangup(),
        else => pending().await,
    };
    Signal::new(kind.as_raw_value()).map_err(|error| Failure::Failed(error.to_string()))
}

/// Does a task, unless a signal that ends the program comes first: then the task is dropped, and the program must be ended once
/// everything is in order. Signals are listened to before the task does anything.
///
/// # Errors
/// When signals cannot be listened to.
pub async fn unless_signalled<T>(task: impl Future<Output = T>) -> Result<ControlFlow<Signal, T>, Failure> {
    tokio::select! {
        biased;
        signal = deadly_signal() => signal.map(ControlFlow::Break),
        done = task => Ok(ControlFlow::Continue(done)),
    }
}
