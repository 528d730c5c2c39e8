//! Output as it comes, of processes that run and of those to come.

use std::{
    collections::{HashMap, HashSet},
    io,
    ops::ControlFlow,
    time::Duration,
};

use futures_util::{
    FutureExt, StreamExt,
    future::ready,
    stream::{BoxStream, SelectAll, once},
};
use gaffer_client::{Client, Error, FeedOptions, OutputText, Told};
use gaffer_core::{
    JobName, ProcessId,
    api::EventMessage,
    events::{EventKind, Pattern},
    names::StreamLabel,
    os,
};
use tokio::time::{Instant, timeout_at};

use super::{
    Extent, is_bare, not_kept,
    printer::{Begun, Printer},
    source::{self, Source},
    sources,
};
use crate::{
    Context, Failure, Output, Target, Targets,
    commands::{Link, failed, may_pass},
    unless_signalled,
};

/// One of the outputs that are followed.
type Key = usize;

/// What is heard.
enum Heard {
    /// Something happened to a job, or what became of the feed that tells it.
    Event(Result<Told<EventMessage>, Error>),
    /// An output goes on.
    Output(Key, Result<Told<OutputText>, Error>),
    /// An output has ended.
    End(Key),
}

/// Follows outputs.
pub(super) struct Follower<'a> {
    targets: Targets,
    stream: Option<&'a StreamLabel>,
    feeds: SelectAll<BoxStream<'static, Heard>>,
    followed: HashMap<Key, (Source, Begun)>,
    next: Key,
    /// Processes of this run of the node that were followed. A launch may be told after a look has found the process. That is a few
    /// bytes for each launch.
    seen: HashSet<ProcessId>,
    printer: Printer,
    link: Link,
    /// Which run of the node this was at first, if only processes are followed: they end with it.
    run: Option<String>,
    /// Whether it was said that there are more outputs than are followed.
    is_full: bool,
    /// Since when a line is begun, if only one output is followed.
    begun_since: Option<Instant>,
    /// Whether what happens to jobs is told.
    has_events: bool,
    /// Ends of processes that are told once all that these wrote is, and what happened to their jobs since. They wait for feeds that
    /// end now.
    waiting: Vec<EventMessage>,
}

/// More history than any node keeps.
const ALL: usize = usize::MAX;

/// More than this is not held back until nothing more comes.
const BATCH: usize = 64 * 1024;

/// As many outputs are followed at once. Each takes a connection, of which a node has a few thousand for all its clients: nobody
/// may use them up, nor does anybody read so many.
const MOST: usize = 256;

/// How long a line that is begun waits for its end, where nothing else could come in between.
const PATIENCE: Duration = Duration::from_millis(200);

impl<'a> Follower<'a> {
    /// Begins with what runs, and goes on until there is nothing to follow any more.
    pub(super) async fn run(
        context: &mut Context<'_>,
        mut targets: Targets,
        Extent { lines, stream }: Extent<'a>,
        has_events: bool,
    ) -> Result<(), Failure> {
        let is_job = |target: &Target| matches!(target, Target::Job(_));
        // Before the first look: what is launched after that is told.
        let events = if targets.found.iter().any(is_job) {
            let pattern = if has_events { Pattern::Jobs } else { Pattern::Kind(EventKind::Spawn) };
            Some(context.client.watch(&pattern, &FeedOptions::default()).await?)
        } else {
            None
        };
        let run = if events.is_none() { context.client.run().await? } else { None };
        let found = sources(context, &mut targets, stream, has_events).await?;
        let mut follower = Self {
            printer: Printer::new(context.output, is_bare(&targets)),
            link: Link::new(&context.client),
            run,
            is_full: false,
            begun_since: None,
            has_events,
            waiting: Vec::new(),
            targets,
            stream,
            feeds: SelectAll::new(),
            followed: HashMap::new(),
            next: 0,
            seen: found.iter().map(|source| source.pid).collect(),
        };
        // A limit that cannot be raised is enough for most.
        let _: io::Result<os::Limit> = os::raise_nofile_limit();
        for source in follower.fitting(context.output, found) {
            match follower.open(&context.client, &source, lines).await {
                Ok(()) => {}
                Err(error) if error.is_not_found() && source.is_past => not_kept(context.output, &source),
                // The others would fail likewise.
                Err(error @ (Error::Unreachable { .. } | Error::NoDescriptors { .. })) => return Err(error.into()),
                Err(error) => {
                    let message = format!("{}: {error}", source.who());
                    follower.targets.failures.push(Failure::Failed(message));
                }
            }
        }
        let told = failed(context.output, &follower.targets.failures);
        if follower.followed.is_empty() && !has_events && told.is_err() {
            return told;
        }
        if let Some(events) = events.filter(|_| follower.targets.found.iter().any(is_job)) {
            follower.feeds.push(events.map(Heard::Event).boxed());
        }
        if context.output.is_terminal() {
            // What is begun is shown before a signal ends the program. Into a pipe it is not: nobody may read that, and the program
            // is to end nevertheless.
            match unless_signalled(follower.listen(context)).await? {
                ControlFlow::Continue(end) => end?,
                ControlFlow::Break(signal) => {
                    follower.end_all();
                    context.output.bytes(&follower.printer.take())?;
                    os::die_of(signal)
                }
            }
        } else {
            follower.listen(context).await?;
        }
        told
    }

