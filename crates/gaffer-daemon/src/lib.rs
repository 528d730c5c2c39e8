//! What gaffer's daemons share: how they log, how they name themselves in a pidfile, how they live with a service manager, and what is said of
//! endpoints and certificates.

mod certificates;
pub mod log;
mod pidfile;
pub mod systemd;
mod tls;

pub use self::{
    certificates::reread_certificates,
    pidfile::{HeldPidfile, hold_pidfile},
    tls::{KeyWithoutCertificate, tls_files},
};
