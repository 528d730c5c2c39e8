//! A typed client of gaffer nodes: everything that gafferd's HTTP API can do, over TCP, TLS and unix sockets.
//!
//! | to | use |
//! | --- | --- |
//! | reach a node | [`Client::new`], or [`Client::builder`] for TLS, keys and time limits |
//! | load, change and control jobs | [`Client::load`], [`Client::start`], [`Client::scale`], … |
//! | know how they stand, and what they use | [`Client::statuses`], [`Client::stats`] |
//! | hear what happens, as it happens | [`Client::watch`], a [`Feed`] that goes on by itself when its connection is lost |
//! | read what a process writes | [`Client::follow_output`] |
//! | do all of that over one connection | [`Client::control`]: a [`Control`], which goes on by itself as well |
//! | say who may do what | [`Client::login`]; keys, as [`Client::create_key`]; users, as [`Client::create_user`] |
//! | have events sent to a URL | [`Client::webhooks`], [`Client::add_webhook`] |
//! | find the node that has a job | [`lookup`] |
//! | talk to a process | [`Client::stdio`], [`Client::channel`], [`Client::send`] |
//!
//! ```no_run
//! use gaffer_client::Client;
//! use gaffer_core::JobSpec;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(&"http://127.0.0.1:5000".parse()?)?;
//! client.load(&JobSpec::new("web".parse()?, "./server --port 8080").check()?).await?;
//! for job in client.statuses().await? {
//!     println!("{} runs {} of {}", job.name, job.running, job.max_processes);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A process is talked to over a websocket:
//!
//! ```no_run
//! use gaffer_client::{Client, SocketOptions};
//!
//! # async fn run(client: Client) -> Result<(), Box<dyn std::error::Error>> {
//! let pid = client.pids(&"web".parse()?).await?[0];
//! let mut process = client.stdio(pid, &SocketOptions::default()).await?;
//! process.send("hello\n".into()).await?;
//! while let Some(bytes) = process.recv().await? {
//!     println!("{}", String::from_utf8_lossy(&bytes));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Who wants much hears it on one connection, and commands on it as well:
//!
//! ```no_run
//! use futures_util::StreamExt;
//! use gaffer_client::{Client, ControlOptions, SubscribeOptions, Told};
//!
//! # async fn run(client: Client) -> Result<(), Box<dyn std::error::Error>> {
//! let control = client.control(&ControlOptions::default()).await?;
//! let mut exits = control.watch(&"exit".parse()?, &SubscribeOptions::default()).await?;
//! control.restart(&"web".parse()?).await?;
//! while let Some(told) = exits.next().await {
//!     if let Told::Item(event) = told? {
//!         println!("{} exited with {:?}", event.name, event.exit_code);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod backoff;
mod builder;
mod configs;
mod control;
mod endpoint;
mod error;
mod feed;
mod jobs;
mod keys;
mod login;
pub mod lookup;
mod node;
mod processes;
mod sessions;
mod stats;
mod tls;
mod transport;
mod users;
mod webhooks;
mod websocket;

pub use builder::ClientBuilder;
pub use configs::{KnownConfig, hidden_variables};
pub use endpoint::{Endpoint, InvalidEndpoint};
pub use error::{Cause, Error, Refusal};
// What stands in signatures.
pub use gaffer_core;

pub use control::{Control, ControlItem, ControlOptions, StreamText, SubscribeOptions, Subscription};
pub use feed::{Feed, FeedOptions, OutputText, StatsOf, StatsSample, Told};
pub use jobs::JobDetail;
pub use node::Version;
pub use tls::{TlsError, TlsOptions};
pub use transport::Client;
pub use websocket::{Channel, ChannelItem, Mode, SocketOptions, Stdio};
