use std::{
    thread,
    time::{Duration, UNIX_EPOCH},
};

use proptest::prelude::*;

use super::*;
use crate::{
    events::{EventKind, EventProcess},
    names::{JobName, ProcessId},
};

fn event(job: &str, kind: EventKind, pid: Option<u64>) -> Event {
    let process = pid.map(|pid| EventProcess { pid: ProcessId::new(pid), os_pid: None });
    Event { kind, job: job.parse().unwrap(), process, detail: Detail::None }
}

fn read(subscription: &mut EventSubscription) -> Vec<(u64, String)> {
    let mut seen = Vec::new();
    while let Some(delivery) = subscription.try_recv() {
        match delivery {
            Delivery::Item(told) => seen.push((told.id(), told.topic().to_string())),
            Delivery::Lagged(count) => panic!("{count} lost"),
        }
    }
    seen
}

const PATTERNS: [&str; 14] = [
    ".",
    "spawn",
    "exit",
    "proc",
    "proc.web",
    "proc.web.exit",
    "proc.shop.web",
    "job.shop",
    "job.default",
    "job.shop.web.spawn",
    "proc.1",
    "proc.1.exit",
    "proc.2",
    "create",
];

fn any_event() -> impl Strategy<Value = Event> {
    let job = prop::sample::select(vec!["web", "db", "shop.web"]);
    let kind = prop::sample::select(vec![EventKind::Create, EventKind::Spawn, EventKind::Exit]);
    (job, kind, prop::option::of(1..4_u64)).prop_map(|(job, kind, pid)| event(job, kind, pid))
}

proptest! {
    #[test]
    fn what_is_told_of_the_past_is_what_live_subscribers_saw(
        events in prop::collection::vec(any_event(), 0..30),
        joined in 0..30_usize,
        count in 0..70_usize,
        pattern in prop::sample::select(PATTERNS.to_vec()),
    ) {
        let pattern: Pattern = pattern.parse().unwrap();
        let journal = Journal::new(1000, 1000);
        let mut live = journal.subscribe_from(&pattern, EventStart::Now);
        let mut late = None;
        for (number, event) in events.iter().enumerate() {
            if number == joined {
                late = Some(journal.subscribe_from(&pattern, EventStart::Last(count)));
            }
            journal.publish(event.clone(), UNIX_EPOCH);
        }
        let all = read(&mut live);
        let mut again = journal.subscribe_from(&pattern, EventStart::Last(usize::MAX));
        prop_assert_eq!(&read(&mut again), &all);
        let mut last = journal.subscribe_from(&pattern, EventStart::Last(count));
        prop_assert_eq!(read(&mut last), &all[all.len().saturating_sub(count)..]);
        for id in 0..=events.len() as u64 * 3 + 1 {
            let mut after = journal.subscribe_from(&pattern, EventStart::After(id));
            prop_assert!(!after.has_gap());
            let expected: Vec<_> = all.iter().filter(|(known, _)| *known > id).cloned().collect();
            prop_assert_eq!(read(&mut after), expected, "after {}", id);
        }
        // What it begins after leads to the same again.
        for start in [EventStart::Now, EventStart::Last(count), EventStart::Last(usize::MAX), EventStart::After(count as u64)] {
            let mut first = journal.subscribe_from(&pattern, start);
            let mut again = journal.subscribe_from(&pattern, EventStart::After(first.after()));
            prop_assert_eq!(read(&mut again), read(&mut first), "{:?}", start);
        }
        // Who came in the middle has seen the end of it all, without a gap.
        let seen = late.map_or(Vec::new(), |mut late| read(&mut late));
        prop_assert!(all.ends_with(&seen), "{seen:?} of {all:?}");
    }

    #[test]
    fn the_oldest_are_forgotten_and_who_missed_them_is_told(
        events in prop::collection::vec(any_event(), 0..30),
        capacity in 1..12_usize,
        pattern in prop::sample::select(PATTERNS.to_vec()),
    ) {
        let pattern: Pattern = pattern.parse().unwrap();
        let journal = Journal::new(1000, capacity);
        let mut every = journal.subscribe_from(&Pattern::All, EventStart::Now);
        let mut live = journal.subscribe_from(&pattern, EventStart::Now);
        events.iter().for_each(|event| journal.publish(event.clone(), UNIX_EPOCH));
        let (all, every) = (read(&mut live), read(&mut every));
        let kept = read(&mut journal.subscribe_from(&pattern, EventStart::Last(usize::MAX)));
        prop_assert!(all.ends_with(&kept));
        prop_assert!(lock(&journal.past).entries.len() <= capacity);
        prop_assert_eq!(lock(&journal.past).entries.len(), events.len().min(capacity));
        for start in [EventStart::Now, EventStart::Last(1), EventStart::Last(usize::MAX)] {
            let after = journal.subscribe_from(&pattern, start).after();
            prop_assert!(!journal.subscribe_from(&pattern, EventStart::After(after)).has_gap(), "{:?}", start);
        }
        for id in 0..=events.len() as u64 * 3 {
            let mut after = journal.subscribe_from(&pattern, EventStart::After(id));
            let has_gap = after.has_gap();
            let seen = read(&mut after);
            let expected: Vec<_> = all.iter().filter(|(known, _)| *known > id).cloned().collect();
            prop_assert!(expected.ends_with(&seen));
            prop_assert!(has_gap || seen == expected, "something is missing after {} and nobody says so", id);
            // And no false alarm: to whom nothing but the kept is missing, none is missing.
            if pattern == Pattern::All && seen == expected {
                prop_assert!(!has_gap, "after {} of {:?}", id, every);
            }
        }
    }
}

