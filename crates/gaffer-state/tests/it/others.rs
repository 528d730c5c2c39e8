//! Several who have the same file open, as a node and a command beside it.

use std::thread;

use gaffer_state::{StateError, StateFile};
use rusqlite::Connection;
use tokio::task::JoinSet;

use crate::fixture::{self, PASSWORDS, both};

#[tokio::test]
async fn it_is_told_whether_others_have_written() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("state.db");
    let [node, command] = [(); 2].map(|()| StateFile::open(&path).unwrap());
    let changed = async || (node.is_changed_by_others().await.unwrap(), command.is_changed_by_others().await.unwrap());

    assert_eq!(changed().await, (false, false));
    command.write(both(1, &PASSWORDS[0])).await.unwrap();
    assert_eq!(changed().await, (true, false));
    assert_eq!(changed().await, (true, false), "until it is read");
    node.write(both(2, &PASSWORDS[0])).await.unwrap();
    assert_eq!(changed().await, (true, true), "own writes do not hide it");
    assert_eq!(fixture::numbers(&node).await, [1, 2]);
    assert_eq!(changed().await, (false, true));
    assert_eq!(fixture::numbers(&command).await, [1, 2]);
    node.write(both(3, &PASSWORDS[0])).await.unwrap();
    assert_eq!(changed().await, (false, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_write_to_one_file() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("state.db");
    let mut writers = JoinSet::new();
    for writer in 0..3 {
        let file = StateFile::open(&path).unwrap();
        for task in 0..4 {
            let file = file.clone();
            writers.spawn(async move {
                for number in 0..20 {
                    file.write(both(1000 * writer + 100 * task + number, &PASSWORDS[0])).await.unwrap();
                }
            });
        }
    }
    writers.join_all().await;
    assert_eq!(fixture::numbers(&StateFile::open(&path).unwrap()).await.len(), 240);
}

#[tokio::test]
async fn several_make_the_same_file() {
    for _round in 0..fixture::cases(10) {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("state.db");
        let files = thread::scope(|scope| {
            let opening = [(); 8].map(|()| scope.spawn(|| StateFile::open(&path).unwrap()));
            opening.map(|opening| opening.join().unwrap())
        });
        for (number, file) in (0..).zip(&files) {
            file.write(both(number, &PASSWORDS[0])).await.unwrap();
        }
        assert_eq!(fixture::numbers(&files[0]).await, (0..8).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_come_and_go_while_one_writes() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("state.db");
    let mut tasks = JoinSet::new();
    for task in 0..4 {
        let path = path.clone();
        tasks.spawn(async move {
            for number in 0..10 {
                let opening = {
                    let path = path.clone();
                    tokio::task::spawn_blocking(move || StateFile::open(&path))
                };
                let file = opening.await.unwrap().unwrap();
                file.write(both(100 * task + number, &PASSWORDS[0])).await.unwrap();
                file.close().await;
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(fixture::numbers(&StateFile::open(&path).unwrap()).await.len(), 40);
}

#[tokio::test]
async fn a_newer_gaffer_beside_this_one_ends_its_writing() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("state.db");
    let file = StateFile::open(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let written = file.write(both(1, &PASSWORDS[0])).await;
    let read = file.read().await.map(|_| ());
    for error in [written, read].map(Result::unwrap_err) {
        assert!(matches!(error, StateError::Database { .. }), "{error:?}");
        assert!(
            error.to_string().contains("a newer gaffer has opened it and changed its form; start that one"),
            "{error}"
        );
    }
}
