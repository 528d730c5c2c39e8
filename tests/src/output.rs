//! What a program writes, kept line by line as it comes.

use std::{
    fmt,
    io::{self, BufRead, BufReader},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Instant,
};

use crate::DEADLINE;

/// One line that a program wrote.
#[derive(Clone, Debug)]
pub struct Line {
    /// When it was read.
    pub at: Instant,
    /// Without its end.
    pub text: String,
}

/// The lines of one stream so far.
#[derive(Debug)]
pub(crate) struct Output {
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    read: Mutex<Read>,
    grew: Condvar,
}

#[derive(Debug, Default)]
struct Read {
    lines: Vec<Line>,
    /// Of a line that has no end yet.
    begun: String,
    /// Whether the last line lacks its end.
    is_cut: bool,
    ended: bool,
}

impl Shared {
    fn read(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds what can be read at once, up to the end of a line, and answers how much that is; `None` at the end.
fn next_piece(stream: &mut impl BufRead, line: &mut Vec<u8>) -> Option<usize> {
    while stream.fill_buf().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {}
    let there = stream.fill_buf().ok().filter(|there| !there.is_empty())?;
    let length = there.iter().position(|byte| *byte == b'\n').map_or(there.len(), |end| end + 1);
    line.extend_from_slice(&there[..length]);
    Some(length)
}

impl Output {
    pub(crate) fn of(stream: impl io::Read + Send + 'static) -> Self {
        let shared = Arc::<Shared>::default();
        let keep = shared.clone();
        let reader = thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while let Some(length) = next_piece(&mut stream, &mut line) {
                stream.consume(length);
                let is_whole = line.pop_if(|byte| *byte == b'\n').is_some();
                let text = String::from_utf8_lossy(&line).into_owned();
                let mut read = keep.read();
                if is_whole {
                    line.clear();
                    read.lines.push(Line { at: Instant::now(), text });
                    read.begun.clear();
                } else {
                    read.begun = text;
                }
                keep.grew.notify_all();
            }
            let mut read = keep.read();
            let text = std::mem::take(&mut read.begun);
            read.is_cut = !text.is_empty();
            if read.is_cut {
                read.lines.push(Line { at: Instant::now(), text });
            }
            read.ended = true;
            drop(read);
            keep.grew.notify_all();
        });
        Self { shared, reader: Some(reader) }
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        self.shared.read().lines.clone()
    }

    /// What was written so far, also of a line that has no end yet, such as a question.
    pub(crate) fn shown(&self) -> String {
        let read = self.shared.read();
        let lines: String = read.lines.iter().map(|line| format!("{}\n", line.text)).collect();
        lines + &read.begun
    }

    /// All that was written so far; what is no UTF-8 is replaced.
    pub(crate) fn text(&self) -> String {
        let read = self.shared.read();
        let lines: Vec<&str> = read.lines.iter().map(|line| line.text.as_str()).collect();
        lines.join("\n") + if read.is_cut || lines.is_empty() { "" } else { "\n" }
    }

    /// Waits for a line for which `pick` gives a value. `None` if the stream ends before, or the deadline passes.
    pub(crate) fn find<T>(&self, mut pick: impl FnMut(&Line) -> Option<T>) -> Option<T> {
        let begun = Instant::now();
        let mut seen = 0;
        let mut read = self.shared.read();
        loop {
            for line in &read.lines[seen..] {
                if let Some(found) = pick(line) {
                    return Some(found);
                }
            }
            seen = read.lines.len();
            let left = DEADLINE.checked_sub(begun.elapsed()).filter(|_| !read.ended)?;
            read = self.shared.grew.wait_timeout(read, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for the end of the stream.
    pub(crate) fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().iter().try_for_each(|line| writeln!(f, "  {}", line.text))
    }
}
