//! The last events, and subscriptions that begin with them.

use gaffer_core::{
    Manager,
    backend::simulated::Behaviour,
    events::{Delivery, EventStart, EventSubscription, Notification, Pattern},
};

use crate::world::{World, job, name};

/// What is there: ids, topics and payloads.
fn read(subscription: &mut EventSubscription) -> Vec<(u64, String, String)> {
    let mut seen = Vec::new();
    while let Some(delivery) = subscription.try_recv() {
        match delivery {
            Delivery::Item(told) => seen.push(describe(&told)),
            Delivery::Lagged(count) => panic!("{count} lost"),
        }
    }
    seen
}

fn describe(told: &Notification) -> (u64, String, String) {
    (told.id(), told.topic().to_string(), String::from_utf8(told.json().to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn who_comes_late_is_told_what_the_others_were() {
    let world = World::new(|_| Behaviour::default());
    let patterns = [".", "spawn", "proc.web", "proc.1", "proc.2.exit", "job.shop"].map(|text| text.parse().unwrap());
    let mut early: Vec<_> =
        patterns.iter().map(|pattern| world.manager.subscribe_from(pattern, EventStart::Now)).collect();
    world.manager.load(job("web", |spec| spec.numprocesses = 2)).await.unwrap();
    world.manager.load(job("shop.web", |_| {})).await.unwrap();
    world.manager.stop_job(&name("web")).await.unwrap();
    for (pattern, early) in patterns.iter().zip(&mut early) {
        let all = read(early);
        assert!(!all.is_empty(), "{pattern:?}");
        let mut late = world.manager.subscribe_from(pattern, EventStart::Last(usize::MAX));
        assert_eq!(read(&mut late), all, "{pattern:?}");
        let mut last = world.manager.subscribe_from(pattern, EventStart::Last(1));
        assert_eq!(read(&mut last), all[all.len() - 1..], "{pattern:?}");
        let mut rest = world.manager.subscribe_from(pattern, EventStart::After(all[0].0));
        assert_eq!(read(&mut rest), all[1..], "{pattern:?}");
        assert!(!rest.has_gap());
    }
    world.manager.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_made_while_things_happen_miss_nothing_and_repeat_nothing() {
    let world = World::new(|_| Behaviour::default());
    let mut witness = world.manager.subscribe_from(&Pattern::All, EventStart::Now);
    let busy = {
        let manager = world.manager.clone();
        tokio::spawn(async move {
            for _ in 0..100 {
                manager.load(job("web", |spec| spec.start = false)).await.unwrap();
                manager.unload(&name("web")).await.unwrap();
            }
        })
    };
    let mut subscriptions = Vec::new();
    while !busy.is_finished() {
        if subscriptions.len() < 100 {
            subscriptions.push(world.manager.subscribe_from(&Pattern::All, EventStart::Last(usize::MAX)));
        }
        tokio::task::yield_now().await;
    }
    busy.await.unwrap();
    let all = read(&mut witness);
    assert_eq!(all.len(), 400);
    for mut subscription in subscriptions {
        assert_eq!(read(&mut subscription), all);
    }
    world.manager.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_forgotten_is_told_as_a_gap() {
    let world = World::new(|_| Behaviour::default());
    for _ in 0..Manager::EVENTS_KEPT / 2 {
        world.manager.load(job("web", |spec| spec.start = false)).await.unwrap();
        world.manager.unload(&name("web")).await.unwrap();
    }
    let from = |id| world.manager.subscribe_from(&Pattern::All, EventStart::After(id));
    assert!(!from(0).has_gap(), "all of them are kept");
    world.manager.load(job("web", |spec| spec.start = false)).await.unwrap();
    assert!(from(0).has_gap() && from(1).has_gap());
    assert!(!from(2).has_gap(), "only the first one is gone, with its two topics");
    assert_eq!(from(2).recv().await.map(|_| ()), Some(()));
    world.manager.stop().await;
}

#[tokio::test(start_paused = true)]
async fn figures_of_all_jobs_come_in_the_order_of_their_loading() {
    let world = World::new(|_| Behaviour::default());
    for text in ["web", "db", "shop.web"] {
        world.manager.load(job(text, |_| {})).await.unwrap();
    }
    let names: Vec<String> = world.manager.stats_all().await.unwrap().iter().map(|job| job.name.short()).collect();
    assert_eq!(names, ["web", "db", "shop.web"]);
    world.manager.stop().await;
}
