//! One process of an application: what it says is done in order, and it is told what there is to be told as it reads.

use std::{
    future::{pending, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use gaffer_core::{
    Manager, ProcessId,
    api::channel::{Command, Failure},
    events::{Delivery, EventStart, EventSubscription, Notification, Pattern},
    names::Signal,
    streams::{Chunk, OutputSubscription, ProcessIo, Start, Stdin, StdinError},
};
use gaffer_http::api::{Carried, Commands};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::coop::consume_budget,
    time::{Instant, sleep_until},
};
use tracing::{debug, error, info, warn};

use crate::{
    Plugin,
    chatter::{Chatter, Verdict, shown},
    conduct::{Conduct, Heard},
    folder::App,
    job::{ERRORS, OUTPUT, patience},
    lines::{Line, Lines, MAX_LINE},
    message::{About, Hello, Level, PROTOCOL, Said, Told, failure},
    outbox::Outbox,
};

/// Most subscriptions of one process: each may have its 10,000 events waiting.
const SUBSCRIPTIONS: usize = 32;

/// What a process may have sent to others that do not read, in messages; then it is not listened to.
const SENDING: usize = 16;

/// So many events are written at once.
const EVENTS_AT_ONCE: usize = 64;

/// The longest line of stderr; what is longer is cut.
const MAX_ERROR_LINE: usize = 8 * 1024;

/// Time to do what a process said before it went.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What is known of the node and of the process, and the process is to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orders {
    /// The node is up.
    pub(crate) started: bool,
    /// How often everything was restarted.
    pub(crate) restarts: u64,
    /// The process is to end.
    pub(crate) stop: bool,
    /// The process has ended.
    pub(crate) gone: bool,
}

/// Whose process, and what it is told first.
pub(crate) struct Opening {
    pub(crate) manager: Manager,
    pub(crate) plugin: Plugin,
    pub(crate) pid: ProcessId,
    /// The notification of its spawn: it hears of what followed.
    pub(crate) spawned: u64,
    pub(crate) io: ProcessIo,
    pub(crate) endpoints: Arc<[String]>,
    pub(crate) orders: watch::Receiver<Orders>,
    pub(crate) ready: Arc<AtomicBool>,
}

/// A subscription.
struct Open {
    /// As the application wrote it.
    text: String,
    events: EventSubscription,
}

/// A call that is done, or waits for a process.
type Step = (Value, Carried);

/// One process that is spoken with.
pub(crate) struct Talk {
    name: String,
    pid: ProcessId,
    manager: Manager,
    commands: Commands,
    orders: watch::Receiver<Orders>,
    obeyed: Orders,
    ready: Arc<AtomicBool>,
    patience: Duration,
    /// `None` once nothing more can be written.
    stdin: Option<Stdin>,
    /// `None` once nothing more comes, or is listened to.
    stdout: Option<OutputSubscription>,
    stderr: Option<OutputSubscription>,
    lines: Lines,
    error_lines: Lines,
    conduct: Conduct,
    chatter: Chatter,
    outbox: Outbox,
    writing: Option<BoxFuture<'static, Result<(), StdinError>>>,
    subscriptions: Vec<Open>,
    /// The subscription that is asked first: they take turns.
    turn: usize,
    /// What is done at the moment.
    step: Option<BoxFuture<'static, Step>>,
    sending: FuturesUnordered<BoxFuture<'static, Bytes>>,
    /// Whether `stop` was said: after what had happened before.
    said_stop: bool,
    /// When it is no longer waited for: at first a SIGTERM follows, then nothing.
    deadline: Option<Instant>,
}

