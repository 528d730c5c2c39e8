//! What only the shell can get wrong: answers, waiting, and the end.

#![expect(clippy::disallowed_methods, reason = "reads the virtual clock")]

use std::time::Duration;

use gaffer_core::{
    Manager, ManagerError, ManagerOptions,
    api::JobState,
    backend::{
        ExitStatus,
        simulated::{Behaviour, SimulatedBackend, Simulation, Trace},
    },
    config::Owner,
    events::{Delivery, EventKind, Pattern},
    supervisor::{OneOff, Refusal, Scale},
};

use crate::world::{World, job, name};

#[tokio::test(start_paused = true)]
async fn a_load_is_answered_once_its_processes_run() {
    let world = World::new(|_| Behaviour { launch: Duration::from_secs(1), ..Behaviour::default() });
    world.manager.load(job("web", |spec| spec.numprocesses = 3)).await.unwrap();
    assert_eq!(world.simulation.live().len(), 3);
    assert_eq!(world.manager.pids(None).await.unwrap().len(), 3);
    world.manager.stop().await;
}

#[tokio::test(start_paused = true)]
async fn everybody_is_told_under_his_own_pattern() {
    let world = World::new(|_| Behaviour::default());
    let mut by_pattern = Vec::new();
    for pattern in [".", "spawn", "proc.web", "proc.web.exit", "proc.1", "job.default", "proc.we"] {
        by_pattern.push((pattern, world.manager.subscribe(&pattern.parse::<Pattern>().unwrap())));
    }
    world.manager.load(job("web", |_| {})).await.unwrap();
    world.manager.stop().await;
    let mut told = Vec::new();
    for (pattern, mut events) in by_pattern {
        let mut topics = Vec::new();
        while let Some(Delivery::Item(notification)) = events.recv().await {
            topics.push(notification.topic().to_string());
        }
        told.push(format!("{pattern}: {}", topics.join(" ")));
    }
    assert_eq!(
        told,
        [
            ".: create proc.web.create start proc.web.start spawn proc.web.spawn stop proc.web.stop stop_pid \
             proc.web.stop_pid exit proc.web.exit",
            "spawn: spawn",
            "proc.web: proc.web.create proc.web.start proc.web.spawn proc.web.stop proc.web.stop_pid proc.web.exit",
            "proc.web.exit: proc.web.exit",
            "proc.1: proc.1.spawn proc.1.stop_pid proc.1.exit",
            "job.default: proc.web.create proc.web.start proc.web.spawn proc.web.stop proc.web.stop_pid proc.web.exit",
            "proc.we: ",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn payloads_are_the_manuals() {
    let world = World::new(|_| Behaviour::default());
    let mut events = world.manager.subscribe(&"proc.web".parse().unwrap());
    world.manager.load(job("web", |_| {})).await.unwrap();
    world.simulation.exit(1.to_string().parse().unwrap(), ExitStatus::Code(3));
    let mut lines = Vec::new();
    while lines.len() < 4 {
        if let Some(Delivery::Item(told)) = events.recv().await {
            let line = String::from_utf8(told.json().to_vec()).unwrap();
            let (payload, time) = line.split_once(r#","time":"#).unwrap();
            assert!(time.strip_suffix('}').unwrap().parse::<f64>().unwrap() > 1.7e9, "{line}");
            lines.push(payload.to_owned() + "}");
        }
    }
    assert_eq!(
        lines,
        [
            r#"{"event":"proc.web.create","name":"web"}"#,
            r#"{"event":"proc.web.start","name":"web"}"#,
            r#"{"event":"proc.web.spawn","name":"web","pid":1,"os_pid":1,"detached":false,"detach":false,"once":false}"#,
            r#"{"event":"proc.web.exit","name":"web","pid":1,"os_pid":1,"exit_code":3,"exit_status":3,"term_signal":0,"once":false}"#,
        ]
    );
    world.manager.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_mark_and_the_jobs_variables_reach_the_process() {
    let world = World::new(|_| Behaviour::default());
    let config = job("web", |spec| {
        spec.cmd = Some("run --port=$PORT".into());
        spec.env.insert("PORT".into(), "80".into());
    });
    world.manager.load(config).await.unwrap();
    let plan = world.simulation.live().into_values().next().unwrap();
    assert_eq!(plan.argv, ["run", "--port=80"]);
    let mark = plan.env.get(std::ffi::OsStr::new("GAFFER_PROCESS")).unwrap();
    assert_eq!(mark.to_str().unwrap(), format!("{}:1", world.manager.node()));
    let process = world.manager.process("1".parse().unwrap()).await.unwrap();
    assert_eq!((process.cmd.as_deref(), process.args), (Some("run"), Some(vec!["--port=80".to_owned()])));
    world.manager.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_variable_is_reported_and_not_looped() {
    let mut world = World::new(|_| Behaviour::default());
    world.manager.load(job("web", |spec| spec.cmd = Some("run $NOPE".into()))).await.unwrap();
    world.next(EventKind::SpawnError).await;
    let info = world.manager.info(&name("web")).await.unwrap();
    assert!(info.cause.unwrap().contains("`${NOPE}`"));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(world.manager.info(&name("web")).await.unwrap().restarts < 15);
    world.manager.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_one_off_gets_its_own_variables_and_the_job_keeps_its_own() {
    let world = World::new(|_| Behaviour::default());
    world.manager.load(job("web", |spec| spec.uid = Some(Owner::Number(0)))).await.unwrap();
    let once = OneOff { env: [("A".into(), "b".into())].into(), graceful_timeout: None };
    let pid = world.manager.commit(&name("web"), once).await.unwrap();
    assert!(world.simulation.live()[&pid].env.contains_key(std::ffi::OsStr::new("A")));
    assert!(world.manager.get(&name("web")).await.unwrap().env().is_empty());
    world.manager.stop().await;
}

#[tokio::test(start_paused = true)]
async fn commands_about_nothing_are_refused() {
    let world = World::new(|_| Behaviour::default());
    let (web, pid) = (name("web"), "7".parse().unwrap());
    let unknown: ManagerError = Refusal::UnknownJob(web.clone()).into();
    let manager = &world.manager;
    assert_eq!(manager.start_job(&web).await, Err(unknown.clone()));
    assert_eq!(manager.scale(&web, Scale::Add(1)).await, Err(unknown.clone()));
    assert_eq!(manager.info(&web).await, Err(unknown));
    assert_eq!(manager.stop_process(pid).await, Err(Refusal::UnknownProcess(pid).into()));
    assert_eq!(manager.send(pid, "x", None).await, Err(Refusal::UnknownProcess(pid).into()));
    assert!(manager.jobs(Some(&"shop".parse().unwrap())).await.is_err());
    manager.stop().await;
    assert_eq!(manager.start_job(&web).await, Err(ManagerError::Stopped));
}

#[tokio::test(start_paused = true)]
async fn a_stop_kills_what_ignores_it_after_its_time() {
    let world = World::new(|_| Behaviour { on_term: None, ..Behaviour::default() });
    world.manager.load(job("web", |spec| spec.graceful_timeout = Duration::from_secs(5))).await.unwrap();
    let before = tokio::time::Instant::now();
    world.manager.stop().await;
    assert_eq!(before.elapsed().as_secs(), 5);
    assert!(world.simulation.live().is_empty());
    assert!(world.simulation.take_trace().contains(&Trace::Killed("1".parse().unwrap())));
}

#[tokio::test(start_paused = true)]
async fn a_second_stop_waits_for_the_same_end_and_stop_now_hastens_it() {
    let world = World::new(|_| Behaviour { on_term: None, ..Behaviour::default() });
    world.manager.load(job("web", |_| {})).await.unwrap();
    let before = tokio::time::Instant::now();
    let first = tokio::spawn({
        let manager = world.manager.clone();
        async move { manager.stop().await }
    });
    let second = tokio::spawn({
        let manager = world.manager.clone();
        async move { manager.stop().await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!first.is_finished() && !second.is_finished());
    world.manager.stop_now().await;
    first.await.unwrap();
    second.await.unwrap();
    assert_eq!(before.elapsed().as_secs(), 1);
    assert_eq!(world.manager.stopped().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn jobs_are_stopped_when_the_last_handle_is_dropped() {
    let World { manager, simulation, .. } = World::new(|_| Behaviour::default());
    manager.load(job("web", |_| {})).await.unwrap();
    drop(manager);
    while !simulation.live().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn restart_leaves_stopped_jobs_alone() {
    let world = World::new(|_| Behaviour::default());
    world.manager.load(job("web", |_| {})).await.unwrap();
    world.manager.load(job("db", |spec| spec.start = false)).await.unwrap();
    world.manager.restart().await.unwrap();
    assert_eq!(world.manager.info(&name("db")).await.unwrap().state, JobState::Stopped);
    assert_eq!(world.manager.pids(Some(&name("web"))).await.unwrap().last().unwrap().get(), 2);
    world.manager.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_cannot_start_is_an_error() {
    type Never = SimulatedBackend<fn(&gaffer_core::backend::LaunchPlan) -> Behaviour>;
    let failed = Manager::start(ManagerOptions::default(), |facts| {
        drop(Never::new(facts, Simulation::default(), |_| Behaviour::default()));
        Err::<Never, _>(std::io::Error::other("no"))
    });
    assert_eq!(failed.unwrap_err().to_string(), "no");
}
