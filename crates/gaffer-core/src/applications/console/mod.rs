//! Events and output on the console.
//!
//! ```text
//! 15:31:52 dummy | spawn process with pid 51134
//! 15:31:52 dummy | hello, dummy (pid: 51134) is alive
//! 15:32:03 dummy | exit process with pid 51134
//! ```
//!
//! Supervision never waits for a terminal: one task reads events, one more per process its output, and a thread of its own
//! writes. Each hands over to the next through a bounded queue. A writer that stalls fills them from the end, until the
//! subscriptions drop what is oldest and tell how much that was.

mod lines;
mod writer;

use std::{
    collections::{HashMap, HashSet},
    io::Write,
    sync::Arc,
    time::Duration,
};

use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use self::{lines::Lines, writer::Writer};
use super::{Application, ApplicationError, BoxFuture};
use crate::{
    events::{Delivery, Detail, Event, EventKind, Notification, Pattern, Subscription, Topic},
    manager::Manager,
    names::{JobName, ProcessId, StreamLabel},
    streams::{Chunk, MergedSubscription, Start},
    voice::{Palette, Voice, time_of_day},
};

/// The events that are shown where nothing else is asked for.
pub const DEFAULT_ACTIONS: [EventKind; 6] =
    [EventKind::Start, EventKind::Stop, EventKind::Spawn, EventKind::Reap, EventKind::Exit, EventKind::StopPid];

/// What is shown, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleSettings {
    /// Whether each job has a colour of its own. Default: yes.
    pub colorize: bool,
    /// Whether output of processes is shown, as far as their jobs redirect it. Default: yes.
    pub output_streams: bool,
    /// Which events are shown. Default: [`DEFAULT_ACTIONS`].
    pub actions: Vec<EventKind>,
}

impl Default for ConsoleSettings {
    fn default() -> Self {
        Self { colorize: true, output_streams: true, actions: DEFAULT_ACTIONS.to_vec() }
    }
}

/// Shows events, and the output of processes, as lines. Lines of different processes never mix.
pub struct ConsoleOutput {
    settings: ConsoleSettings,
    /// Until the start.
    writer: Option<Box<dyn Write + Send>>,
    /// From the start to the stop.
    running: Option<Running>,
}

struct Running {
    stopping: CancellationToken,
    task: JoinHandle<()>,
    writer: Writer,
}

impl ConsoleOutput {
    /// Shows on stdout.
    pub fn new(settings: ConsoleSettings) -> Self {
        Self::with_writer(settings, Box::new(std::io::stdout()))
    }

    /// Shows elsewhere. The writer may block: it gets a thread of its own. After its first error it is dropped.
    pub fn with_writer(settings: ConsoleSettings, writer: Box<dyn Write + Send>) -> Self {
        Self { settings, writer: Some(writer), running: None }
    }
}

impl std::fmt::Debug for ConsoleOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsoleOutput").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Time at the end for what was read to be written: a terminal that was stopped must not keep the node from ending.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Application for ConsoleOutput {
    fn name(&self) -> &str {
        "console"
    }

    fn start(&mut self, manager: Manager) -> BoxFuture<'_, Result<(), ApplicationError>> {
        Box::pin(async move {
            let Some(writer) = self.writer.take() else { return Ok(()) }; // It was started before.
            let (writer, queue) = Writer::start(writer)?;
            let stopping = CancellationToken::new();
            let console = Console {
                events: manager.subscribe(&Pattern::All),
                manager,
                settings: self.settings.clone(),
                queue,
                palette: Palette::default(),
                followed: HashMap::new(),
            };
            let task = tokio::spawn(console.run(stopping.clone()));
            self.running = Some(Running { stopping, task, writer });
            Ok(())
        })
    }

    fn stop(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Some(Running { stopping, mut task, writer }) = self.running.take() {
                stopping.cancel();
                if timeout(LAST_WORDS, &mut task).await.is_err() {
                    task.abort();
                }
                writer.finished(LAST_WORDS).await;
            }
        })
    }
}

/// Finished text, in whole lines, on its way to the writer.
type Queue = mpsc::Sender<String>;

/// How long an exit waits to be shown after the last output of its process. That is closed by then, so that this
/// is the time to read what is left of it.
const LAST_OUTPUT: Duration = Duration::from_millis(200);

struct Console {
    manager: Manager,
    settings: ConsoleSettings,
    events: Subscription<Arc<Notification>>,
    queue: Queue,
    palette: Palette,
    /// Processes whose output is being shown.
    followed: HashMap<ProcessId, JoinHandle<()>>,
}

impl Console {
    async fn run(mut self, stopping: CancellationToken) {
        loop {
            let delivery = tokio::select! {
                delivery = self.events.recv() => delivery,
                () = stopping.cancelled() => break,
            };
            let Some(delivery) = delivery else { break };
            if self.show(delivery).await.is_err() {
                break;
            }
        }
        while let Some(delivery) = self.events.try_recv() {
            if self.show(delivery).await.is_err() {
                break;
            }
        }
        for (_, follower) in std::mem::take(&mut self.followed) {
            drop(timeout(LAST_OUTPUT, follower).await); // Too late, or it was cancelled: the node is ending.
        }
    }

