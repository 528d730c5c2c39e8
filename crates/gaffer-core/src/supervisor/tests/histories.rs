//! Random histories: commands, exits, failed launches, slow stops and timers in any order.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use proptest::prelude::*;

use super::world::{State, World, job, missing};
use crate::{
    api::JobState,
    backend::{ExitStatus, Root, SpawnError, Survivor},
    config::{Flapping, JobConfig},
    names::{JobName, ProcessId, Signal},
    supervisor::{Command, OneOff, Origin, Scale, Standing},
    test_scale::cases,
};

/// One thing that happens. Numbers choose among what is there when it happens.
#[derive(Clone, Debug)]
enum Step {
    Load { job: usize, shape: usize, start: bool },
    Update { job: usize, shape: usize, start: bool },
    Restore { job: usize, shape: usize, start: bool, survivors: usize },
    Reconfigure { job: usize, shape: usize, start: bool },
    Unload(usize),
    UnloadConfigured(usize),
    Start(usize),
    Stop(usize),
    Restart(usize),
    Reload(usize),
    Scale(usize, Scale),
    Commit(usize),
    SignalJob(usize),
    Signal(usize),
    StopProcess(usize),
    StopAll(usize),
    Launched { which: usize, fails: bool },
    Exit { which: usize, descendants: bool },
    TreeGone(usize),
    Obey,
    Wait(u64),
    NextTimer,
}

fn step() -> impl Strategy<Value = Step> {
    let job = 0..3_usize;
    let which = 0..64_usize;
    let scale =
        prop_oneof![(0..3_u32).prop_map(Scale::Add), (0..3_u32).prop_map(Scale::Sub), (0..4_u32).prop_map(Scale::Set)];
    prop_oneof![
        3 => (job.clone(), 0..5_usize, any::<bool>()).prop_map(|(job, shape, start)| Step::Load { job, shape, start }),
        2 => (job.clone(), 0..5_usize, any::<bool>()).prop_map(|(job, shape, start)| Step::Update { job, shape, start }),
        1 => (job.clone(), 0..5_usize, any::<bool>(), 0..3_usize)
            .prop_map(|(job, shape, start, survivors)| Step::Restore { job, shape, start, survivors }),
        3 => (job.clone(), 0..10_usize, prop::bool::weighted(0.8))
            .prop_map(|(job, shape, start)| Step::Reconfigure { job, shape, start }),
        1 => job.clone().prop_map(Step::Unload),
        1 => job.clone().prop_map(Step::UnloadConfigured),
        2 => job.clone().prop_map(Step::Start),
        2 => job.clone().prop_map(Step::Stop),
        2 => job.clone().prop_map(Step::Restart),
        1 => job.clone().prop_map(Step::Reload),
        3 => (job.clone(), scale).prop_map(|(job, scale)| Step::Scale(job, scale)),
        1 => job.clone().prop_map(Step::Commit),
        1 => job.clone().prop_map(Step::SignalJob),
        1 => which.clone().prop_map(Step::Signal),
        2 => which.clone().prop_map(Step::StopProcess),
        1 => job.prop_map(Step::StopAll),
        14 => (which.clone(), prop::bool::weighted(0.2)).prop_map(|(which, fails)| Step::Launched { which, fails }),
        8 => (which.clone(), prop::bool::weighted(0.3)).prop_map(|(which, descendants)| Step::Exit { which, descendants }),
        3 => which.prop_map(Step::TreeGone),
        2 => Just(Step::Obey),
        4 => (0..3000_u64).prop_map(Step::Wait),
        4 => Just(Step::NextTimer),
    ]
}

fn name(number: usize) -> JobName {
    ["web", "shop.web", "db"][number].parse().unwrap()
}

