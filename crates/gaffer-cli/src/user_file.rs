//! Where the user's file is, whether others can read what is secret in it, and how a key gets into it.

use std::{
    env,
    ffi::OsString,
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use gaffer_core::ini::UserFile;

use crate::{Failure, Output, private_file::PrivateFile};

/// The variable that names it.
const VARIABLE: &str = "GAFFER_CONFIG";

/// A file that may be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    /// Whether the user has named it, so that it must be there.
    named: bool,
}

impl Place {
    /// Where it is on this machine, for this user.
    pub(crate) fn here() -> Option<Self> {
        Self::of(env::var_os(VARIABLE), env::home_dir())
    }

    fn of(variable: Option<OsString>, home: Option<PathBuf>) -> Option<Self> {
        match variable.filter(|path| !path.is_empty()) {
            Some(path) => Some(Self { path: path.into(), named: true }),
            None => home.map(|home| Self { path: home.join(".gaffer/gaffer.ini"), named: false }),
        }
    }

    /// One at this path, which need not be there.
    #[cfg(test)]
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), named: false }
    }

    /// Reads it; an empty one, if there is none and need be none.
    pub(crate) fn read(&self) -> Result<UserFile, Failure> {
        match UserFile::read(&self.path) {
            Ok(file) => Ok(file),
            Err(errors) if errors.is_missing_file() && !self.named => Ok(UserFile::default()),
            Err(errors) => Err(errors.into()),
        }
    }

    /// The same, where one that is not there is about to be written.
    pub(crate) fn read_or_none(&self) -> Result<UserFile, Failure> {
        Self { named: false, ..self.clone() }.read()
    }

    /// Has it say that the node of this URL has the key, or none. Nobody else can read it afterwards.
    pub(crate) fn set_key(&self, url: &str, key: Option<&str>) -> Result<(), Failure> {
        let path = self.path.display();
        let failed = |error: io::Error| Failure::Failed(format!("cannot change {path}: {error}"));
        let file = PrivateFile::open(&self.path).map_err(failed)?;
        // What is wrong with it is told better than by what fails below.
        self.read_or_none()?;
        let text = file.read().map_err(failed)?;
        let edited = UserFile::with_key(&path.to_string(), &text, url, key)?;
        if edited == text { Ok(()) } else { file.replace(&edited).map_err(failed) }
    }

    /// Says so if others can read it, of which a key is used.
    pub(crate) fn warn_of_readers(&self, output: &mut Output) {
        if others_can_read(&self.path) {
            let path = self.path.display();
            output.hint(format_args!("warning: {path} holds a key, and others can read it; `chmod 600 {path}`"));
        }
    }
}

fn others_can_read(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o044 != 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_key_comes_into_the_file_and_goes() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place { path: folder.path().join("me/gaffer.ini"), named: true };
        place.set_key("http://a", Some("one")).unwrap();
        place.set_key("http://b", Some("two")).unwrap();
        let keys = || place.read().unwrap().nodes.into_iter().map(|node| (node.url, node.key)).collect::<Vec<_>>();
        let text = |text: &str| text.to_owned();
        assert_eq!(keys(), [(text("http://a"), Some(text("one"))), (text("http://b"), Some(text("two")))]);
        assert!(!others_can_read(&place.path));
        place.set_key("http://a", None).unwrap();
        assert_eq!(keys(), [(text("http://a"), None), (text("http://b"), Some(text("two")))]);
    }

    #[test]
    fn a_file_with_mistakes_is_not_changed() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place { path: folder.path().join("gaffer.ini"), named: true };
        fs::write(&place.path, "[nod \"http://a\"]\n").unwrap();
        assert!(matches!(place.set_key("http://a", Some("one")), Err(Failure::UserFile(_))));
        fs::write(&place.path, b"[node \"http://a\"]\nname = \xff\n").unwrap();
        let failure = place.set_key("http://a", Some("one")).unwrap_err();
        assert!(failure.to_string().contains(":2: holds the byte 0xff"), "{failure}");
    }

    #[test]
    fn the_variable_wins_over_the_home_folder() {
        let home = || Some(PathBuf::from("/home/me"));
        let at = |path: &str, named| Some(Place { path: path.into(), named });
        assert_eq!(Place::of(Some("my.ini".into()), home()), at("my.ini", true));
        assert_eq!(Place::of(Some("".into()), home()), at("/home/me/.gaffer/gaffer.ini", false));
        assert_eq!(Place::of(None, home()), at("/home/me/.gaffer/gaffer.ini", false));
        assert_eq!(Place::of(None, None), None);
    }
}
