//! Receivers that are slow, dead, flapping, or in trouble.

use std::{
    collections::{HashMap, HashSet},
    sync::Mutex,
    time::Duration,
};

use gaffer_http::webhooks::WebhookOptions;

use super::{
    Receiver, Reply, World, config, impatient, options,
    receiver::{listens, nobody},
};

/// Jobs whose events are told at once.
const JOBS: [&str; 6] = ["a", "b", "c", "d", "shop.a", "shop.b"];

#[tokio::test]
async fn the_events_of_a_job_arrive_in_their_order_whatever_fails_on_the_way() {
    let world = World::new(options()).await;
    // Of each event some attempts fail, in one way or another: how many, its number says.
    let attempts: Mutex<HashMap<String, usize>> = Mutex::default();
    let receiver = Receiver::start(move |_, got| {
        let delivery = got.header("x-gaffer-delivery").to_owned();
        let number: usize = delivery.rsplit_once('-').unwrap().1.parse().unwrap();
        let mut attempts = attempts.lock().unwrap();
        let attempt = attempts.entry(delivery).or_default();
        *attempt += 1;
        if *attempt > number % 3 {
            return Reply::Status(202);
        }
        match number % 5 {
            0 => Reply::Reset,
            1 => Reply::With(429, "Retry-After: 0".to_owned()),
            2 => Reply::Status(408),
            _ => Reply::Status(503),
        }
    })
    .await;
    let mut witness = world.witness("proc");
    let id = world.add("proc", &receiver.url()).await;
    world.rounds(&JOBS, 25).await;
    let expected = witness.all();
    let info = world.until_settled(&id, 2 * 25 * JOBS.len() as u64).await;
    assert_eq!((info.delivered, info.failed, info.dropped), (expected.len() as u64, 0, 0));
    // What was sent on a connection that had just been cut may have been sent once more without our doing.
    let failing = expected.iter().map(|notification| notification.id() % 3).sum::<u64>();
    assert!(info.retried > 0 && info.retried <= failing, "{info:?}, {failing}");
    for job in JOBS {
        let of_job = expected.iter().filter(|notification| notification.event().job.short() == job);
        let of_job: Vec<String> =
            of_job.map(|notification| format!("{}-{}", world.manager.node(), notification.id())).collect();
        let taken: Vec<String> = receiver
            .taken()
            .iter()
            .filter(|got| got.event().1 == job)
            .map(|got| got.header("x-gaffer-delivery").to_owned())
            .collect();
        assert_eq!(taken, of_job, "{job}");
    }
    world.manager.stop().await;
}

#[tokio::test]
async fn a_receiver_that_fails_for_ever_is_given_up_event_by_event() {
    let world = World::new(impatient(3)).await;
    let receiver = Receiver::start(|_, _| Reply::Status(500)).await;
    let id = world.add("create", &receiver.url()).await;
    world.rounds(&["web"], 2).await;
    let info = world.until_settled(&id, 2).await;
    assert_eq!((info.failed, info.retried, info.last_status), (2, 4, Some(500)));
    assert_eq!(info.last_error.as_deref(), Some("the receiver answered 500 Internal Server Error"));
    let got = receiver.got();
    let deliveries: HashSet<&str> = got.iter().map(|got| got.header("x-gaffer-delivery")).collect();
    assert_eq!((got.len(), deliveries.len()), (6, 2), "an attempt that is made again says that it is");
    world.manager.stop().await;
}

#[tokio::test]
async fn what_is_refused_or_sent_elsewhere_is_given_up_at_once() {
    let world = World::new(options()).await;
    let elsewhere = Receiver::good().await;
    let location = format!("Location: {}", elsewhere.url());
    let receiver = Receiver::start(move |before, _| match before {
        0 => Reply::Status(404),
        1 => Reply::Status(400),
        2 => Reply::With(307, location.clone()),
        _ => Reply::Status(200),
    })
    .await;
    let id = world.add("proc.web", &receiver.url()).await;
    world.rounds(&["web"], 2).await;
    let info = world.until_settled(&id, 4).await;
    assert_eq!((info.delivered, info.failed, info.retried), (1, 3, 0));
    let redirected =
        "the receiver answered 307 Temporary Redirect; redirects are not followed, so give the URL where they lead";
    assert_eq!(info.last_error.as_deref(), Some(redirected));
    assert!(elsewhere.got().is_empty());
    world.manager.stop().await;
}

