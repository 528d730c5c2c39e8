//! Where lines go.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nix::fcntl::OFlag;

/// Who may read a log that is made: it tells of commands and clients.
const MODE: u32 = 0o640;

/// The log's file cannot be written to.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the log `{}`", path.display())]
pub struct LogFileError {
    path: PathBuf,
    source: io::Error,
}

/// The file that the log is in. A clone is the same file.
#[derive(Clone, Debug)]
pub struct LogFile {
    /// With the folder that the program was started in, whatever its folder is later.
    path: Arc<Path>,
    /// What lines go to from the next one on.
    next: Arc<Mutex<Option<File>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whatever is done under one of these locks is one step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LogFile {
    pub(super) fn open(path: &Path) -> Result<Self, LogFileError> {
        let refused = |source| LogFileError { path: path.to_owned(), source };
        let absolute = std::path::absolute(path).map_err(refused)?;
        let file = open(&absolute).map_err(refused)?;
        Ok(Self { path: absolute.into(), next: Arc::new(Mutex::new(Some(file))) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file that has its name now, and goes on there. Blocks.
    ///
    /// # Errors
    /// When it does not open. Then the log goes on where it is.
    pub fn reopen(&self) -> Result<(), LogFileError> {
        let file = open(&self.path).map_err(|source| LogFileError { path: self.path.to_path_buf(), source })?;
        // The former one, if no line has come since, is closed when the lock is free.
        let _former = lock(&self.next).replace(file);
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    // A pipe that nobody reads would be waited for.
    let flags = OFlag::O_NONBLOCK.bits();
    OpenOptions::new().append(true).create(true).mode(MODE).custom_flags(flags).open(path)
}

/// What was written so far.
#[derive(Debug, Default)]
pub(super) struct Progress {
    lines: Mutex<u64>,
    grew: Condvar,
}

impl Progress {
    fn add_one(&self) {
        let mut lines = lock(&self.lines);
        *lines = lines.saturating_add(1);
        drop(lines);
        self.grew.notify_all();
    }

    /// Waits until so many lines are written that this holds, but no longer than this.
    pub(super) fn wait(&self, patience: Duration, is_enough: impl Fn(u64) -> bool) {
        let waiting = self.grew.wait_timeout_while(lock(&self.lines), patience, |lines| !is_enough(*lines));
        drop(waiting);
    }
}

/// Where lines go, as the thread that writes them has it.
#[derive(Debug)]
pub(super) struct Target {
    file: Option<(LogFile, Option<File>)>,
    progress: Arc<Progress>,
}

impl Target {
    pub(super) fn new(file: Option<&LogFile>, progress: Arc<Progress>) -> Self {
        Self { file: file.map(|file| (file.clone(), None)), progress }
    }
}

impl Write for Target {
    /// Takes in a whole line, or fails.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let written = match &mut self.file {
            None => io::stderr().write_all(line),
            Some((log, current)) => {
                if let Some(next) = lock(&log.next).take() {
                    *current = Some(next);
                }
                current.as_mut().map_or(Ok(()), |file| file.write_all(line))
            }
        };
        // One that cannot be written is not waited for either.
        self.progress.add_one();
        written.map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // Nothing is kept back.
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn lines_go_to_the_file_that_was_opened_last() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.log");
        fs::write(&path, "before\n").unwrap();
        let log = LogFile::open(&path).unwrap();
        let progress = Arc::<Progress>::default();
        let mut target = Target::new(Some(&log), Arc::clone(&progress));
        target.write_all(b"one\n").unwrap();
        let old = folder.path().join("g.log.1");
        fs::rename(&path, &old).unwrap();
        target.write_all(b"two\n").unwrap();
        log.reopen().unwrap();
        target.write_all(b"three\n").unwrap();
        assert_eq!(fs::read_to_string(&old).unwrap(), "before\none\ntwo\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o007, 0, "it is not for everybody");
        progress.wait(Duration::ZERO, |lines| {
            assert_eq!(lines, 3);
            true
        });
    }

    #[test]
    fn a_file_that_does_not_open_again_leaves_the_log_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (inner, aside) = (folder.path().join("a"), folder.path().join("b"));
        fs::create_dir(&inner).unwrap();
        let log = LogFile::open(&inner.join("g.log")).unwrap();
        let mut target = Target::new(Some(&log), Arc::default());
        fs::rename(&inner, &aside).unwrap();
        let error = log.reopen().unwrap_err();
        assert!(error.to_string().starts_with("cannot open the log `/"), "{error}");
        target.write_all(b"still here\n").unwrap();
        assert_eq!(fs::read_to_string(aside.join("g.log")).unwrap(), "still here\n");
        assert!(LogFile::open(folder.path()).is_err(), "a folder is no log");
    }
}
