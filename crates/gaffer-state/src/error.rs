//! What can go wrong with what is kept.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What can go wrong with what is kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// There are no random bytes to make a key or a salt of.
    #[error("the system has no random bytes: {0}")]
    Random(getrandom::Error),
    /// There is no memory for it, say.
    #[error("a password cannot be hashed: {0}")]
    Password(String),
    /// The folder is not there and cannot be made, or is none.
    #[error(
        "`{}` cannot be the state folder: {cause}; it must be a folder that gafferd may write to, so change its owner or its mode, \
         or choose another one",
        path.display()
    )]
    Folder {
        /// The folder, or what of it gave the trouble.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// Somebody else may write to it, or may have put it there for gafferd to write to.
    #[error("`{}` is not safe to use: it {problem}", path.display())]
    Untrusted {
        /// The folder, or what is in it.
        path: PathBuf,
        /// What is wrong with it, and what to do about it.
        problem: String,
    },
    /// Two nodes would undo each other's doings.
    #[error(
        "`{}` is the state folder of another gafferd{}; stop that one, or choose another folder",
        path.display(),
        holder(*os_pid)
    )]
    Held {
        /// The folder.
        path: PathBuf,
        /// The process that has it, where that one has said so.
        os_pid: Option<u32>,
    },
    /// The file cannot be made, or its mode cannot be changed.
    #[error("the state file `{}` cannot be used: {cause}; gafferd must own it, and may have to make it", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// It is something else, or was something else written over it.
    #[error(
        "`{}` is damaged, or is no state file at all; put a copy of it that you have in its place, or move it away to begin anew",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// It is a database, and not ours to write to.
    #[error("`{}` is the database of another program; move it away, or choose another state folder", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// What a newer gaffer keeps, this one could only lose.
    #[error(
        "`{}` was made by a newer gaffer: it has form {found}, and this gaffer knows those up to {known}; start the newer one, or choose \
         another state folder",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its form.
        found: i64,
        /// The last form that is known.
        known: i64,
    },
    /// Its folder is on the disk of another machine, say.
    #[error(
        "the file system of `{}` does not do what a state file needs; choose a state folder on a disk of this machine",
        path.display()
    )]
    FileSystem {
        /// The file.
        path: PathBuf,
    },
    /// The database says no.
    #[error("the state file `{}` cannot be {doing}: {cause}{cure}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What was to be done to it.
        doing: &'static str,
        /// What the database says.
        cause: Arc<dyn Error + Send + Sync>,
        /// What may help, after a semicolon.
        cure: &'static str,
    },
    /// What was to be written was decided on by what was read before: it could undo what the other one has done.
    #[error("the state file `{}` was changed by another program meanwhile; try again", path.display())]
    Outdated {
        /// The file.
        path: PathBuf,
    },
    /// Something is kept in a way that is not understood: left out, it would be lost.
    #[error(
        "the state file `{}` has something in `{table}` that does not read, `{id}`: {problem}; was it written by another version of \
         gaffer, or by hand?",
        path.display()
    )]
    Row {
        /// The file.
        path: PathBuf,
        /// The table.
        table: &'static str,
        /// What is called so there.
        id: String,
        /// What does not read.
        problem: String,
    },
    /// There can be no thread for it.
    #[error("the state file `{}` gets no thread: {cause}; are there too many?", path.display())]
    Thread {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// Whoever would do it is gone: the program ends.
    #[error("what is kept cannot be reached, as gafferd ends; start it again")]
    Closed,
}

fn holder(os_pid: Option<u32>) -> String {
    os_pid.map(|os_pid| format!(" (os_pid {os_pid})")).unwrap_or_default()
}

impl StateError {
    /// What the database says, with what helps against it. Many may have to be told of one cause.
    pub(crate) fn database(path: &Path, doing: &'static str, cause: Arc<rusqlite::Error>) -> Self {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseCorrupt, DiskFull, NotADatabase, PermissionDenied, ReadOnly,
        };
        let path = path.to_owned();
        let code = cause.sqlite_error_code();
        let is_one_of = |codes: &[_]| code.is_some_and(|code| codes.contains(&code));
        if is_one_of(&[NotADatabase, DatabaseCorrupt]) {
            return Self::Damaged { path };
        }
        let cure = if is_one_of(&[DiskFull]) {
            "; make room on its disk"
        } else if is_one_of(&[ReadOnly, CannotOpen, PermissionDenied]) {
            "; gafferd must be permitted to write it, and to make files beside it"
        } else if is_one_of(&[DatabaseBusy]) {
            "; another program has held it for long, so end that one"
        } else {
            ""
        };
        Self::Database { path, doing, cause, cure }
    }
}
