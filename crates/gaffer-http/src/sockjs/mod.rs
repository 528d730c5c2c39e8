//! SockJS, protocol 0.3.3: sessions with web pages, over websockets or, where those do not get through, over requests.
//!
//! A service is a function that speaks on a [`Session`]: it receives, sends and closes, and does not know what carries it.
//!
//! ```
//! use gaffer_http::{serve::Lifetime, sockjs};
//!
//! let echo = |session: sockjs::Session| async move {
//!     while let Some(message) = session.recv().await {
//!         if session.send(message).await.is_err() {
//!             break; // The client is gone.
//!         }
//!     }
//! };
//! let routes = sockjs::router("/echo", echo, sockjs::Options::default(), Lifetime::new());
//! # let _: axum::Router = routes;
//! ```
//!
//! | path below the service's | is |
//! | --- | --- |
//! | `` and `/` | a greeting |
//! | `/info` | what a client asks first |
//! | `/iframe*.html` | the page that carries some transports across domains |
//! | `/websocket` | a session over a bare websocket, for programs |
//! | `/<server>/<session>/websocket` | one in frames |
//! | `/<server>/<session>/xhr`, `…/xhr_streaming`, `…/eventsource`, `…/htmlfile`, `…/jsonp` | one over requests: what the client is told |
//! | `/<server>/<session>/xhr_send`, `…/jsonp_send` | and what it says |
//!
//! # How a session lives
//!
//! Over a websocket it is that. Else it begins with the first request for its id, and goes on over one request after the other; it
//! ends when its service has ended and the client was told, when no request has been there for
//! [`Options::disconnect_delay`], or when the connection of one breaks: what was on its way is lost then, and nobody knows how much.
//! For as long as that delay its id is kept, and answered with the frame that says how it ended:
//!
//! | `c[…]` | because |
//! | --- | --- |
//! | as it likes | the service has closed it |
//! | 1000 | the service has ended |
//! | 1001 | the server shuts down |
//! | 1002 | the connection was interrupted |
//! | 1011 | the service has panicked |
//! | 2010 | another connection receives for this session; that one goes on |
//!
//! The protocol acknowledges nothing. A request is done with when its answer is handed to the system: if its connection breaks after
//! that, what was in the answer may be lost, and the session goes on. A websocket ends the session in that case.
//!
//! # What it costs
//!
//! In each direction some 64 KiB wait, beside one message: who says more waits, a service in [`Session::send`], a client with its
//! request or its websocket unread. Sessions over requests are bounded in number, those over websockets by the connections that are
//! allowed.
//!
//! # Pages from elsewhere
//!
//! [`Options::origins`] says which web pages may connect. They are told by `Origin`, and where a browser sends none (a script, a frame)
//! by `Sec-Fetch-Site` and `Referer`. The page in a frame may only be held by those pages.

mod conversation;
mod frame;
mod gate;
mod headers;
mod options;
mod page;
mod payload;
mod registry;
mod server;
mod session;
mod transport;

pub use conversation::SessionOver;
pub use options::Options;
pub use server::router;
pub use session::{Service, Session};

#[cfg(test)]
mod tests;
