//! The task that tells one server, over as many connections as it takes.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use gaffer_core::{
    Manager,
    api::lookup::{NodeInfo, NodeRequest},
    events::{Delivery, Notification, Pattern, Subscription},
};
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::Message;

use super::{
    Report,
    dialogue::{Dialogue, MOST_UNANSWERED, Meaning, USUAL_INTERVAL},
    ledger::Ledger,
};
use crate::{
    Cause, Client, ClientBuilder, Error,
    backoff::{Attempts, dice},
    lookup::Silent,
    websocket::{Said, Socket},
};

/// Tells one server of this node, until it is to stop.
pub(super) struct Link {
    pub(super) builder: ClientBuilder,
    pub(super) server: Client,
    pub(super) node: NodeInfo,
    pub(super) manager: Manager,
    pub(super) report: Arc<dyn Fn(Report) + Send + Sync>,
    /// How often the server wants to hear of us, as far as it has said so.
    pub(super) interval: Duration,
    /// By which the server knows this link again. It is nobody else's: who knows it could take the node's place.
    pub(super) incarnation: String,
}

/// Most bytes of what a server says at once.
const MAX_MESSAGE: usize = 64 * 1024;

/// The least that a server is given to answer: it may have much to do, and be far away.
const LEAST_PATIENCE: Duration = Duration::from_secs(5);

/// Whether the connection has come that far that its end is worth a word.
type IsWelcome = bool;

/// Why a connection ends.
enum End {
    /// The manager has stopped.
    Stopped,
    /// The server does not let us in.
    Refused(String),
    /// The connection is lost, or of no use.
    Lost(Error),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Lost(error)
    }
}

impl Link {
    /// Does so, until `stop` is true.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let stopped = async move { drop(stop.wait_for(|stop| *stop).await) };
        tokio::select! {
            () = stopped => {}
            () = self.keep_on() => {}
        }
    }

    async fn keep_on(&mut self) {
        let mut attempts = Attempts::default();
        loop {
            let mut is_welcome = false;
            let since = Instant::now();
            let end = self.connection(&mut is_welcome).await.err();
            let report = match end {
                None | Some(End::Stopped) => return,
                Some(End::Refused(reason)) => Report::Refused { server: self.server.endpoint().clone(), reason },
                Some(End::Lost(error)) => Report::Lost(Silent { server: self.server.endpoint().clone(), error }),
            };
            if attempts.failed(is_welcome.then(|| since.elapsed()), report.to_string()) {
                (self.report)(report);
            }
            // So a server that was away knows all again before it would have missed a node that is.
            attempts.backoff.at_most(self.interval / 2);
            sleep(attempts.backoff.pause(dice())).await;
            self.renew().await;
        }
    }

    /// Reads the files of TLS again: certificates are replaced.
    async fn renew(&mut self) {
        if !self.server.endpoint().is_tls() {
            return;
        }
        let builder = self.builder.clone();
        // What does not read now may be half replaced. Those that were read before are used, and if they do not serve, that is told.
        if let Ok(Ok(server)) = spawn_blocking(move || builder.build()).await {
            self.server = server;
        }
    }

    /// Speaks on one connection, until that ends.
    async fn connection(&mut self, is_welcome: &mut IsWelcome) -> Result<(), End> {
        let patience = self.interval.max(LEAST_PATIENCE);
        let call = self.server.get(&["ws"]);
        let what = call.what().to_owned();
        let opened = timeout(patience, Socket::open_for(call, MAX_MESSAGE)).await;
        let socket = opened.unwrap_or_else(|_| Err(self.server.interrupted(&what, Cause::Timeout(patience))))?;
        let mut connection = Connection::new(socket, patience);
        let node = self.node.clone();
        connection.say(NodeRequest::Identify { node, incarnation: Some(self.incarnation.clone()) }).await?;
        self.interval = match connection.answer_in_time().await? {
            Meaning::Welcome(interval) => interval,
            Meaning::Refused(reason) | Meaning::OutOfStep(reason) => return Err(End::Refused(reason)),
            Meaning::Fine | Meaning::NotTaken(_) => USUAL_INTERVAL, // Not reached: it answers an IDENTIFY.
        };
        connection.interval = self.interval;
        connection.patience = self.interval.max(LEAST_PATIENCE);
        // In this order: what happens between the two is heard twice, and nothing is missed.
        let mut events = self.manager.subscribe(&Pattern::Jobs);
        let mut ledger = Ledger::default();
        let (jobs, processes) = self.tell_all(&mut connection, &mut ledger).await?;
        connection.say(NodeRequest::Synced).await?;
        *is_welcome = true;
        (self.report)(Report::Registered { server: self.server.endpoint().clone(), jobs, processes });
        loop {
            match self.next(&mut connection, &mut events).await? {
                Next::Event(event) => {
                    if let Some(request) = ledger.event(event.event()) {
                        connection.say(request).await?;
                    }
                }
                Next::Missed => drop(self.tell_all(&mut connection, &mut ledger).await?),
                Next::Heard(meaning) => self.mind(&mut connection, meaning)?,
                Next::Quiet => connection.say(NodeRequest::Ping).await?,
            }
        }
    }

    /// Tells what there is. Answers how many jobs and processes that are.
    async fn tell_all(&self, connection: &mut Connection, ledger: &mut Ledger) -> Result<(usize, usize), End> {
        let roster = self.manager.roster().await.map_err(|_| End::Stopped)?;
        let numbers = (roster.len(), roster.iter().map(|(_, pids)| pids.len()).sum());
        for request in ledger.roster(roster) {
            while connection.dialogue.is_full() {
                let meaning = connection.answer_in_time().await?;
                self.mind(connection, meaning)?;
            }
            connection.say(request).await?;
        }
        Ok(numbers)
    }

    /// What is next.
    async fn next(
        &self,
        connection: &mut Connection,
        events: &mut Subscription<Arc<Notification>>,
    ) -> Result<Next, End> {
        let (is_full, alarm) = (connection.dialogue.is_full(), connection.alarm());
        tokio::select! {
            // After a pause of the whole machine an answer may be there, and its time over: then it is there.
            biased;
            answer = connection.answer() => Ok(Next::Heard(answer?)),
            event = events.recv(), if !is_full => match event {
                Some(Delivery::Item(event)) => Ok(Next::Event(event)),
                Some(Delivery::Lagged(_)) => Ok(Next::Missed),
                None => Err(End::Stopped),
            },
            () = sleep_until(alarm) => match connection.waits_since {
                Some(_) => Err(connection.silence()),
                None => Ok(Next::Quiet),
            },
        }
    }

    fn mind(&self, connection: &mut Connection, meaning: Meaning) -> Result<(), End> {
        match meaning {
            Meaning::Fine | Meaning::Welcome(_) => Ok(()),
            Meaning::NotTaken(_) if std::mem::replace(&mut connection.was_not_taken, true) => Ok(()),
            Meaning::NotTaken(reason) => {
                (self.report)(Report::NotTaken { server: self.server.endpoint().clone(), reason });
                Ok(())
            }
            Meaning::Refused(reason) => Err(End::Refused(reason)),
            Meaning::OutOfStep(problem) => Err(connection.socket.protocol(problem).into()),
        }
    }
}

