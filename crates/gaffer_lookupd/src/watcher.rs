//! `/lookup`: what changes, told as it does.

use std::sync::Arc;

use axum::Router;
use gaffer_core::{
    api::lookup::Change,
    events::{Delivery, Subscription},
};
use gaffer_http::{
    front,
    origin::Origins,
    serve::Lifetime,
    sockjs::{self, Session},
    ws::Utf8Bytes,
};

use crate::directory::Directory;

/// The routes.
pub(crate) fn routes(directory: Arc<Directory>, origins: Origins, lifetime: Lifetime) -> Router {
    let options = sockjs::Options { origins, refuse: front::refuse, ..sockjs::Options::default() };
    // Subscribed before the connection is granted: whoever asks for all that there is once it has one misses nothing.
    let service = move |session: Session| tell(directory.watch(), session);
    sockjs::router("/lookup", service, options, lifetime)
}

/// Tells one client. What it says is for nobody.
async fn tell(mut changes: Subscription<Utf8Bytes>, session: Session) {
    loop {
        let told = tokio::select! {
            said = session.recv() => match said {
                Some(_) => continue,
                None => return,
            },
            told = changes.recv() => told,
        };
        let text: Utf8Bytes = match told {
            Some(Delivery::Item(text)) => text,
            // Serialising a number does not fail.
            Some(Delivery::Lagged(lost)) => serde_json::to_string(&Change::Lost { lost }).unwrap_or_default().into(),
            None => return,
        };
        if session.send(text).await.is_err() {
            return;
        }
    }
}
