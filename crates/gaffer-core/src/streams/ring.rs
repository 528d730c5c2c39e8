//! The bytes that an output keeps, numbered from the first one ever written.

use std::{collections::VecDeque, mem};

use bytes::Bytes;

/// Pushes up to this many bytes are copied into a growing block; larger ones are kept as they are, without a copy.
///
/// A kept chunk costs some 100 bytes beside its data (its entry here, its allocation, its reference count). Copying 1 KiB
/// takes about as long as that bookkeeping, and bounds its share: of any two neighbouring chunks one holds more
/// than this or both together do, so that a ring of `n` bytes has at most `2 * n / COPY_UP_TO + 2` chunks.
const COPY_UP_TO: usize = 1024;

/// A block of small pushes is sealed before it would exceed this: readers of what is in a block that still grows get a copy of
/// it, which should stay cheap.
const BLOCK: usize = 8 * 1024;

/// The bytes `head..tail` of what was ever written, in chunks.
#[derive(Debug, Default)]
pub(super) struct Ring {
    /// Never empty ones, each beginning where the one before ends.
    sealed: VecDeque<Sealed>,
    /// Small pushes, after all that is sealed. A plain vector: a process that writes one line costs one line.
    open: Vec<u8>,
    open_start: u64,
    /// The last copy out of `open` and where it begins: readers that are equally far share it.
    cut: Option<(u64, Bytes)>,
}

#[derive(Debug)]
struct Sealed {
    start: u64,
    bytes: Bytes,
}

impl Ring {
    /// The position of the first byte kept.
    pub(super) fn head(&self) -> u64 {
        self.sealed.front().map_or(self.open_start, |chunk| chunk.start)
    }

    /// The position of the next byte to be written.
    pub(super) fn tail(&self) -> u64 {
        self.open_start + self.open.len() as u64
    }

    /// How many bytes are kept.
    pub(super) fn len(&self) -> u64 {
        self.tail() - self.head()
    }

    /// Appends.
    pub(super) fn push(&mut self, data: Bytes) {
        if data.len() <= COPY_UP_TO {
            if self.open.len() + data.len() > BLOCK {
                self.seal();
            }
            self.open.extend_from_slice(&data);
        } else {
            self.seal();
            let start = self.open_start;
            self.open_start += data.len() as u64;
            self.sealed.push_back(Sealed { start, bytes: data });
        }
    }

    fn seal(&mut self) {
        if self.open.is_empty() {
            return;
        }
        // Boxed, so that the spare capacity is given back.
        let bytes = Bytes::from(mem::take(&mut self.open).into_boxed_slice());
        let start = self.open_start;
        self.open_start += bytes.len() as u64;
        self.sealed.push_back(Sealed { start, bytes });
        self.cut = None;
    }

    /// What is kept from a position on, up to the end of the chunk it lies in. The position must be one of `head..tail`.
    ///
    /// `shared` tells that others will probably ask for the same.
    pub(super) fn read(&mut self, position: u64, shared: bool) -> Bytes {
        if position >= self.open_start {
            return self.read_open(position, shared);
        }
        let chunk = match self.sealed.back() {
            Some(last) if last.start <= position => last, // Readers are mostly up to date.
            _ => &self.sealed[self.sealed.partition_point(|chunk| chunk.start <= position) - 1],
        };
        chunk.bytes.slice((position - chunk.start) as usize..)
    }

    fn read_open(&mut self, position: u64, shared: bool) -> Bytes {
        if let Some((start, cut)) = &self.cut
            && *start == position
            && start + cut.len() as u64 == self.tail()
        {
            return cut.clone();
        }
        let bytes = Bytes::copy_from_slice(&self.open[(position - self.open_start) as usize..]);
        if shared {
            self.cut = Some((position, bytes.clone()));
        }
        bytes
    }

    /// How many bytes [`drop_front`](Self::drop_front) would drop; `None` if all that is left is the growing block.
    pub(super) fn front_len(&self) -> Option<u64> {
        self.sealed.front().map(|chunk| chunk.bytes.len() as u64)
    }

