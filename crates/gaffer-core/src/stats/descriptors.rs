//! Descriptors that stay open between two readings, and how many may.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use nix::sys::resource::{Resource, getrlimit};

/// The part of the soft limit that samplers may fill; the rest is for the pipes and sockets that the program lives by.
const SHARE: u64 = 4;

/// A number of descriptors that may be kept. What does not fit is opened for each reading.
#[derive(Clone, Debug)]
pub(super) struct Descriptors(Arc<AtomicUsize>);

impl Descriptors {
    /// A share of what the process may open.
    pub(super) fn share() -> Self {
        let soft = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft);
        Self::at_most(usize::try_from(soft / SHARE).unwrap_or(usize::MAX))
    }

    pub(super) fn at_most(count: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(count)))
    }

    fn take(&self) -> Option<Slot> {
        let taken = self.0.fetch_update(Relaxed, Relaxed, |free| free.checked_sub(1));
        taken.is_ok().then(|| Slot(self.0.clone()))
    }
}

/// One of the descriptors that may be kept; dropping it makes room for another.
#[derive(Debug)]
struct Slot(Arc<AtomicUsize>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// A file that is read again and again from its start: kept open if there was room, else opened each time.
///
/// Only a kept one is bound to its process by itself. Who reads one that is opened each time must look whether the
/// process is still the same.
#[derive(Debug)]
pub(super) enum Source {
    Kept(Kept),
    Opened,
}

#[derive(Debug)]
pub(super) struct Kept {
    file: File,
    _slot: Slot, // Held for its drop.
}

impl Source {
    /// Keeps a file open if there is room for it.
    pub(super) fn keep(file: File, descriptors: &Descriptors) -> Self {
        descriptors.take().map_or(Self::Opened, |slot| Self::Kept(Kept { file, _slot: slot }))
    }

    /// Reads from `offset`; `path` is where to find the file if it is not open.
    pub(super) fn read_at(&self, path: impl Fn() -> String, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::Kept(kept) => kept.file.read_at(buffer, offset),
            Self::Opened => File::open(path())?.read_at(buffer, offset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_that_is_dropped_makes_room_for_another() {
        let descriptors = Descriptors::at_most(1);
        let open = || Source::keep(File::open("/proc/self/stat").unwrap(), &descriptors);
        let first = open();
        assert!(matches!(first, Source::Kept(_)));
        assert!(matches!(open(), Source::Opened));
        drop(first);
        assert!(matches!(open(), Source::Kept(_)));
    }

    #[test]
    fn what_is_opened_each_time_reads_the_same() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hello").unwrap();
        let path = || file.path().display().to_string();
        for room in [0, 1] {
            let source = Source::keep(File::open(file.path()).unwrap(), &Descriptors::at_most(room));
            let mut buffer = [0; 16];
            for _ in 0..2 {
                assert_eq!(source.read_at(path, &mut buffer, 1).unwrap(), 4);
                assert_eq!(&buffer[..4], b"ello");
            }
        }
    }
}
