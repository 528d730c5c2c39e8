//! Processes in the foreground: launched, shown and ended together, without a daemon.
//!
//! | file | what |
//! |---|---|
//! | `run` | from the jobs to the exit code |
//! | `ending` | why a run ends, and with which code |
//! | `signals` | what signals ask for |
//! | `terminals` | how large the processes' terminals are |
//! | `writers` | stdout and stderr |
//! | `guardian` | ends what is left if gaffer is killed |

mod ending;
pub(crate) mod guardian;
mod run;
pub(crate) mod signals;
mod terminals;
mod writers;

pub(crate) use ending::Policy;
pub(crate) use run::{Run, run};
