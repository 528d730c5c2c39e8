//! Random histories of the whole manager: commands from many clients at once, processes that fail, linger and ignore.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gaffer_core::{
    JobConfig, JobName, Manager, ProcessId,
    api::JobState,
    backend::{ExitStatus, SpawnError, simulated::Behaviour},
    config::Flapping,
    names::Signal,
    supervisor::{OneOff, Scale},
};
use proptest::prelude::*;

use crate::world::{World, job, name};

/// How many histories a run tries; ten times as many under `GAFFER_TEST_SCALE=full`.
fn histories() -> u32 {
    if std::env::var_os("GAFFER_TEST_SCALE").is_some_and(|scale| scale == "full") { 10_000 } else { 1_000 }
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Crash(u64),
    Wait(u64),
    Ask(Ask),
}

#[derive(Clone, Copy, Debug)]
enum Ask {
    Load(usize, usize),
    Update(usize, usize),
    Unload(usize),
    Start(usize),
    Stop(usize),
    Restart(usize),
    Reload(usize),
    Scale(usize, Scale),
    Commit(usize),
    StopAll(usize),
    Killall(usize),
    StopProcess(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1..40_u64).prop_map(Act::Crash),
        5 => (0..4000_u64).prop_map(Act::Wait),
        18 => ask_something().prop_map(Act::Ask),
    ]
}

fn ask_something() -> impl Strategy<Value = Ask> {
    let job = 0..3_usize;
    let scale =
        prop_oneof![(0..3_u32).prop_map(Scale::Add), (0..3_u32).prop_map(Scale::Sub), (0..4_u32).prop_map(Scale::Set)];
    prop_oneof![
        3 => (job.clone(), 0..4_usize).prop_map(|(job, shape)| Ask::Load(job, shape)),
        2 => (job.clone(), 0..4_usize).prop_map(|(job, shape)| Ask::Update(job, shape)),
        1 => job.clone().prop_map(Ask::Unload),
        2 => job.clone().prop_map(Ask::Start),
        2 => job.clone().prop_map(Ask::Stop),
        2 => job.clone().prop_map(Ask::Restart),
        1 => job.clone().prop_map(Ask::Reload),
        2 => (job.clone(), scale).prop_map(|(job, scale)| Ask::Scale(job, scale)),
        1 => job.clone().prop_map(Ask::Commit),
        1 => job.clone().prop_map(Ask::StopAll),
        1 => job.prop_map(Ask::Killall),
        2 => (1..40_u64).prop_map(Ask::StopProcess),
    ]
}

fn behaviour() -> impl Strategy<Value = Behaviour> {
    let span = |most: u64| (0..most).prop_map(Duration::from_millis);
    let missing = SpawnError::ProgramNotFound { program: "run".into(), searched: None };
    (
        span(50),
        prop::option::weighted(0.15, Just(missing)),
        prop::option::weighted(0.5, (span(3000), (0..3_i32).prop_map(ExitStatus::Code))),
        prop::option::weighted(0.8, span(2000)),
        prop::option::weighted(0.2, prop::option::weighted(0.5, span(2000))),
    )
        .prop_map(|(launch, failure, life, on_term, descendants)| Behaviour {
            launch,
            failure,
            life,
            on_term,
            descendants,
        })
}

fn job_name(number: usize) -> JobName {
    name(["web", "shop.web", "db"][number])
}

fn config(number: usize, shape: usize) -> JobConfig {
    job(&job_name(number).to_string(), |spec| {
        spec.numprocesses = shape as u32;
        spec.graceful_timeout = Duration::from_millis(700 * shape as u64);
        spec.flapping = (shape == 3).then(|| Flapping { max_retry: 1, ..Flapping::default() });
    })
}

/// Asks for one thing; each client is a task of its own, so that answers overlap.
async fn ask(manager: Manager, what: Ask) {
    // Refusals are part of the game; what counts is the state in the end.
    let _refused = match what {
        Ask::Load(job, shape) => manager.load(config(job, shape)).await,
        Ask::Update(job, shape) => manager.update(config(job, shape), shape == 1).await,
        Ask::Unload(job) => manager.unload(&job_name(job)).await,
        Ask::Start(job) => manager.start_job(&job_name(job)).await,
        Ask::Stop(job) => manager.stop_job(&job_name(job)).await,
        Ask::Restart(job) => manager.restart_job(&job_name(job)).await,
        Ask::Reload(job) => manager.reload(&job_name(job)).await,
        Ask::Scale(job, scale) => manager.scale(&job_name(job), scale).await.map(drop),
        Ask::Commit(job) => manager.commit(&job_name(job), OneOff::default()).await.map(drop),
        Ask::StopAll(job) => manager.stopall(&job_name(job)).await,
        Ask::Killall(job) => manager.killall(&job_name(job), Signal::KILL).await,
        Ask::StopProcess(pid) => manager.stop_process(ProcessId::new(pid)).await,
    };
}

async fn run(acts: Vec<Act>, behaviours: Vec<Behaviour>) {
    let healthy = Arc::new(AtomicBool::new(false));
    let mut world = World::new({
        let (healthy, mut turn) = (healthy.clone(), 0);
        move |_| {
            turn += 1;
            if healthy.load(Ordering::Relaxed) {
                Behaviour::default()
            } else {
                behaviours[turn % behaviours.len()].clone()
            }
        }
    });
    let mut clients = tokio::task::JoinSet::new();
    for act in acts {
        match act {
            Act::Wait(milliseconds) => tokio::time::sleep(Duration::from_millis(milliseconds)).await,
            Act::Crash(pid) => world.simulation.exit(ProcessId::new(pid), ExitStatus::Code(1)),
            Act::Ask(what) => drop(clients.spawn(ask(world.manager.clone(), what))),
        }
    }
    healthy.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        client.unwrap(); // Every client was answered.
    }
    tokio::time::sleep(Duration::from_secs(3600)).await; // All back-offs, rests and stops have run out.

    let infos = world.manager.infos().await.unwrap();
    let live: Vec<ProcessId> = world.simulation.live().into_keys().collect();
    for info in &infos {
        let expected = if info.state == JobState::Started { info.max_processes as usize } else { 0 };
        assert_eq!(info.pids.len(), expected, "{info:?}");
        assert!(info.pids.iter().chain(&info.once).all(|pid| live.contains(pid)), "{info:?} but {live:?} live");
    }
    assert_eq!(live.len(), infos.iter().map(|info| info.running).sum::<usize>(), "a process belongs to no job");
    assert_eq!(world.manager.pids(None).await.unwrap(), live);
    world.check_events(&live);

    world.manager.stop().await;
    assert!(world.simulation.live().is_empty(), "something outlived the stop");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: histories(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_ends_with_what_was_asked_for(
        acts in prop::collection::vec(act(), 1..40),
        behaviours in prop::collection::vec(behaviour(), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(acts, behaviours));
    }
}
