//! Where a program is.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use nix::unistd::{AccessFlags, access};

/// Where a program without a slash is searched when there is no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/bin:/usr/bin";

/// What is found under a program's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A file that can be executed.
    Usable,
    /// Only what cannot be.
    Unusable,
    /// Nothing.
    Nowhere,
}

/// Looks where a launch would: on the `PATH` of this environment, or where a name with a slash leads from the folder.
pub(crate) fn find(program: &str, environment: &BTreeMap<OsString, OsString>, folder: Option<&Path>) -> Found {
    let from = |path: &Path| folder.map_or_else(|| path.to_owned(), |folder| folder.join(path));
    if program.contains('/') {
        return look(&from(Path::new(program)));
    }
    let path = environment.get(OsStr::new("PATH")).map_or(OsStr::new(DEFAULT_PATH), OsString::as_os_str);
    let mut found = Found::Nowhere;
    for entry in path.as_bytes().split(|byte| *byte == b':') {
        // As ever: an empty entry is the current folder.
        let entry = if entry.is_empty() { OsStr::new(".") } else { OsStr::from_bytes(entry) };
        match look(&from(&Path::new(entry).join(program))) {
            Found::Usable => return Found::Usable,
            Found::Unusable => found = Found::Unusable,
            Found::Nowhere => {}
        }
    }
    found
}

fn look(path: &Path) -> Found {
    if path.is_dir() {
        Found::Unusable
    } else if access(path, AccessFlags::X_OK).is_ok() {
        Found::Usable
    } else if path.exists() {
        Found::Unusable
    } else {
        Found::Nowhere
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_program_is_searched_as_a_launch_does() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, mode| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        file("bin/tool", 0o755);
        file("first/tool", 0o644);
        file("first/notes", 0o644);
        file("here", 0o755);
        let found =
            |path: &str, program| find(program, &BTreeMap::from([("PATH".into(), path.into())]), Some(folder.path()));
        assert_eq!(found("first:bin", "tool"), Found::Usable);
        assert_eq!(found("first", "tool"), Found::Unusable);
        assert_eq!(found("bin", "notes"), Found::Nowhere);
        assert_eq!(found("bin", "bin/tool"), Found::Usable);
        assert_eq!(found("bin", "./bin"), Found::Unusable);
        assert_eq!(found("bin", "here"), Found::Nowhere);
        assert_eq!(found("bin:", "here"), Found::Usable);
        assert_eq!(find("sh", &BTreeMap::new(), None), Found::Usable, "without PATH");
    }
}
