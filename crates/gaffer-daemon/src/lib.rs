//! What gaffer's daemons share: how they log, how they name themselves in a pidfile, and what is said of endpoints and certificates.

mod certificates;
pub mod log;
mod pidfile;
mod tls;

pub use self::{
    certificates::reread_certificates,
    pidfile::{HeldPidfile, hold_pidfile},
    tls::{KeyWithoutCertificate, tls_files},
};
