//! Telling a service manager how the daemon is.

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt::Write,
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use nix::time::{ClockId, clock_gettime};
use tracing::warn;

/// Where it listens.
pub(super) const SOCKET: &str = "NOTIFY_SOCKET";

/// Longest wait for it to take a message: to tell it must hold up nothing.
const PATIENCE: Duration = Duration::from_millis(500);

/// Tells the service manager how this daemon is. A clone tells the same one.
#[derive(Clone, Debug)]
pub struct Notifier {
    told: Option<Arc<Told>>,
}

#[derive(Debug)]
struct Told {
    socket: UnixDatagram,
    address: SocketAddr,
    /// Reloads that are under way.
    reloads: AtomicUsize,
    /// What the daemon is doing is to end.
    is_stopping: AtomicBool,
    /// It is deaf, which was logged.
    is_deaf: AtomicBool,
}

/// A reload that is under way. When the last one is dropped, the daemon is ready again.
#[derive(Debug)]
pub struct Reloading {
    notifier: Notifier,
}

/// Where a service manager says that it listens is nothing that can be.
#[derive(Debug, thiserror::Error)]
#[error("the service manager cannot be told anything, as {SOCKET} is `{}`", address.display())]
pub struct InvalidSocket {
    address: OsString,
    source: io::Error,
}

impl Notifier {
    /// Of the service manager that started this program, if one did that wants to be told.
    ///
    /// # Errors
    /// When it names a socket that cannot be.
    pub fn from_environment() -> Result<Self, InvalidSocket> {
        let Some(address) = env::var_os(SOCKET).filter(|address| !address.is_empty()) else { return Ok(Self::none()) };
        Self::at(&address).map_err(|source| InvalidSocket { address, source })
    }

    /// Whether there is one that is told.
    pub fn is_heard(&self) -> bool {
        self.told.is_some()
    }

    /// Tells nobody.
    pub fn none() -> Self {
        Self { told: None }
    }

    /// The one that listens at a path, or, after an `@`, at a name.
    fn at(address: &OsStr) -> io::Result<Self> {
        let address = match address.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(address)?,
            _ => return Err(io::Error::other("it is neither a path nor a name after `@`")),
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let told = Told {
            socket,
            address,
            reloads: AtomicUsize::new(0),
            is_stopping: AtomicBool::new(false),
            is_deaf: AtomicBool::new(false),
        };
        Ok(Self { told: Some(Arc::new(told)) })
    }

    /// The daemon does what it is for.
    pub fn ready(&self, status: &str) {
        self.tell(&["READY=1", &status_line(status)]);
    }

    /// What it is doing, in a sentence for people; unless it is stopping.
    pub fn status(&self, status: &str) {
        if !self.told.as_ref().is_some_and(|told| told.is_stopping.load(Ordering::SeqCst)) {
            self.tell(&[&status_line(status)]);
        }
    }

    /// It reads its configuration again.
    #[must_use = "it is ready again when this is dropped"]
    pub fn reloading(&self) -> Reloading {
        if let Some(told) = &self.told {
            told.reloads.fetch_add(1, Ordering::SeqCst);
            self.tell(&["RELOADING=1", &format!("MONOTONIC_USEC={}", monotonic())]);
        }
        Reloading { notifier: self.clone() }
    }

    /// Its stop has begun.
    pub fn stopping(&self, status: &str) {
        if let Some(told) = &self.told {
            told.is_stopping.store(true, Ordering::SeqCst);
        }
        self.tell(&["STOPPING=1", &status_line(status)]);
    }

    /// What it is at, start or stop, may take so long from now on.
    pub fn extend(&self, time: Duration) {
        self.tell(&[&format!("EXTEND_TIMEOUT_USEC={}", time.as_micros())]);
    }

    /// It works.
    pub fn alive(&self) {
        self.tell(&["WATCHDOG=1"]);
    }

    fn tell(&self, lines: &[&str]) {
        let Some(told) = &self.told else { return };
        let mut message = String::new();
        for line in lines {
            // Writing to a string does not fail.
            let _: std::fmt::Result = writeln!(message, "{line}");
        }
        match told.socket.send_to_addr(message.as_bytes(), &told.address) {
            Ok(_) => told.is_deaf.store(false, Ordering::Relaxed),
            Err(error) if !told.is_deaf.swap(true, Ordering::Relaxed) => {
                warn!(%error, "the service manager does not hear");
            }
            Err(_) => {}
        }
    }
}

impl Drop for Reloading {
    fn drop(&mut self) {
        if let Some(told) = &self.notifier.told
            && told.reloads.fetch_sub(1, Ordering::SeqCst) == 1
        {
            self.notifier.tell(&["READY=1"]);
        }
    }
}

/// A status is one line.
fn status_line(status: &str) -> String {
    format!("STATUS={}", status.replace(|letter: char| letter.is_control(), " "))
}

/// Microseconds of the clock that never goes back: which of two reloads a `READY` belongs to.
fn monotonic() -> u128 {
    // Every kernel has it.
    clock_gettime(ClockId::CLOCK_MONOTONIC).map(|time| Duration::from(time).as_micros()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(listener: &UnixDatagram) -> String {
        listener.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut message = [0; 1024];
        let length = listener.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    }

    fn conversation(listener: &UnixDatagram, address: &OsStr) {
        let notifier = Notifier::at(address).unwrap();
        notifier.ready("two\nlines");
        assert_eq!(heard(listener), "READY=1\nSTATUS=two lines\n");
        let first = notifier.clone().reloading();
        let begun = heard(listener);
        let time = begun.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(time.trim().parse::<u64>().unwrap() > 0, "{begun}");
        let second = notifier.reloading();
        assert!(heard(listener).starts_with("RELOADING=1\n"));
        drop(first);
        notifier.status("still at it");
        assert_eq!(heard(listener), "STATUS=still at it\n", "it is not ready before the last one is over");
        drop(second);
        assert_eq!(heard(listener), "READY=1\n");
        notifier.alive();
        notifier.stopping("bye");
        notifier.extend(Duration::from_secs(2));
        notifier.status("no more of that");
        assert_eq!(heard(listener), "WATCHDOG=1\n");
        assert_eq!(heard(listener), "STOPPING=1\nSTATUS=bye\n");
        assert_eq!(heard(listener), "EXTEND_TIMEOUT_USEC=2000000\n");
    }

    #[test]
    fn a_service_manager_hears_at_a_path_or_at_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        conversation(&UnixDatagram::bind(&path).unwrap(), path.as_os_str());
        let name = format!("gaffer-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        conversation(&UnixDatagram::bind_addr(&address).unwrap(), OsStr::new(&format!("@{name}")));
    }

    #[test]
    fn one_that_is_gone_holds_up_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::at(path.as_os_str()).unwrap();
        drop(listener);
        notifier.ready("nobody hears");
        drop(notifier.reloading());
        assert!(Notifier::at(OsStr::new("vsock:1:2")).is_err());
        drop(Notifier::none().reloading());
    }
}
