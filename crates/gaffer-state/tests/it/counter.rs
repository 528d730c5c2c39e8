//! Several who decide on what they have read, and write only if it still holds: nothing that one has done is undone by another.

use std::path::Path;

use gaffer_state::{Change, StateError, StateFile};
use proptest::{prelude::*, test_runner::Config};
use tokio::{runtime::Builder, task::JoinSet};

use crate::fixture::{PASSWORDS, both, cases, user};

/// What a user is to be, whose counter stands there.
fn counted(count: u64) -> Vec<Change> {
    let mut user = user(0, &PASSWORDS[0]);
    user.extra.insert("count".to_owned(), count.into());
    vec![Change::PutUser(user)]
}

/// Where the counter stands.
async fn count(file: &StateFile) -> u64 {
    let records = file.read().await.unwrap();
    let user = records.users.iter().find(|kept| kept.name == "user0");
    user.map_or(0, |user| user.extra["count"].as_u64().unwrap())
}

/// Whether it was written, and not refused as outdated.
async fn is_written(file: &StateFile, changes: Vec<Change>) -> bool {
    match file.write_if_current(changes).await {
        Ok(()) => true,
        Err(StateError::Outdated { .. }) => false,
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn two_that_take_turns_are_refused_until_they_read() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("state.db");
    let [node, command] = [(); 2].map(|()| StateFile::open(&path).unwrap());
    assert!(is_written(&node, counted(1)).await, "nobody has written since it was opened");
    for turn in 0..10 {
        for (mine, other) in [(&command, &node), (&node, &command)] {
            let error = mine.write_if_current(counted(1000)).await.unwrap_err();
            let expected =
                format!("the state file `{}` was changed by another program meanwhile; try again", path.display());
            assert_eq!(error.to_string(), expected);
            assert!(mine.is_changed_by_others().await.unwrap(), "to be refused is not to read");
            assert!(!is_written(mine, counted(1000)).await, "until it reads");
            let before = count(mine).await;
            assert!(is_written(mine, counted(before + 1)).await, "turn {turn}");
            assert!(is_written(mine, counted(before + 2)).await, "own writes do not count");
            assert!(!mine.is_changed_by_others().await.unwrap());
            assert!(other.is_changed_by_others().await.unwrap());
        }
    }
    assert_eq!((count(&node).await, count(&command).await), (41, 41));
}

#[tokio::test]
async fn whoever_writes_in_any_case_is_not_refused_and_refuses_others() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("state.db");
    let [node, command] = [(); 2].map(|()| StateFile::open(&path).unwrap());
    node.write(counted(1)).await.unwrap();
    command.write(both(5, &PASSWORDS[0])).await.unwrap();
    assert!(!is_written(&command, counted(2)).await, "its own write hides nothing");
    assert!(!is_written(&node, counted(2)).await);
    assert_eq!((count(&node).await, count(&command).await), (1, 1));
    // One that comes, writes and goes.
    let guest = StateFile::open(&path).unwrap();
    guest.write(counted(3)).await.unwrap();
    guest.close().await;
    assert!(!is_written(&node, counted(2)).await);
    assert_eq!(count(&node).await, 3);
    assert!(is_written(&node, counted(4)).await);
}

#[tokio::test]
async fn a_file_in_memory_has_no_others() {
    let file = StateFile::in_memory().unwrap();
    for before in 0..3 {
        assert_eq!(count(&file).await, before);
        assert!(is_written(&file, counted(before + 1)).await);
    }
}

/// What one of two does.
#[derive(Clone, Copy, Debug)]
enum Step {
    Read,
    /// Counts on from what it has read, if that holds.
    Count,
    /// Writes something else, in any case.
    Write,
    /// Closes the file and opens it again, which is no reading.
    Reopen,
}

fn step() -> impl Strategy<Value = (usize, Step)> {
    let step = prop_oneof![
        4 => Just(Step::Read),
        6 => Just(Step::Count),
        1 => Just(Step::Write),
        1 => Just(Step::Reopen),
    ];
    (0..2_usize, step)
}

/// One of two, and what it knows.
struct Writer {
    file: StateFile,
    known: u64,
    is_current: bool,
}

async fn live_through(steps: Vec<(usize, Step)>, path: &Path) {
    let mut writers = [(); 2].map(|()| Writer { file: StateFile::open(path).unwrap(), known: 0, is_current: true });
    let mut expected = 0;
    for ((at, step), number) in steps.into_iter().zip(1..) {
        let writer = &mut writers[at];
        let mut is_written_by_it = false;
        match step {
            Step::Read => {
                writer.known = count(&writer.file).await;
                writer.is_current = true;
                assert_eq!(writer.known, expected);
            }
            Step::Count => {
                is_written_by_it = is_written(&writer.file, counted(writer.known + 1)).await;
                assert_eq!(is_written_by_it, writer.is_current);
                if is_written_by_it {
                    writer.known += 1;
                    expected += 1;
                }
            }
            Step::Write => {
                // Another one each time: SQLite does not write what is there already.
                writer.file.write(both(number, &PASSWORDS[0])).await.unwrap();
                is_written_by_it = true;
            }
            Step::Reopen => {
                writer.file = StateFile::open(path).unwrap();
                writer.known = count(&writer.file).await;
                writer.is_current = true;
            }
        }
        if is_written_by_it {
            writers[1 - at].is_current = false;
        }
        assert_eq!(writers[at].file.is_changed_by_others().await.unwrap(), !writers[at].is_current);
    }
    for writer in &writers {
        assert_eq!(count(&writer.file).await, expected);
    }
}

/// Counts on so often, and gives way now and then between reading and writing. How often it was refused.
async fn count_on(file: StateFile, pauses: Vec<u8>) -> usize {
    let mut refusals = 0;
    for pause in pauses {
        loop {
            let before = count(&file).await;
            for _turn in 0..pause {
                tokio::task::yield_now().await;
            }
            if is_written(&file, counted(before + 1)).await {
                break;
            }
            refusals += 1;
        }
    }
    refusals
}

proptest! {
    #![proptest_config(Config::with_cases(cases(24)))]

    #[test]
    fn two_in_any_order_lose_no_count(steps in prop::collection::vec(step(), 1..40)) {
        let root = tempfile::tempdir().unwrap();
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(live_through(steps, &root.path().join("state.db")));
    }

    #[test]
    fn two_at_once_lose_no_count(pauses in prop::array::uniform2(prop::collection::vec(0..20_u8, 1..20))) {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("state.db");
        let runtime = Builder::new_multi_thread().worker_threads(2).build().unwrap();
        runtime.block_on(async {
            let expected: usize = pauses.iter().map(Vec::len).sum();
            let mut tasks = JoinSet::new();
            for pauses in pauses {
                tasks.spawn(count_on(StateFile::open(&path).unwrap(), pauses));
            }
            tasks.join_all().await;
            assert_eq!(count(&StateFile::open(&path).unwrap()).await, expected as u64);
        });
    }
}
