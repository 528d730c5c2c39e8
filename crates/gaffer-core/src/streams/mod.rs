//! Output streams with history, and stdin.

mod io;
mod merged;
mod output;
mod ring;
mod stdin;
mod terminal;

pub use io::{ProcessIo, TwoWay};
pub use merged::MergedSubscription;
pub use output::{Chunk, Output, OutputSubscription, Start};
pub use stdin::{Stdin, StdinError};
pub use terminal::{Terminal, TerminalSize};