impl Talk {
    pub(crate) fn new(opening: Opening, app: &App) -> Self {
        let Opening { manager, plugin, pid, spawned, io, endpoints, orders, ready } = opening;
        let now = Instant::now();
        let mut lines = Lines::new(MAX_LINE);
        // Nobody else is one, but if the console is: then what it says in the first moments, if that is much, may be lost.
        let stdout =
            io.output(OUTPUT).map(|output| output.attach_sink().unwrap_or_else(|| output.subscribe(Start::Oldest)));
        if stdout.as_ref().is_some_and(|stdout| stdout.position() > 0) {
            lines.lost();
        }
        let hello = Told::Hello(Hello {
            protocol: PROTOCOL,
            gaffer: env!("CARGO_PKG_VERSION"),
            node: manager.node(),
            pid,
            plugin: About {
                name: plugin.name(),
                version: plugin.version(),
                description: plugin.description(),
                folder: plugin.folder().to_string_lossy(),
            },
            config: &app.config,
            endpoints: &endpoints,
        });
        let mut outbox = Outbox::default();
        outbox.push(hello.line());
        let since = |pattern: &Pattern| manager.subscribe_from(pattern, EventStart::After(spawned));
        let open = |(text, pattern): &(String, Pattern)| Open { text: text.clone(), events: since(pattern) };
        let subscriptions = app.subscribe.iter().take(SUBSCRIPTIONS).map(open).collect();
        Self {
            name: plugin.name().to_owned(),
            pid,
            commands: Commands::new(manager.clone()),
            manager,
            orders,
            obeyed: Orders::default(),
            ready,
            patience: patience(&app.job),
            stdin: io.stdin.clone(),
            stdout,
            stderr: io.output(ERRORS).map(|output| output.subscribe(Start::Oldest)),
            lines,
            error_lines: Lines::new(MAX_ERROR_LINE),
            conduct: Conduct::new(now),
            chatter: Chatter::new(now),
            outbox,
            writing: None,
            subscriptions,
            turn: 0,
            step: None,
            sending: FuturesUnordered::new(),
            said_stop: false,
            deadline: None,
        }
    }

    /// Speaks until the process is gone; then does what it had said last.
    pub(crate) async fn hold(mut self) {
        self.obey();
        while !self.is_over() {
            self.write_on();
            let hears = self.step.is_none() && self.outbox.has_room() && self.sending.len() < SENDING;
            // Who has something to read already is told of nothing more: what happens meanwhile waits in the subscriptions.
            let is_idle = self.writing.is_none() && self.outbox.is_empty() && self.stdin.is_some();
            let tells = is_idle && !self.obeyed.stop;
            let deadline = self.deadline;
            let Self {
                orders, writing, step, sending, lines, stdout, error_lines, stderr, subscriptions, turn, ..
            } = &mut self;
            // Each branch is cancel safe: nothing is taken by one that is not taken.
            tokio::select! {
                biased;
                changed = orders.changed() => match changed {
                    Ok(()) => self.obey(),
                    Err(_) => return, // Nobody knows of the process any more.
                },
                () = until(deadline) => {
                    if self.obeyed.gone {
                        debug!("plugin {}: what it said last took too long", self.name);
                        return;
                    }
                    self.deadline = None;
                    self.say_stop();
                    // It may have ended just now.
                    drop(self.manager.kill(self.pid, Signal::TERM).await);
                }
                written = doing(writing) => if written.is_err() {
                    self.mute();
                },
                (id, carried) = doing(step) => match carried {
                    Carried::Done(outcome) => self.answer(Told::reply(&id, &outcome)),
                    Carried::Waiting(waiting) => {
                        self.sending.push(waiting.map(move |outcome| Told::reply(&id, &outcome)).boxed());
                    }
                },
                Some(answer) = sending.next(), if !sending.is_empty() => self.answer(answer),
                line = next_line(error_lines, stderr), if stderr.is_some() => match line {
                    Some(line) => self.complain(&line),
                    None => {
                        self.stderr = None;
                        if let Some(rest) = self.error_lines.rest() {
                            self.complain(&Line::Whole(rest));
                        }
                    }
                },
                line = next_line(lines, stdout), if hears && stdout.is_some() => match line {
                    Some(line) => self.hear(&line).await,
                    None => {
                        self.stdout = None;
                        if let Some(rest) = self.lines.rest() {
                            self.hear(&Line::Whole(rest)).await;
                        }
                    }
                },
                (at, delivery) = next_event(subscriptions, turn), if tells && !subscriptions.is_empty() => {
                    self.tell(at, delivery);
                }
            }
        }
    }

