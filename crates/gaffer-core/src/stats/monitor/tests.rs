//! The monitor over processes that exist on paper only, in paused time; and over a real one.

use std::{future::Future, pin::Pin};

use super::*;
use crate::{
    names::ProcessId,
    stats::testing::{Child, stats, wait_until},
};

const SECOND: Duration = Duration::from_secs(1);

/// A roster whose processes come and go as told, and which notes what it is asked.
#[derive(Default)]
struct World {
    members: Mutex<Vec<Member>>,
    asked: Mutex<Vec<Target>>,
    read: Mutex<Vec<Vec<u64>>>,
    sources: AtomicU64,
}

impl World {
    fn with(processes: &[(u64, &str)]) -> Arc<Self> {
        let world = Arc::new(Self::default());
        world.set(processes);
        world
    }

    fn set(&self, processes: &[(u64, &str)]) {
        let member = |&(pid, job): &(u64, &str)| {
            Member::new(ProcessId::new(pid), stats(pid, 1000 + pid as i32).usage.os_pid, job.parse().unwrap())
        };
        *self.members.lock().unwrap() = processes.iter().map(member).collect();
    }

    fn monitor(self: &Arc<Self>) -> Monitor {
        let world = self.clone();
        Monitor::with_source(SECOND, self.clone(), move || {
            world.sources.fetch_add(1, Relaxed);
            Box::new(Paper(world.clone()))
        })
        .unwrap()
    }
}

impl Roster for World {
    fn processes(&self, target: &Target) -> Pin<Box<dyn Future<Output = Vec<Member>> + Send + '_>> {
        self.asked.lock().unwrap().push(target.clone());
        let members = self.members.lock().unwrap();
        let members = members.iter().filter(|member| target.covers(member)).cloned().collect();
        Box::pin(std::future::ready(members))
    }
}

/// Reads the processes of a [`World`]. Number 13 is always gone, and 666 makes it panic.
struct Paper(Arc<World>);

impl StatsSource for Paper {
    fn sample(&mut self, members: &[Member]) -> Vec<Option<ProcessStats>> {
        let pids: Vec<u64> = members.iter().map(|member| member.pid.get()).collect();
        assert!(!pids.contains(&666), "asked to panic");
        self.0.read.lock().unwrap().push(pids);
        let read = |member: &Member| stats(member.pid.get(), member.os_pid.as_raw());
        members.iter().map(|member| (member.pid.get() != 13).then(|| read(member))).collect()
    }
}

async fn next(subscription: &mut StatsSubscription) -> (u64, String) {
    match tokio::time::timeout(60 * SECOND, subscription.recv()).await {
        Ok(Some(Delivery::Item(update))) => (update.stats.pid.get(), update.job.short()),
        other => panic!("{other:?}"),
    }
}

fn web(job: &str) -> Target {
    Target::Job(job.parse().unwrap())
}

/// Lets so many intervals go by.
async fn pass(intervals: u32) {
    tokio::time::sleep(SECOND * intervals).await;
}

#[test]
fn an_interval_below_a_tenth_of_a_second_is_refused() {
    let make = |milliseconds| Monitor::new(Duration::from_millis(milliseconds), World::with(&[])).map(drop);
    assert_eq!(make(100), Ok(()));
    for milliseconds in [0, 1, 99] {
        assert_eq!(make(milliseconds), Err(InvalidInterval(Duration::from_millis(milliseconds))));
    }
    let message = "a refresh interval of 99ms is too short; at least 0.1 s is needed to measure processor use";
    assert_eq!(make(99).unwrap_err().to_string(), message);
}

