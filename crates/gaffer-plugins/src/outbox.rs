//! What waits to be written to a process.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// The most answers that wait; then the process is not listened to.
const MOST: usize = 64;

/// The same in bytes. Each answer may be long; the last that came may go beyond it.
const MOST_BYTES: usize = 1024 * 1024;

/// As much is written at once, if it is there: what a pipe holds.
const BATCH: usize = 64 * 1024;

/// Lines in the order in which they are written.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    lines: VecDeque<Bytes>,
    bytes: usize,
}

impl Outbox {
    pub(crate) fn push(&mut self, line: Bytes) {
        self.bytes += line.len();
        self.lines.push_back(line);
    }

    /// Whether an answer may still come.
    pub(crate) fn has_room(&self) -> bool {
        self.lines.len() < MOST && self.bytes < MOST_BYTES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// What is to be written next.
    pub(crate) fn batch(&mut self) -> Option<Bytes> {
        let first = self.take()?;
        let fits = |outbox: &Self, so_far: usize| outbox.lines.front().is_some_and(|next| so_far + next.len() <= BATCH);
        if !fits(self, first.len()) {
            return Some(first);
        }
        let mut batch = BytesMut::from(&first[..]);
        while fits(self, batch.len()) {
            batch.extend_from_slice(&self.take().unwrap_or_default());
        }
        Some(batch.freeze())
    }

    fn take(&mut self) -> Option<Bytes> {
        let line = self.lines.pop_front()?;
        self.bytes -= line.len();
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_in_number_and_in_bytes() {
        let mut outbox = Outbox::default();
        (0..MOST).for_each(|_| outbox.push(Bytes::from_static(b"x\n")));
        assert!(!outbox.has_room());
        assert_eq!(outbox.batch().unwrap().len(), MOST * 2, "all at once");
        assert!(outbox.has_room() && outbox.is_empty() && outbox.batch().is_none());

        outbox.push(vec![b'x'; MOST_BYTES].into());
        assert!(!outbox.has_room());
        outbox.push(Bytes::from_static(b"y\n"));
        assert_eq!(outbox.batch().unwrap().len(), MOST_BYTES, "alone");
        assert_eq!(&outbox.batch().unwrap()[..], b"y\n");
        assert_eq!(outbox.bytes, 0);
    }
}