    fn is_over(&self) -> bool {
        let Self { stdout, stderr, step, sending, .. } = self;
        self.obeyed.gone && stdout.is_none() && stderr.is_none() && step.is_none() && sending.is_empty()
    }

    /// Does what there is to be done about the process.
    fn obey(&mut self) {
        let orders = self.orders.borrow_and_update().clone();
        let before = std::mem::replace(&mut self.obeyed, orders.clone());
        if orders.started && !before.started {
            self.answer(Told::Start.line());
        }
        if orders.restarts > before.restarts && before.started {
            self.answer(Told::Restart.line());
        }
        if orders.stop && !before.stop {
            self.deadline = Some(Instant::now() + self.patience);
        }
        if orders.gone && !before.gone {
            self.mute();
            self.deadline = Some(Instant::now() + LAST_WORDS);
        }
    }

    /// Writes what waits. Behind `stop` comes the end of the input.
    fn write_on(&mut self) {
        if self.writing.is_some() || self.stdin.is_none() {
            return;
        }
        if self.outbox.is_empty() && self.obeyed.stop && !self.said_stop {
            self.tell_the_rest();
        }
        let Some(stdin) = &self.stdin else { return };
        if let Some(batch) = self.outbox.batch() {
            let stdin = stdin.clone();
            self.writing = Some(async move { stdin.write(batch).await }.boxed());
        } else if self.obeyed.stop {
            stdin.close();
            self.mute();
        }
    }

    /// Passes on some of what had happened before the stop, and then says it.
    fn tell_the_rest(&mut self) {
        for Open { text, events } in &mut self.subscriptions {
            for delivery in std::iter::from_fn(|| events.try_recv()).take(EVENTS_AT_ONCE) {
                self.outbox.push(event(text, delivery));
            }
        }
        if self.outbox.is_empty() {
            self.say_stop();
        }
    }

    fn say_stop(&mut self) {
        if !self.said_stop {
            self.said_stop = true;
            self.subscriptions.clear();
            self.answer(Told::Stop.line());
        }
    }

    /// Nothing more can be written.
    fn mute(&mut self) {
        (self.stdin, self.writing) = (None, None);
        self.outbox.clear();
        self.subscriptions.clear();
    }

    fn answer(&mut self, line: Bytes) {
        if self.stdin.is_some() {
            self.outbox.push(line);
        }
    }

    /// Does what a line says, or begins to.
    async fn hear(&mut self, line: &Line) {
        match self.conduct.hear(line, Instant::now()) {
            Heard::Said(Said::Ready) => self.ready.store(true, Ordering::Relaxed),
            Heard::Said(Said::Call(command)) => self.call(command),
            Heard::Said(Said::Subscribe { id, events }) => {
                let outcome = self.subscribe(events);
                self.answer(Told::reply(&id, &outcome));
            }
            Heard::Said(Said::Unsubscribe { id, events }) => {
                self.subscriptions.retain(|open| !events.contains(&open.text));
                self.answer(Told::reply(&id, &Ok(json!({"ok": true}))));
            }
            Heard::Said(Said::Log { level, text }) => self.log(level, &text),
            Heard::Wrong(answer) => self.answer(answer),
            Heard::Garbage { answer, tell, is_too_much } => {
                if let Some(reason) = tell {
                    warn!("plugin {}: it said what is no message: {}", self.name, shown(&reason));
                }
                if is_too_much {
                    error!("plugin {}: it says too much that is no message, and is killed", self.name);
                    self.stdout = None;
                    // It may have ended just now. As nobody has asked for its end, it is launched again in time.
                    drop(self.manager.kill(self.pid, Signal::KILL).await);
                } else if self.outbox.has_room() {
                    self.answer(answer);
                }
            }
        }
    }

    fn call(&mut self, command: Command) {
        let (commands, id) = (self.commands.clone(), command.identity.clone());
        self.step = Some(async move { (id, commands.run(command).await) }.boxed());
    }

