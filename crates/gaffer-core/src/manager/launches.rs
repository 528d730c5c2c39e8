//! Streams of processes as they are launched, for who must not miss one: it may be gone before its `spawn` event is read.

use std::sync::Mutex;

use tokio::sync::mpsc;

use crate::{
    names::{JobName, ProcessId},
    streams::ProcessIo,
    sync::lock,
};

/// A process that was launched.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) pid: ProcessId,
    pub(crate) job: JobName,
    pub(crate) io: ProcessIo,
}

/// Tells of launches.
#[derive(Debug, Default)]
pub(crate) struct Launches(Mutex<Option<mpsc::UnboundedSender<Launched>>>);

impl Launches {
    /// Is told of all launches from now on, each before its `spawn` event. There is one listener: the last that came.
    ///
    /// Nothing is dropped, so that it must not let them lie. Nothing bounds them but how often processes are restarted: with a reader
    /// that stalls, each instance that crashes leaves here what it wrote and nobody has taken.
    pub(super) fn listen(&self) -> mpsc::UnboundedReceiver<Launched> {
        let (sender, receiver) = mpsc::unbounded_channel();
        *lock(&self.0) = Some(sender);
        receiver
    }

    /// A process was launched; `launched` is asked only if somebody listens.
    pub(super) fn tell(&self, launched: impl FnOnce() -> Option<Launched>) {
        let mut listener = lock(&self.0);
        if let Some(sender) = &*listener
            && let Some(launched) = launched()
            && sender.send(launched).is_err()
        {
            *listener = None;
        }
    }
}
