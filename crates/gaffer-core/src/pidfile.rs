//! A file that names the one running daemon.
//!
//! ```no_run
//! use std::process;
//!
//! use gaffer_core::{names::OsPid, pidfile::Pidfile};
//!
//! let mut pidfile = Pidfile::new("/run/gafferd.pid");
//! if let Some(pid) = i32::try_from(process::id()).ok().and_then(OsPid::new) {
//!     pidfile.create(pid)?; // Refuses while another gafferd runs.
//!     // …
//!     pidfile.unlink()?;
//! }
//! # Ok::<(), gaffer_core::pidfile::PidfileError>(())
//! ```

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use nix::{errno::Errno, sys::signal::kill, unistd::Pid};

use crate::names::OsPid;

/// What can go wrong with a pidfile.
#[derive(Debug, thiserror::Error)]
pub enum PidfileError {
    /// Another daemon runs.
    #[error(
        "the pidfile `{}` names process {pid}, which is running; stop it first, or, if it is something else, remove the \
         file",
        path.display()
    )]
    Held {
        /// The pidfile.
        path: PathBuf,
        /// The process that it names.
        pid: OsPid,
    },
    /// The file is not a pidfile at all, so it is not overwritten.
    #[error(
        "`{}` holds `{found}` where a pidfile holds a process number; remove it, or choose another pidfile",
        path.display()
    )]
    NotAPid {
        /// The file.
        path: PathBuf,
        /// How it begins.
        found: String,
    },
    /// The file cannot be read.
    #[error("the pidfile `{}` cannot be read", path.display())]
    Read {
        /// The pidfile.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("the pidfile `{}` cannot be written", path.display())]
    Write {
        /// The pidfile.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file cannot be removed.
    #[error("the pidfile `{}` cannot be removed", path.display())]
    Remove {
        /// The pidfile.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Other processes make and remove the file faster than it can be taken.
    #[error("the pidfile `{}` keeps changing; is something else starting and stopping over and over?", path.display())]
    Contended {
        /// The pidfile.
        path: PathBuf,
    },
}

/// A pidfile: at most one live process is named in it.
///
/// Dropping it leaves the file where it is: after a fork, the parent must not take away what the child holds. Call
/// [`unlink`](Self::unlink).
#[derive(Debug)]
pub struct Pidfile {
    path: PathBuf,
    /// Whom the file names, once it is ours.
    pid: Option<OsPid>,
}

/// How often a file that changes under one's hands is tried again.
const ATTEMPTS: usize = 16;
/// How long to wait before that.
const PAUSE: Duration = Duration::from_millis(5);
/// Tells the temporary files of one process apart.
static COUNTER: AtomicU64 = AtomicU64::new(0);

impl Pidfile {
    /// A pidfile at `path`, which is not touched yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), pid: None }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file, naming `pid`. A stale file is replaced, and one that names `pid` already is kept.
    ///
    /// The file appears with its content or not at all, and of two daemons that start at once only one gets it.
    ///
    /// # Errors
    /// [`Held`](PidfileError::Held) if it names another live process; the others as they say.
    pub fn create(&mut self, pid: OsPid) -> Result<(), PidfileError> {
        let write = |source| PidfileError::Write { path: self.path.clone(), source };
        for _ in 0..ATTEMPTS {
            match self.validate()? {
                Some(owner) if owner == pid => {
                    self.pid = Some(pid);
                    return Ok(());
                }
                Some(owner) => return Err(PidfileError::Held { path: self.path.clone(), pid: owner }),
                None => {}
            }
            // A link, unlike a rename, never replaces what another daemon made since we looked.
            let draft = self.beside("new");
            let result = write_new(&draft, pid).and_then(|()| fs::hard_link(&draft, &self.path));
            let removed = fs::remove_file(&draft);
            match result {
                Ok(()) => {
                    self.pid = Some(pid);
                    return removed.map_err(write);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(write(error)),
            }
        }
        Err(PidfileError::Contended { path: self.path.clone() })
    }

    /// Moves the file to another path, under the rules of [`create`](Self::create). If it was not made yet, it will be
    /// made there.
    ///
    /// # Errors
    /// As [`create`](Self::create), and then the file stays where it was.
    pub fn rename(&mut self, path: impl Into<PathBuf>) -> Result<(), PidfileError> {
        let path = path.into();
        let Some(pid) = self.pid.filter(|_| path != self.path) else {
            self.path = path;
            return Ok(());
        };
        let mut moved = Self::new(path);
        moved.create(pid)?;
        let old = std::mem::replace(self, moved);
        old.remove_if_names(pid)
    }

    /// Removes the file, if it is there and names the process that it was made for. A file that has since become
    /// another daemon's is left alone.
    ///
    /// # Errors
    /// When the file cannot be read or removed.
    pub fn unlink(&mut self) -> Result<(), PidfileError> {
        match self.pid.take() {
            Some(pid) => self.remove_if_names(pid),
            None => Ok(()),
        }
    }

    /// The live process that the file names, if any. A stale file, one that is empty or names a dead process, is
    /// removed.
    ///
    /// That the number belongs to gafferd, and not to a process that got it later, cannot be told from a pidfile.
    ///
    /// # Errors
    /// When the file holds something else than a process number, and when it cannot be read or removed.
    pub fn validate(&self) -> Result<Option<OsPid>, PidfileError> {
        for _ in 0..ATTEMPTS {
            match read(&self.path)? {
                Content::Missing => return Ok(None),
                Content::Pid(pid) if is_alive(pid) => return Ok(Some(pid)),
                Content::Pid(_) | Content::Empty => {}
            }
            if self.remove_stale()? {
                return Ok(None);
            }
        }
        Err(PidfileError::Contended { path: self.path.clone() })
    }

    /// Takes a stale file away. Answers `false` if another has its hands on it, so that it must be looked at again.
    ///
    /// Between the look at the file and its removal another daemon may have replaced it. So whoever removes a stale file
    /// first locks it, then makes sure that the path still leads to it: files appear at the path by links, which replace
    /// nothing, so from then on nobody else can change what the path leads to. Moving the file aside and looking at it
    /// there was tried first: while a fresh file is aside, a third daemon finds the path free.
    fn remove_stale(&self) -> Result<bool, PidfileError> {
        let remove = |source| PidfileError::Remove { path: self.path.clone(), source };
        let gone_or = |error: io::Error| {
            if error.kind() == io::ErrorKind::NotFound { Ok(true) } else { Err(remove(error)) }
        };
        let file = match open(&self.path) {
            Ok(file) => file,
            Err(error) => return gone_or(error),
        };
        // Without waiting: anybody who may read the file may lock it, and must not hold gafferd up for ever.
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                std::thread::sleep(PAUSE);
                return Ok(false);
            }
            Err(fs::TryLockError::Error(error)) => return Err(remove(error)),
        }
        let (locked, there) = match (file.metadata(), fs::metadata(&self.path)) {
            (Ok(locked), Ok(there)) => (locked, there),
            (Err(error), _) | (_, Err(error)) => return gone_or(error),
        };
        let stale = match read(&self.path)? {
            Content::Missing => return Ok(true),
            Content::Pid(pid) => !is_alive(pid),
            Content::Empty => true,
        };
        if !stale || (locked.dev(), locked.ino()) != (there.dev(), there.ino()) {
            return Ok(false);
        }
        fs::remove_file(&self.path).map(|()| true).or_else(gone_or)
    }

    fn remove_if_names(&self, pid: OsPid) -> Result<(), PidfileError> {
        match read(&self.path) {
            Ok(Content::Pid(owner)) if owner == pid => match fs::remove_file(&self.path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    Err(PidfileError::Remove { path: self.path.clone(), source })
                }
                _ => Ok(()),
            },
            // Not ours, or not a pidfile any more.
            Ok(_) | Err(PidfileError::NotAPid { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A path in the same folder, hidden, that no other use of this file has.
    fn beside(&self, what: &str) -> PathBuf {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let mut name = std::ffi::OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(format!(".{}.{number}.{what}", std::process::id()));
        self.path.with_file_name(name)
    }
}

/// What a pidfile holds.
enum Content {
    Missing,
    Empty,
    Pid(OsPid),
}

/// Reads a pidfile's first bytes; the rest is of no interest.
fn read(path: &Path) -> Result<Content, PidfileError> {
    const MAX: u64 = 32;
    let unreadable = |source| PidfileError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    match open(path).and_then(|file| file.take(MAX).read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::Missing),
        Err(error) => return Err(unreadable(error)),
    }
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim();
    if text.is_empty() {
        return Ok(Content::Empty);
    }
    match text.parse().ok().and_then(OsPid::new) {
        Some(pid) => Ok(Content::Pid(pid)),
        None => Err(PidfileError::NotAPid { path: path.to_owned(), found: text.escape_debug().to_string() }),
    }
}

/// Opens a file to read it, without waiting for a writer should it be a named pipe.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)
}

/// Writes a file that is not there yet.
fn write_new(path: &Path, pid: OsPid) -> io::Result<()> {
    let make = || OpenOptions::new().write(true).create_new(true).mode(0o644).open(path);
    let mut file = match make() {
        // Left behind by a process that had our number, and died on the way.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            make()?
        }
        other => other?,
    };
    file.write_all(format!("{pid}\n").as_bytes())
}

/// Whether a process of that number exists, whoever's it is.
fn is_alive(pid: OsPid) -> bool {
    match kill(Pid::from_raw(pid.as_raw()), None) {
        Ok(()) | Err(Errno::EPERM) => true, // No permission to signal it, but it is there.
        Err(_) => false,
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "needs processes that run and that are gone, and no supervision")]
mod tests {
    use std::{
        process::{Command, id},
        sync::Barrier,
    };

    use super::*;

    fn ours() -> OsPid {
        OsPid::new(i32::try_from(id()).unwrap()).unwrap()
    }

    /// The number of a process that ran and is gone.
    fn dead() -> OsPid {
        let mut child = Command::new("true").spawn().unwrap();
        let pid = OsPid::new(i32::try_from(child.id()).unwrap()).unwrap();
        child.wait().unwrap();
        pid
    }

    fn in_folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gafferd.pid");
        (folder, path)
    }

    fn files(folder: &tempfile::TempDir) -> usize {
        fs::read_dir(folder.path()).unwrap().count()
    }

    #[test]
    fn create_writes_the_number_and_unlink_removes_the_file() {
        let (folder, path) = in_folder();
        let mut pidfile = Pidfile::new(&path);
        assert_eq!(pidfile.validate().unwrap(), None);
        pidfile.create(ours()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", id()));
        assert_eq!(pidfile.validate().unwrap(), Some(ours()));
        pidfile.create(ours()).unwrap();
        assert_eq!(files(&folder), 1, "nothing temporary stays");
        pidfile.unlink().unwrap();
        pidfile.unlink().unwrap();
        assert_eq!(files(&folder), 0);
    }

    #[test]
    fn create_refuses_while_another_process_lives_and_names_it() {
        let (folder, path) = in_folder();
        fs::write(&path, "1\n").unwrap(); // Init lives, and as a plain user we may not signal it.
        let error = Pidfile::new(&path).create(ours()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "the pidfile `{}` names process 1, which is running; stop it first, or, if it is something else, remove the file",
                path.display()
            )
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n");
        assert_eq!(files(&folder), 1);
    }

    #[test]
    fn a_stale_file_is_removed_or_replaced() {
        let (folder, path) = in_folder();
        for stale in [format!("{}\n", dead()), String::new(), " \n".to_owned()] {
            fs::write(&path, &stale).unwrap();
            assert_eq!(Pidfile::new(&path).validate().unwrap(), None);
            assert_eq!(files(&folder), 0, "{stale:?}");
            fs::write(&path, &stale).unwrap();
            Pidfile::new(&path).create(ours()).unwrap();
            assert_eq!(Pidfile::new(&path).validate().unwrap(), Some(ours()));
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_file_that_is_no_pidfile_is_never_touched() {
        let (_folder, path) = in_folder();
        for (content, found) in
            [("root:x:0:0", "root:x:0:0"), ("-1", "-1"), ("0", "0"), ("99999999999", "99999999999"), ("a\0", "a\\0")]
        {
            fs::write(&path, content).unwrap();
            let error = Pidfile::new(&path).create(ours()).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "`{}` holds `{found}` where a pidfile holds a process number; remove it, or choose another pidfile",
                    path.display()
                )
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
    }

    #[test]
    fn unlink_leaves_another_daemons_file_alone() {
        let (_folder, path) = in_folder();
        let mut pidfile = Pidfile::new(&path);
        pidfile.create(ours()).unwrap();
        fs::write(&path, "1\n").unwrap();
        pidfile.unlink().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n");
        Pidfile::new(&path).unlink().unwrap();
        assert!(path.exists());
    }

    #[test]
    fn rename_moves_the_file_and_keeps_it_if_the_new_place_is_taken() {
        let (folder, path) = in_folder();
        let (taken, free) = (folder.path().join("taken.pid"), folder.path().join("free.pid"));
        fs::write(&taken, "1\n").unwrap();
        let mut pidfile = Pidfile::new(&path);
        pidfile.create(ours()).unwrap();
        assert!(matches!(pidfile.rename(&taken), Err(PidfileError::Held { .. })));
        assert!(path.exists());
        pidfile.rename(&free).unwrap();
        assert!(!path.exists());
        assert_eq!(pidfile.path(), free);
        pidfile.rename(&free).unwrap();
        assert_eq!(pidfile.validate().unwrap(), Some(ours()));
        pidfile.unlink().unwrap();
        assert!(!free.exists());

        let mut unmade = Pidfile::new(&path);
        unmade.rename(&free).unwrap();
        unmade.create(ours()).unwrap();
        assert!(free.exists() && !path.exists());
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = Pidfile::new("/nowhere/gafferd.pid").create(ours()).unwrap_err();
        assert_eq!(error.to_string(), "the pidfile `/nowhere/gafferd.pid` cannot be written");
        let error = Pidfile::new("/").create(ours()).unwrap_err();
        assert_eq!(error.to_string(), "the pidfile `/` cannot be read");
    }

    #[test]
    fn of_many_that_start_at_once_over_a_stale_file_one_wins() {
        let mut children: Vec<_> = (0..8).map(|_| Command::new("sleep").arg("60").spawn().unwrap()).collect();
        let pids: Vec<OsPid> = children.iter().map(|child| OsPid::new(child.id().cast_signed()).unwrap()).collect();
        let stale = dead();
        for _ in 0..50 {
            let (folder, path) = in_folder();
            fs::write(&path, stale.to_string()).unwrap();
            let barrier = Barrier::new(pids.len());
            let winners = std::thread::scope(|scope| {
                let (path, barrier) = (&path, &barrier);
                let starts = pids.iter().map(|&pid| {
                    scope.spawn(move || {
                        barrier.wait();
                        Pidfile::new(path).create(pid).is_ok().then_some(pid)
                    })
                });
                let starts: Vec<_> = starts.collect();
                starts.into_iter().filter_map(|start| start.join().unwrap()).collect::<Vec<_>>()
            });
            assert_eq!(winners.len(), 1, "{winners:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", winners[0]));
            assert_eq!(files(&folder), 1);
        }
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
