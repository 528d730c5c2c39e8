//! What was acknowledged is there after any crash, and nothing is there in part.

use std::{
    collections::BTreeSet,
    env, hint,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use gaffer_state::{StateError, StateFolder};
use rusqlite::Connection;

use crate::{child, fixture};

/// A number below another one.
fn random(below: u64) -> u64 {
    getrandom::u64().unwrap() % below
}

fn start(folder: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args([child::NAME, "--exact", "--ignored", "--nocapture"])
        .env(child::FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills the writer at some moment after it has acknowledged so many, and returns all that it has.
fn killed_after(acknowledged: u64, mut writer: Child) -> BTreeSet<u64> {
    let mut output = BufReader::new(writer.stdout.take().unwrap());
    let mut numbers = BTreeSet::new();
    let mut line = String::new();
    let mut is_killed = false;
    loop {
        if !is_killed && numbers.len() as u64 >= acknowledged {
            // Not always just when something was acknowledged: the steps of a write take some ten thousand of these turns.
            (0..random(200_000)).for_each(|_| hint::spin_loop());
            writer.kill().unwrap();
            is_killed = true;
        }
        line.clear();
        if output.read_line(&mut line).unwrap() == 0 {
            break;
        }
        // What the test harness says stands in other lines, or before it in the same one.
        if let Some((_, number)) = line.trim_end().split_once(child::ACKNOWLEDGED) {
            numbers.insert(number.parse().unwrap());
        }
    }
    let status = writer.wait().unwrap();
    assert!(is_killed || status.success(), "{status}");
    numbers
}

#[tokio::test]
async fn what_is_acknowledged_outlives_a_kill_at_any_moment() {
    for round in 0..fixture::cases(5) {
        let root = fixture::private_folder();
        let path = root.path().join("state");
        let after = random(child::KEYS);
        let acknowledged = killed_after(after, start(&path));
        let told = format!("round {round}, killed after {after}: {} acknowledged", acknowledged.len());

        let folder = StateFolder::lock(&path).unwrap();
        let file = folder.file().unwrap();
        let kept: BTreeSet<u64> = fixture::numbers(&file).await.into_iter().collect();
        let lost: Vec<_> = acknowledged.difference(&kept).collect();
        assert!(lost.is_empty(), "{told}; lost {lost:?}");
        if let Some(user) = file.read().await.unwrap().users.first() {
            assert!(user.password.matches("one"), "{told}");
        }

        file.write(fixture::both(child::KEYS, &fixture::PASSWORDS[1])).await.unwrap();
        assert_eq!(fixture::numbers(&file).await.len(), kept.len() + 1, "{told}");
        file.close().await;
        let database = Connection::open(path.join("state.db")).unwrap();
        let verdict: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(verdict, "ok", "{told}");
    }
}

#[test]
fn the_folder_is_held_by_another_process_until_it_is_killed() {
    let root = fixture::private_folder();
    let mut writer = start(root.path());
    let mut output = BufReader::new(writer.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains(child::ACKNOWLEDGED) {
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "it writes");
    }
    let error = StateFolder::lock(root.path()).unwrap_err();
    assert!(matches!(&error, StateError::Held { os_pid, .. } if *os_pid == Some(writer.id())), "{error:?}");
    writer.kill().unwrap();
    writer.wait().unwrap();
    StateFolder::lock(root.path()).unwrap();
}
