//! One connection for everything: subscriptions to many topics, and commands.
//!
//! | part | knows |
//! | --- | --- |
//! | `link` | the task that owns the connection: when it is lost, and made again |
//! | `book` | what the connection is about, as a state machine without I/O |
//! | `topics` | to what it is subscribed, who listens, and where that goes on |
//! | `commands` | which commands are not sent, or not answered |
//! | `mailbox` | what waits for one who listens, and what is given up if there is too much |
//! | `subscription`, `item` | what those who listen hold, and what they get |
//! | `calls` | the manager's commands, typed |
//!
//! One task reads and writes. It never waits for who listens: a mailbox that is full gives up its oldest. So who is slow holds up nobody.

mod book;
mod calls;
mod commands;
mod item;
mod link;
mod mailbox;
mod subscription;
mod topics;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gaffer_core::{
    ProcessId,
    api::{
        EventMessage, MAX_MESSAGE, MOST_HISTORY,
        channel::{Command, Request, Topic},
    },
    events::Pattern,
    names::StreamLabel,
    stats::Target,
};
use serde_json::{Map, Value};
use tokio::{
    sync::{Notify, Semaphore, mpsc, oneshot},
    time::timeout,
};

use self::{
    book::Ask,
    commands::{Claim, Order, unsent},
    link::Link,
    mailbox::Mailbox,
    topics::Newcomer,
};
pub use self::{
    item::{ControlItem, StreamText},
    subscription::Subscription,
};
use crate::{Cause, Client, Error, StatsSample};

/// How a [`Control`] is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlOptions {
    /// Whether a connection that is lost is made again, and its subscriptions go on where they were. If not, they end with it.
    /// Default: yes.
    pub resume: bool,
}

impl Default for ControlOptions {
    fn default() -> Self {
        Self { resume: true }
    }
}

/// How a topic is subscribed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// How much of the past comes first: so many events, or lines of output, as far as they are kept. Statistics have no past. Of a
    /// topic that this connection is subscribed to already there is none: who wants it opens another [`Control`]. Default: 0.
    pub history: usize,
}

/// One connection to a node, for subscriptions to any number of topics, and for commands. Cheap to clone; clones share the connection.
///
/// A task of the runtime owns it. It ends with the last handle and subscription. When the connection is lost it is made again: after
/// 100 ms first, then less and less often, at last every 5 s. Each subscription is told, and goes on where it was. Nothing that
/// happened meanwhile is missing then, as far as the node keeps it, and nothing is told twice. If the node was started anew,
/// those of a process end: its pid is another one's.
///
/// A connection on which nothing comes for 90 s, not even an answer to the questions of the last 60 s, counts as lost.
///
/// It ends for good, and all subscriptions with the same error, when the node refuses it, as it does when the key is revoked, does not
/// speak the protocol, or cannot be trusted. Commands on the way end as interrupted then, or as refused if it is because of the key.
///
/// ```no_run
/// use futures_util::StreamExt;
/// use gaffer_client::{Client, ControlOptions, SubscribeOptions, Told, gaffer_core::{ProcessId, supervisor::Scale}};
///
/// # async fn run(client: Client) -> Result<(), Box<dyn std::error::Error>> {
/// let control = client.control(&ControlOptions::default()).await?;
/// let mut events = control.watch(&"job.shop".parse()?, &SubscribeOptions::default()).await?;
/// let mut output = control.follow_output(ProcessId::new(7), None, &SubscribeOptions { history: 10 }).await?;
/// println!("web runs {} times", control.scale(&"shop.web".parse()?, Scale::Add(1)).await?);
/// loop {
///     tokio::select! {
///         Some(told) = events.next() => match told? {
///             Told::Item(event) => println!("{}", event.event),
///             Told::Lost(what) => println!("{what}"),
///             Told::Disconnected(error) => println!("{error}"),
///             Told::Reconnected { .. } => println!("it goes on"),
///         },
///         Some(told) = output.next() => if let Told::Item(piece) = told? {
///             print!("{}", piece.text);
///         },
///         else => return Ok(()),
///     }
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Control {
    client: Client,
    asks: mpsc::Sender<Ask>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Rung when a subscription is dropped.
    bell: Arc<Notify>,
    /// Why there will be no connection again.
    end: Arc<OnceLock<Error>>,
    last_identity: AtomicU64,
    /// How many commands may wait for an answer.
    places: Semaphore,
}

