//! The form of the file: whose it is, what tables it has, and how an older one is brought to the present form.

use std::{
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, TransactionBehavior, ffi};

use super::private;
use crate::StateError;

/// What SQLite calls a file that is none.
pub(super) const IN_MEMORY: &str = ":memory:";

/// `gaff`, by which `file` and others know whose a database is.
const APPLICATION: i64 = 0x6761_6666;

/// The forms that there were: each step leads from one to the next, and the number of steps that were taken is written in the file.
/// A step that was released is never changed.
///
/// `place` is the order of making. It has to be a column: SQLite's own number of a row is not for keeps.
const STEPS: &[&str] = &[
    "
    CREATE TABLE keys (
        place INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE CHECK (length(id) = 12 AND id NOT GLOB '*[^0-9a-f]*'),
        digest BLOB NOT NULL CHECK (length(digest) = 32),
        label TEXT,
        permissions TEXT NOT NULL CHECK (json_valid(permissions)),
        parent TEXT,
        user TEXT,
        created INTEGER NOT NULL CHECK (created >= 0),
        expires INTEGER CHECK (expires >= 0)
    ) STRICT;
    CREATE TABLE users (
        place INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        password TEXT NOT NULL,
        user_type INTEGER NOT NULL CHECK (user_type BETWEEN 0 AND 255),
        key TEXT,
        extra TEXT NOT NULL CHECK (json_valid(extra))
    ) STRICT;
",
    "
    CREATE TABLE jobs (
        place INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        config TEXT CHECK (json_valid(config)),
        numprocesses INTEGER NOT NULL CHECK (numprocesses BETWEEN 0 AND 4294967295),
        start INTEGER NOT NULL CHECK (start IN (0, 1)),
        started INTEGER NOT NULL CHECK (started IN (0, 1)),
        number INTEGER NOT NULL CHECK (number BETWEEN 0 AND 4294967295)
    ) STRICT;
",
    "
    CREATE TABLE webhooks (
        place INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        events TEXT NOT NULL CHECK (json_valid(events)),
        url TEXT NOT NULL,
        secret TEXT,
        timeout INTEGER NOT NULL CHECK (timeout >= 0),
        cacert TEXT
    ) STRICT;
",
];

/// How long to wait for others who write: far longer than any of them takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long until a look whether they are done, where SQLite does not wait by itself.
const PAUSE: Duration = Duration::from_millis(5);

/// Opens a file that is there, and brings it to the present form.
pub(super) fn open(path: &Path) -> Result<Connection, StateError> {
    let failed = |cause| StateError::database(path, "opened", Arc::new(cause));
    // Without the flag that makes one, which would have the wrong mode, and the one that takes `file:` for the beginning of a URL.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    // SQLite takes what it gets, and would fail at the first change.
    if connection.is_readonly(MAIN_DB).map_err(failed)? {
        let cause = ffi::Error::new(ffi::SQLITE_READONLY);
        return Err(failed(rusqlite::Error::SqliteFailure(cause, Some("it may only be read".to_owned()))));
    }
    // Before anything is changed.
    let moment = connection.transaction().map_err(failed)?;
    let _form = form(&moment, path)?;
    drop(moment);
    private::narrow(path)?;
    if !keep_log(&connection).map_err(failed)? {
        return Err(StateError::FileSystem { path: path.to_owned() });
    }
    migrate(&mut connection, path)?;
    Ok(connection)
}

/// Makes one that is no file.
pub(super) fn in_memory() -> Result<Connection, StateError> {
    let path = Path::new(IN_MEMORY);
    let connection = Connection::open_in_memory();
    let mut connection = connection.map_err(|cause| StateError::database(path, "opened", Arc::new(cause)))?;
    migrate(&mut connection, path)?;
    Ok(connection)
}

/// SQLite's number for what is in the file. It changes when others write, and not when this connection does.
pub(super) fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0))
}

/// Refuses a file that was brought to a newer form while it was open: what is written there may mean something else by now.
pub(super) fn check_form(connection: &Connection) -> rusqlite::Result<()> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found == STEPS.len() as i64 {
        return Ok(());
    }
    Err(rusqlite::Error::ToSqlConversionFailure(
        "a newer gaffer has opened it and changed its form; start that one".into(),
    ))
}

/// Has changes written to a log, so that those who read wait for nobody, and each transaction end on the disk. Not if the file system
/// cannot do it.
fn keep_log(connection: &Connection) -> rusqlite::Result<bool> {
    let begun = Instant::now();
    let mode: String = loop {
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)) {
            // Others do the same to a new file: SQLite does not wait for them, as two who do would wait for each other.
            Err(error) if is_busy(&error) && begun.elapsed() < PATIENCE => thread::sleep(PAUSE),
            result => break result?,
        }
    };
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(mode == "wal")
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