    /// Shows what is to be shown. An error says that the writer is gone.
    async fn show(&mut self, delivery: Delivery<Arc<Notification>>) -> Result<(), WriterGone> {
        let notification = match delivery {
            Delivery::Item(notification) => notification,
            Delivery::Lagged(lost) => {
                let text = format!("{} gaffer | ... {lost} events lost\n", time_of_day());
                self.queue.send(text).await.map_err(|_| WriterGone)?;
                if self.settings.output_streams {
                    self.catch_up().await;
                }
                return Ok(());
            }
        };
        // Every event comes once more under the topic of its job.
        if !matches!(notification.topic(), Topic::Kind(_)) {
            return Ok(());
        }
        let event = notification.event();
        let pid = event.process.map(|process| process.pid);
        if let (EventKind::Exit, Some(follower)) = (event.kind, pid.and_then(|pid| self.followed.remove(&pid))) {
            drop(timeout(LAST_OUTPUT, follower).await); // What comes later is shown all the same.
        }
        let voice = self.voice(&event.job);
        if self.settings.actions.contains(&event.kind) {
            let mut text = String::new();
            voice.line(&mut text, &time_of_day(), &describe(event));
            self.queue.send(text).await.map_err(|_| WriterGone)?;
        }
        match (event.kind, pid) {
            (EventKind::Spawn, Some(pid)) if self.settings.output_streams => self.follow(pid, voice).await,
            (EventKind::Delete, _) => self.palette.forget(&event.job),
            _ => {}
        }
        Ok(())
    }

    fn voice(&mut self, job: &JobName) -> Voice {
        Voice::new(job, self.settings.colorize.then(|| self.palette.of(job)))
    }

    /// Follows what has begun, and forgets what has ended, by events that were lost.
    async fn catch_up(&mut self) {
        let Ok(processes) = self.manager.processes().await else { return }; // The end: there is nothing to catch up with.
        // What lives and has been shown to its end is kept, or it would be shown once more the next time.
        let live: HashSet<ProcessId> = processes.iter().map(|process| process.pid).collect();
        self.followed.retain(|pid, follower| live.contains(pid) || !follower.is_finished());
        // Of others only descendants are left: their exit may have been shown already, and their output with it.
        for process in processes.into_iter().filter(|process| process.active) {
            let voice = self.voice(&process.name);
            self.follow(process.pid, voice).await;
        }
    }

    async fn follow(&mut self, pid: ProcessId, voice: Voice) {
        if self.followed.contains_key(&pid) {
            return; // Its spawn is told only now, after it was caught up with.
        }
        // It may have ended and be gone already; then what it wrote is still there.
        let Ok(io) = self.manager.recent_streams(pid).await else { return };
        if io.labels().next().is_some() {
            let output = MergedSubscription::of_process(&io, Start::Oldest);
            self.followed.insert(pid, tokio::spawn(follow(output, voice, self.queue.clone())));
        }
    }
}

struct WriterGone;

/// Shows the output of one process to its end.
async fn follow(mut output: MergedSubscription, voice: Voice, queue: Queue) {
    // Per stream, so that what stdout began is not finished by stderr. A process has few.
    let mut unfinished: HashMap<StreamLabel, Lines> = HashMap::new();
    while let Some((label, chunk)) = output.recv().await {
        let lines = unfinished.entry(label).or_default();
        let (mut text, now) = (String::new(), time_of_day());
        match chunk {
            Chunk::Data(data) => lines.push(&data, |line| voice.line(&mut text, &now, line)),
            Chunk::Lagged(lost) => {
                lines.finish(|line| voice.line(&mut text, &now, line));
                voice.line(&mut text, &now, &format!("... {lost} bytes lost"));
            }
        }
        if !text.is_empty() && queue.send(text).await.is_err() {
            return;
        }
    }
    let (mut text, now) = (String::new(), time_of_day());
    for lines in unfinished.values_mut() {
        lines.finish(|line| voice.line(&mut text, &now, line));
    }
    if !text.is_empty() {
        drop(queue.send(text).await); // The writer is gone: nobody looks.
    }
}

fn describe(event: &Event) -> String {
    let os_pid = event.process.and_then(|process| process.os_pid);
    let subject = match os_pid {
        Some(os_pid) => format!("process with pid {os_pid}"),
        None => event.job.short(),
    };
    match &event.detail {
        Detail::Reason(reason) => format!("{} {subject}: {reason}", event.kind),
        Detail::None | Detail::Spawn { .. } | Detail::Exit { .. } => format!("{} {subject}", event.kind),
    }
}

#[cfg(test)]
mod tests;
