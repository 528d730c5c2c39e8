//! Totals of the host.

use std::sync::OnceLock;

use serde::Serialize;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, System};

use super::clock;

/// What the machine has and how busy it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HostStats {
    /// Processors that are online.
    pub cpus: usize,
    /// Mean number of runnable processes over the last 1, 5 and 15 minutes.
    pub load: [f64; 3],
    /// Memory in bytes, swap not included.
    pub mem_total: u64,
    /// Memory in use in bytes: what is neither free nor easily freed.
    pub mem_used: u64,
    /// When it booted, in seconds since the epoch.
    pub boot_time: f64,
    /// Seconds since then, sleep included.
    pub uptime: f64,
}

impl HostStats {
    /// Reads the totals; on the runtime's threads for blocking work. `None` on a system that does not tell.
    ///
    /// # Cancel safety
    /// The reading goes on and its result is dropped.
    pub async fn read() -> Option<Self> {
        tokio::task::spawn_blocking(Self::read_blocking).await.ok().flatten()
    }

    /// As [`HostStats::read`]. Reads files, so not for a thread that drives tasks.
    pub fn read_blocking() -> Option<Self> {
        // An empty `System`: asked for processes it would read all of them, every thread as one of its own.
        let mut system = System::new().ok()?;
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        system.refresh_cpu_list(CpuRefreshKind::nothing());
        let load = System::load_average().ok()?;
        Some(Self {
            cpus: system.cpus().len(),
            load: [load.one, load.five, load.fifteen],
            mem_total: system.total_memory(),
            mem_used: system.used_memory(),
            // From the clocks that create times are made from, so that the two agree.
            boot_time: clock::boot_time(),
            uptime: clock::since_boot().as_secs_f64(),
        })
    }
}

/// The host's memory in bytes, read once: it changes about never, and each process's share is counted from it.
pub(super) fn total_memory() -> Option<u64> {
    static BYTES: OnceLock<u64> = OnceLock::new();
    if let Some(&bytes) = BYTES.get() {
        return Some(bytes);
    }
    let mut system = System::new().ok()?;
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let bytes = Some(system.total_memory()).filter(|&bytes| bytes > 0)?; // A failed reading is tried again.
    Some(*BYTES.get_or_init(|| bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_host_has_processors_and_memory() {
        let host = HostStats::read().await.unwrap();
        assert!(host.cpus >= 1 && host.uptime > 0.0 && host.boot_time > 0.0, "{host:?}");
        assert!(host.mem_used > 0 && host.mem_used < host.mem_total, "{host:?}");
        assert_eq!(total_memory(), Some(host.mem_total));
        assert_eq!(total_memory(), Some(host.mem_total));
    }
}
