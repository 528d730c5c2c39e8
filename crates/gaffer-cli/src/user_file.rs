//! Where the user's file is, and whether others can read what is secret in it.

use std::{
    env,
    ffi::OsString,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use gaffer_core::ini::UserFile;

use crate::{Failure, Output};

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

    /// Reads it; an empty one, if there is none and need be none.
    pub(crate) fn read(&self) -> Result<UserFile, Failure> {
        match UserFile::read(&self.path) {
            Ok(file) => Ok(file),
            Err(errors) if errors.is_missing_file() && !self.named => Ok(UserFile::default()),
            Err(errors) => Err(errors.into()),
        }
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
    use super::*;

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