/// The most commands that wait for an answer. A node carries out one command after the other, so more on the way would bring nothing forward;
/// and each may have a megabyte.
const MOST_UNANSWERED: usize = 64;

impl Client {
    /// Opens one connection for subscriptions and commands.
    ///
    /// # Errors
    /// As every call; nodes before gaffer 0.5 do not know it (404).
    pub async fn control(&self, options: &ControlOptions) -> Result<Control, Error> {
        let socket = link::open(link::call(self)).await?;
        let (bell, end) = <(Arc<Notify>, Arc<OnceLock<Error>>)>::default();
        let (asks, asked) = mpsc::channel(MOST_UNANSWERED);
        let link = Link::new(self, options.resume, asked, Arc::clone(&bell), Arc::clone(&end));
        tokio::spawn(link.run(socket));
        let places = Semaphore::new(MOST_UNANSWERED);
        let shared = Shared { bell, end, last_identity: AtomicU64::new(0), places };
        Ok(Control { client: self.clone(), asks, shared: Arc::new(shared) })
    }
}

impl Control {
    /// The node's address.
    pub fn endpoint(&self) -> &crate::Endpoint {
        self.client.endpoint()
    }

    /// Subscribes to any topic. Answers once the node has: what happens after that is told.
    ///
    /// While there is no connection it waits for one, as long as a call may take.
    ///
    /// # Errors
    /// When the node says no: there is no such job, process or stream (404), or there are too many topics (400). When it does not answer
    /// in time, or the connection has ended for good.
    ///
    /// # Cancel safety
    /// If this is dropped, there is no subscription.
    pub async fn subscribe(&self, topic: &Topic, options: &SubscribeOptions) -> Result<Subscription, Error> {
        self.open(topic, options, Some).await
    }

    /// Tells what happens to jobs and processes, as far as a pattern selects it.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    ///
    /// # Cancel safety
    /// If this is dropped, there is no subscription.
    pub async fn watch(
        &self,
        pattern: &Pattern,
        options: &SubscribeOptions,
    ) -> Result<Subscription<EventMessage>, Error> {
        let read = |item| if let ControlItem::Event(event) = item { Some(event) } else { None };
        self.open(&Topic::Events(pattern.clone()), options, read).await
    }

    /// Tells what processes use, ten times a second each. Of one process it ends with that.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    ///
    /// # Cancel safety
    /// If this is dropped, there is no subscription.
    pub async fn follow_stats(&self, of: &Target) -> Result<Subscription<StatsSample>, Error> {
        let read = |item| if let ControlItem::Stats(sample) = item { Some(sample) } else { None };
        self.open(&Topic::Stats(of.clone()), &SubscribeOptions::default(), read).await
    }

    /// Tells what a process writes, to its end: to the output or extra pipe of this label, or to its first output. With `history` also of
    /// one that is gone, for a while.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    ///
    /// # Cancel safety
    /// If this is dropped, there is no subscription.
    pub async fn follow_output(
        &self,
        pid: ProcessId,
        label: Option<&StreamLabel>,
        options: &SubscribeOptions,
    ) -> Result<Subscription<StreamText>, Error> {
        let read = |item| if let ControlItem::Output(text) = item { Some(text) } else { None };
        self.open(&Topic::Stream { pid, label: label.cloned() }, options, read).await
    }

