//! Living with systemd, or with another service manager that speaks its protocols. Where there is none, all of this does nothing.
//!
//! | part | knows |
//! | --- | --- |
//! | `notifier` | how a service manager is told how the daemon is |
//! | `watchdog` | whether, and how often, it wants to hear that the daemon works |
//! | `activation` | which socket that was handed over is for which endpoint |

mod activation;
mod notifier;
mod watchdog;

pub use self::{
    activation::{Activated, InvalidActivation, Wanting, assign},
    notifier::{InvalidSocket, Notifier, Reloading},
    watchdog::watchdog,
};

/// The variables that are for the daemon alone: what it launches must not take them for its own.
pub const VARIABLES: [&str; 6] =
    [notifier::SOCKET, watchdog::PERIOD, watchdog::WHOM, "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];
