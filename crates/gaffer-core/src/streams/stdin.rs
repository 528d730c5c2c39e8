//! stdin of a process: one queue, and one task that writes it into the pipe.

use std::{fmt, io, sync::Arc};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::{Notify, Semaphore, mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// Bytes that may be queued, over all writers; who comes with more waits. It is what a slow process can cost in memory: enough
/// to keep a pipe (64 KiB) busy between two turns of a writer, and small beside the process itself.
const MAX_BYTES: u32 = 1024 * 1024;

/// Messages that may be queued, as each costs some 100 bytes even if it is one byte long.
const MAX_MESSAGES: usize = 1024;

/// Why a write failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StdinError {
    /// The process has ended or closed its stdin.
    #[error("the process has closed its stdin or ended")]
    Closed,
}

/// The way into a process. Cheap to clone; any number of writers at once.
///
/// Each message is written whole: messages never mix, and those that one writer awaits one after the other keep their
/// order. At most 1 MiB and 1,024 messages are queued; further writers wait in line until the process has read. A message
/// of more than 1 MiB is taken when nothing else is queued.
///
/// The pipe is closed after what is queued, by [`close`](Self::close) or when the last clone is dropped.
#[derive(Clone)]
pub struct Stdin {
    queue: mpsc::Sender<Message>,
    gate: Arc<Gate>,
}

/// What writers share with the task that writes.
struct Gate {
    /// Room for bytes. Closed = no more messages are taken.
    room: Semaphore,
    /// Tells the task of `close`.
    closing: Notify,
    /// Tells the task of `abandon`.
    abandoned: CancellationToken,
}

struct Message {
    data: Bytes,
    /// The share of [`Gate::room`] that this takes.
    cost: u32,
    /// Dropped without an answer if the message could not be written.
    written: oneshot::Sender<()>,
}

impl Stdin {
    /// Takes over a pipe; must be called within a tokio runtime.
    pub fn new(pipe: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        let (queue, messages) = mpsc::channel(MAX_MESSAGES);
        let gate = Arc::new(Gate {
            room: Semaphore::new(MAX_BYTES as usize),
            closing: Notify::new(),
            abandoned: CancellationToken::new(),
        });
        tokio::spawn(serve(pipe, messages, Arc::clone(&gate)));
        Self { queue, gate }
    }

    /// Writes everything. Resolves once all is in the pipe; whether the process reads it is another matter.
    ///
    /// # Errors
    ///
    /// [`StdinError::Closed`] when the process no longer reads, or stdin was closed before the message was queued. If the
    /// process ends meanwhile, part of the message may have been written; else nothing was.
    ///
    /// # Cancel safety
    ///
    /// Dropping this never tears a message: either nothing is written, if it was still waiting for room, or all.
    pub async fn write(&self, data: Bytes) -> Result<(), StdinError> {
        if self.gate.room.is_closed() {
            return Err(StdinError::Closed);
        }
        if data.is_empty() {
            return Ok(());
        }
        let slot = self.queue.reserve().await.map_err(|_| StdinError::Closed)?;
        let cost = u32::try_from(data.len()).unwrap_or(MAX_BYTES).min(MAX_BYTES);
        // The semaphore is fair: a large message is not overtaken for ever by small ones.
        let room = self.gate.room.acquire_many(cost).await.map_err(|_| StdinError::Closed)?;
        room.forget(); // The task gives it back. There is no `await` between this and `send`.
        let (written, answer) = oneshot::channel();
        slot.send(Message { data, cost, written });
        answer.await.map_err(|_| StdinError::Closed)
    }

    /// Writes all lines as one message: joined as they are, nothing added.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    ///
    /// # Cancel safety
    ///
    /// As [`write`](Self::write).
    pub async fn writelines<I: IntoIterator<Item = Bytes> + Send>(&self, lines: I) -> Result<(), StdinError> {
        // One copy, so that a message is one write and its memory is what it counts for, however short the lines.
        let mut all = BytesMut::new();
        for line in lines {
            all.extend_from_slice(&line);
        }
        self.write(all.freeze()).await
    }

    /// Closes stdin: the process reads an end of file after what is queued. Writers that still wait for room, and later
    /// ones, get [`StdinError::Closed`].
    pub fn close(&self) {
        self.gate.room.close();
        self.gate.closing.notify_one(); // Kept for the task if it is writing just now.
    }

    /// Closes stdin at once, whatever is queued: for when nobody is left who should read it. Somebody outside may still hold
    /// the other end, so that a write would wait for ever. All writers get [`StdinError::Closed`].
    pub(crate) fn abandon(&self) {
        self.gate.room.close();
        self.gate.abandoned.cancel();
    }

    /// Whether writes would fail: stdin was closed, or a write has found that the process no longer reads.
    pub fn is_closed(&self) -> bool {
        self.gate.room.is_closed()
    }
}

impl fmt::Debug for Stdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdin").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// Writes what is queued until stdin is closed, the last writer has gone, or the process no longer reads.
async fn serve(mut pipe: impl AsyncWrite + Unpin, mut messages: mpsc::Receiver<Message>, gate: Arc<Gate>) {
    let outcome = tokio::select! {
        biased; // What may be written at once is, before an abandoned pipe is given up.
        outcome = write_all(&mut pipe, &mut messages, &gate) => outcome,
        () = gate.abandoned.cancelled() => Ok(()),
    };
    if let Err(error) = outcome
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        debug!(%error, "failed to write to the stdin of a process");
    }
    drop(pipe);
    // Refuse the rest, one by one: a message that is sent into a queue without a reader would never be answered.
    gate.room.close();
    messages.close();
    while messages.recv().await.is_some() {}
}

async fn write_all(
    pipe: &mut (impl AsyncWrite + Unpin),
    messages: &mut mpsc::Receiver<Message>,
    gate: &Gate,
) -> io::Result<()> {
    loop {
        let message = tokio::select! {
            message = messages.recv() => message,
            () = gate.closing.notified(), if !messages.is_closed() => {
                messages.close(); // What is queued, or has room already, is still received.
                continue;
            }
        };
        let Some(Message { data, cost, written }) = message else { break };
        pipe.write_all(&data).await?;
        pipe.flush().await?;
        drop(data); // Before its room is given back.
        gate.room.add_permits(cost as usize);
        let _ = written.send(()); // The writer may have given up waiting.
    }
    pipe.shutdown().await
}

#[cfg(test)]
mod tests;
