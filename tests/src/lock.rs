//! One at a time.

use std::fs::{File, OpenOptions};

use crate::binaries::target_dir;

/// Held by tests that start very many processes or measure, so that two of them never run at once.
///
/// It is a lock on a file, so that it also holds between test processes.
#[derive(Debug)]
#[must_use = "the lock ends with this value"]
pub struct Exclusive(#[expect(dead_code, reason = "held for its lock")] File);

/// Waits for the turn of a heavy test.
pub fn heavy() -> Exclusive {
    exclusive("e2e-heavy.lock")
}

pub(crate) fn exclusive(name: &str) -> Exclusive {
    let path = target_dir().join(name);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).unwrap();
    file.lock().unwrap();
    Exclusive(file)
}
