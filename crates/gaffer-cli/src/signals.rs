//! Signals that end the program, for who has to leave something in order.

use std::{future::poll_fn, ops::ControlFlow, sync::mpsc, task::Poll, thread};

use gaffer_core::{names::Signal, os};
use tokio::signal::{
    self,
    unix::{SignalKind, signal},
};

use crate::Failure;

/// The signals that ask the program to end: SIGINT, SIGTERM and SIGHUP.
struct Deadly([(SignalKind, signal::unix::Signal); 3]);

impl Deadly {
    /// Listens to them. From now on they do not end the program by themselves.
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| match signal(kind) {
            Ok(listener) => Ok((kind, listener)),
            Err(error) => Err(Failure::Failed(format!("cannot listen to signals: {error}"))),
        };
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds.map(listen);
        Ok(Self([interrupt?, terminate?, hangup?]))
    }

    /// The next one.
    async fn next(&mut self) -> Result<Signal, Failure> {
        let kind = poll_fn(|cx| {
            let came = |(kind, listener): &mut (_, signal::unix::Signal)| match listener.poll_recv(cx) {
                Poll::Ready(Some(())) => Some(*kind),
                Poll::Ready(None) | Poll::Pending => None,
            };
            self.0.iter_mut().find_map(came).map_or(Poll::Pending, Poll::Ready)
        });
        Signal::new(kind.await.as_raw_value()).map_err(|error| Failure::Failed(error.to_string()))
    }
}

/// From now on a signal that ends the program does so after this, also while the program waits for something else.
///
/// # Errors
/// When signals cannot be listened to.
pub(crate) fn before_the_end(first: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let (listening, listens) = mpsc::channel();
    thread::spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_io().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                return listening.send(Err(Failure::Failed(format!("cannot listen to signals: {error}"))));
            }
        };
        runtime.block_on(async {
            let mut deadly = match Deadly::listen() {
                Ok(deadly) => deadly,
                Err(failure) => return listening.send(Err(failure)),
            };
            listening.send(Ok(()))?;
            if let Ok(signal) = deadly.next().await {
                first();
                os::die_of(signal);
            }
            Ok(())
        })
    });
    // If it is gone without a word, so is everything.
    listens.recv().unwrap_or_else(|error| Err(Failure::Failed(format!("cannot listen to signals: {error}"))))
}

/// Does a task, unless a signal that ends the program comes first: then the task is dropped, and the program must be ended once
/// everything is in order. Signals are listened to before the task does anything.
///
/// # Errors
/// When signals cannot be listened to.
pub async fn unless_signalled<T>(task: impl Future<Output = T>) -> Result<ControlFlow<Signal, T>, Failure> {
    tokio::select! {
        biased;
        signal = async { Deadly::listen()?.next().await } => signal.map(ControlFlow::Break),
        done = task => Ok(ControlFlow::Continue(done)),
    }
}
