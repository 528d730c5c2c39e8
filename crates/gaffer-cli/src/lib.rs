//! What gaffer's command line clients share: how a node is named, how results and failures are told, and how several jobs are
//! meant by one word.

mod account;
pub mod commands;
mod connection;
mod escape;
mod exit;
mod failure;
pub mod lookup;
mod output;
mod private_file;
mod progress;
mod question;
mod run;
mod signals;
mod table;
mod targets;
mod units;
mod user_file;

pub use connection::ConnectionArgs;
pub use escape::escaped;
pub use exit::Exit;
pub use failure::Failure;
pub use output::{Colour, Format, Output, OutputArgs};
pub use progress::Progress;
pub use question::Asker;
pub use run::{Context, attempt, run};
pub use signals::unless_signalled;
pub use table::Table;
pub use targets::{Target, Targets, job_or_process_word, job_word};
pub use units::{ending, percent, read_span, size, span};
