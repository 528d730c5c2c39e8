//! A feed over as many connections as it takes.

use std::collections::VecDeque;

use gaffer_core::{api::feed, stats::NoProcessId};
use reqwest::header::HeaderValue;
use tokio::time::sleep;

use super::{
    Told,
    connection::{Connection, HEARTBEAT, Opened},
    sse::Block,
};
use crate::{
    Cause, Client, Error,
    backoff::{Backoff, dice},
    transport::Call,
};

/// What a feed is about: how it is asked for, and how it reads.
pub(super) trait Subject: Send + 'static {
    /// What it tells.
    type Item: Send + 'static;

    /// The call, without what all feeds have in common.
    fn call(&self, client: &Client) -> Call;

    /// Whether it is about one process, with which it ends.
    fn is_of_process(&self) -> bool;

    /// Whether its events have ids, by which it is resumed.
    fn has_ids(&self) -> bool {
        true
    }

    /// Reads an event, and says what it tells.
    fn read(&mut self, block: Block, data: &str, told: &mut VecDeque<Told<Self::Item>>) -> Result<(), Unreadable>;

    /// Reads a comment that belongs to no event and tells no loss.
    fn remark(&mut self, _comment: &str, _told: &mut VecDeque<Told<Self::Item>>) {}

    /// Whether what was read last was the last there is.
    fn is_over(&self) -> bool {
        false
    }
}

/// An event that is none of a node.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// Its data do not read.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// It is of an output that was not asked for.
    #[error("it is of `{0}`, which was not asked for")]
    Label(String),
    /// It does not say whose figures it tells.
    #[error(transparent)]
    Nobodys(#[from] NoProcessId),
}

/// What a reader that came back without an id is told.
const NO_ID: &str = "the node has not said where its feed was; what it would have told meanwhile is missing";

/// What a node must say.
const NO_RUN: &str = "it does not say which run of the node it is of (header Last-Event-ID)";

/// Reads a feed, and comes back when its connection is lost.
pub(super) struct Reader<S: Subject> {
    client: Client,
    subject: S,
    resume: bool,
    state: State,
    /// What is to be told before anything else is read.
    told: VecDeque<Told<S::Item>>,
    /// Where it is.
    last_id: Option<String>,
    /// The run of the node that the connection is to, or was to before it was lost; if the node has said so.
    run: Option<String>,
    /// Whether the feed was asked for again after an orderly end, and no connection has held since.
    asked_again: bool,
    /// What made the last attempt to connect fail, in words.
    told_reason: String,
    backoff: Backoff,
}

enum State {
    Open(Box<Connection>),
    /// The node has ended the feed: it may be over, or not.
    Ended,
    /// The connection is lost, and that is told.
    Lost,
    Over,
}

/// What came of asking for a feed again.
enum Again {
    Open { same_run: bool },
    Over,
}

impl<S: Subject> Reader<S> {
    /// Asks for the feed.
    pub(super) async fn open(client: &Client, subject: S, history: usize, resume: bool) -> Result<Self, Error> {
        let mut reader = Self {
            client: client.clone(),
            subject,
            resume,
            state: State::Over,
            told: VecDeque::new(),
            last_id: None,
            run: None,
            asked_again: false,
            told_reason: String::new(),
            backoff: Backoff::default(),
        };
        // First the run and then the feed: so the feed is of this run, or of a later one than it is taken for, and not resumed.
        if !reader.subject.has_ids() {
            reader.run = client.run().await?;
        }
        let call = reader.call().with(|request| request.query(&[("history", history)]));
        if let Some(Opened { connection, id }) = Connection::open(call).await? {
            if let Some(id) = id {
                reader.run = Some(run_of(&id).to_owned());
                reader.last_id = Some(id);
            }
            reader.state = State::Open(Box::new(connection));
        }
        Ok(reader)
    }

    fn call(&self) -> Call {
        let call = self.subject.call(&self.client);
        let call = call.with(|request| request.query(&[("feed", "eventsource"), ("heartbeat", HEARTBEAT)]));
        match &self.last_id {
            Some(id) => call.with(|request| request.header("last-event-id", id)),
            None => call,
        }
    }

    /// What comes next. An error is the last.
    pub(super) async fn next(&mut self) -> Option<Result<Told<S::Item>, Error>> {
        loop {
            if let Some(told) = self.told.pop_front() {
                return Some(Ok(told));
            }
            if let Err(error) = self.step().await? {
                self.state = State::Over;
                return Some(Err(error));
            }
        }
    }

    /// Gets on by one step; `None` at the end.
    async fn step(&mut self) -> Option<Result<(), Error>> {
        Some(match &mut self.state {
            State::Open(connection) => match connection.next().await {
                Ok(Some(block)) => self.take(block),
                Ok(None) => self.ended(),
                Err(error) => self.lost(error),
            },
            State::Ended => match self.ask_again().await {
                Ok(Again::Open { .. }) => Ok(()),
                Ok(Again::Over) => self.over(),
                Err(error) => self.lost(error),
            },
            State::Lost => {
                sleep(self.backoff.pause(dice())).await;
                match self.ask_again().await {
                    Ok(Again::Open { same_run }) => {
                        self.told.push_back(Told::Reconnected { same_run });
                        if self.subject.has_ids() && self.last_id.is_none() {
                            self.told.push_back(Told::Lost(NO_ID.to_owned()));
                        }
                        Ok(())
                    }
                    Ok(Again::Over) => self.over(),
                    Err(error) if error.may_pass() => self.tell_loss(error),
                    Err(error) => Err(error),
                }
            }
            State::Over => return None,
        })
    }

