//! What processes use: processor time, memory, and the same of their descendants; and totals of the host.
//!
//! | to | use |
//! | --- | --- |
//! | look once | [`sample_once`] |
//! | be told again and again | [`Monitor::subscribe`] |
//! | see the host | [`HostStats`] |
//!
//! Nothing here knows the manager. A [`Monitor`] asks a [`Roster`] which processes a [`Target`] has now, and reads
//! their figures from a [`StatsSource`]: for real processes a [`Sampler`].
//!
//! # Where the figures come from
//!
//! From the kernel's own `/proc/<pid>/stat`, through a descriptor that stays open between two readings. That costs one
//! system call a reading and no allocation, several times less than a general library, and it makes the reading safe: once
//! the process is gone its descriptor answers `ESRCH`, also if the kernel gave its number to another one since.
//! Processor time comes from the process's own clock, because the file counts in hundredths of a second, which would
//! round a reading over 0.1 s to whole tens of percents. Children are found through `/proc/<pid>/task/*/children`, so that
//! the cost grows with the processes looked at and not with those on the machine.
//!
//! Memory is what that file says: the kernel may be behind by some hundred kilobytes per process, because it sums up
//! its per-processor counters lazily.
//!
//! # What runs when
//!
//! All reading is done on the runtime's threads for blocking work. A monitor has a timer only while somebody listens: a daemon
//! that nobody asks for figures is never woken by this module, and keeps no descriptor for it.

mod clock;
mod descriptors;
mod figures;
mod format;
mod host;
mod job;
mod legacy;
mod monitor;
mod process;
mod roster;
mod sample;
mod sampler;
#[cfg(test)]
mod testing;
mod tree;
mod users;

pub use figures::{ProcessStats, Usage};
pub use format::{bytes2human, ctime};
pub use host::HostStats;
pub use job::{JobStats, LegacyJobStats, Totals};
pub use legacy::{LegacyProcessStats, LegacyStatsUpdate, NoProcessId};
pub use monitor::{InvalidInterval, Monitor, StatsSubscription, StatsUpdate};
pub use roster::{Member, Roster, StatsSource, Target};
pub use sampler::{Sampler, sample_once};