    async fn open<T>(
        &self,
        topic: &Topic,
        options: &SubscribeOptions,
        read: fn(ControlItem) -> Option<T>,
    ) -> Result<Subscription<T>, Error> {
        let mailbox = Arc::new(Mailbox::new(topic, Arc::clone(&self.shared.bell)));
        let subscription = Subscription::new(Arc::clone(&mailbox), read);
        let (opened, answer) = oneshot::channel();
        let history = options.history.min(MOST_HISTORY);
        let ask = Ask::Subscribe(Newcomer { topic: topic.clone(), history, mailbox, opened });
        let call = topics::call(&topic.to_string());
        match timeout(self.patience(), self.ask(ask, answer, &call)).await {
            Ok(answer) => answer.map(|()| subscription),
            Err(_) => Err(self.client.interrupted(&call, Cause::Timeout(self.patience()))),
        }
    }

    /// Carries out a command by its name. Those of the manager have methods of their own here.
    ///
    /// While there is no connection it waits for one. All in all it takes no longer than a call may take
    /// ([`answer_timeout`](crate::ClientBuilder::answer_timeout)). At most 64 are on the way at once; others wait for these.
    ///
    /// ```no_run
    /// # async fn run(control: gaffer_client::Control) -> Result<(), gaffer_client::Error> {
    /// let result = control.command("pids", vec!["shop.web".into()], Default::default()).await?;
    /// println!("{}", result["pids"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Refused`] when the node says no. [`Error::Interrupted`] when the connection is lost, or the time is over, before the
    /// answer: whether it was carried out is not known. [`Error::Unreachable`] when it could not be sent in time, or the connection has
    /// ended for good: nothing was done. [`Error::Unsendable`] when it would have more than 1 MiB, or is nested too deeply to be read.
    ///
    /// # Cancel safety
    /// If this is dropped, the command may have been sent, and is carried out then.
    pub async fn command(&self, name: &str, args: Vec<Value>, kwargs: Map<String, Value>) -> Result<Value, Error> {
        let call = format!("CMD {name}");
        let identity = self.shared.last_identity.fetch_add(1, Ordering::Relaxed) + 1;
        let command = Command { identity: identity.into(), name: name.to_owned(), args, kwargs };
        let text = Request::Command(command).to_text();
        if text.len() > MAX_MESSAGE {
            let problem = format!("it has more than {} MiB", MAX_MESSAGE / 1024 / 1024);
            return Err(Error::Unsendable { call, problem });
        }
        // What a node does not understand would be the end of the connection, for everybody on it.
        if let Err(invalid) = Request::read(&text) {
            return Err(Error::Unsendable { call, problem: invalid.to_string() });
        }
        let (answer, answered) = oneshot::channel();
        let claim = Claim::default();
        let order = Order { identity, text, call: call.clone(), claim: claim.clone(), answer };
        let asking = async {
            // It is never closed.
            let _place = self.shared.places.acquire().await;
            self.ask(Ask::Command(order), answered, &call).await
        };
        match timeout(self.patience(), asking).await {
            Ok(answer) => answer,
            Err(_) if claim.take() => {
                let (endpoint, cause) = (self.endpoint().clone(), Cause::Timeout(self.patience()));
                Err(Error::Unreachable { endpoint, cause })
            }
            Err(_) => Err(self.client.interrupted(&call, Cause::Timeout(self.patience()))),
        }
    }

    /// Asks for something, and waits for the answer.
    async fn ask<T>(&self, ask: Ask, answer: oneshot::Receiver<Result<T, Error>>, call: &str) -> Result<T, Error> {
        if self.asks.send(ask).await.is_err() {
            return Err(self.over(call));
        }
        // Without an answer its task is gone, with its runtime.
        answer.await.unwrap_or_else(|_| Err(self.client.interrupted(call, Cause::Closed)))
    }

    /// An error of one who comes when the connection has ended for good.
    fn over(&self, call: &str) -> Error {
        let end = self.shared.end.get();
        end.map_or_else(|| unsent(&self.client.interrupted(call, Cause::Closed)), unsent)
    }

    fn patience(&self) -> Duration {
        self.client.inner.answer_timeout
    }
}
