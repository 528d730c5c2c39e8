//! Processes that another run of the node has launched.

#![expect(clippy::disallowed_methods, reason = "what another node has launched is not launched by the backend")]

use std::{process::Command, sync::Arc, time::Duration};

use gaffer_core::{
    backend::{Backend, ExitStatus, Fact, LaunchPlan, MARK, Root, SpawnError, Survivor},
    names::OsPid,
};

use super::{World, exists};

/// Starts what a node would have left, and the plan to take it back. A shell is between, so that it is no child of ours.
fn left(world: &mut World, script: &str) -> (OsPid, LaunchPlan) {
    let mark = format!("{}-before:1", world.node);
    let output = Command::new("sh")
        .args(["-c", &format!("setsid sh -c '{script}' >/dev/null 2>&1 & echo $!")])
        .env(MARK, &mark)
        .output()
        .unwrap();
    let os_pid = OsPid::new(String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()).unwrap();
    // An orphan is given to this program, which is a subreaper while a backend lives.
    let root = Root::of(os_pid).unwrap();
    let plan = world.plan(&["sleep", "1000"]);
    (os_pid, LaunchPlan { survivor: Some(Survivor { root, mark }), outputs: vec![], stdin: false, ..plan })
}

#[tokio::test]
async fn one_that_is_called_off_is_taken_back_all_the_same_and_ends_as_asked() {
    let mut world = World::new();
    let (os_pid, plan) = left(&mut world, "sleep 1000 & exec sleep 1000");
    let pid = plan.pid;
    world.backend.launch(Arc::new(plan));
    world.backend.cancel(pid);
    let taken_back = world.fact().await;
    assert!(matches!(&taken_back, Fact::Spawned { os_pid: is, .. } if *is == os_pid), "{taken_back:?}");
    world.backend.terminate(pid);
    match world.fact().await {
        Fact::Exited { tree_alive: true, .. } => assert!(matches!(world.fact().await, Fact::TreeGone { .. })),
        Fact::Exited { status, .. } => assert_ne!(status, ExitStatus::Code(0)),
        other => panic!("{other:?}"),
    }
    assert!(!exists(os_pid.as_raw()));
}

#[tokio::test]
async fn one_that_is_gone_is_told_as_that() {
    let mut world = World::new();
    let (os_pid, plan) = left(&mut world, "exec sleep 1000");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(os_pid.as_raw()), nix::sys::signal::Signal::SIGKILL).unwrap();
    tokio::time::timeout(Duration::from_secs(60), async {
        while plan.survivor.as_ref().unwrap().root.lives() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    world.backend.launch(Arc::new(plan));
    let told = world.fact().await;
    assert!(matches!(told, Fact::SpawnFailed { error: SpawnError::Gone, .. }), "{told:?}");
}
