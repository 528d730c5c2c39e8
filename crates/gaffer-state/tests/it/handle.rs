//! Handles: many that ask at once, and some that are dropped.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use gaffer_state::{Change, StateError, StateFile};
use tokio::task::JoinSet;

use crate::fixture::{self, PASSWORDS, both, key};

#[tokio::test]
async fn a_file_in_memory_forgets() {
    let file = StateFile::in_memory().unwrap();
    file.write(both(1, &PASSWORDS[0])).await.unwrap();
    assert_eq!(fixture::numbers(&file.clone()).await, [1]);
    assert!(!file.is_changed_by_others().await.unwrap());
    assert!(fixture::numbers(&StateFile::in_memory().unwrap()).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_more_writers_than_may_wait_are_all_served() {
    let root = tempfile::tempdir().unwrap();
    let file = StateFile::open(&root.path().join("state.db")).unwrap();
    let mut writers = JoinSet::new();
    for number in 0..1500 {
        let file = file.clone();
        writers.spawn(async move { file.write(both(number, &PASSWORDS[0])).await.unwrap() });
    }
    writers.join_all().await;
    let mut numbers = fixture::numbers(&file).await;
    numbers.sort_unstable();
    assert_eq!(numbers, (0..1500).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_was_asked_is_done_when_everybody_has_gone() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("state.db");
    let file = StateFile::open(&path).unwrap();
    for number in 0..100 {
        let mut write = pin!(file.write(both(number, &PASSWORDS[0])));
        // Polled once, it has asked. It may be answered already.
        let _asked: Poll<Result<(), StateError>> = write.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
    file.close().await;
    let file = StateFile::open(&path).unwrap();
    assert_eq!(fixture::numbers(&file).await, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_closes_waits_for_all_others() {
    let file = StateFile::in_memory().unwrap();
    let other = file.clone();
    let mut close = pin!(file.close());
    assert!(close.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    other.write(both(1, &PASSWORDS[0])).await.unwrap();
    assert!(close.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(other);
    close.await;
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused_and_the_rest_is_kept() {
    let file = StateFile::in_memory().unwrap();
    let mut late = key(2);
    late.created = u64::MAX;
    let mut changes = both(1, &PASSWORDS[0]);
    changes.push(Change::PutKey(late));
    let error = file.write(changes).await.unwrap_err().to_string();
    assert!(error.contains("cannot be written: key `000000000002`: "), "{error}");
    assert!(fixture::numbers(&file).await.is_empty());
    file.write(both(3, &PASSWORDS[0])).await.unwrap();
    assert_eq!(fixture::numbers(&file).await, [3]);
}