fn config(number: usize, shape: usize) -> Arc<JobConfig> {
    job(&name(number).to_string(), |spec| {
        spec.numprocesses = shape as u32;
        spec.graceful_timeout = Duration::from_millis(500 * shape as u64);
        spec.priority = (shape > 2).then_some(number as u32);
        if shape % 2 == 1 {
            let attempts = NonZeroU32::new(shape as u32).unwrap();
            spec.flapping = Some(Flapping { attempts, max_retry: 1, ..Flapping::default() });
        }
    })
}

/// As the node's configuration has it: with a command that must be launched anew, for some shapes.
fn configured(number: usize, shape: usize, start: bool) -> Arc<JobConfig> {
    let mut spec = config(number, shape % 5).spec().clone();
    spec.cmd = Some(if shape < 5 { "run" } else { "other" }.to_owned());
    spec.start = start;
    Arc::new(spec.check().unwrap())
}

fn survivor(number: usize) -> Survivor {
    Survivor { root: Root::parse(&format!("{} 1", number + 1)).unwrap(), mark: format!("node:{number}") }
}

fn pick(world: &World, state: State, which: usize) -> Option<ProcessId> {
    let all = world.in_state(state);
    (!all.is_empty()).then(|| all[which % all.len()])
}

/// The command that a step is, if it is one.
fn command(step: &Step) -> Option<Command> {
    Some(match *step {
        Step::Load { job, shape, start } => Command::Load { config: config(job, shape), start },
        Step::Update { job, shape, start } => Command::Update { config: config(job, shape), start },
        Step::Restore { job, shape, start, survivors } => {
            let config = config(job, shape);
            let standing =
                Standing { started: start, number: 2, ..Standing::configured(&config, Origin::Configuration) };
            Command::Restore { config, standing, survivors: (0..survivors).map(survivor).collect() }
        }
        Step::Reconfigure { job, shape, start } => Command::Reconfigure(configured(job, shape, start)),
        Step::Unload(job) => Command::Unload(name(job)),
        Step::UnloadConfigured(job) => Command::UnloadConfigured(name(job)),
        Step::Start(job) => Command::Start(name(job)),
        Step::Stop(job) => Command::Stop(name(job)),
        Step::Restart(job) => Command::Restart(name(job)),
        Step::Reload(job) => Command::Reload(name(job)),
        Step::Scale(job, scale) => Command::Scale(name(job), scale),
        Step::Commit(job) => Command::Commit(name(job), OneOff::default()),
        Step::SignalJob(job) => Command::SignalJob(name(job), Signal::KILL),
        Step::Signal(which) => Command::Signal(ProcessId::new(which as u64), Signal::KILL),
        Step::StopProcess(which) => Command::StopProcess(ProcessId::new(which as u64)),
        Step::StopAll(job) => Command::StopAll(name(job)),
        Step::Launched { .. }
        | Step::Exit { .. }
        | Step::TreeGone(_)
        | Step::Obey
        | Step::Wait(_)
        | Step::NextTimer => {
            return None;
        }
    })
}

fn take(world: &mut World, step: &Step) {
    if let Some(command) = command(step) {
        world.command(command);
    }
    match *step {
        Step::Launched { which, fails } => {
            if let Some(pid) = pick(world, State::Launching, which) {
                // What is there already is not called off.
                let failure = match (world.processes[&pid].is_survivor, world.cancelled.contains(&pid)) {
                    (true, _) => SpawnError::Gone,
                    (false, true) => SpawnError::Cancelled,
                    (false, false) => missing(),
                };
                world.answer_launch(pid, if fails { Err(failure) } else { Ok(()) });
            }
        }
        Step::Exit { which, descendants } => {
            if let Some(pid) = pick(world, State::Running, which) {
                world.exit(pid, ExitStatus::Code(1), descendants);
            }
        }
        Step::TreeGone(which) => {
            if let Some(pid) = pick(world, State::Remains, which) {
                world.tree_gone(pid);
            }
        }
        Step::Obey => world.obey(),
        Step::Wait(milliseconds) => world.advance(Duration::from_millis(milliseconds)),
        Step::NextTimer => {
            world.fire_next();
        }
        Step::Load { .. }
        | Step::Update { .. }
        | Step::Restore { .. }
        | Step::Reconfigure { .. }
        | Step::Unload(_)
        | Step::UnloadConfigured(_)
        | Step::Start(_)
        | Step::Stop(_)
        | Step::Restart(_)
        | Step::Reload(_)
        | Step::Scale(..)
        | Step::Commit(_)
        | Step::SignalJob(_)
        | Step::Signal(_)
        | Step::StopProcess(_)
        | Step::StopAll(_) => {}
    }
    assert_ends_in_time(world);
}

