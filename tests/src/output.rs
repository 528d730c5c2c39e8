//! What a program writes, kept line by line as it comes.

use std::{
    fmt,
    io::{BufRead, BufReader, Read},
    sync::{Arc, Condvar, Mutex, PoisonError},
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
    lines: Mutex<(Vec<Line>, bool)>,
    grew: Condvar,
}

impl Output {
    pub(crate) fn of(stream: impl Read + Send + 'static) -> Self {
        let shared = Arc::<Shared>::default();
        let keep = shared.clone();
        let reader = thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n') {
                let Ok(line) = line else { break };
                let line = Line { at: Instant::now(), text: String::from_utf8_lossy(&line).into_owned() };
                keep.lines.lock().unwrap_or_else(PoisonError::into_inner).0.push(line);
                keep.grew.notify_all();
            }
            keep.lines.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
            keep.grew.notify_all();
        });
        Self { shared, reader: Some(reader) }
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        self.shared.lines.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Waits for a line for which `pick` gives a value. `None` if the stream ends before, or the deadline passes.
    pub(crate) fn find<T>(&self, mut pick: impl FnMut(&Line) -> Option<T>) -> Option<T> {
        let begun = Instant::now();
        let mut read = 0;
        let mut lines = self.shared.lines.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            for line in &lines.0[read..] {
                if let Some(found) = pick(line) {
                    return Some(found);
                }
            }
            read = lines.0.len();
            let left = DEADLINE.checked_sub(begun.elapsed()).filter(|_| !lines.1)?;
            lines = self.shared.grew.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
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
