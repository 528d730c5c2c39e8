//! Where a node keeps its state.

pub(crate) mod trust;

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process, thread,
    time::Duration,
};

use nix::fcntl::OFlag;

use crate::{StateError, StateFile};

/// The file whose lock is the node's. It stays when the node ends: to remove it would let two nodes lock two files of that name.
const LOCK: &str = "lock";

/// The file in which all is kept.
const FILE: &str = "state.db";

/// How often the lock of a node that is dead is tried, and the pause between.
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_millis(50);

/// A folder that nobody but the node's user looks into, and the node's lock on it, which ends when this is dropped or the process
/// ends, however it does.
#[derive(Debug)]
pub struct StateFolder {
    path: PathBuf,
    lock: Option<File>,
}

impl StateFolder {
    /// Makes the folder, if need be, and keeps other nodes off it.
    ///
    /// # Errors
    /// When another node has it, when it cannot be made or written to, and when somebody else may write to it.
    pub fn lock(path: &Path) -> Result<Self, StateError> {
        make(path)?;
        let failed = |cause| StateError::Folder { path: path.to_owned(), cause };
        let mut lock = open_lock(&path.join(LOCK), failed)?;
        for again in (0..TRIES).rev() {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {
                    let os_pid = holder(&mut lock);
                    // One that was killed while it launched something shares its lock with that, until it is executed.
                    let is_dead = os_pid.is_some_and(|os_pid| !Path::new(&format!("/proc/{os_pid}")).exists());
                    if !is_dead || again == 0 {
                        return Err(StateError::Held { path: path.to_owned(), os_pid });
                    }
                    thread::sleep(PAUSE);
                }
                Err(TryLockError::Error(cause)) => return Err(failed(cause)),
            }
        }
        lock.set_len(0).and_then(|()| lock.rewind()).map_err(&failed)?;
        writeln!(lock, "{}", process::id()).map_err(failed)?;
        Ok(Self { path: path.to_owned(), lock: Some(lock) })
    }

    /// Makes the folder, if need be, and keeps nobody off it: for what is done beside a node that runs.
    ///
    /// # Errors
    /// When it cannot be made, and when somebody else may write to it.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        make(path)?;
        Ok(Self { path: path.to_owned(), lock: None })
    }

    /// Takes the folder, if it is there, and keeps nobody off it: for who only looks, and is to make nothing.
    ///
    /// # Errors
    /// When it is no folder, when somebody else may write to it, or when it cannot be told whether it is there.
    pub fn existing(path: &Path) -> Result<Option<Self>, StateError> {
        let failed = |cause| StateError::Folder { path: path.to_owned(), cause };
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                trust::folder(path, &found)?;
                Ok(Some(Self { path: path.to_owned(), lock: None }))
            }
            Ok(_) => Err(failed(io::ErrorKind::NotADirectory.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the state file in it, and makes it, if need be.
    ///
    /// # Errors
    /// As [`StateFile::open`].
    pub fn file(&self) -> Result<StateFile, StateError> {
        StateFile::open(&self.path.join(FILE))
    }

    /// Opens the state file in it, if there is one. Nothing is made.
    ///
    /// # Errors
    /// As [`StateFile::open`], or when it cannot be told whether there is one.
    pub fn existing_file(&self) -> Result<Option<StateFile>, StateError> {
        let path = self.path.join(FILE);
        let found = trust::found(&path).map_err(|cause| StateError::File { path: path.clone(), cause })?;
        found.map(|_| StateFile::open(&path)).transpose()
    }
}

impl Drop for StateFolder {
    /// Unlocks, as to close the file would not be enough: a process that is just being started shares it until it is executed.
    fn drop(&mut self) {
        if let Some(lock) = &self.lock {
            let _ends_with_the_file = lock.unlock();
        }
    }
}

/// Makes a folder, and those above it. One that is there is left as it is, or refused: others may look into it on purpose, as the
/// files in it are for nobody else in any case.
fn make(path: &Path) -> Result<(), StateError> {
    let failed = |cause| StateError::Folder { path: path.to_owned(), cause };
    if !path.is_dir() {
        let whole = std::path::absolute(path).map_err(failed)?;
        let missing = whole.ancestors().take_while(|above| !above.exists()).count();
        DirBuilder::new().recursive(true).mode(0o700).create(&whole).map_err(failed)?;
        for above in whole.ancestors().skip(1).take(missing) {
            sync(above);
        }
    }
    // Also if it was made here: somebody else may have been faster.
    trust::folder(path, &fs::metadata(path).map_err(failed)?)
}

/// Opens the file of the lock, and makes it, if need be. Nothing is done to one that is refused.
fn open_lock(path: &Path, failed: impl Fn(io::Error) -> StateError) -> Result<File, StateError> {
    // Before it is opened: with some devices that alone does something.
    if let Some(found) = trust::found(path).map_err(&failed)? {
        trust::file(path, &found)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    // If a link has come there since, it is not followed, and a pipe is not waited for.
    options.custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
    let lock = options.open(path).map_err(&failed)?;
    // It may be another one by now.
    trust::file(path, &lock.metadata().map_err(&failed)?)?;
    Ok(lock)
}

/// Writes the names in a folder to the disk: what is acknowledged must be found after a loss of power. Some file systems cannot do so,
/// and some folders may be written and not read. There it is up to the system, as it is for SQLite.
pub(crate) fn sync(folder: &Path) {
    let _cannot = File::open(folder).and_then(|folder| folder.sync_all());
}

/// Whom a lock file names. A node that has just begun has not written it yet.
fn holder(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.rewind().ok()?;
    lock.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Fit for a state folder, whatever modes are usual here.
    fn private_folder() -> tempfile::TempDir {
        tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir().unwrap()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_folder_is_made_with_those_above_it_and_for_nobody_else() {
        let root = private_folder();
        let path = root.path().join("var/state");
        let folder = StateFolder::open(&path).unwrap();
        assert_eq!(folder.path(), path);
        assert_eq!((mode(&path), mode(&root.path().join("var"))), (0o700, 0o700));
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0, "no lock");
        let _folder = StateFolder::lock(&path).unwrap();
        assert_eq!(mode(&path.join(LOCK)), 0o600);
    }

    #[test]
    fn a_folder_that_is_not_there_is_not_made_by_who_only_looks() {
        let root = private_folder();
        let path = root.path().join("var/state");
        assert!(StateFolder::existing(&path).unwrap().is_none());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
        DirBuilder::new().recursive(true).mode(0o700).create(&path).unwrap();
        let folder = StateFolder::existing(&path).unwrap().unwrap();
        assert_eq!(folder.path(), path);
        assert!(folder.existing_file().unwrap().is_none());
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
        let _not_kept_off = StateFolder::lock(&path).unwrap();
        StateFolder::existing(&path).unwrap().unwrap();
    }

    #[test]
    fn a_folder_that_is_there_is_left_as_it_is() {
        let root = private_folder();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let _folder = StateFolder::lock(root.path()).unwrap();
        assert_eq!(mode(root.path()), 0o755);
    }

    #[test]
    fn the_second_node_is_told_who_the_first_is() {
        let root = private_folder();
        fs::write(root.path().join(LOCK), "4294967295\nand more").unwrap();
        let first = StateFolder::lock(root.path()).unwrap();
        let error = StateFolder::lock(root.path()).unwrap_err();
        assert!(matches!(&error, StateError::Held { os_pid: Some(pid), .. } if *pid == process::id()), "{error:?}");
        let expected = format!(
            "`{}` is the state folder of another gafferd (os_pid {}); stop that one, or choose another folder",
            root.path().display(),
            process::id()
        );
        assert_eq!(error.to_string(), expected);
        StateFolder::open(root.path()).unwrap();

        fs::write(root.path().join(LOCK), "").unwrap();
        let error = StateFolder::lock(root.path()).unwrap_err().to_string();
        assert!(error.contains("of another gafferd; stop"), "{error}");

        // As a process has it that is just being started.
        let _shared = first.lock.as_ref().unwrap().try_clone().unwrap();
        drop(first);
        StateFolder::lock(root.path()).unwrap();
    }

    #[test]
    fn what_is_no_folder_is_refused() {
        let root = private_folder();
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("below")] {
            let existing = StateFolder::existing(&path).map(Option::unwrap);
            for result in [StateFolder::lock(&path), StateFolder::open(&path), existing] {
                let error = result.unwrap_err().to_string();
                assert!(error.contains(&format!("`{}` cannot be the state folder: ", path.display())), "{error}");
                assert!(error.contains("it must be a folder that gafferd may write to"), "{error}");
            }
        }
    }
}