/// Whoever was asked to end has been killed once his time is over.
fn assert_ends_in_time(world: &World) {
    for (pid, process) in &world.processes {
        let lives = matches!(process.state, State::Running | State::Remains);
        if let Some(at) = process.terminated.filter(|_| lives) {
            let due = at + process.config.graceful_timeout();
            assert!(process.killed || world.now <= due, "process {pid} has outlived its graceful timeout");
        }
    }
}

/// Lets every launch succeed, every timer run out and everything that is asked to end do so. `stubborn` ends at the kill only.
fn settle(world: &mut World, stubborn: bool) {
    for round in 0.. {
        assert!(round < 1000, "it never comes to rest");
        let launched = !world.launch_all().is_empty();
        let before = world.terminating().len();
        if !stubborn {
            world.obey();
        } else {
            let killed: Vec<ProcessId> = world
                .processes
                .iter()
                .filter(|(_, process)| process.killed && matches!(process.state, State::Running | State::Remains))
                .map(|(pid, _)| *pid)
                .collect();
            for pid in killed {
                if world.processes[&pid].state == State::Running {
                    world.exit(pid, ExitStatus::Signal(9), false);
                } else {
                    world.tree_gone(pid);
                }
            }
        }
        let ended = world.terminating().len() != before;
        if !launched && !ended && world.in_state(State::Launching).is_empty() && !world.fire_next() {
            return;
        }
        assert_ends_in_time(world);
    }
}

/// What must hold once nothing is under way.
fn assert_at_rest(world: &World) {
    assert!(world.timers.is_empty(), "a timer is left");
    assert!(world.unanswered().is_empty(), "commands {:?} were never answered", world.unanswered());
    assert_eq!(world.in_state(State::Remains), [], "descendants are left");
    let mut counted = 0;
    for info in world.supervisor.infos(world.now) {
        let wanted = world.wants(&info.name);
        assert_eq!(wanted, info.state != JobState::Stopped, "{}: {:?}", info.name, info.state);
        let expected = if info.state == JobState::Started { info.max_processes as usize } else { 0 };
        assert_eq!(info.pids.len(), expected, "{} is {:?}", info.name, info.state);
        match info.state {
            JobState::GivenUp => assert!(info.cause.is_some(), "{info:?}"),
            JobState::Started if info.active => assert_eq!(info.cause, None, "{info:?}"),
            JobState::Started | JobState::Stopped | JobState::Flapping => {}
        }
        counted += info.running;
    }
    assert_eq!(world.running().len(), counted, "a process belongs to no job");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..cases(10_000) })]

    #[test]
    fn any_history_keeps_the_invariants(
        steps in prop::collection::vec(step(), 1..80),
        stubborn in any::<bool>(),
        shut_down in 0..3_u8,
    ) {
        let mut world = World::new();
        for step in &steps {
            take(&mut world, step);
        }
        settle(&mut world, stubborn);
        assert_at_rest(&world);
        if shut_down > 0 {
            world.command(if shut_down == 1 { Command::Shutdown } else { Command::ShutdownNow });
            settle(&mut world, stubborn);
            prop_assert_eq!(world.finished.clone(), Some(vec![]));
            prop_assert_eq!(world.running(), Vec::<u64>::new());
            prop_assert_eq!(world.unanswered(), Vec::<u64>::new());
        }
    }
}
