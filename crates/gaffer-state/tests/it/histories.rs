//! Random histories: whatever is written, by however many at once, the file holds what a list in memory would.

use std::{path::Path, time::Duration};

use gaffer_core::JobName;
use gaffer_state::{Change, Records, StateFile, StoredJob, WebhookRecord};
use proptest::{prelude::*, test_runner::Config};
use tokio::{runtime::Builder, task::JoinSet};

use crate::fixture::{PASSWORDS, cases, key, shown, user};

/// What happens.
#[derive(Clone, Debug)]
enum Step {
    /// Some write at once, each more than one change.
    Write(Vec<Vec<Change>>),
    /// The file is closed and opened again.
    Reopen,
}

/// One record of few, so that the same ones are met again and again. Some cannot be kept.
fn change() -> impl Strategy<Value = Change> {
    let put_key = (0..6_u64, 0..100_u64, prop::bool::weighted(0.05)).prop_map(|(number, created, is_too_late)| {
        let mut key = key(number);
        key.created = if is_too_late { u64::MAX } else { created };
        Change::PutKey(key)
    });
    let put_user = (0..6_u64, 0..2_usize, any::<u8>()).prop_map(|(number, password, user_type)| {
        let mut user = user(number, &PASSWORDS[password]);
        user.user_type = user_type;
        Change::PutUser(user)
    });
    let put_job = (0..6_u64, any::<bool>(), any::<u32>()).prop_map(|(place, whole, number)| {
        let config = whole.then(|| format!("{{\"n\": {number}}}"));
        Change::PutJob(StoredJob { name: job(place), config, numprocesses: 1, start: whole, started: true, number })
    });
    prop_oneof![
        3 => put_job,
        1 => (0..6_u64).prop_map(|number| Change::DeleteJob(job(number))),
        3 => put_key,
        1 => (0..6_u64).prop_map(|number| Change::DeleteKey(key(number).id)),
        3 => put_user,
        2 => (0..4_u8, any::<u16>()).prop_map(|(id, url)| Change::PutWebhook(webhook(id, url))),
        1 => (0..4_u8).prop_map(|id| Change::DeleteWebhook(webhook(id, 0).id)),
        1 => (0..6_u64).prop_map(|number| Change::DeleteUser(user(number, &PASSWORDS[0]).name)),
    ]
}

fn job(number: u64) -> JobName {
    format!("shop.job{number}").parse().unwrap()
}

fn webhook(id: u8, url: u16) -> WebhookRecord {
    let (id, url) = (id.to_string(), format!("http://a/{url}"));
    let events = vec![".".to_owned()];
    WebhookRecord { id, events, url, secret: None, timeout: Duration::from_secs(1), cacert: None }
}

fn step() -> impl Strategy<Value = Step> {
    let writes = prop::collection::vec(prop::collection::vec(change(), 0..6), 1..5);
    prop_oneof![5 => writes.prop_map(Step::Write), 1 => Just(Step::Reopen)]
}

/// What a list in memory makes of some changes. `false` if they cannot be kept.
fn apply(records: &mut Records, changes: &[Change]) -> bool {
    let mut new = records.clone();
    for change in changes {
        match change {
            Change::PutKey(key) if key.created > i64::MAX as u64 => return false,
            Change::PutKey(key) => match new.keys.iter_mut().find(|kept| kept.id == key.id) {
                Some(kept) => *kept = key.clone(),
                None => new.keys.push(key.clone()),
            },
            Change::DeleteKey(id) => new.keys.retain(|kept| kept.id != *id),
            Change::PutUser(user) => match new.users.iter_mut().find(|kept| kept.name == user.name) {
                Some(kept) => *kept = user.clone(),
                None => new.users.push(user.clone()),
            },
            Change::PutWebhook(webhook) => match new.webhooks.iter_mut().find(|kept| kept.id == webhook.id) {
                Some(kept) => *kept = webhook.clone(),
                None => new.webhooks.push(webhook.clone()),
            },
            Change::DeleteWebhook(id) => new.webhooks.retain(|kept| kept.id != *id),
            Change::DeleteUser(name) => new.users.retain(|kept| kept.name != *name),
            Change::PutJob(job) => match new.jobs.iter_mut().find(|kept| kept.name == job.name) {
                Some(kept) => *kept = job.clone(),
                None => new.jobs.push(job.clone()),
            },
            Change::DeleteJob(name) => new.jobs.retain(|kept| kept.name != *name),
        }
    }
    *records = new;
    true
}

async fn live_through(steps: Vec<Step>, path: &Path) {
    let mut file = StateFile::open(path).unwrap();
    let mut expected = Records::default();
    for step in steps {
        match step {
            Step::Write(writes) => {
                // On one thread tasks begin in the order in which they are spawned, so they ask in that order too.
                let mut tasks = JoinSet::new();
                for changes in writes {
                    let file = file.clone();
                    let is_kept = apply(&mut expected, &changes);
                    tasks.spawn(async move { assert_eq!(file.write(changes).await.is_ok(), is_kept) });
                }
                tasks.join_all().await;
            }
            Step::Reopen => {
                file.close().await;
                file = StateFile::open(path).unwrap();
            }
        }
        let kept = file.read().await.unwrap();
        assert_eq!(kept.jobs, expected.jobs);
        assert_eq!(shown(&kept), shown(&expected));
        assert!(kept.users.iter().zip(&expected.users).all(|(kept, expected)| kept.password == expected.password));
        assert!(!file.is_changed_by_others().await.unwrap());
    }
}

proptest! {
    #![proptest_config(Config::with_cases(cases(32)))]

    #[test]
    fn the_file_holds_what_a_list_in_memory_would(steps in prop::collection::vec(step(), 1..15)) {
        let root = tempfile::tempdir().unwrap();
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(live_through(steps, &root.path().join("state.db")));
    }
}
