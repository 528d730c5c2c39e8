//! Websocket sessions: what a source has to say goes out, what the peer says goes to a receiver.
//!
//! [`Upgrade`] recognises a request for a websocket and answers it; [`Session`] says what is spoken then. Both directions are
//! pumped by one task, and everything that waits is bounded:
//!
//! | what waits | how much | beyond |
//! | --- | --- | --- |
//! | a message of the peer that is still arriving | [`Options::max_message`] | close 1009 |
//! | messages of the peer, while the [`Receiver`] is busy | 64 KiB and one message | the socket is not read |
//! | answers of the receiver | those to one message | the next message is not given to it |
//! | what the source has to say | one message | the source is not asked, and loses what it must |
//!
//! So neither direction holds up the other. As long as there is room for its messages, the peer's pings are answered and its
//! close is heeded even if the receiver is stuck; after that a ping now and then finds out whether the peer is still there.
//!
//! How a session ends:
//!
//! | because | close code |
//! | --- | --- |
//! | the source has ended, and what was received is answered | 1000 |
//! | the server closes | 1001 |
//! | the source or the receiver asks for it | theirs |
//! | the peer breaks the protocol; sends text that is no UTF-8; sends too much | 1002; 1007; 1009 |
//! | the peer closes | the peer's own, sent back |
//! | the peer is gone, or is silent for too long though it is asked for a sign of life | none |
//!
//! Whatever the peer had sent before it closed or went still reaches the receiver, for some seconds. As long as it waits for
//! that, the session counts as a connection: so the limit of connections bounds the memory of all of them.
//!
//! When we close, the peer has 2 s to close as well, and 10 s if much was sent and may be under way still.

mod farewell;
mod intake;
mod keep_alive;
mod message;
mod pulse;
mod session;
mod upgrade;

pub use intake::{Deaf, Receiver};
pub use message::{Close, Data, Outgoing};
pub use pulse::Pulse;
pub use session::{Options, Session};
pub use tokio_tungstenite::tungstenite::Utf8Bytes;
pub use upgrade::{NotAWebsocket, Upgrade};