    /// Drops the oldest chunk.
    pub(super) fn drop_front(&mut self) {
        self.sealed.pop_front();
    }

    /// Where the last `lines` lines begin. What follows the last line feed counts as a line, and so does what is left of
    /// a line that is no longer kept whole.
    pub(super) fn start_of_lines(&self, lines: usize) -> u64 {
        if lines == 0 {
            return self.tail();
        }
        // The line feeds that end earlier lines: all but one that is the very last byte.
        let mut wanted = lines;
        let mut end_of_last_line = true;
        let sealed = self.sealed.iter().map(|chunk| (chunk.start, &chunk.bytes[..]));
        let open = (!self.open.is_empty()).then_some((self.open_start, &self.open[..]));
        for (start, bytes) in sealed.chain(open).rev() {
            let bytes = match bytes {
                [before @ .., b'\n'] if end_of_last_line => before,
                all => all,
            };
            end_of_last_line = false;
            // Counting is vectorised, and far faster than looking for each one.
            let count = bytes.iter().filter(|&&byte| byte == b'\n').count();
            if count < wanted {
                wanted -= count;
                continue;
            }
            let mut feeds = bytes.iter().enumerate().rev().filter(|&(_, &byte)| byte == b'\n');
            if let Some((index, _)) = feeds.nth(wanted - 1) {
                return start + index as u64 + 1;
            }
        }
        self.head()
    }

    /// The memory held, as an estimate from above: data, and what the bookkeeping of each chunk takes.
    #[cfg(test)]
    pub(super) fn footprint(&self) -> usize {
        const SHARED_COUNT: usize = 48; // The header and the rounding of two allocations.
        let cut = self.cut.as_ref().map_or(0, |(_, bytes)| bytes.len() + SHARED_COUNT);
        let data = self.sealed.iter().map(|chunk| chunk.bytes.len() + SHARED_COUNT).sum::<usize>();
        data + self.sealed.capacity() * size_of::<Sealed>() + self.open.capacity() + cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(pushes: &[&[u8]]) -> Ring {
        let mut ring = Ring::default();
        for push in pushes {
            ring.push(Bytes::copy_from_slice(push));
        }
        ring
    }

    #[test]
    fn the_last_lines_are_found_across_chunks() {
        let long = [b'x'; 2000];
        let text: [&[u8]; 5] = [b"one\ntwo\nth", &long, b"ree\n", b"\n", b"five"];
        let ring = ring(&text);
        let total = text.concat().len() as u64;
        for (lines, start) in
            [(0, total), (1, total - 4), (2, total - 5), (3, 8), (4, 4), (5, 0), (6, 0), (usize::MAX, 0)]
        {
            assert_eq!(ring.start_of_lines(lines), start, "{lines} lines");
        }
    }

    #[test]
    fn a_line_feed_at_the_end_begins_no_line() {
        assert_eq!(ring(&[b"a\nb\n"]).start_of_lines(1), 2);
        assert_eq!(ring(&[b"a\n\n"]).start_of_lines(1), 2);
        assert_eq!(ring(&[b"\n"]).start_of_lines(1), 0);
        assert_eq!(ring(&[]).start_of_lines(1), 0);
    }

    #[test]
    fn small_pushes_share_a_block_and_large_ones_are_not_copied() {
        let large = Bytes::from(vec![1; COPY_UP_TO + 1]);
        let mut ring = Ring::default();
        for _ in 0..BLOCK + 1 {
            ring.push(Bytes::from_static(b"."));
        }
        ring.push(large.clone());
        assert_eq!(ring.sealed.len(), 3);
        let read = ring.read(BLOCK as u64 + 1, false);
        assert_eq!(read.as_ptr(), large.as_ptr());
    }

    #[test]
    fn readers_that_are_equally_far_share_one_copy_of_the_growing_block() {
        let mut ring = ring(&[b"abc"]);
        let first = ring.read(1, true);
        assert_eq!(ring.read(1, true).as_ptr(), first.as_ptr());
        ring.push(Bytes::from_static(b"d"));
        assert_eq!(ring.read(1, true), "bcd");
        assert_eq!(ring.read(3, true), "d");
    }
}
