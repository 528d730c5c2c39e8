//! Descriptors that a service manager hands over: socket activation.

use std::{
    env, io,
    os::fd::{FromRawFd, OwnedFd, RawFd},
    sync::atomic::{AtomicBool, Ordering},
};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// The first of them; the others follow.
const FIRST: RawFd = 3;

/// More than anybody hands over.
const MOST: usize = 1024;

/// They can be taken once.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// A descriptor that was handed over.
#[derive(Debug)]
pub struct ActivatedDescriptor {
    /// What the service manager calls it, if it says so.
    pub name: Option<String>,
    /// The descriptor; close-on-exec.
    pub descriptor: OwnedFd,
}

/// Takes the descriptors that `$LISTEN_FDS` tells of, if `$LISTEN_PID` says that they are for this process. Who asks again gets none.
///
/// To be called first of all: a descriptor that this program opened by itself, or that another part of it uses, must not be among their numbers.
///
/// # Errors
/// When the variables do not read, or one of the descriptors is not open.
pub fn take_activated_descriptors() -> io::Result<Vec<ActivatedDescriptor>> {
    let variable = |name| env::var(name).unwrap_or_default();
    let count = count(&variable("LISTEN_PID"), &variable("LISTEN_FDS"), std::process::id())?;
    if count == 0 || TAKEN.swap(true, Ordering::SeqCst) {
        return Ok(Vec::new());
    }
    let names = env::var("LISTEN_FDNAMES").ok();
    let mut names = names.iter().flat_map(|names| names.split(':'));
    let mut taken = Vec::with_capacity(count);
    for number in (FIRST..).take(count) {
        // SAFETY: whoever set the variables says that it is ours; they are believed once, at the start of the program, before anything in it
        // could own the number. One that is not open is found out by the call below, and not closed.
        let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
        if let Err(error) = fcntl(&descriptor, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)) {
            std::mem::forget(descriptor);
            return Err(io::Error::other(format!(
                "LISTEN_FDS tells of descriptor {number}, which is not open: {error}"
            )));
        }
        let name = names.next().filter(|name| !name.is_empty()).map(str::to_owned);
        taken.push(ActivatedDescriptor { name, descriptor });
    }
    Ok(taken)
}

/// How many there are for process `own`.
fn count(whose: &str, count: &str, own: u32) -> io::Result<usize> {
    // Whoever inherits the variables of another process has none.
    if count.is_empty() || whose.parse() != Ok(own) {
        return Ok(0);
    }
    let number = count.parse().ok().filter(|number| *number <= MOST);
    number.ok_or_else(|| io::Error::other(format!("LISTEN_FDS must be a number up to {MOST}, but is `{count}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_for_the_process_that_is_named() {
        let number = |whose: &str, text: &str| count(whose, text, 7).ok();
        assert_eq!(number("7", "2"), Some(2));
        assert_eq!(number("8", "2"), Some(0));
        assert_eq!((number("", "2"), number("7", ""), number("7", "0")), (Some(0), Some(0), Some(0)));
        for wrong in ["-1", "two", "1025", "99999999999999999999"] {
            assert_eq!(number("7", wrong), None, "{wrong}");
        }
        assert_eq!(number("8", "two"), Some(0), "nobody's business");
    }
}
