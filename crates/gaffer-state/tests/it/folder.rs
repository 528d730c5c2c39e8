//! What is made in a folder, and what is not touched in it.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use gaffer_state::{StateError, StateFile, StateFolder};
use rusqlite::Connection;

use crate::fixture::{self, PASSWORDS, both};

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn widen(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
}

#[track_caller]
fn assert_private(folder: &Path) {
    for name in names(folder) {
        let mode = fs::metadata(folder.join(&name)).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name} has mode {mode:o}");
    }
}

#[tokio::test]
async fn nobody_else_can_read_what_is_kept() {
    let root = fixture::private_folder();
    let path = root.path().join("state");
    let folder = StateFolder::lock(&path).unwrap();
    let file = folder.file().unwrap();
    file.write(both(1, &PASSWORDS[0])).await.unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
    assert_eq!(names(&path), ["lock", "state.db", "state.db-shm", "state.db-wal"]);
    assert_private(&path);

    // As somebody may have left them who has put a copy back.
    for name in ["state.db", "state.db-shm", "state.db-wal"] {
        widen(&path.join(name));
    }
    let again = folder.file().unwrap();
    assert_private(&path);
    assert_eq!(fixture::numbers(&again).await, [1]);
}

#[tokio::test]
async fn a_file_is_looked_for_without_making_any() {
    let root = fixture::private_folder();
    let folder = StateFolder::open(root.path()).unwrap();
    assert!(folder.existing_file().unwrap().is_none());
    assert_eq!(names(root.path()), [""; 0]);
    folder.file().unwrap().close().await;
    assert_eq!(names(root.path()), ["state.db"], "it leaves no log when it is closed");
    assert!(folder.existing_file().unwrap().is_some());
}

#[tokio::test]
async fn what_others_have_put_there_is_left_as_it_is() {
    let root = fixture::private_folder();
    let path = root.path().join("state.db");
    let folder = StateFolder::open(root.path()).unwrap();
    let refused = || {
        widen(&path);
        let before = fs::read(&path).unwrap();
        let errors = [folder.file().unwrap_err(), folder.existing_file().unwrap_err()];
        assert_eq!(fs::read(&path).unwrap(), before);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o666);
        let [error, same] = errors.map(|error| {
            assert!(error.to_string().contains(&format!("`{}`", path.display())), "{error}");
            error
        });
        assert_eq!(error.to_string(), same.to_string());
        error
    };
    fs::write(&path, "once upon a time").unwrap();
    assert!(matches!(refused(), StateError::Damaged { .. }));

    fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE notes (note)").unwrap();
    assert!(matches!(refused(), StateError::Foreign { .. }));

    fs::remove_file(&path).unwrap();
    folder.file().unwrap().close().await;
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    assert!(matches!(refused(), StateError::Newer { found: 99, .. }));

    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(folder.file(), Err(StateError::Untrusted { .. })));
}

#[tokio::test]
async fn a_page_written_over_is_told() {
    let root = fixture::private_folder();
    let path = root.path().join("state.db");
    let file = StateFile::open(&path).unwrap();
    for number in 0..10 {
        file.write(both(number, &PASSWORDS[0])).await.unwrap();
    }
    file.close().await;
    let mut content = fs::read(&path).unwrap();
    content[4096..].fill(0xaa);
    fs::write(&path, content).unwrap();
    let error = match StateFile::open(&path) {
        Ok(file) => file.read().await.unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(error, StateError::Damaged { .. }), "{error:?}");
}

#[tokio::test]
async fn what_may_not_be_written_is_refused_at_once() {
    if nix::unistd::geteuid().is_root() {
        eprintln!("skipped: root may write everywhere");
        return;
    }
    let root = fixture::private_folder();
    let path = root.path().join("state.db");
    StateFile::open(&path).unwrap().close().await;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    let error = StateFile::open(&path).unwrap_err().to_string();
    assert!(error.contains("gafferd must be permitted to write it"), "{error}");

    fs::remove_file(&path).unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o500)).unwrap();
    assert!(matches!(StateFolder::lock(root.path()), Err(StateError::Folder { .. })));
    assert!(matches!(StateFolder::open(&root.path().join("below")), Err(StateError::Folder { .. })));
    assert!(matches!(StateFile::open(&path), Err(StateError::File { .. })));
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o700)).unwrap();
}
