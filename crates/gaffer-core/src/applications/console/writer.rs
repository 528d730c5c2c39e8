//! The thread that writes.

use std::{
    io::{self, Write},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tracing::{info, warn};

use super::Queue;

/// Texts that may wait for the writer. Each is what a chunk of output became, which is at most 64 KiB before it is taken
/// apart into lines, so that they take a few MB at worst. When the queue is full, those who fill it wait.
const QUEUE: usize = 16;

/// More than this is not joined into one write.
const BATCH: usize = 64 * 1024;

/// A thread that writes what is put in its queue, and ends with it.
pub(super) struct Writer {
    finished: oneshot::Receiver<()>,
}

impl Writer {
    pub(super) fn start(writer: Box<dyn Write + Send>) -> io::Result<(Self, Queue)> {
        let (queue, texts) = mpsc::channel(QUEUE);
        let (finish, finished) = oneshot::channel();
        std::thread::Builder::new().name("console".to_owned()).spawn(move || {
            if let Err(error) = write_all(writer, texts) {
                // Whoever read it has gone: no reason to end anything else.
                if error.kind() == io::ErrorKind::BrokenPipe {
                    info!("nobody reads the console output any more");
                } else {
                    warn!(%error, "console output ended");
                }
            }
            drop(finish);
        })?;
        Ok((Self { finished }, queue))
    }

    /// Resolves once all is written and the thread has ended, or after `patience`: then it is left behind.
    pub(super) async fn finished(self, patience: Duration) {
        drop(timeout(patience, self.finished).await);
    }
}

fn write_all(mut writer: Box<dyn Write + Send>, mut texts: mpsc::Receiver<String>) -> io::Result<()> {
    while let Some(mut text) = texts.blocking_recv() {
        while text.len() < BATCH
            && let Ok(more) = texts.try_recv()
        {
            text.push_str(&more);
        }
        writer.write_all(text.as_bytes())?;
        writer.flush()?;
    }
    Ok(())
}
