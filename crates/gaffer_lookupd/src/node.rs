//! `/ws`: what nodes say.

use std::{sync::Arc, time::Duration};

use axum::response::Response;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use gaffer_core::api::lookup::{NodeMessage, NodeReply};
use gaffer_http::{
    front::Websocket,
    serve::Lifetime,
    ws::{Close, Data, Options, Outgoing, Pulse, Receiver, Session},
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{directory::Directory, options::Pings, registry::ConnectionId};

/// Most bytes of a message: far more than the longest names take.
const MAX_MESSAGE: usize = 64 * 1024;

/// How long a connection may take to say which node it is of.
const PATIENCE: Duration = Duration::from_secs(10);

/// Close codes of our own are 4000 and a status.
const LATE: Close = Close { code: 4408, reason: std::borrow::Cow::Borrowed("no IDENTIFY came in time") };
const REPLACED: Close =
    Close { code: 4409, reason: std::borrow::Cow::Borrowed("the node has come on another connection") };

/// Hears a node, for as long as its connection lasts.
pub(crate) fn serve(websocket: Websocket, directory: Arc<Directory>, pings: Pings, lifetime: &Lifetime) -> Response {
    let (id, connection) = directory.connect();
    let options = Options { max_message: MAX_MESSAGE, keep_alive: Some(pings.interval), patience: Some(pings.timeout) };
    let end = end(Arc::clone(&directory), id, connection.replaced);
    let session = Session {
        source: stream::once(end).map(Outgoing::Close),
        receiver: Node { directory, id, pulse: connection.pulse },
        options,
    };
    websocket.speak(session, lifetime)
}

/// Resolves when we end a connection, and says why.
fn end(directory: Arc<Directory>, id: ConnectionId, replaced: CancellationToken) -> BoxFuture<'static, Close> {
    async move {
        tokio::select! {
            () = replaced.cancelled() => return REPLACED,
            () = sleep(PATIENCE) => {}
        }
        if !directory.is_identified(id) && !replaced.is_cancelled() {
            return LATE;
        }
        replaced.cancelled().await;
        REPLACED
    }
    .boxed()
}

struct Node {
    directory: Arc<Directory>,
    id: ConnectionId,
    pulse: Arc<Pulse>,
}

impl Receiver for Node {
    async fn receive(&mut self, message: Data) -> Vec<Outgoing> {
        let reply = match NodeMessage::read(&message.into_bytes()) {
            Ok(NodeMessage { msgid, request }) => self.directory.hear(self.id, msgid, request).await,
            Err(invalid) => NodeReply::from(invalid),
        };
        // Serialising what was read as JSON does not fail.
        let text = serde_json::to_string(&reply).unwrap_or_default();
        vec![Outgoing::Data(Data::text(text))]
    }

    fn pulse(&self) -> Option<Arc<Pulse>> {
        Some(Arc::clone(&self.pulse))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.directory.disconnect(self.id);
    }
}