#[test]
fn long_reasons_are_kept_as_far_as_they_fit() {
    let journal = Journal::new(10, 1000);
    for _ in 0..20 {
        let reason = Detail::Reason("x".repeat(MAX_TEXT / 4));
        journal.publish(Event { detail: reason, ..event("web", EventKind::Flap, None) }, UNIX_EPOCH);
        assert!(lock(&journal.past).text <= MAX_TEXT);
    }
    let past = lock(&journal.past);
    assert_eq!(past.entries.len(), 3);
    assert_eq!(past.text, past.entries.iter().map(Entry::text).sum::<usize>());
}

#[test]
fn between_the_past_and_what_comes_nothing_is_lost_and_nothing_is_told_twice() {
    const EVENTS: u64 = 3000;
    let journal = Arc::new(Journal::new(100_000, 100_000));
    let publisher = {
        let journal = Arc::clone(&journal);
        thread::spawn(move || {
            (0..EVENTS).for_each(|pid| journal.publish(event("web", EventKind::Exit, Some(pid)), UNIX_EPOCH))
        })
    };
    let readers: Vec<_> = [".", "exit", "proc.web"]
        .into_iter()
        .map(|pattern| {
            let (journal, pattern) = (Arc::clone(&journal), pattern.parse::<Pattern>().unwrap());
            thread::spawn(move || {
                // As many as fit in while the events come, each cut off and resumed where it was.
                let (mut seen, mut resumed, mut subscriptions) = (Vec::new(), 0, Vec::new());
                while lock(&journal.past).entries.len() < EVENTS as usize {
                    let start = EventStart::After(seen.last().map_or(0, |(id, _)| *id));
                    let mut subscription = journal.subscribe_from(&pattern, start);
                    assert!(!subscription.has_gap());
                    for _ in 0..50 {
                        if let Some(Delivery::Item(told)) = subscription.try_recv() {
                            seen.push((told.id(), told.topic().to_string()));
                        }
                    }
                    resumed += 1;
                    if resumed % 16 == 0 && subscriptions.len() < 20 {
                        subscriptions.push(journal.subscribe_from(&pattern, EventStart::Last(usize::MAX)));
                    }
                }
                let start = EventStart::After(seen.last().map_or(0, |(id, _)| *id));
                seen.extend(read(&mut journal.subscribe_from(&pattern, start)));
                (pattern, seen, subscriptions)
            })
        })
        .collect();
    publisher.join().unwrap();
    for reader in readers {
        let (pattern, seen, subscriptions) = reader.join().unwrap();
        let all = read(&mut journal.subscribe_from(&pattern, EventStart::Last(usize::MAX)));
        let topics = if pattern == Pattern::All { 2 } else { 1 };
        assert_eq!(all.len() as u64, EVENTS * topics);
        assert_eq!(seen, all, "{pattern:?}");
        for mut subscription in subscriptions {
            assert_eq!(read(&mut subscription), all, "{pattern:?}");
        }
    }
    assert_eq!(journal.subscriptions(), 0);
}

#[tokio::test]
async fn what_was_kept_is_told_and_then_the_end() {
    for (pattern, start, expected) in [
        (".", EventStart::Last(usize::MAX), &[1, 2][..]),
        (".", EventStart::Last(1), &[2]),
        (".", EventStart::After(1), &[2]),
        (".", EventStart::After(7), &[]),
        (".", EventStart::Now, &[]),
        ("exit", EventStart::Last(usize::MAX), &[]),
    ] {
        let journal = Journal::new(10, 10);
        journal.publish(event("web", EventKind::Create, None), UNIX_EPOCH);
        let mut kept = journal.subscribe_from(&pattern.parse().unwrap(), start).kept_only();
        assert_eq!(journal.subscriptions(), 0, "nobody waits for what comes");
        journal.publish(event("web", EventKind::Exit, None), UNIX_EPOCH);
        let mut seen = Vec::new();
        while let Some(Delivery::Item(told)) = kept.recv().await {
            seen.push(told.id());
        }
        assert_eq!(seen, expected, "{pattern} {start:?}");
        assert!(kept.try_recv().is_none());
    }
}

#[test]
fn a_closed_journal_still_tells_what_it_kept() {
    let journal = Journal::new(10, 10);
    let name: JobName = "web".parse().unwrap();
    journal.publish(event("web", EventKind::Create, None), UNIX_EPOCH);
    journal.close();
    let mut subscription = journal.subscribe_from(&Pattern::Job(name, None), EventStart::Last(5));
    assert_eq!(read(&mut subscription), [(2, "proc.web.create".to_owned())]);
}

#[test]
fn what_is_told_again_has_the_time_at_which_it_happened() {
    let journal = Journal::new(8, 8);
    let mut live = journal.subscribe_from(&"spawn".parse().unwrap(), EventStart::Now);
    journal.publish(event("web", EventKind::Spawn, Some(1)), UNIX_EPOCH + Duration::from_micros(1_700_000_000_250_999));
    let mut replay = journal.subscribe_from(&"spawn".parse().unwrap(), EventStart::Last(1));
    for subscription in [&mut live, &mut replay] {
        let Some(Delivery::Item(told)) = subscription.try_recv() else { panic!("nothing is told") };
        let json = String::from_utf8(told.json().to_vec()).unwrap();
        assert_eq!(json, r#"{"event":"spawn","name":"web","pid":1,"time":1700000000.25}"#);
    }
}
