//! Events and output on the console.
//!
//! ```text
//! 15:31:52 dummy | spawn process with pid 51134
//! 15:31:52 dummy | hello, dummy (pid: 51134) is alive
//! 15:32:03 dummy | exit process with pid 51134
//! ```
//!
//! Supervision never waits for a terminal: one task reads events, one more per process its output, and a thread of its own
//! writes. What they hand over to the thread goes through one bounded queue. A writer that stalls fills it; then the task that
//! reads events keeps some, and from then on its subscription drops the oldest and tells how many that was.
//!
//! With output it is the same, unless the console is lossless: then each output has the console as its sink, which makes the
//! process wait at last. That still is no affair of the supervisor, which can end the process as any other.

mod cast;
mod describe;
mod follower;
mod narrator;
mod order;
mod settings;
mod sources;
mod stream;
mod tidy;
mod writer;

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

pub use self::settings::{ConsoleSettings, DEFAULT_ACTIONS};
use self::{
    narrator::Narrator,
    writer::{Writer, Writers},
};
use super::{Application, ApplicationError, BoxFuture};
use crate::manager::Manager;

/// Shows events, and the output of processes, as lines. Lines of different processes never mix.
pub struct ConsoleOutput {
    settings: ConsoleSettings,
    /// Until the start.
    writers: Option<Writers>,
    /// From the start to the stop.
    running: Option<Running>,
    failure: watch::Sender<Option<Arc<io::Error>>>,
    hurried: CancellationToken,
}

struct Running {
    stopping: CancellationToken,
    task: JoinHandle<()>,
    writer: Writer,
}

impl ConsoleOutput {
    /// Shows on stdout.
    pub fn new(settings: ConsoleSettings) -> Self {
        Self::with_writer(settings, Box::new(io::stdout()))
    }

    /// Shows elsewhere. The writer may block: it gets a thread of its own. After its first error it is dropped.
    pub fn with_writer(settings: ConsoleSettings, writer: Box<dyn Write + Send>) -> Self {
        Self::new_on(settings, Writers { output: writer, errors: None })
    }

    /// Shows events and what processes write to stdout on one writer, what they write to stderr on the other. Both are written by
    /// one thread, and line by line, so that they may be the same file. In colour, the bars of what goes to the second are red.
    ///
    /// As with [`with_writer`](Self::with_writer) they may block, and are dropped after the first error of either.
    pub fn with_writers(
        settings: ConsoleSettings,
        writer: Box<dyn Write + Send>,
        errors: Box<dyn Write + Send>,
    ) -> Self {
        Self::new_on(settings, Writers { output: writer, errors: Some(errors) })
    }

    fn new_on(settings: ConsoleSettings, writers: Writers) -> Self {
        Self {
            settings,
            writers: Some(writers),
            running: None,
            failure: watch::Sender::new(None),
            hurried: CancellationToken::new(),
        }
    }

    /// Once cancelled, a lossless console waits at its end two seconds for its writers, and no longer. What was not written then is
    /// lost, which is a [`failure`](Self::failure).
    pub fn hurry(&self) -> CancellationToken {
        self.hurried.clone()
    }

    /// Resolves when a writer has failed: nothing more is shown, and processes do not wait for it any more. Never resolves if
    /// none fails.
    pub fn failure(&self) -> impl Future<Output = Arc<io::Error>> + Send + use<> {
        let mut failure = self.failure.subscribe();
        async move {
            loop {
                if let Some(error) = failure.borrow_and_update().clone() {
                    return error;
                }
                if failure.changed().await.is_err() {
                    std::future::pending::<()>().await; // The console is gone, and all is written.
                }
            }
        }
    }
}

impl std::fmt::Debug for ConsoleOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsoleOutput").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Time at the end for what was read to be written, if some may be lost: a terminal that was stopped must not keep the node
/// from ending.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The same for a lossless console, once somebody does not want to wait any more.
const LAST_WORDS_IN_A_HURRY: Duration = Duration::from_secs(2);

impl Application for ConsoleOutput {
    fn name(&self) -> &str {
        "console"
    }

    fn start(&mut self, manager: Manager) -> BoxFuture<'_, Result<(), ApplicationError>> {
        Box::pin(async move {
            let Some(writers) = self.writers.take() else { return Ok(()) }; // It was started before.
            let has_errors = writers.errors.is_some();
            let (writer, queue) = Writer::start(writers, self.failure.clone())?;
            let stopping = CancellationToken::new();
            let narrator = Narrator::new(manager, self.settings.clone(), has_errors, queue);
            let task = tokio::spawn(narrator.run(stopping.clone()));
            self.running = Some(Running { stopping, task, writer });
            Ok(())
        })
    }

    fn stop(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let Some(Running { stopping, mut task, writer }) = self.running.take() else { return };
            stopping.cancel();
            if self.settings.lossless {
                let abort = task.abort_handle();
                let all_is_written = async {
                    drop(task.await); // It has panicked, or was cancelled with the runtime: nobody is left to write for.
                    writer.finished().await;
                };
                let nobody_waits = async {
                    self.hurried.cancelled().await;
                    sleep(LAST_WORDS_IN_A_HURRY).await;
                };
                tokio::select! {
                    () = all_is_written => {}
                    () = nobody_waits => {
                        abort.abort();
                        let error = io::Error::new(io::ErrorKind::TimedOut, "nobody reads it, and some output is lost");
                        self.failure.send_replace(Some(Arc::new(error)));
                    }
                }
            } else {
                if timeout(LAST_WORDS, &mut task).await.is_err() {
                    task.abort();
                }
                drop(timeout(LAST_WORDS, writer.finished()).await); // Then it is left behind.
            }
        })
    }
}

#[cfg(test)]
mod tests;
