//! What a bench uses itself.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};

/// Of the whole process: server, whoever makes it work, and readers.
pub(crate) fn processor_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let time = |value: nix::sys::time::TimeVal| {
        Duration::new(value.tv_sec().try_into().unwrap(), u32::try_from(value.tv_usec()).unwrap() * 1000)
    };
    time(usage.user_time()) + time(usage.system_time())
}
