//! Whether what is found where the state is kept may be used. Whoever else can write there can have their own keys taken for the
//! node's, and with a link have the node write over a file that is not theirs.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use nix::unistd::Uid;

use crate::StateError;

/// What group and others may not do to a folder. A list of access rights that lets anybody else write shows in the group's.
const WRITE_OF_OTHERS: u32 = 0o022;

/// Refuses a folder that somebody else may write to. `found` is of what a link leads to, if it is one: its owner may want it elsewhere.
pub(super) fn folder(path: &Path, found: &Metadata) -> Result<(), StateError> {
    judge_folder(path, found.uid(), found.mode(), Uid::effective())
}

fn judge_folder(path: &Path, owner: u32, mode: u32, me: Uid) -> Result<(), StateError> {
    let problem = if !Uid::from_raw(owner).is_root() && owner != me.as_raw() {
        format!("belongs to user {owner}, and gafferd runs as user {me}; run it as its owner, or choose another folder")
    } else if mode & WRITE_OF_OTHERS != 0 {
        let mode = mode & 0o7777;
        format!("may be written to by others than its owner (mode {mode:o}); take that from them: chmod go-w")
    } else {
        return Ok(());
    };
    Err(StateError::Untrusted { path: path.to_owned(), problem })
}

/// What is there under the name of a file, if anything is. A link is not followed.
pub(crate) fn found(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Refuses what was found, or opened, under the name of a file, if it is none or belongs to somebody else.
pub(crate) fn file(path: &Path, found: &Metadata) -> Result<(), StateError> {
    let kind = found.file_type();
    let problem = if kind.is_symlink() {
        "is a link to somewhere else; remove it".to_owned()
    } else if !kind.is_file() {
        "is no regular file; move it away".to_owned()
    } else {
        return judge_file(path, found.uid(), Uid::effective());
    };
    Err(StateError::Untrusted { path: path.to_owned(), problem })
}

fn judge_file(path: &Path, owner: u32, me: Uid) -> Result<(), StateError> {
    if owner == me.as_raw() {
        return Ok(());
    }
    let problem = format!(
        "belongs to user {owner}, and gafferd runs as user {me}; run it as its owner, or, if you know what is in it, chown {me}"
    );
    Err(StateError::Untrusted { path: path.to_owned(), problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: u32 = 0;
    const ME: u32 = 1000;
    const OTHER: u32 = 1001;

    fn told(result: Result<(), StateError>) -> Option<String> {
        result.err().map(|error| error.to_string())
    }

    #[test]
    fn a_folder_must_be_ours_or_of_root_and_for_nobody_else_to_write_to() {
        let judge = |owner, mode, me| told(judge_folder(Path::new("state"), owner, mode, Uid::from_raw(me)));
        for (owner, me) in [(ME, ME), (ROOT, ME), (ROOT, ROOT)] {
            for mode in [0o40700, 0o40755, 0o40500, 0o41755] {
                assert_eq!(judge(owner, mode, me), None);
            }
            for (mode, shown) in [(0o40720, "720"), (0o40702, "702"), (0o40777, "777"), (0o41777, "1777")] {
                let expected = format!(
                    "`state` is not safe to use: it may be written to by others than its owner (mode {shown}); take that from them: \
                     chmod go-w"
                );
                assert_eq!(judge(owner, mode, me), Some(expected));
            }
        }
        for (owner, me) in [(OTHER, ME), (OTHER, ROOT), (ME, ROOT)] {
            let expected = format!(
                "`state` is not safe to use: it belongs to user {owner}, and gafferd runs as user {me}; run it as its owner, or choose \
                 another folder"
            );
            assert_eq!(judge(owner, 0o40700, me), Some(expected));
        }
    }

    #[test]
    fn a_file_must_be_ours() {
        let judge = |owner, me| told(judge_file(Path::new("state/lock"), owner, Uid::from_raw(me)));
        assert_eq!((judge(ME, ME), judge(ROOT, ROOT)), (None, None));
        for (owner, me) in [(OTHER, ME), (ROOT, ME), (ME, ROOT)] {
            let expected = format!(
                "`state/lock` is not safe to use: it belongs to user {owner}, and gafferd runs as user {me}; run it as its owner, or, if \
                 you know what is in it, chown {me}"
            );
            assert_eq!(judge(owner, me), Some(expected));
        }
    }
}