#[tokio::test(start_paused = true)]
async fn nothing_runs_while_nobody_listens() {
    let world = World::with(&[(1, "web")]);
    let monitor = world.monitor();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let refreshes = || monitor.shared.refreshes.load(Relaxed);
    pass(10).await;
    assert_eq!((tasks(), refreshes(), world.sources.load(Relaxed)), (0, 0, 0));

    let mut first = monitor.subscribe(web("web"));
    let second = monitor.subscribe(Target::All);
    next(&mut first).await;
    drop(first);
    pass(3).await;
    assert_eq!(tasks(), 1);
    drop(second);
    pass(1).await;
    let (ended_with, asked) = (refreshes(), world.asked.lock().unwrap().len());
    assert_eq!(tasks(), 0);
    pass(10).await;
    assert_eq!((refreshes(), world.asked.lock().unwrap().len()), (ended_with, asked));
    assert_eq!(Arc::strong_count(&monitor.shared), 1, "the task let go of the monitor");

    next(&mut monitor.subscribe(web("web"))).await;
    assert_eq!(world.sources.load(Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_process_is_read_once_however_many_listen() {
    let world = World::with(&[(1, "web"), (2, "web"), (3, "other")]);
    let monitor = world.monitor();
    let mut job = monitor.subscribe(web("web"));
    let mut again = monitor.subscribe(web("web"));
    let mut one = monitor.subscribe(Target::Process(ProcessId::new(2)));
    for _ in 0..3 {
        assert_eq!((next(&mut job).await.0, next(&mut job).await.0), (1, 2));
        assert_eq!((next(&mut again).await.0, next(&mut again).await.0), (1, 2));
        assert_eq!(next(&mut one).await, (2, "web".to_owned()));
    }
    assert_eq!(job.try_recv(), None);
    assert_eq!(*world.read.lock().unwrap(), [[1, 2]; 3], "number 3 is not wanted");
    assert_eq!(world.asked.lock().unwrap().len(), 6, "two targets, three times");
}

#[tokio::test(start_paused = true)]
async fn the_figures_are_one_allocation_for_all() {
    let world = World::with(&[(1, "web")]);
    let monitor = world.monitor();
    let mut listeners = [monitor.subscribe(Target::All), monitor.subscribe(Target::Process(ProcessId::new(1)))];
    let mut updates = Vec::new();
    for listener in &mut listeners {
        let Some(Delivery::Item(update)) = listener.recv().await else { panic!("no update") };
        updates.push(update);
    }
    assert!(Arc::ptr_eq(&updates[0].stats, &updates[1].stats));
}

#[tokio::test(start_paused = true)]
async fn processes_that_come_and_go_are_followed() {
    let world = World::with(&[]);
    let monitor = world.monitor();
    let mut updates = monitor.subscribe(web("web"));
    pass(2).await;
    assert_eq!(updates.try_recv(), None);
    world.set(&[(1, "web"), (2, "shop.web")]);
    assert_eq!(next(&mut updates).await.0, 1);
    world.set(&[(4, "web")]);
    assert_eq!(next(&mut updates).await.0, 4);
    world.set(&[]);
    pass(2).await;
    assert_eq!(updates.try_recv(), None);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_gone_does_not_hide_the_others() {
    let monitor = World::with(&[(1, "web"), (13, "web"), (2, "web")]).monitor();
    let mut updates = monitor.subscribe(Target::All);
    for expected in [1, 2, 1, 2] {
        assert_eq!(next(&mut updates).await.0, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn many_targets_are_one_question() {
    let world = World::with(&[(1, "a1"), (2, "a2"), (3, "a3"), (99, "never")]);
    let monitor = world.monitor();
    let mut updates: Vec<_> = (1..=9).map(|n| monitor.subscribe(web(&format!("a{n}")))).collect();
    let mut three = monitor.subscribe(Target::Process(ProcessId::new(3)));
    for expected in 1..=3 {
        assert_eq!(next(&mut updates[expected - 1]).await.0, expected as u64);
    }
    assert_eq!(next(&mut three).await.0, 3);
    assert_eq!(*world.asked.lock().unwrap(), [Target::All]);
    assert_eq!(*world.read.lock().unwrap(), [[1, 2, 3]]);
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_panics_is_not_the_end() {
    let world = World::with(&[(666, "web")]);
    let monitor = world.monitor();
    let mut updates = monitor.subscribe(Target::All);
    pass(1).await;
    world.set(&[(1, "web")]);
    assert_eq!(next(&mut updates).await.0, 1);
    assert!(world.sources.load(Relaxed) > 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_listener_is_told_what_it_lost() {
    let world = World::with(&[(1, "web")]);
    let monitor = world.monitor();
    let mut updates = monitor.subscribe(Target::All);
    let bound = Emitter::<StatsUpdate>::DEFAULT_MAX_SIZE as u64;
    let publish = || monitor.shared.publish("web".parse().unwrap(), stats(1, 1));
    (0..bound + 5).for_each(|_| publish());
    assert_eq!(updates.recv().await, Some(Delivery::Lagged(5)));
}

#[tokio::test(start_paused = true)]
async fn a_closed_monitor_ends_all_subscriptions() {
    let monitor = World::with(&[(1, "web")]).monitor();
    let mut updates = monitor.subscribe(Target::All);
    next(&mut updates).await;
    monitor.close();
    assert_eq!(updates.recv().await, None);
    let mut late = monitor.subscribe(Target::All);
    assert!(late.shared_refresh_is_off());
    assert_eq!(late.recv().await, None);
}

impl StatsSubscription {
    fn shared_refresh_is_off(&self) -> bool {
        self._listener.shared.listeners().refresh.is_none()
    }
}

/// A roster of one real child.
struct Real(Member);

impl Roster for Real {
    fn processes(&self, _: &Target) -> Pin<Box<dyn Future<Output = Vec<Member>> + Send + '_>> {
        Box::pin(std::future::ready(vec![self.0.clone()]))
    }
}

#[tokio::test]
async fn a_real_process_is_seen_at_work_until_it_ends() {
    let mut child = Child::shell("while :; do :; done");
    let monitor = Monitor::new(Monitor::MIN_INTERVAL, Arc::new(Real(child.member(7)))).unwrap();
    let mut updates = monitor.subscribe(Target::Process(ProcessId::new(7)));
    wait_until("it is seen at work", async || match updates.recv().await {
        Some(Delivery::Item(update)) => update.stats.usage.cpu > Some(5.0), // Others may want the processor too.
        other => panic!("{other:?}"),
    })
    .await;
    child.end();
    let before = monitor.shared.refreshes.load(Relaxed);
    wait_until("two refreshes saw it gone", async || monitor.shared.refreshes.load(Relaxed) > before + 2).await;
    while updates.try_recv().is_some() {}
    let before = monitor.shared.refreshes.load(Relaxed);
    wait_until("one more", async || monitor.shared.refreshes.load(Relaxed) > before).await;
    assert_eq!(updates.try_recv(), None);
}