#[tokio::test]
async fn a_receiver_that_never_answers_costs_its_time_and_no_more() {
    let world = World::new(impatient(2)).await;
    let receiver = Receiver::start(|_, _| Reply::Silence).await;
    let mut hook = config("create", &receiver.url());
    hook.timeout = Duration::from_millis(100);
    let id = world.webhooks.add(hook).await.unwrap().id;
    world.rounds(&["web"], 1).await;
    let info = world.until_settled(&id, 1).await;
    assert_eq!((info.failed, info.retried, info.last_status), (1, 1, None));
    assert_eq!(info.last_error.as_deref(), Some("no answer within 0.1 s"));
    receiver.until_closed(2).await;
    world.manager.stop().await;
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_found_once_it_is() {
    let world = World::new(options()).await;
    let (socket, address) = nobody();
    assert!(!listens(address).await);
    let id = world.add("create", &format!("http://{address}/")).await;
    world.rounds(&["web", "api"], 3).await;
    let info = world.until(&id, "some attempts have failed", |info| info.retried >= 3).await;
    assert_eq!((info.waiting, info.delivered), (6, 0));
    assert!(info.last_error.unwrap().contains("refused"));
    let listener = socket.listen(16).unwrap();
    let receiver = Receiver::at(listener, |_, _| Reply::Status(200));
    world.until_settled(&id, 6).await;
    assert_eq!(receiver.taken().len(), 6);
    world.manager.stop().await;
}

#[tokio::test]
async fn a_receiver_may_say_when_it_will_be_ready() {
    let mut options = options();
    options.retry.longest = Duration::from_secs(10);
    let world = World::new(options).await;
    let receiver = Receiver::start(|before, _| match before {
        0 => Reply::With(503, "Retry-After: 1".to_owned()),
        _ => Reply::Status(200),
    })
    .await;
    let id = world.add("create", &receiver.url()).await;
    let begun = std::time::Instant::now();
    world.rounds(&["web"], 1).await;
    assert_eq!(world.until_settled(&id, 1).await.delivered, 1);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    world.manager.stop().await;
}

#[tokio::test]
async fn a_queue_that_is_full_loses_the_oldest_and_counts_them() {
    let world = World::new(WebhookOptions { queue: 10, parallel: 2, ..options() }).await;
    let receiver = Receiver::start(|_, _| Reply::Silence).await;
    let id = world.add("create", &receiver.url()).await;
    // Two are under way for good; of those that wait, the last eight stay.
    world.rounds(&["a"], 1).await;
    receiver.until_got(1).await;
    world.rounds(&["b"], 1).await;
    receiver.until_got(2).await;
    world.rounds(&["c", "d", "e"], 100).await;
    let info = world.until(&id, "all were told", |info| info.dropped + info.waiting == 302).await;
    assert_eq!((info.waiting, info.dropped, info.delivered, info.failed), (10, 292, 0, 0));
    world.webhooks.remove(&id).await.unwrap();
    world.manager.stop().await;
}

#[tokio::test]
async fn a_dead_hook_holds_up_nobody() {
    const ROUNDS: usize = 500;
    let world = World::new(WebhookOptions { queue: 200, ..options() }).await;
    let (_held, address) = nobody();
    let silent = Receiver::start(|_, _| Reply::Silence).await;
    let good = Receiver::good().await;
    let dead = world.add(".", &format!("http://{address}/")).await;
    let mute = world.add(".", &silent.url()).await;
    let kept = world.add("proc.c", &good.url()).await;
    let mut witness = world.witness("create");
    // Each of these waits for the manager: if the hooks held it up, there would be no end.
    for _ in 0..ROUNDS / 10 {
        world.rounds(&["a", "b"], 10).await;
        world.rounds(&["c"], 1).await;
    }
    assert_eq!(witness.all().len(), 2 * ROUNDS + ROUNDS / 10);
    let events = 4 * (2 * ROUNDS + ROUNDS / 10) as u64;
    for id in [dead, mute] {
        let sum =
            |info: &gaffer_core::api::webhooks::WebhookInfo| info.delivered + info.failed + info.dropped + info.waiting;
        let info = world.until(&id, "all were told", |info| sum(info) == events).await;
        assert!(info.waiting <= 200 && info.delivered == 0 && info.dropped >= events - 200, "{info:?}");
    }
    assert_eq!(world.until_settled(&kept, ROUNDS as u64 / 5).await.delivered, ROUNDS as u64 / 5);
    let order: Vec<String> = good.taken().iter().map(|got| got.event().0).collect();
    assert_eq!(order, ["proc.c.create", "proc.c.delete"].repeat(ROUNDS / 10));
    world.manager.stop().await;
}
