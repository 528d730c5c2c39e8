//! The task that owns the connection, over as many connections as it takes.

use std::sync::{Arc, OnceLock};

use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep},
};
use tokio_tungstenite::tungstenite::Message;

use super::book::{Ask, Book};
use crate::{
    Client, Error,
    backoff::{Backoff, dice},
    transport::Call,
    websocket::Socket,
};

/// Serves handles and subscriptions until the last one is dropped, or no connection can help any more.
pub(super) struct Link {
    client: Client,
    /// Whether a connection that is lost is made again.
    resume: bool,
    desk: Desk,
    backoff: Backoff,
    /// Why there will be no connection again.
    end: Arc<OnceLock<Error>>,
}

/// Where what is wanted comes in.
struct Desk {
    asks: mpsc::Receiver<Ask>,
    /// Whether there is a handle that may ask.
    has_handles: bool,
    /// Rung when a subscription is dropped.
    bell: Arc<Notify>,
    book: Book,
}

/// The call that opens a connection.
pub(super) fn call(client: &Client) -> Call {
    client.get(&["channel", "websocket"])
}

/// The largest answer that is read, as over HTTP: a job may be as large as its configuration.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Opens a connection.
pub(super) async fn open(call: Call) -> Result<Socket, Error> {
    Socket::open_for(call, MAX_ANSWER).await
}

impl Desk {
    /// Takes in the next wish.
    async fn turn(&mut self) {
        tokio::select! {
            ask = self.asks.recv(), if self.has_handles => match ask {
                Some(ask) => self.book.ask(ask),
                None => self.has_handles = false,
            },
            () = self.bell.notified() => self.book.sweep(),
        }
    }

    fn is_deserted(&self) -> bool {
        !self.has_handles && self.book.is_deserted()
    }

    /// Takes in what is wanted. Resolves once nobody is left who could want something.
    async fn attend(&mut self) {
        while !self.is_deserted() {
            self.turn().await;
        }
    }
}

impl Link {
    pub(super) fn new(
        client: &Client,
        resume: bool,
        asks: mpsc::Receiver<Ask>,
        bell: Arc<Notify>,
        end: Arc<OnceLock<Error>>,
    ) -> Self {
        let book = Book::new(client, call(client).what().to_owned());
        let desk = Desk { asks, has_handles: true, bell, book };
        Self { client: client.clone(), resume, desk, backoff: Backoff::default(), end }
    }

    /// Does so, with a connection to begin with.
    pub(super) async fn run(mut self, mut socket: Socket) {
        loop {
            let since = Instant::now();
            let Err(error) = self.serve(&mut socket).await else {
                // Nobody is left to hear how that goes.
                drop(socket.close().await);
                return;
            };
            drop(socket);
            self.backoff.lost(since.elapsed());
            match self.connect_again(error).await {
                Ok(Some(again)) => socket = again,
                Ok(None) => return,
                Err(error) => return self.fail(&error),
            }
        }
    }

    /// Speaks on a connection until nobody is left; an error if it is lost before.
    async fn serve(&mut self, socket: &mut Socket) -> Result<(), Error> {
        let desk = &mut self.desk;
        loop {
            while let Some(text) = desk.book.pop() {
                let mut heard = Ok(());
                let sent = socket.send(Message::text(text), |said| {
                    if heard.is_ok() {
                        heard = desk.book.hear(&said);
                    }
                });
                sent.await?;
                heard?;
            }
            if desk.is_deserted() {
                return Ok(());
            }
            tokio::select! {
                said = socket.recv() => match said? {
                    Some(said) => desk.book.hear(&said)?,
                    None => return Err(socket.gone()),
                },
                () = desk.turn() => {}
            }
        }
    }

    /// Makes a lost connection again; `None` if nobody is left who wants it, and an error if it is of no use to try.
    async fn connect_again(&mut self, error: Error) -> Result<Option<Socket>, Error> {
        if !self.resume || !error.may_pass() {
            return Err(error);
        }
        let mut told_reason = error.to_string();
        self.desk.book.lost(&error);
        loop {
            let (pause, call) = (self.backoff.pause(dice()), call(&self.client));
            let opened = async {
                sleep(pause).await;
                open(call).await
            };
            let opened = tokio::select! {
                opened = opened => opened,
                () = self.desk.attend() => return Ok(None),
            };
            match opened {
                Ok(socket) => {
                    self.desk.book.reconnected();
                    return Ok(Some(socket));
                }
                Err(error) if error.may_pass() => {
                    let reason = error.to_string();
                    if told_reason != reason {
                        told_reason = reason;
                        self.desk.book.tell_loss(&error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// There will be no connection again: everybody is told, and who comes later as well.
    fn fail(&mut self, error: &Error) {
        self.end.get_or_init(|| error.clone());
        // From here on nothing comes in; what came in before is refused with the rest.
        self.desk.asks.close();
        while let Ok(ask) = self.desk.asks.try_recv() {
            self.desk.book.ask(ask);
        }
        self.desk.book.fail(error);
    }
}
