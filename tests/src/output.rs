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
    /// Whether the last line lacks its end.
    is_cut: bool,
    ended: bool,
}

impl Shared {
    fn read(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Output {
    pub(crate) fn of(stream: impl io::Read + Send + 'static) -> Self {
        let shared = Arc::<Shared>::default();
        let keep = shared.clone();
        let reader = thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while let Ok(1..) = stream.read_until(b'\n', &mut line) {
                let is_cut = line.pop_if(|byte| *byte == b'\n').is_none();
                let text = String::from_utf8_lossy(&line).into_owned();
                line.clear();
                let mut read = keep.read();
                read.lines.push(Line { at: Instant::now(), text });
                read.is_cut = is_cut;
                keep.grew.notify_all();
            }
            keep.read().ended = true;
            keep.grew.notify_all();
        });
        Self { shared, reader: Some(reader) }
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        self.shared.read().lines.clone()
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