    fn subscribe(&mut self, events: Vec<String>) -> Result<Value, Failure> {
        let mut patterns = Vec::with_capacity(events.len().min(SUBSCRIPTIONS));
        for text in events {
            let pattern: Pattern = text.parse().map_err(|error| failure("bad_value", shown(&format!("{error}"))))?;
            let is_there = self.subscriptions.iter().any(|open| open.text == text);
            if !is_there && !patterns.iter().any(|(known, _)| *known == text) {
                patterns.push((text, pattern));
            }
            if self.subscriptions.len() + patterns.len() > SUBSCRIPTIONS {
                return Err(failure(
                    "too_many_topics",
                    format!("an application may have {SUBSCRIPTIONS} subscriptions"),
                ));
            }
        }
        for (text, pattern) in patterns {
            let events = self.manager.subscribe_from(&pattern, EventStart::Now);
            if self.stdin.is_some() && !self.obeyed.stop {
                self.subscriptions.push(Open { text, events });
            }
        }
        Ok(json!({"ok": true}))
    }

    /// Passes an event on, and others that are there.
    fn tell(&mut self, at: usize, delivery: Option<Delivery<Arc<Notification>>>) {
        let Some(open) = self.subscriptions.get_mut(at) else { return };
        let Some(delivery) = delivery else {
            drop(self.subscriptions.remove(at)); // The manager has stopped.
            return;
        };
        self.outbox.push(event(&open.text, delivery));
        for _ in 1..EVENTS_AT_ONCE {
            let Some(delivery) = open.events.try_recv() else { break };
            self.outbox.push(event(&open.text, delivery));
        }
    }

    /// Passes a line of stderr to the log.
    fn complain(&mut self, line: &Line) {
        match line {
            Line::Whole(line) => self.log(Level::Info, &String::from_utf8_lossy(line)),
            Line::Skipped(bytes) => self.log(Level::Info, &format!("({bytes} bytes of a long line on stderr)")),
        }
    }

    fn log(&mut self, level: Level, text: &str) {
        match self.chatter.judge(Instant::now()) {
            Verdict::Log { left_out } => {
                let (name, text) = (&self.name, shown(text));
                if left_out > 0 {
                    warn!("plugin {name}: {left_out} lines of its own were left out of the log");
                }
                match level {
                    Level::Error => error!("plugin {name}: {text}"),
                    Level::Warning => warn!("plugin {name}: {text}"),
                    Level::Info => info!("plugin {name}: {text}"),
                    Level::Debug => debug!("plugin {name}: {text}"),
                }
            }
            Verdict::LeaveOut { first: true } => {
                warn!("plugin {}: it logs too much; what comes next is left out", self.name);
            }
            Verdict::LeaveOut { first: false } => {}
        }
    }
}

fn event(subscription: &str, delivery: Delivery<Arc<Notification>>) -> Bytes {
    match delivery {
        Delivery::Item(notification) => Told::event(subscription, &notification),
        Delivery::Lagged(lost) => Told::Lagged { subscription, lost }.line(),
    }
}

/// Resolves when what is done at the moment is done; never if that is nothing.
async fn doing<T>(step: &mut Option<BoxFuture<'static, T>>) -> T {
    match step {
        Some(doing) => {
            let done = doing.await;
            *step = None;
            done
        }
        None => pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

/// The next line; `None` when nothing more comes.
async fn next_line(lines: &mut Lines, output: &mut Option<OutputSubscription>) -> Option<Line> {
    loop {
        consume_budget().await; // Who has many lines in one piece must not keep a worker for itself.
        if let Some(line) = lines.next() {
            return Some(line);
        }
        match output.as_mut()?.recv().await? {
            Chunk::Data(data) => lines.push(data),
            Chunk::Lagged(_) => lines.lost(),
        }
    }
}

/// The next event of any subscription, and of which; `None` when that is over.
async fn next_event(subscriptions: &mut [Open], turn: &mut usize) -> (usize, Option<Delivery<Arc<Notification>>>) {
    poll_fn(|cx| {
        let number = subscriptions.len();
        for offset in 0..number {
            let at = (*turn + offset) % number;
            if let Some(Poll::Ready(delivery)) = subscriptions.get_mut(at).map(|open| open.events.poll_recv(cx)) {
                *turn = at + 1;
                return Poll::Ready((at, delivery));
            }
        }
        Poll::Pending
    })
    .await
}
