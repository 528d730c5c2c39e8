//! What is left of the node when its manager fails.

use std::time::Duration;

use gaffer_core::{
    ManagerError,
    backend::simulated::{Behaviour, Trace},
    events::Pattern,
};

use crate::world::{World, job};

#[tokio::test(start_paused = true)]
async fn a_panic_is_no_clean_stop_and_leaves_no_process_behind() {
    let world = World::new(|plan| {
        assert!(!plan.argv.iter().any(|word| word == "boom"), "no such luck");
        // Some are still being launched when it happens, and some leave descendants.
        let launch = Duration::from_secs(u64::from(plan.argv.iter().any(|word| word == "slow")));
        Behaviour { launch, on_term: None, descendants: Some(None), ..Behaviour::default() }
    });
    world.manager.load(job("web", |spec| spec.numprocesses = 3)).await.unwrap();
    let mut events = world.manager.subscribe(&Pattern::All);
    let slow = job("slow", |spec| spec.cmd = Some("slow".into()));
    let boom = job("boom", |spec| spec.cmd = Some("boom".into()));
    assert_eq!(world.manager.load_all([slow, boom]).await, [Err(ManagerError::Stopped), Err(ManagerError::Stopped)]);
    let wrong = world.manager.stopped().await;
    // Nobody knows how far the launch came that failed.
    let unknown = "could not be ended: default.boom (pid 5, still launching)";
    assert_eq!(wrong, ["internal error in the manager: no such luck", unknown]);
    assert!(world.simulation.live().is_empty(), "{:?}", world.simulation.live());
    let killed = world.simulation.take_trace().into_iter().filter(|trace| matches!(trace, Trace::Killed(_))).count();
    assert!(killed >= 4, "{killed}");
    while events.recv().await.is_some() {} // They have ended.
    world.manager.stop().await;
    assert_eq!(world.manager.pids(None).await, Err(ManagerError::Stopped));
}
