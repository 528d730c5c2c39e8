//! The task that hears of events, and has everything told.

use std::sync::Arc;

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    ConsoleSettings,
    cast::Cast,
    describe::describe,
    follower::{Cues, Follower, Shown},
    order::{Line, Order, Step},
    sources::Sources,
    writer::{Queue, Target, Text},
};
use crate::{
    events::{Delivery, EventKind, Notification, Pattern, Subscription, Topic},
    manager::Manager,
    names::ProcessId,
    voice::{Clock, Voice},
};

/// So many steps may wait to be told. Then events are left to their subscription, which drops the oldest and says so.
const BACKLOG: usize = 1024;

/// Tells what happens.
pub(super) struct Narrator {
    settings: ConsoleSettings,
    /// Whether there is a writer of its own for what goes to stderr.
    has_errors: bool,
    events: Subscription<Arc<Notification>>,
    sources: Sources,
    queue: Queue,
    cast: Cast,
    clock: Clock,
    order: Order,
    followers: JoinSet<()>,
    /// Which processes have been shown to their end. Unbounded: each says so once.
    shown: (mpsc::UnboundedSender<ProcessId>, mpsc::UnboundedReceiver<ProcessId>),
    ending: CancellationToken,
}

struct WriterGone;

impl Narrator {
    pub(super) fn new(manager: Manager, settings: ConsoleSettings, has_errors: bool, queue: Queue) -> Self {
        Self {
            has_errors,
            events: manager.subscribe(&Pattern::All),
            sources: Sources::new(manager, &settings),
            queue,
            cast: Cast::new(&settings),
            clock: Clock::default(),
            settings,
            order: Order::default(),
            followers: JoinSet::new(),
            shown: mpsc::unbounded_channel(),
            ending: CancellationToken::new(),
        }
    }

    /// Tells what happens until it is stopped, and then what is left to be told.
    pub(super) async fn run(mut self, stopping: CancellationToken) {
        if self.narrate(&stopping).await.is_err() {
            self.followers.shutdown().await; // With their sinks.
            self.into_sources().release(&stopping).await;
        }
    }

    fn into_sources(self) -> Sources {
        self.sources
    }

    async fn narrate(&mut self, stopping: &CancellationToken) -> Result<(), WriterGone> {
        let queue = self.queue.clone();
        while !(self.ending.is_cancelled() && self.order.len() == 0 && self.followers.is_empty()) {
            let ends = self.ending.is_cancelled();
            tokio::select! {
                delivery = self.events.recv(), if !ends && self.order.len() < BACKLOG => match delivery {
                    Some(delivery) => self.hear(delivery).await,
                    None => self.ending.cancel(),
                },
                () = stopping.cancelled(), if !ends => {
                    while let Some(delivery) = self.events.try_recv() {
                        self.hear(delivery).await;
                    }
                    self.ending.cancel();
                }
                Some(pid) = self.shown.1.recv() => self.order.shown(pid),
                Some(_) = self.followers.join_next() => {}
                room = queue.reserve(), if self.order.has_line() => self.show_line(room.map_err(|_| WriterGone)?),
                () = queue.closed() => return Err(WriterGone),
            }
        }
        Ok(())
    }

    fn show_line(&mut self, room: mpsc::Permit<'_, Text>) {
        let (width, now) = (self.cast.width().get(), self.clock.now());
        self.order.next_line(|Line { voice, text }| {
            let mut bytes = Vec::new();
            voice.line_of_bytes(&mut bytes, now, width, text.as_bytes());
            room.send(Text { target: Target::Output, bytes });
        });
    }

    /// Takes in what is to be told.
    async fn hear(&mut self, delivery: Delivery<Arc<Notification>>) {
        let notification = match delivery {
            Delivery::Item(notification) => notification,
            Delivery::Lagged(lost) => {
                self.order.say(Line { voice: Voice::called("gaffer", None), text: format!("... {lost} events lost") });
                return self.catch_up().await;
            }
        };
        // Every event comes once more under the topic of its job.
        if !matches!(notification.topic(), Topic::Kind(_)) {
            return;
        }
        let event = notification.event();
        let pid = event.process.map(|process| process.pid);
        let voice = self.cast.voice(&event.job);
        let begin = match (event.kind, pid) {
            (EventKind::Spawn, Some(pid)) => self.follow(pid, &voice).await,
            _ => None,
        };
        let line = self.settings.actions.contains(&event.kind).then(|| {
            let text = describe(event, &self.cast.name(&event.job), self.settings.exit_reasons);
            Line { voice, text }
        });
        if event.kind == EventKind::Delete {
            self.cast.forget(&event.job);
        }
        let exited = pid.filter(|_| event.kind == EventKind::Exit);
        self.order.tell(Step { job: event.job.clone(), line, begin, exited });
    }

    /// Follows what has begun, and forgets what has ended, by events that were lost.
    async fn catch_up(&mut self) {
        let Some(present) = self.sources.present().await else { return };
        // What lives and has been shown to its end is kept, or it would be shown once more the next time.
        self.order.forget_shown(&present.live);
        for (pid, job) in present.to_follow {
            let voice = self.cast.voice(&job);
            if let Some(begin) = self.follow(pid, &voice).await {
                self.order.begin(begin);
            }
        }
    }

    /// Prepares to show the output of a process, if there is any to be shown. It is subscribed at once, as the process may be gone
    /// soon, and shown once the answer is told to begin.
    async fn follow(&mut self, pid: ProcessId, voice: &Voice) -> Option<oneshot::Sender<()>> {
        if self.order.follows(pid) {
            return None; // Its spawn is told only now, after it was caught up with.
        }
        let io = self.sources.streams(pid).await?;
        let (width, queue) = (self.cast.width().clone(), self.queue.clone());
        let errors = || if self.settings.colorize_errors { voice.clone() } else { voice.colourless() };
        let errors = self.has_errors.then(errors);
        let follower = Follower::new(&io, voice, errors, self.settings.lossless, width, queue)?;
        if !self.settings.output_streams {
            return None; // It has been the sink that the process waited for, and lets it go.
        }
        let (begin, may_begin) = oneshot::channel();
        let (exited, has_exited) = oneshot::channel();
        let cues = Cues { begin: may_begin, exited: has_exited, ending: self.ending.clone() };
        self.followers.spawn(follower.run(cues, Shown::new(pid, self.shown.0.clone())));
        self.order.follow(pid, exited);
        Some(begin)
    }
}

#[cfg(test)]
mod tests;
