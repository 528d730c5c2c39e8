//! `/channel`: one connection for subscriptions to many topics, and for commands; in the protocol of gaffer 0.5.
//!
//! | part | knows |
//! | --- | --- |
//! | `dialogue` | one client: what it says is done in order, and what there is to say is sent as there is room |
//! | `topics` | to what it is subscribed |
//! | `source` | what a topic has to say, as text |
//! | `opening` | how a topic becomes a source |
//! | `command` | what can be commanded, and what comes of it |
//! | `arguments` | what stands in a command |

mod arguments;
mod command;
mod dialogue;
mod opening;
mod source;
mod topics;

use self::dialogue::Dialogue;
use super::Api;
use crate::sockjs::{Service, Session};

/// Where it is served.
pub(super) const PATH: &str = "/channel";

/// What is spoken on it.
pub(super) fn service(api: Api) -> impl Service {
    move |session: Session| Dialogue::new(api.clone(), session).hold()
}
