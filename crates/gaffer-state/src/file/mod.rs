//! The state file: a handle to the one thread that has it open.

mod keeper;
mod private;
mod rows;
mod schema;

use std::{path::Path, thread};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::keeper::{Answer, Keeper, Request, Write};
use crate::{Change, Records, StateError};

/// Requests that wait for the thread. Whoever comes when there are as many waits to put its own: what is waited for is the disk, and
/// a longer queue would not make it faster. It is as many as [share a transaction](keeper::MAX_GROUP), so that the next ones gather
/// while one is written.
const MAX_WAITING: usize = keeper::MAX_GROUP;

/// A file of keys and users: what it acknowledges is on the disk, whatever happens then.
///
/// It is a handle to a thread, and cheap to clone. When the last one is dropped, the thread does what it was asked and ends.
///
/// The file is a database of SQLite with a log beside it (`-wal`), and may be open in several processes at once.
#[derive(Clone, Debug)]
pub struct StateFile {
    requests: mpsc::Sender<Request>,
    /// Cancelled when the thread has closed the file.
    closed: CancellationToken,
}

impl StateFile {
    /// Opens a file, which is made if it is not there, and brings it to the present form. From then on nobody but its owner reads it.
    /// Waits for the disk, and for others who do the same: not to be called where that must not be.
    ///
    /// # Errors
    /// When it is damaged, of another program or of a newer gaffer, when it cannot be written to, and when it, or what is beside it,
    /// is no regular file or belongs to somebody else. It is left as it was.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        private::make(path)?;
        private::check(path)?;
        let connection = schema::open(path)?;
        Self::start(connection, path)
    }

    /// One that is gone when its last handle is.
    ///
    /// # Errors
    /// When there is no memory, or no thread to be had.
    pub fn in_memory() -> Result<Self, StateError> {
        let connection = schema::in_memory()?;
        Self::start(connection, Path::new(schema::IN_MEMORY))
    }

    fn start(connection: rusqlite::Connection, path: &Path) -> Result<Self, StateError> {
        let path = path.to_owned();
        let keeper = Keeper::new(connection, path.clone())?;
        let (requests, receiver) = mpsc::channel(MAX_WAITING);
        let closed = CancellationToken::new();
        let ending = closed.clone().drop_guard();
        let run = move || {
            // It is dropped after the keeper, however this ends.
            let _ending = ending;
            keeper.run(receiver);
        };
        let started = thread::Builder::new().name("state".to_owned()).spawn(run);
        started.map_err(|cause| StateError::Thread { path, cause })?;
        Ok(Self { requests, closed })
    }

    /// Reads all that is kept, in the order of its making.
    ///
    /// # Errors
    /// When the file cannot be read, or has something in it that this gaffer does not understand.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn read(&self) -> Result<Records, StateError> {
        self.ask(Request::Read).await
    }

    /// Keeps some changes: all of them, in their order, or none. They are on the disk when this says so. Those who call it at once
    /// share one wait for the disk.
    ///
    /// # Errors
    /// When the disk is full, say. Nothing is changed then, unless it is the disk that failed: in that case only the next start can
    /// tell. It never was in part.
    ///
    /// # Cancel safety
    /// If the future is dropped, the changes are made, all of them, or are not.
    pub async fn write(&self, changes: Vec<Change>) -> Result<(), StateError> {
        self.ask(|answer| Request::Write(Write { changes, is_if_current: false, answer })).await
    }

    /// As [`write`](Self::write), but only if nobody else has written to the file since it was last [read](Self::read) here, or else
    /// opened: the changes were decided on by what was read, and could undo what others have done since. Whoever is refused reads
    /// again, and decides again. It may be refused once too often.
    ///
    /// All clones of a handle have one last read, and none is refused for what another one writes: those who share it must take
    /// turns, each from its reading to its writing.
    ///
    /// # Errors
    /// [`StateError::Outdated`] when somebody else has, and as [`write`](Self::write). Nothing is changed then.
    ///
    /// # Cancel safety
    /// If the future is dropped, the changes are made, all of them, or are not.
    pub async fn write_if_current(&self, changes: Vec<Change>) -> Result<(), StateError> {
        self.ask(|answer| Request::Write(Write { changes, is_if_current: true, answer })).await
    }

    /// Whether somebody else has written to the file since it was last [read](Self::read) here, or else opened. It may say so once
    /// too often.
    ///
    /// # Errors
    /// When the file cannot be read.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn is_changed_by_others(&self) -> Result<bool, StateError> {
        self.ask(Request::IsChanged).await
    }

    /// Drops this handle, and waits until the file is closed and its log is worked into it: that is when all other handles are
    /// dropped too. Nothing acknowledged is lost without it.
    ///
    /// # Cancel safety
    /// The handle is dropped in any case.
    pub async fn close(self) {
        let Self { requests, closed } = self;
        drop(requests);
        closed.cancelled().await;
    }

    async fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Result<T, StateError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(request(answer)).await.map_err(|_| StateError::Closed)?;
        answered.await.map_err(|_| StateError::Closed)?
    }
}
