//! Files that hold secrets: nobody else reads them, and whoever looks finds all of the old text or all of the new.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
    process,
};

/// What the owner may do, at most.
const MODE: u32 = 0o600;

/// Most links that lead from one to the next.
const MOST_LINKS: usize = 40;

/// A file that is about to be changed. Others who change it this way wait until this is dropped.
#[derive(Debug)]
pub(crate) struct PrivateFile {
    /// The file itself, whatever links lead to it.
    target: PathBuf,
    /// Its folder, which is locked.
    folder: File,
}

impl PrivateFile {
    /// Takes hold of the file at this path, be it there or not. Its folder is made, for the owner alone, if it is not there.
    ///
    /// Blocks while others change a file of that folder.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let target = target(path)?;
        let folder = match target.parent() {
            Some(folder) if folder != Path::new("") => folder,
            Some(_) | None => Path::new("."),
        };
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let folder = File::open(folder)?;
        // Some network file systems have no locks: there nobody waits, as with any editor.
        let _: io::Result<()> = folder.lock();
        Ok(Self { target, folder })
    }

    /// The text; empty if there is no file.
    pub(crate) fn read(&self) -> io::Result<String> {
        match fs::read_to_string(&self.target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            read => read,
        }
    }

    /// Replaces the text. The file is the owner's alone afterwards, and may be written or read by the owner only if it could before.
    pub(crate) fn replace(&self, text: &str) -> io::Result<()> {
        let old = match self.target.metadata() {
            Ok(old) => Some(old),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let (path, mut file) = self.beside()?;
        let write = || {
            file.write_all(text.as_bytes())?;
            if let Some(old) = old {
                // Root may well do this for somebody.
                let new = file.metadata()?;
                if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
                    fchown(&file, Some(old.uid()), Some(old.gid()))?;
                }
                file.set_permissions(Permissions::from_mode(old.mode() & MODE))?;
            }
            file.sync_all()?;
            fs::rename(&path, &self.target)
        };
        if let Err(error) = write() {
            // It is of no use to anybody, and if it cannot be removed either, the first failure is the one to tell.
            let _: io::Result<()> = fs::remove_file(&path);
            return Err(error);
        }
        // So that the name, too, outlives the machine.
        self.folder.sync_all()
    }

    /// A new file in the same folder, from where it can take the other's place.
    fn beside(&self) -> io::Result<(PathBuf, File)> {
        let name = self.target.file_name().ok_or(io::ErrorKind::IsADirectory)?.to_string_lossy();
        let mut attempt = 0;
        loop {
            let path = self.target.with_file_name(format!(".{name}.{}-{attempt}", process::id()));
            match OpenOptions::new().write(true).create_new(true).mode(MODE).open(&path) {
                Ok(file) => return Ok((path, file)),
                // Left behind by one that was killed.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < MOST_LINKS => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }
}

/// Where links lead that begin here. What they lead to need not be there.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&target) {
            // A relative one begins at its own folder.
            Ok(next) => target = target.parent().unwrap_or(Path::new("")).join(next),
            // It is no link, or is not there.
            Err(error) if [io::ErrorKind::InvalidInput, io::ErrorKind::NotFound].contains(&error.kind()) => {
                return Ok(target);
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many links lead from one to the next"))
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::symlink, sync::mpsc, thread};

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().mode() & 0o7777
    }

    fn write(path: &Path, text: &str) {
        PrivateFile::open(path).unwrap().replace(text).unwrap();
    }

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    #[test]
    fn what_is_new_is_the_owner_s_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("home/.gaffer/gaffer.ini");
        assert_eq!(PrivateFile::open(&path).unwrap().read().unwrap(), "");
        write(&path, "text");
        assert_eq!(fs::read_to_string(&path).unwrap(), "text");
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(names(path.parent().unwrap()), ["gaffer.ini"], "nothing else is left there");
    }

    #[test]
    fn a_mode_is_made_narrower_and_never_wider() {
        let folder = tempfile::tempdir().unwrap();
        for (before, after) in [(0o644, 0o600), (0o600, 0o600), (0o400, 0o400), (0o4755, 0o600)] {
            let path = folder.path().join(format!("{before:o}"));
            fs::write(&path, "old").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(before)).unwrap();
            write(&path, "new");
            assert_eq!((mode(&path), fs::read_to_string(&path).unwrap().as_str()), (after, "new"), "{before:o}");
        }
    }

    #[test]
    fn a_link_stays_one_and_its_target_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("dotfiles")).unwrap();
        let (link, target) = (folder.path().join("gaffer.ini"), folder.path().join("dotfiles/real.ini"));
        symlink("dotfiles/first", &link).unwrap();
        symlink("real.ini", folder.path().join("dotfiles/first")).unwrap();
        for text in ["it was not there", "it was there"] {
            write(&link, text);
            assert!(link.is_symlink() && !target.is_symlink());
            assert_eq!(fs::read_to_string(&target).unwrap(), text);
        }
        symlink("loop", folder.path().join("loop")).unwrap();
        assert!(PrivateFile::open(&folder.path().join("loop")).is_err());
    }

    #[test]
    fn what_cannot_be_written_stays_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gaffer.ini");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("within"), "").unwrap();
        assert!(PrivateFile::open(&path).unwrap().replace("text").is_err(), "it is a folder");
        assert_eq!(names(folder.path()), ["gaffer.ini"]);
    }

    #[test]
    fn one_waits_for_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gaffer.ini");
        let first = PrivateFile::open(&path).unwrap();
        let (opened, second) = mpsc::channel();
        let at = path.clone();
        let other = thread::spawn(move || {
            opened.send(()).unwrap();
            let file = PrivateFile::open(&at).unwrap();
            let text = file.read().unwrap();
            file.replace(&format!("{text}two")).unwrap();
        });
        second.recv().unwrap();
        first.replace("one").unwrap();
        drop(first);
        other.join().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "onetwo");
    }
}