/// How many steps a file has taken. It is ours if it says so, or if there is nothing in it yet.
fn form(connection: &Connection, path: &Path) -> Result<usize, StateError> {
    let failed = |cause| StateError::database(path, "opened", Arc::new(cause));
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).map_err(failed);
    let (application, found) = (number("application_id")?, number("user_version")?);
    let things = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    let is_new = (application, found, things.map_err(failed)?) == (0, 0, 0);
    if application != APPLICATION && !is_new {
        return Err(StateError::Foreign { path: path.to_owned() });
    }
    let form = usize::try_from(found).ok().filter(|form| *form <= STEPS.len());
    form.ok_or_else(|| StateError::Newer { path: path.to_owned(), found, known: STEPS.len() as i64 })
}

/// Takes the steps that are left, each one wholly or not at all. Others may be at it too, so what is left is looked up each time.
fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StateError> {
    let failed = |cause| StateError::database(path, "brought to the present form", Arc::new(cause));
    connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
    loop {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let form = form(&transaction, path)?;
        let Some(step) = STEPS.get(form) else { return Ok(()) };
        let taken = transaction.execute_batch(step);
        let marked = taken.and_then(|()| transaction.pragma_update(None, "application_id", APPLICATION));
        let counted = marked.and_then(|()| transaction.pragma_update(None, "user_version", form as i64 + 1));
        counted.and_then(|()| transaction.commit()).map_err(failed)?;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn refusal(path: &Path) -> StateError {
        let (before, mode) = (fs::read(path).unwrap(), fs::metadata(path).unwrap().permissions());
        let error = open(path).unwrap_err();
        assert_eq!(fs::read(path).unwrap(), before, "it is as it was");
        assert_eq!(fs::metadata(path).unwrap().permissions(), mode);
        error
    }

    /// A file that some other program has made.
    fn made_by(path: &Path, statements: &str) {
        let connection = Connection::open(path).unwrap();
        connection.execute_batch(statements).unwrap();
    }

    #[test]
    fn each_form_is_brought_to_the_present_one() {
        let root = tempfile::tempdir().unwrap();
        for form in 0..=STEPS.len() {
            let path = root.path().join(form.to_string());
            made_by(&path, &STEPS[..form].concat());
            if form > 0 {
                made_by(&path, &format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {form}"));
            }
            for _again in 0..2 {
                let connection = open(&path).unwrap();
                check_form(&connection).unwrap();
                let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).unwrap();
                assert_eq!((number("application_id"), number("user_version")), (APPLICATION, STEPS.len() as i64));
                assert_eq!((number("synchronous"), number("foreign_keys")), (2, 1));
            }
        }
    }

    #[test]
    fn a_newer_file_is_left_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        drop(open_new(&path));
        made_by(&path, "CREATE TABLE wonders (wonder); PRAGMA user_version = 1000");
        let error = refusal(&path);
        assert!(matches!(error, StateError::Newer { found: 1000, .. }), "{error:?}");
        assert_eq!(
            error.to_string(),
            format!(
                "`{}` was made by a newer gaffer: it has form 1000, and this gaffer knows those up to {}; start the newer one, or \
                 choose another state folder",
                path.display(),
                STEPS.len()
            )
        );
    }

    #[test]
    fn a_file_that_gets_newer_while_it_is_open_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        let connection = open_new(&path);
        made_by(&path, "PRAGMA user_version = 1000");
        let error = check_form(&connection).unwrap_err().to_string();
        assert!(error.contains("a newer gaffer has opened it"), "{error}");
    }

    #[test]
    fn the_database_of_another_is_left_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        for (name, statements) in [
            ("tables", "CREATE TABLE notes (note)"),
            ("logged", "PRAGMA journal_mode = WAL; CREATE TABLE notes (note)"),
            ("claimed", "PRAGMA application_id = 7"),
            ("counted", "PRAGMA user_version = 1"),
        ] {
            let path = root.path().join(name);
            made_by(&path, statements);
            let error = refusal(&path);
            assert!(matches!(error, StateError::Foreign { .. }), "{name}: {error:?}");
            assert!(error.to_string().contains("is the database of another program; move it away"), "{error}");
        }
    }

    #[test]
    fn what_is_no_database_is_left_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        for content in ["x".repeat(10_000), "xx".to_owned()] {
            fs::write(&path, content).unwrap();
            let error = refusal(&path);
            assert!(matches!(error, StateError::Damaged { .. }), "{error:?}");
            assert!(error.to_string().contains("is no state file at all; put a copy of it"), "{error}");
        }
        assert!(matches!(open(root.path()), Err(StateError::Database { .. })), "a folder");
    }

    fn open_new(path: &Path) -> Connection {
        private::make(path).unwrap();
        open(path).unwrap()
    }
}
