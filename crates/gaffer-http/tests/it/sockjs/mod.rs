//! SockJS over real sockets.
//!
//! The behaviours of the public test-suite of the protocol, each as a test of its own words, and what this server promises beyond:
//!
//! | subject | file |
//! | --- | --- |
//! | the greeting, what is not found | `pages` |
//! | the page in a frame, and how long it is kept | `pages` |
//! | what a client asks first | `pages` |
//! | paths of sessions, and that the first part means nothing | `sessions` |
//! | the protocol: open, messages, close, one receiver at a time | `sessions` |
//! | websockets: what is refused, frames, ids, broken frames | `websocket` |
//! | bare websockets | `websocket` |
//! | polling | `polling` |
//! | streaming answers, event streams, pages, and where they end | `streaming` |
//! | scripts | `jsonp` |
//! | the cookie | `cookie` |
//! | text, whatever it holds | `encoding` |
//! | how sessions end: closed, interrupted, forgotten, by a panic | `endings` |
//! | HTTP/1.0 and 1.1, and one frame a chunk | `http` |
//! | what clients may cost, and who waits for whom | `bounds` |
//! | the end of the server | `shutdown` |
//! | web pages from elsewhere | `origins` |
//! | clients that mean harm | `hostile` |
//! | nothing is lost, doubled or out of order | `order` |
//!
//! Left out is the handshake of the draft hixie-76 of websockets, whose answer comes before the end of the request: no browser has
//! spoken it for more than ten years, and RFC 6455 is the only version that is offered.

mod bounds;
mod client;
mod cookie;
mod encoding;
mod endings;
mod hostile;
mod http;
mod jsonp;
mod order;
mod origins;
mod pages;
mod polling;
mod sessions;
mod shutdown;
mod site;
mod streaming;
mod websocket;