/// What there is to be done about.
enum Next {
    Event(Arc<Notification>),
    /// Some events were lost.
    Missed,
    Heard(Meaning),
    /// Nothing was said for long enough.
    Quiet,
}

struct Connection {
    socket: Socket,
    dialogue: Dialogue,
    /// What came while something was said.
    early: VecDeque<Said>,
    /// How long we may be silent.
    interval: Duration,
    /// How long an answer may take.
    patience: Duration,
    /// Whether it was told already that the server does not take something: there may be many thousand.
    was_not_taken: bool,
    /// When something was said last.
    said: Instant,
    /// Since when an answer is waited for; anew with each that comes.
    waits_since: Option<Instant>,
}

impl Connection {
    fn new(socket: Socket, patience: Duration) -> Self {
        let (dialogue, early) = (Dialogue::default(), VecDeque::new());
        let interval = patience;
        Self {
            socket,
            dialogue,
            early,
            interval,
            patience,
            was_not_taken: false,
            said: Instant::now(),
            waits_since: None,
        }
    }

    async fn say(&mut self, request: NodeRequest) -> Result<(), End> {
        self.said = Instant::now();
        self.waits_since.get_or_insert(self.said);
        let text = self.dialogue.say(request);
        let early = &mut self.early;
        let sent = timeout(self.patience, self.socket.send(Message::text(text), |said| early.push_back(said)));
        match sent.await {
            Ok(sent) => sent?,
            Err(_) => return Err(self.silence()),
        }
        // Each was said, and is answered once.
        if self.early.len() > MOST_UNANSWERED {
            return Err(self.socket.protocol("it answers what was not said".to_owned()).into());
        }
        Ok(())
    }

    /// The next answer. Nothing is lost if it is dropped before it resolves.
    async fn answer(&mut self) -> Result<Meaning, End> {
        let said = match self.early.pop_front() {
            Some(said) => said,
            None => self.socket.recv().await?.ok_or_else(|| self.socket.gone())?,
        };
        let (Said::Text(text) | Said::Binary(text)) = said;
        let meaning = self.dialogue.hear(&text);
        self.waits_since = self.dialogue.is_waiting().then(Instant::now);
        Ok(meaning)
    }

    async fn answer_in_time(&mut self) -> Result<Meaning, End> {
        let answer = timeout(self.patience, self.answer()).await;
        answer.unwrap_or_else(|_| Err(self.silence()))
    }

    /// When something is to be done about the silence.
    fn alarm(&self) -> Instant {
        match self.waits_since {
            Some(since) => since + self.patience,
            None => self.said + self.interval,
        }
    }

    /// What it means that an answer does not come.
    fn silence(&self) -> End {
        End::Lost(self.socket.interrupted(Cause::Silence(self.patience)))
    }
}