    /// As many of them as can be followed. What cannot is said, once.
    fn fitting(&mut self, output: &mut Output, mut sources: Vec<Source>) -> Vec<Source> {
        let room = MOST.saturating_sub(self.followed.len());
        if let Some(more @ 1..) = sources.len().checked_sub(room)
            && !std::mem::replace(&mut self.is_full, true)
        {
            output.say(format_args!("... and {more} more outputs are not followed; name fewer jobs"));
        }
        sources.truncate(room);
        sources
    }

    async fn listen(&mut self, context: &mut Context<'_>) -> Result<(), Failure> {
        loop {
            let heard = match self.feeds.next().now_or_never() {
                Some(heard) => heard,
                None => {
                    // Nothing more for now: what there is can be shown.
                    context.output.bytes(&self.printer.take())?;
                    let next = self.feeds.next();
                    match self.begun_since {
                        None => next.await,
                        Some(since) => match timeout_at(since + PATIENCE, next).await {
                            Ok(heard) => heard,
                            Err(_) => {
                                self.show_begun();
                                continue;
                            }
                        },
                    }
                }
            };
            match heard {
                Some(Heard::Event(told)) => self.event(context, told?).await,
                Some(Heard::Output(key, told)) => self.output(context, key, told),
                Some(Heard::End(key)) => {
                    self.end(key);
                    for event in std::mem::take(&mut self.waiting) {
                        // In their order, those of one job.
                        if self.has_to_wait(&event) {
                            self.waiting.push(event);
                        } else {
                            self.happens(context, &event).await;
                        }
                    }
                }
                None => {
                    context.output.bytes(&self.printer.take())?;
                    return self.explain_end(context).await;
                }
            }
            if self.printer.held() >= BATCH {
                context.output.bytes(&self.printer.take())?;
            }
        }
    }

    fn show_begun(&mut self) {
        self.begun_since = None;
        for (source, begun) in self.followed.values_mut() {
            self.printer.show(source, begun);
        }
    }

    /// Says so if what was followed has ended because gafferd has.
    async fn explain_end(&self, context: &Context<'_>) -> Result<(), Failure> {
        if !self.link.is_lost() || self.run.is_none() || context.client.run().await? == self.run {
            return Ok(());
        }
        let endpoint = context.client.endpoint();
        Err(Failure::Failed(format!("gafferd at {endpoint} was restarted, and what was followed has ended with it")))
    }

    /// Begins to follow an output.
    async fn open(&mut self, client: &Client, source: &Source, history: usize) -> Result<(), Error> {
        let options = FeedOptions { history, ..FeedOptions::default() };
        let feed = client.follow_output(source.pid, &source.label, &options).await?;
        let key = self.next;
        self.next += 1;
        self.printer.make_room(source);
        self.followed.insert(key, (source.clone(), Begun::default()));
        let heard = feed.map(move |told| Heard::Output(key, told)).chain(once(ready(Heard::End(key))));
        self.feeds.push(heard.boxed());
        Ok(())
    }

    fn means(&self, job: &JobName) -> bool {
        self.targets.found.contains(&Target::Job(job.clone())) || self.targets.fits(job)
    }

    async fn event(&mut self, context: &mut Context<'_>, told: Told<EventMessage>) {
        match told {
            Told::Item(event) if self.means(&event.name) => {
                if self.has_to_wait(&event) {
                    self.waiting.push(event);
                } else {
                    self.happens(context, &event).await;
                }
            }
            Told::Item(_) => {}
            // What is still there of it can be seen.
            Told::Lost(_) => self.look_again(context).await,
            Told::Disconnected(error) => self.link.lost(context.output, &error),
            Told::Reconnected { same_run } => {
                self.link.found(context.output, same_run);
                if !same_run {
                    // Pids begin anew.
                    self.seen.clear();
                    self.end_all();
                    for event in std::mem::take(&mut self.waiting) {
                        self.printer.event(&event);
                    }
                }
                self.look_again(context).await;
            }
        }
    }

