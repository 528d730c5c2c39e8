//! The thread that writes.

use std::{
    io::{self, ErrorKind, Write},
    sync::Arc,
    thread,
    time::Duration,
};

use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, warn};

/// Texts that may wait for the writer. Each is what a chunk of output became, or a good part of that, which is some 100 KiB and
/// a line, so that they take a few MB at worst. When the queue is full, those who fill it wait.
const QUEUE: usize = 16;

/// More than this is not joined into one write.
const BATCH: usize = 256 * 1024;

/// How long a writer that does not want to wait is left in peace.
const PAUSE: Duration = Duration::from_millis(5);

/// Where a text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Output,
    Errors,
}

/// Whole lines, on their way to the writer.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) target: Target,
    pub(super) bytes: Vec<u8>,
}

/// The way to the writer. It is closed once that has failed.
pub(super) type Queue = mpsc::Sender<Text>;

/// What is written to.
pub(super) struct Writers {
    pub(super) output: Box<dyn Write + Send>,
    /// If there is none, all goes to the first.
    pub(super) errors: Option<Box<dyn Write + Send>>,
}

/// A thread that writes what is put in its queue, and ends with it.
#[derive(Debug)]
pub(super) struct Writer {
    finished: oneshot::Receiver<()>,
}

impl Writer {
    pub(super) fn start(writers: Writers, failure: watch::Sender<Option<Arc<io::Error>>>) -> io::Result<(Self, Queue)> {
        let (queue, texts) = mpsc::channel(QUEUE);
        let (finish, finished) = oneshot::channel();
        thread::Builder::new().name("console".to_owned()).spawn(move || {
            if let Err(error) = writers.write_all(texts) {
                // Whoever read it has gone: no reason to end anything else.
                if error.kind() == ErrorKind::BrokenPipe {
                    info!("nobody reads the console output any more");
                } else {
                    warn!(%error, "console output ended");
                }
                failure.send_replace(Some(Arc::new(error)));
            }
            drop(finish);
        })?;
        Ok((Self { finished }, queue))
    }

    /// Resolves once all is written and the thread has ended.
    pub(super) async fn finished(self) {
        drop(self.finished.await); // An error says just that.
    }
}

impl Writers {
    /// Writes all that comes, as much at once as is there.
    fn write_all(mut self, mut texts: mpsc::Receiver<Text>) -> io::Result<()> {
        while let Some(mut batch) = texts.blocking_recv() {
            while let Ok(text) = texts.try_recv() {
                if text.target == batch.target && batch.bytes.len() + text.bytes.len() <= BATCH {
                    batch.bytes.extend_from_slice(&text.bytes);
                } else {
                    self.write(&batch)?;
                    batch = text;
                }
            }
            self.write(&batch)?;
        }
        Ok(())
    }

    fn write(&mut self, Text { target, bytes }: &Text) -> io::Result<()> {
        let writer = match (target, &mut self.errors) {
            (Target::Errors, Some(errors)) => errors,
            (Target::Errors | Target::Output, _) => &mut self.output,
        };
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            match writer.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) => patience(error)?,
            }
        }
        while let Err(error) = writer.flush() {
            patience(error)?;
        }
        Ok(())
    }
}

/// Waits, if that helps. A terminal that somebody else has made non-blocking must not end us, and gives no sign when it is ready.
fn patience(error: io::Error) -> io::Result<()> {
    let kind = error.kind();
    if kind == ErrorKind::WouldBlock {
        thread::sleep(PAUSE);
    } else if kind != ErrorKind::Interrupted {
        return Err(error);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::sync::lock;

    /// What was written, by whom and in which calls.
    type Log = Arc<Mutex<Vec<(char, String)>>>;

    /// Writes into a log; fails after so many calls.
    struct Logged(char, Log, usize);

    impl Write for Logged {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            if lock(&self.1).len() >= self.2 {
                return Err(ErrorKind::StorageFull.into());
            }
            lock(&self.1).push((self.0, String::from_utf8_lossy(data).into_owned()));
            Ok(data.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn text(target: Target, line: &str) -> Text {
        Text { target, bytes: format!("{line}\n").into_bytes() }
    }

    /// Writes what waits, with an own writer for errors or without; answers what came of it.
    fn written(texts: Vec<Text>, has_errors: bool, calls: usize) -> (io::Result<()>, Vec<(char, String)>) {
        let log = Log::default();
        let writer = |name| Box::new(Logged(name, Arc::clone(&log), calls)) as Box<dyn Write + Send>;
        let writers = Writers { output: writer('o'), errors: has_errors.then(|| writer('e')) };
        let (queue, waiting) = mpsc::channel(texts.len());
        for text in texts {
            assert!(queue.try_send(text).is_ok());
        }
        drop(queue);
        let outcome = writers.write_all(waiting);
        let log = lock(&log).clone();
        (outcome, log)
    }

    fn call(writer: char, data: &str) -> (char, String) {
        (writer, data.to_owned())
    }

    #[test]
    fn what_waits_is_written_at_once_but_in_its_order() {
        use Target::{Errors, Output};
        let texts = || vec![text(Output, "a"), text(Output, "b"), text(Errors, "c"), text(Output, "d")];
        let apart = [call('o', "a\nb\n"), call('e', "c\n"), call('o', "d\n")];
        assert_eq!(written(texts(), true, 9).1, apart);
        let together = written(texts(), false, 9).1;
        assert!(together.iter().all(|(writer, _)| *writer == 'o'));
        assert_eq!(together.into_iter().map(|(_, data)| data).collect::<String>(), "a\nb\nc\nd\n");
    }

    #[test]
    fn one_write_does_not_grow_without_end() {
        let line = "x".repeat(BATCH / 3);
        let sizes = |texts| written(texts, true, 9).1.iter().map(|(_, data)| data.len()).collect::<Vec<_>>();
        let len = line.len() + 1;
        assert_eq!(sizes((0..5).map(|_| text(Target::Output, &line)).collect()), [2 * len, 2 * len, len]);
    }

    #[test]
    fn after_an_error_nothing_more_is_written() {
        let texts = vec![text(Target::Output, "a"), text(Target::Errors, "b"), text(Target::Output, "c")];
        let (outcome, calls) = written(texts, true, 1);
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(calls, [call('o', "a\n")]);
    }
}
