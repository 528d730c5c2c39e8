//! The kernel's clocks and units.
#![expect(clippy::disallowed_methods, reason = "a sampler measures over real time")]

use std::{
    sync::OnceLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nix::{
    time::ClockId,
    unistd::{Pid, SysconfVar, sysconf},
};

use crate::names::OsPid;

/// Now, to measure by.
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Time since the host booted, sleep included; what start times count from.
pub(super) fn since_boot() -> Duration {
    read(ClockId::CLOCK_BOOTTIME).unwrap_or_default()
}

/// When the host booted, in seconds since the epoch.
///
/// Taken anew from the clocks and not from `btime` of `/proc/stat`, which knows whole seconds only.
pub(super) fn boot_time() -> f64 {
    let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    epoch.as_secs_f64() - since_boot().as_secs_f64()
}

/// The clock that counts a process's processor time, its threads' included.
pub(super) fn of_process(os_pid: OsPid) -> Option<ClockId> {
    ClockId::pid_cpu_clock_id(Pid::from_raw(os_pid.as_raw())).ok()
}

/// What a clock shows; `None` if it is that of a process which is gone.
pub(super) fn read(clock: ClockId) -> Option<Duration> {
    clock.now().ok().map(Duration::from)
}

/// A number of clock ticks, the unit of `/proc/<pid>/stat`.
pub(super) fn ticks(count: u64) -> Duration {
    static PER_SECOND: OnceLock<u64> = OnceLock::new();
    let per_second = *PER_SECOND.get_or_init(|| setting(SysconfVar::CLK_TCK, 100));
    Duration::from_secs(count / per_second) + Duration::from_nanos(count % per_second * 1_000_000_000 / per_second)
}

/// Bytes of a page of memory.
pub(super) fn page_size() -> u64 {
    static BYTES: OnceLock<u64> = OnceLock::new();
    *BYTES.get_or_init(|| setting(SysconfVar::PAGE_SIZE, 4096))
}

fn setting(name: SysconfVar, default: u64) -> u64 {
    let value = sysconf(name).ok().flatten().and_then(|value| u64::try_from(value).ok());
    value.filter(|&value| value > 0).unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_become_time_without_overflow() {
        assert_eq!(ticks(0), Duration::ZERO);
        assert_eq!(ticks(150), Duration::from_millis(1500));
        assert!(ticks(u64::MAX) > Duration::from_secs(1 << 50));
    }

    #[test]
    fn the_host_booted_before_now_and_after_the_epoch() {
        let boot = boot_time();
        assert!(boot > 0.0 && boot < SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64());
    }
}
