//! One connection of a feed.

use std::{collections::VecDeque, time::Duration};

use reqwest::{Response, StatusCode, header};
use tokio::time::{Instant, timeout};

use super::sse::{Block, Parser, TooLarge};
use crate::{Cause, Client, Error, transport::Call};

/// Seconds of silence after which the node is asked to give a sign of life.
pub(super) const HEARTBEAT: &str = "15";

/// The silence after which a connection counts as lost, though nobody has closed it: more than two signs of life are missing.
const SILENCE: Duration = Duration::from_secs(40);

/// A feed that goes on.
#[derive(Debug)]
pub(super) struct Opened {
    /// What comes.
    pub(super) connection: Connection,
    /// Where it begins, if the node says so.
    pub(super) id: Option<String>,
}

/// A feed's connection.
#[derive(Debug)]
pub(super) struct Connection {
    client: Client,
    what: String,
    response: Response,
    parser: Parser,
    blocks: VecDeque<Block>,
    /// What comes behind these blocks is not read.
    too_large: Option<TooLarge>,
    since: Instant,
}

impl Connection {
    /// Asks for a feed; there is none if all was told before.
    pub(super) async fn open(call: Call) -> Result<Option<Opened>, Error> {
        let (client, what) = (call.client().clone(), call.what().to_owned());
        let response = call.open().await?;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        let content_type = response.headers().get(header::CONTENT_TYPE);
        if !content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream")) {
            return Err(client.protocol(&what, "it is no event stream".to_owned()));
        }
        let id = response.headers().get("last-event-id").and_then(|value| value.to_str().ok());
        let id = id.filter(|id| !id.is_empty()).map(str::to_owned);
        let connection = Self {
            client,
            what,
            response,
            parser: Parser::default(),
            blocks: VecDeque::new(),
            too_large: None,
            since: Instant::now(),
        };
        Ok(Some(Opened { connection, id }))
    }

    /// What comes next; `None` if the node has ended the feed in an orderly way.
    pub(super) async fn next(&mut self) -> Result<Option<Block>, Error> {
        loop {
            if let Some(block) = self.blocks.pop_front() {
                return Ok(Some(block));
            }
            if let Some(error) = self.too_large {
                return Err(self.client.protocol(&self.what, error.to_string()));
            }
            let Ok(chunk) = timeout(SILENCE, self.response.chunk()).await else {
                return Err(self.interrupted(Cause::Silence(SILENCE)));
            };
            match chunk {
                Ok(Some(chunk)) => {
                    self.too_large = self.parser.push(&chunk, &mut self.blocks).err();
                }
                Ok(None) => return Ok(None),
                Err(error) => return Err(self.interrupted(Cause::of(error.into()))),
            }
        }
    }

    /// How long it has been open.
    pub(super) fn held(&self) -> Duration {
        self.since.elapsed()
    }

    pub(super) fn interrupted(&self, cause: Cause) -> Error {
        self.client.interrupted(&self.what, cause)
    }
}
