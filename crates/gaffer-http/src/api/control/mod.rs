//! `/channel`: one connection for subscriptions to many topics, and for commands; in the protocol of gaffer 0.5.
//!
//! | part | knows |
//! | --- | --- |
//! | `door` | whether a client is known, and for how long |
//! | `dialogue` | one client: what it says is done in order, and what there is to say is sent as there is room |
//! | `topics` | to what it is subscribed |
//! | `source` | what a topic has to say, as text |
//! | `opening` | how a topic becomes a source |
//! | `command` | what can be commanded, and what comes of it |
//! | `arguments` | what stands in a command |
//! | `trusted` | the same commands, for parts of the node itself |
//! | `description` | what the description of the API says of it |

mod arguments;
mod command;
mod description;
mod dialogue;
mod door;
mod opening;
mod source;
mod topics;
mod trusted;

use axum::{Router, http::Extensions};

pub(super) use self::description::describe;
use self::dialogue::Dialogue;
pub use self::trusted::{Carried, Commands};
use super::{
    Api, Origins,
    access::{Caller, Place, Visitor},
};
use crate::{
    front,
    sockjs::{self, Session},
};

/// Where the page in a frame has the client of SockJS from: a site plugin, as code from elsewhere would be let in here.
const SOCKJS_CLIENT: &str = "/_plugin/sockjs/sockjs.min.js";

/// The routes. They have their own answers to browsers that ask about pages from elsewhere.
pub(super) fn routes(api: Api, origins: Origins) -> Router {
    let lifetime = api.lifetime.clone();
    let client_url = SOCKJS_CLIENT.to_owned();
    let options =
        sockjs::Options { origins, client_url, refuse: front::refuse, introduce, is_of, ..sockjs::Options::default() };
    sockjs::router("/channel", move |session: Session| Dialogue::new(api.clone(), session).hold(), options, lifetime)
}

/// A session knows who opened it.
fn introduce(extensions: &Extensions) -> Extensions {
    let mut known = Extensions::new();
    known.insert(Visitor::of(extensions));
    known.insert(Place::of(extensions));
    known
}

/// A session that was opened with a key is for requests with that key: its id alone, which stands in the address of each of its requests, is none.
fn is_of(session: &Extensions, request: &Extensions) -> bool {
    match (Visitor::of(session), Visitor::of(request)) {
        (_, Visitor::Refused(_)) => false,
        (Visitor::Known(Caller::Key(own)), Visitor::Known(Caller::Key(shown))) => own.id() == shown.id(),
        (Visitor::Known(Caller::Key(_)), Visitor::Known(Caller::Everybody) | Visitor::Nobody) => false,
        // It was opened without one, and may show one as its first message: pages cannot do otherwise.
        (Visitor::Known(Caller::Everybody) | Visitor::Nobody | Visitor::Refused(_), _) => true,
    }
}