    /// Whether an event is told later: the end of a process of which not all is told yet, or what happened to its job since.
    fn has_to_wait(&self, event: &EventMessage) -> bool {
        let is_followed = |pid: ProcessId| self.followed.values().any(|(source, _)| source.pid == pid);
        let is_end = kind(event) == Some(EventKind::Exit) && event.pid.is_some_and(is_followed);
        self.has_events && (is_end || self.waiting.iter().any(|waiting| waiting.name == event.name))
    }

    /// Tells an event, if such are told, and follows a process that it is the launch of.
    async fn happens(&mut self, context: &mut Context<'_>, event: &EventMessage) {
        if self.has_events {
            self.printer.event(event);
        }
        if let (Some(EventKind::Spawn), Some(pid)) = (kind(event), event.pid) {
            let found = source::of_new_process(&context.client, &event.name, pid, self.stream).await;
            self.join(context, found.map_err(Failure::from)).await;
        }
    }

    /// Looks for processes whose launch was not told.
    async fn look_again(&mut self, context: &mut Context<'_>) {
        let jobs = match context.client.jobs().await {
            Ok(jobs) => jobs,
            Err(error) => return self.join(context, Err(error.into())).await,
        };
        for job in jobs {
            if self.means(&job) {
                let found = source::of_job(&context.client, &job, self.stream).await;
                self.join(context, found).await;
            }
        }
    }

    /// Follows what came later, from its beginning.
    async fn join(&mut self, context: &mut Context<'_>, found: Result<Vec<Source>, Failure>) {
        let mut found = found.unwrap_or_else(|failure| {
            tell_late(context, &failure);
            Vec::new()
        });
        found.retain(|source| !self.seen.contains(&source.pid));
        self.seen.extend(found.iter().map(|source| source.pid));
        for source in self.fitting(context.output, found) {
            match self.open(&context.client, &source, ALL).await {
                // The node is there, and has no room for this one.
                Err(error) if error.refusal().is_some_and(|refusal| refusal.status == 503) => {
                    context.output.say(format_args!("{}: {error}", source.who()));
                }
                Err(error) => tell_late(context, &error.into()),
                Ok(()) => {}
            }
        }
    }

    fn output(&mut self, context: &mut Context<'_>, key: Key, told: Result<Told<OutputText>, Error>) {
        let is_alone = self.followed.len() == 1;
        // What belongs to an earlier run of the node is over.
        let Some((source, begun)) = self.followed.get_mut(&key) else { return };
        match told {
            Ok(Told::Item(OutputText { text, ends_line, .. })) => {
                self.printer.piece(source, begun, text.as_bytes());
                if ends_line {
                    self.printer.piece(source, begun, b"\n");
                }
                let since = self.begun_since.take();
                self.begun_since = (is_alone && begun.is_waiting()).then(|| since.unwrap_or_else(Instant::now));
            }
            Ok(Told::Lost(what)) => {
                if self.printer.lost(source, begun, &what) {
                    context.output.say(format_args!("{}: {what}", source.who()));
                }
            }
            Ok(Told::Disconnected(error)) => self.link.lost(context.output, &error),
            Ok(Told::Reconnected { same_run }) => self.link.found(context.output, same_run),
            Err(error) => context.output.say(format_args!("{}: {error}", source.who())),
        }
    }

    fn end_all(&mut self) {
        self.followed.keys().copied().collect::<Vec<_>>().into_iter().for_each(|key| self.end(key));
    }

    fn end(&mut self, key: Key) {
        if let Some((source, mut begun)) = self.followed.remove(&key) {
            self.printer.finish(&source, &mut begun);
        }
    }
}

/// What happened: the last segment of the topic.
fn kind(event: &EventMessage) -> Option<EventKind> {
    event.event.rsplit('.').next()?.parse().ok()
}

/// Of what came later some is gone already, or cannot be asked for because the connection is lost. That is told elsewhere, and
/// looked for again once it is there.
fn tell_late(context: &mut Context<'_>, failure: &Failure) {
    if let Failure::Call(error) = failure
        && !error.is_not_found()
        && !may_pass(error)
    {
        context.output.say(error);
    }
}
