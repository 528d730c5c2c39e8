//! Names of users, remembered.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use nix::unistd::{Uid, User};

use super::clock;

/// How long a name is believed. A look-up may ask the network, and names change about never.
const TRUST: Duration = Duration::from_secs(300);

/// Names to remember at most. More users than this have hardly a process on one node.
const CAPACITY: usize = 1024;

type Names = HashMap<u32, (Arc<str>, Instant)>;

/// The name of a user; the number as text when nobody has it. May block on the network: never call it on a thread that
/// drives tasks.
pub(super) fn name(uid: u32) -> Arc<str> {
    // One table for all samplers, so that one-off looks profit too.
    static NAMES: Mutex<Option<Names>> = Mutex::new(None);
    let now = clock::now();
    {
        let names = NAMES.lock().unwrap_or_else(PoisonError::into_inner); // Inserting leaves no half-done state behind.
        if let Some((name, asked)) = names.as_ref().and_then(|names| names.get(&uid))
            && now.duration_since(*asked) < TRUST
        {
            return name.clone();
        }
    }
    // Without the lock: one user directory that hangs must not hang those who know their answer.
    let found = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    let name: Arc<str> = found.map_or_else(|| uid.to_string(), |user| user.name).into();
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let names = names.get_or_insert_default();
    if names.len() >= CAPACITY {
        names.clear();
    }
    names.insert(uid, (name.clone(), now));
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_name_and_an_unknown_one_its_number() {
        assert_eq!(&*name(0), "root");
        assert_eq!(&*name(0), "root");
        assert_eq!(&*name(3_999_999_999), "3999999999");
    }
}
