//! Hearing what changes, from all servers at once.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;
use gaffer_core::api::lookup::Change;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, Sleep, sleep},
};

use super::{
    Lookup, Silent,
    ask::MAX_LIST,
    union::{Union, View},
};
use crate::{
    Client, Endpoint, Error,
    backoff::{Attempts, dice},
    websocket::{Said, Socket},
};

/// What a server may have told that was not taken yet.
const WAITING: usize = 256;

/// Most bytes of a change.
const MAX_MESSAGE: usize = 64 * 1024;

/// After how long a silence a server is asked for a sign of life. After three times that it is lost.
const SILENCE: Duration = Duration::from_secs(10);

/// How long what a lost server knew counts: so long others, or itself, have to know it. Nodes try again after 5 s at most.
const SETTLING: Duration = Duration::from_secs(15);

/// What is heard of lookup servers.
#[derive(Clone, Debug)]
pub enum Told {
    /// Something changed.
    Change(Change),
    /// A server is lost, or was not there from the beginning. It is tried again. What only it knew counts for 15 s; if it was the last one,
    /// until one is back.
    Lost(Silent),
    /// A server is there that was lost.
    Back(Endpoint),
}

/// What changes, as all servers together tell it. It goes on until it is dropped.
///
/// It speaks with the servers in tasks of their own, so it is made within a runtime.
#[derive(Debug)]
pub struct Watch {
    heard: mpsc::Receiver<(usize, Heard)>,
    servers: Vec<Server>,
    union: Union,
    /// Whether it begins with all that there is.
    tells_all: bool,
    told: VecDeque<Told>,
    settling: Option<Pin<Box<Sleep>>>,
    /// End with it.
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Server {
    endpoint: Endpoint,
    /// Whether it has told what there is, or was found to be away.
    was_asked: bool,
    is_lost: bool,
}

/// What comes of one server.
#[derive(Debug)]
enum Heard {
    /// All that there is.
    All(View),
    Change(Change),
    Lost(Error),
}

impl Lookup {
    /// Hears what changes from now on.
    pub fn watch(&self) -> Watch {
        Watch::new(self, false)
    }

    /// The same, and begins with all that there is, as if it came now.
    pub fn watch_all(&self) -> Watch {
        Watch::new(self, true)
    }
}

impl Watch {
    fn new(lookup: &Lookup, tells_all: bool) -> Self {
        let (sender, heard) = mpsc::channel(WAITING);
        let mut tasks = JoinSet::new();
        for (place, server) in lookup.servers().iter().enumerate() {
            tasks.spawn(listen(server.clone(), place, sender.clone()));
        }
        let server = |client: &Client| Server { endpoint: client.endpoint().clone(), was_asked: false, is_lost: false };
        Self {
            heard,
            servers: lookup.servers().iter().map(server).collect(),
            union: Union::new(lookup.servers().len()),
            tells_all,
            told: VecDeque::new(),
            settling: None,
            _tasks: tasks,
        }
    }

    /// What comes next.
    ///
    /// # Cancel safety
    /// Nothing is lost if this is dropped before it resolves.
    pub async fn next(&mut self) -> Option<Told> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    fn take_in(&mut self, place: usize, heard: Heard) {
        let Some(server) = self.servers.get_mut(place) else { return };
        let changes = match heard {
            Heard::All(view) => {
                let is_first = !std::mem::replace(&mut server.was_asked, true);
                if std::mem::take(&mut server.is_lost) {
                    self.told.push_back(Told::Back(server.endpoint.clone()));
                }
                let changes = self.union.snapshot(place, view);
                // What was there before is no change.
                if is_first && !self.tells_all { Vec::new() } else { changes }
            }
            Heard::Change(change) => self.union.change(place, &change),
            Heard::Lost(error) => {
                (server.was_asked, server.is_lost) = (true, true);
                self.union.lost(place);
                self.settling = None; // It begins anew.
                self.told.push_back(Told::Lost(Silent { server: server.endpoint.clone(), error }));
                Vec::new()
            }
        };
        self.told.extend(changes.into_iter().map(Told::Change));
        match (self.union.is_unsettled(), &self.settling) {
            (true, None) => self.settling = Some(Box::pin(sleep(SETTLING))),
            (false, _) => self.settling = None,
            (true, Some(_)) => {}
        }
    }
}

impl Stream for Watch {
    type Item = Told;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Told>> {
        loop {
            if let Some(told) = self.told.pop_front() {
                return Poll::Ready(Some(told));
            }
            if let Some(settling) = &mut self.settling
                && settling.as_mut().poll(cx).is_ready()
            {
                self.settling = None;
                let changes = self.union.settle();
                self.told.extend(changes.into_iter().map(Told::Change));
                continue;
            }
            let Some((place, heard)) = ready!(self.heard.poll_recv(cx)) else { return Poll::Ready(None) };
            self.take_in(place, heard);
        }
    }
}

/// Listens to one server, over as many connections as it takes, until nobody wants to know.
async fn listen(server: Client, place: usize, heard: mpsc::Sender<(usize, Heard)>) {
    let mut attempts = Attempts::default();
    loop {
        let since = Instant::now();
        let mut was_there = false;
        let Err(error) = connection(&server, place, &heard, &mut was_there).await else { return };
        let is_news = attempts.failed(was_there.then(|| since.elapsed()), error.to_string());
        if is_news && heard.send((place, Heard::Lost(error))).await.is_err() {
            return;
        }
        sleep(attempts.backoff.pause(dice())).await;
    }
}

/// The same, over one connection. It ends well when nobody wants to know any more.
async fn connection(
    server: &Client,
    place: usize,
    heard: &mpsc::Sender<(usize, Heard)>,
    was_there: &mut bool,
) -> Result<(), Error> {
    let socket = Socket::open_for(server.get(&["lookup", "websocket"]), MAX_MESSAGE).await?;
    let mut socket = socket.asking_after(SILENCE);
    // In this order: what changes between the two is heard twice, and nothing is missed.
    let mut next = Some(Heard::All(all(server).await?));
    *was_there = true;
    loop {
        if let Some(next) = next.take()
            && heard.send((place, next)).await.is_err()
        {
            return Ok(());
        }
        let Some(Said::Text(said) | Said::Binary(said)) = socket.recv().await? else { return Err(socket.gone()) };
        // What a newer server may say besides is for newer clients.
        next = match serde_json::from_slice(&said) {
            Ok(Change::Lost { .. }) => Some(Heard::All(all(server).await?)),
            Ok(change) => Some(Heard::Change(change)),
            Err(_) => None,
        };
    }
}

async fn all(server: &Client) -> Result<View, Error> {
    let nodes = server.get(&["nodes"]).up_to(MAX_LIST).json().await?;
    let jobs = server.get(&["jobs"]).up_to(MAX_LIST).json().await?;
    Ok(View::of(nodes, jobs))
}
