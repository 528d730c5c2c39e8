//! Files for nobody but their owner.

use std::{
    ffi::OsString,
    fs::{self, OpenOptions, Permissions},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use crate::{
    StateError,
    folder::{self, trust},
};

/// What others may do to a file.
const OF_OTHERS: u32 = 0o077;

/// The file and those that SQLite has beside it, or would read if they were there, by the ends of their names.
const ENDS: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// Makes an empty file, if there is none: SQLite would make one that others can read. It gives those beside it the mode of this one.
pub(super) fn make(path: &Path) -> Result<(), StateError> {
    // Never opened if it is there: to close it would end all locks that SQLite holds on it for others in this process.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => {
            if let Some(folder) = std::path::absolute(path).ok().as_deref().and_then(Path::parent) {
                folder::sync(folder);
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(cause) => Err(StateError::File { path: path.to_owned(), cause }),
    }
}

/// Refuses a file that is none or belongs to somebody else, and those that SQLite has beside it. To be called before SQLite opens
/// them: it follows links.
pub(super) fn check(path: &Path) -> Result<(), StateError> {
    for end in ENDS {
        let path = beside(path, end);
        // Those beside it come and go.
        if let Some(found) = trust::found(&path).map_err(|cause| StateError::File { path: path.clone(), cause })? {
            trust::file(&path, &found)?;
        }
    }
    Ok(())
}

/// Takes from others what they may do to a file, and to those that SQLite has beside it. To be called for files that are known to be
/// ours.
pub(super) fn narrow(path: &Path) -> Result<(), StateError> {
    for end in ENDS {
        let path = beside(path, end);
        match narrow_one(&path) {
            // Those beside it come and go.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !end.is_empty() => {}
            result => result.map_err(|cause| StateError::File { path, cause })?,
        }
    }
    Ok(())
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}

fn narrow_one(path: &Path) -> io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & OF_OTHERS == 0 { Ok(()) } else { fs::set_permissions(path, Permissions::from_mode(0o600)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_made_for_its_owner_and_left_if_it_is_there() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        make(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        fs::write(&path, "something").unwrap();
        make(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"something");
        let error = make(&root.path().join("none/file")).unwrap_err().to_string();
        assert!(error.contains("none/file` cannot be used: ") && error.contains("gafferd must own it"), "{error}");
    }

    #[test]
    fn all_files_are_narrowed_that_are_there() {
        let root = tempfile::tempdir().unwrap();
        let [file, log] = ["file", "file-wal"].map(|name| root.path().join(name));
        for (path, before) in [(&file, 0o644), (&log, 0o660)] {
            fs::write(path, "").unwrap();
            fs::set_permissions(path, Permissions::from_mode(before)).unwrap();
        }
        narrow(&file).unwrap();
        assert_eq!((mode(&file), mode(&log)), (0o600, 0o600));

        fs::set_permissions(&file, Permissions::from_mode(0o400)).unwrap();
        narrow(&file).unwrap();
        assert_eq!(mode(&file), 0o400, "narrower than need be is left");
        assert!(matches!(narrow(&root.path().join("none")), Err(StateError::File { .. })));
    }
}