    fn over(&mut self) -> Result<(), Error> {
        self.state = State::Over;
        Ok(())
    }

    fn take(&mut self, mut block: Block) -> Result<(), Error> {
        if let Some(pause) = block.retry {
            self.backoff.at_least(pause);
        }
        if let Some(id) = block.id.clone() {
            // One that no request can carry is none.
            self.last_id = Some(id).filter(|id| !id.is_empty() && HeaderValue::from_str(id).is_ok());
            if let Some(id) = &self.last_id {
                self.run.get_or_insert_with(|| run_of(id).to_owned());
            }
        }
        let Some(data) = block.data.take() else {
            for comment in block.comments {
                if feed::is_loss(&comment) {
                    self.told.push_back(Told::Lost(comment));
                } else {
                    self.subject.remark(&comment, &mut self.told);
                }
            }
            return Ok(());
        };
        let read = self.subject.read(block, &data, &mut self.told);
        if self.subject.is_over() {
            self.state = State::Over;
        }
        let shown = || data.chars().take(80).collect::<String>();
        read.map_err(|error| {
            let what = self.subject.call(&self.client).what().to_owned();
            self.client.protocol(&what, format!("`{}`: {error}", shown()))
        })
    }

    /// The body has come to its end.
    fn ended(&mut self) -> Result<(), Error> {
        let State::Open(connection) = &self.state else { return Ok(()) };
        if !self.resume {
            return self.over();
        }
        if connection.held() >= Backoff::MOST {
            self.asked_again = false;
        }
        // With its process, most likely, which another look will tell; if that has soon ended so again, it is no end.
        if self.subject.is_of_process() && self.run.is_some() && !self.asked_again {
            self.asked_again = true;
            self.state = State::Ended;
            return Ok(());
        }
        let error = connection.interrupted(Cause::Closed);
        self.lost(error)
    }

    /// The connection is gone. What cannot be helped by another one is the end.
    fn lost(&mut self, error: Error) -> Result<(), Error> {
        // Without the run it cannot be told whether a pid is still that of the same process.
        let is_known = self.run.is_some() || !self.subject.is_of_process();
        if !self.resume || !is_known || !error.may_pass() {
            return Err(error);
        }
        if let State::Open(connection) = &self.state {
            self.backoff.lost(connection.held());
        }
        self.state = State::Lost;
        self.told_reason.clear();
        self.tell_loss(error)
    }

    /// Tells why there is no connection, unless that was told last.
    fn tell_loss(&mut self, error: Error) -> Result<(), Error> {
        let reason = error.to_string();
        if self.told_reason != reason {
            self.told_reason = reason;
            self.told.push_back(Told::Disconnected(error));
        }
        Ok(())
    }

    /// Asks for the feed from where it is.
    async fn ask_again(&mut self) -> Result<Again, Error> {
        let (connection, id) = match Connection::open(self.call()).await {
            Ok(Some(Opened { connection, id })) => (connection, id),
            Ok(None) => return Ok(Again::Over),
            Err(error) if self.subject.is_of_process() && error.is_not_found() => return Ok(Again::Over),
            Err(error) => return Err(error),
        };
        // Here first the feed and then the run: if that is still the same, the feed began in it.
        let run = match &id {
            Some(id) => Some(run_of(id).to_owned()),
            None if self.subject.has_ids() => None,
            None => self.client.run().await?,
        };
        if run.is_none() && self.subject.is_of_process() {
            let what = self.subject.call(&self.client).what().to_owned();
            return Err(self.client.protocol(&what, NO_RUN.to_owned()));
        }
        let same_run = run.is_some() && run == self.run;
        if !same_run && self.subject.is_of_process() {
            return Ok(Again::Over); // Its process went with the node; what has its pid now is another one.
        }
        self.run = run;
        if id.is_some() {
            self.last_id = id;
        }
        self.state = State::Open(Box::new(connection));
        Ok(Again::Open { same_run })
    }
}

impl Client {
    /// Asks which run of the node this is: a word that is another one whenever gafferd was started anew. Pids mean the same
    /// processes only as long as it is the same. `None` if the node does not say so, as old ones do not.
    ///
    /// # Errors
    /// As every call.
    pub async fn run(&self) -> Result<Option<String>, Error> {
        let call = self
            .get(&["watch"])
            .with(|request| request.query(&[("feed", "eventsource"), ("follow", "false"), ("history", "0")]));
        Ok(match Connection::open(call).await? {
            Some(Opened { id, .. }) => id.map(|id| run_of(&id).to_owned()),
            None => None,
        })
    }
}

/// The run of the node in an id, which is `<run>-<number>`.
fn run_of(id: &str) -> &str {
    id.rsplit_once('-').map_or(id, |(run, _)| run)
}
