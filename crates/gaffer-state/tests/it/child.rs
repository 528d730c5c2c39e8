//! The process that is killed.

use std::{
    env,
    io::{Write as _, stdout},
    path::Path,
};

use gaffer_state::StateFolder;
use tokio::task::JoinSet;

use crate::fixture::{PASSWORDS, both};

/// The name of the test that is this process.
pub(crate) const NAME: &str = "child::writes_until_killed";

/// Names the folder to write to.
pub(crate) const FOLDER: &str = "GAFFER_TEST_STATE_FOLDER";

/// How many keys it writes if nobody kills it.
pub(crate) const KEYS: u64 = 1000;

/// How many of them at once.
const TASKS: u64 = 8;

/// Stands before each number that is told.
pub(crate) const ACKNOWLEDGED: &str = "acknowledged ";

/// Run by the crash tests, in a program of its own. Tells each number after it was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by another test, in a program of its own"]
async fn writes_until_killed() {
    let Some(path) = env::var_os(FOLDER) else { return };
    let folder = StateFolder::lock(Path::new(&path)).unwrap();
    let file = folder.file().unwrap();
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let file = file.clone();
        tasks.spawn(async move {
            for number in (task..KEYS).step_by(TASKS as usize) {
                file.write(both(number, &PASSWORDS[0])).await.unwrap();
                // In one piece, and not by what the test harness would capture.
                stdout().lock().write_all(format!("{ACKNOWLEDGED}{number}\n").as_bytes()).unwrap();
            }
        });
    }
    tasks.join_all().await;
}
