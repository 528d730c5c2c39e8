//! Feeds: what the node tells again and again, as streams that go on by themselves when their connection is lost.
//!
//! | part | knows |
//! | --- | --- |
//! | `sse` | what an event stream looks like |
//! | `connection` | one connection: when it is silent for too long |
//! | `reader` | what the loss of a connection means, and where the next one goes on |
//! | `events`, `output`, `usage` | what a feed is about: its path, its items, and how it ends |
//!
//! Pids begin anew with each run of a node. So the [`Reader`] keeps the run that a feed was last told of, and never goes on
//! with a process of another one.

mod connection;
mod events;
mod output;
mod reader;
mod sse;
mod usage;

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::{StreamExt, stream::unfold};
use gaffer_core::{
    JobName, ProcessId,
    api::{EventMessage, MOST_HISTORY},
    events::Pattern,
    names::StreamLabel,
    stats::ProcessStats,
};

use self::{
    events::Events,
    output::Output,
    reader::{Reader, Subject},
};
use crate::{Client, Error, transport::Call};

/// How a feed is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedOptions {
    /// How much of the past comes first: so many events, or lines of output, as far as they are kept. Statistics have no past.
    /// Default: 0.
    pub history: usize,
    /// Whether a feed whose connection is lost connects again, and goes on where it was. Default: yes.
    pub resume: bool,
}

impl Default for FeedOptions {
    fn default() -> Self {
        Self { history: 0, resume: true }
    }
}

/// What a feed tells.
#[derive(Debug)]
pub enum Told<T> {
    /// What it is about.
    Item(T),
    /// Something is missing here, in the node's words: this reader was too slow, or came back too late.
    Lost(String),
    /// The connection is lost, for this reason; or it cannot be made again, for another one than was told last. The feed tries again
    /// until it can: first after 100 ms, then less and less often, at last every 5 s.
    Disconnected(Error),
    /// It is there again. The feed goes on where it was, or with what is kept since the node was started anew.
    Reconnected {
        /// Whether the node has run on since the connection before. If not, it has been started anew, or it does not say.
        same_run: bool,
    },
}

/// A stream of what a node tells. An error is the last item. Dropping it ends the connection.
///
/// It reads no more than it is polled for: who is slow is told what the node had to leave out ([`Told::Lost`]). A connection on which
/// nothing comes for 40 s, not even the sign of life that the node gives every 15 s, counts as lost.
pub struct Feed<T> {
    inner: Pin<Box<dyn Stream<Item = Result<Told<T>, Error>> + Send>>,
}

impl<T: Send + 'static> Feed<T> {
    async fn open<S>(client: &Client, subject: S, options: &FeedOptions) -> Result<Self, Error>
    where
        S: Subject<Item = T>,
    {
        let history = options.history.min(MOST_HISTORY);
        let reader = Reader::open(client, subject, history, options.resume).await?;
        let inner = unfold(reader, |mut reader| async { reader.next().await.map(|told| (told, reader)) });
        Ok(Self { inner: Box::pin(inner.fuse()) })
    }
}

impl<T> fmt::Debug for Feed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}

impl<T> Stream for Feed<T> {
    type Item = Result<Told<T>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.inner.as_mut().poll_next(cx)
    }
}

/// Something that a process wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutputText {
    /// Which of its outputs.
    pub label: StreamLabel,
    /// Lines, with LF between them, and none at the end. What is no UTF-8 became U+FFFD.
    pub text: String,
    /// Whether a line break was at its end. If not, its last line goes on with the next text of this label, which may be
    /// empty and end it; unless something is lost in between.
    pub ends_line: bool,
}

/// Whose statistics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatsOf {
    /// Of all processes.
    All,
    /// Of those of a job.
    Job(JobName),
    /// Of one of a job's.
    Process(JobName, ProcessId),
}

/// What a process uses, at one time.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StatsSample {
    /// Its job.
    pub job: JobName,
    /// The process, and its figures.
    pub process: ProcessStats,
}

impl Client {
    /// Tells what happens to jobs and processes. Answers once it is subscribed: what happens after that is told.
    ///
    /// It ends with an error; if `resume` is off, also with its connection; and if the pattern is about one process, with the exit
    /// of that, as far as the pattern selects exits, or with the run of its node. A process that was gone before may have its exit in
    /// the `history`; if that is not asked for, or not kept any more, nothing comes and the feed does not end by itself.
    ///
    /// ```no_run
    /// use futures_util::StreamExt;
    /// use gaffer_client::{Client, FeedOptions, Told, gaffer_core::events::Pattern};
    ///
    /// # async fn run(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut exits = client.watch(&"exit".parse::<Pattern>()?, &FeedOptions::default()).await?;
    /// while let Some(told) = exits.next().await {
    ///     match told? {
    ///         Told::Item(event) => println!("{} exited with {:?}", event.name, event.exit_code),
    ///         Told::Lost(what) => println!("{what}"),
    ///         Told::Disconnected(error) => println!("{error}"),
    ///         Told::Reconnected { same_run } => println!("it goes on; is it the same run: {same_run}"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As every call.
    pub async fn watch(&self, pattern: &Pattern, options: &FeedOptions) -> Result<Feed<EventMessage>, Error> {
        Feed::open(self, Events::new(pattern), options).await
    }

    /// The last events that are kept, at most `count`.
    ///
    /// # Errors
    /// As every call.
    pub async fn recent_events(&self, pattern: &Pattern, count: usize) -> Result<Vec<EventMessage>, Error> {
        let events = Events::new(pattern);
        let call = kept(events.call(self), count);
        let what = call.what().to_owned();
        let lines = call.bytes().await?;
        let lines = lines.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
        let read = lines.filter_map(|line| events.message(line).transpose()).collect::<Result<_, _>>();
        read.map_err(|error| self.protocol(&what, error.to_string()))
    }

    /// Tells what a process writes, to its end. With `history` also of one that is gone, for a while.
    ///
    /// When the connection is lost it goes on at the byte where it was. If the node was started anew meanwhile, the process is gone,
    /// and the feed ends.
    ///
    /// # Errors
    /// As every call; also when there is no such process or output.
    pub async fn follow_output(
        &self,
        pid: ProcessId,
        label: &StreamLabel,
        options: &FeedOptions,
    ) -> Result<Feed<OutputText>, Error> {
        Feed::open(self, Output::new(pid, label), options).await
    }

    /// The last lines that a process wrote, at most `lines`, as far as they are kept; also of one that is gone, for a while.
    ///
    /// # Errors
    /// As every call; also when there is no such process or output.
    pub async fn recent_output(&self, pid: ProcessId, label: &StreamLabel, lines: usize) -> Result<Bytes, Error> {
        kept(Output::new(pid, label).call(self), lines).bytes().await
    }

    /// Tells what processes use, ten times a second each. Of one process it ends with that.
    ///
    /// When a process started is not told ([`create_time`](gaffer_core::stats::Usage::create_time) is `None`).
    ///
    /// # Errors
    /// As every call; also when there is no such job or process.
    pub async fn follow_stats(&self, of: &StatsOf, options: &FeedOptions) -> Result<Feed<StatsSample>, Error> {
        Feed::open(self, of.clone(), &FeedOptions { history: 0, ..options.clone() }).await
    }
}

/// Asks for what a feed keeps, and no more.
fn kept(call: Call, count: usize) -> Call {
    let history = count.min(MOST_HISTORY).to_string();
    call.with(|request| request.query(&[("feed", "continuous"), ("follow", "false"), ("history", &history)]))
}
