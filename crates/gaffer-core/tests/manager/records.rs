//! What a manager tells who keeps it, and that clients are answered once it is kept.

use std::collections::BTreeMap;

use gaffer_core::{
    Manager, ManagerError, ManagerOptions,
    backend::simulated::{Behaviour, SimulatedBackend, Simulation},
    manager::{ProcessRecord, Records, Restored, records},
    supervisor::{Origin, Refusal, Standing},
};

use crate::world::{job, name};

fn start() -> (Manager, Records) {
    let (sender, told) = records();
    let options = ManagerOptions { environment: BTreeMap::new(), records: Some(sender), ..ManagerOptions::default() };
    let backend = |facts| Ok(SimulatedBackend::new(facts, Simulation::default(), |_: &_| Behaviour::default()));
    (Manager::start(options, backend).unwrap(), told)
}

#[tokio::test(start_paused = true)]
async fn a_client_is_answered_when_its_change_is_kept() {
    let (manager, mut told) = start();
    let loading = tokio::spawn({
        let manager = manager.clone();
        async move { manager.load(job("web", |spec| spec.numprocesses = 2)).await }
    });
    let record = told.jobs.recv().await.unwrap();
    let (config, standing) = record.job.as_ref().unwrap();
    assert_eq!(config.numprocesses(), 2);
    assert_eq!(*standing, Standing { started: true, number: 2, origin: Origin::Client });
    // Others are not kept waiting by it.
    assert_eq!(manager.info(&name("web")).await.unwrap().running, 2);
    assert!(!loading.is_finished());
    record.answer(Ok(()));
    loading.await.unwrap().unwrap();

    let stopping = tokio::spawn({
        let manager = manager.clone();
        async move { manager.stop_job(&name("web")).await }
    });
    let record = told.jobs.recv().await.unwrap();
    assert!(!record.job.as_ref().unwrap().1.started);
    record.answer(Err("the disk is full".to_owned()));
    let refused = stopping.await.unwrap().unwrap_err();
    let expected = Refusal::NotKept { job: name("web"), cause: "the disk is full".to_owned() };
    assert_eq!(refused, ManagerError::Refused(expected));
    manager.stop_now().await;
}

#[tokio::test(start_paused = true)]
async fn an_end_of_the_node_is_no_change_of_its_jobs() {
    let (manager, mut told) = start();
    let keeping = tokio::spawn(async move {
        let mut last = BTreeMap::new();
        while let Some(record) = told.jobs.recv().await {
            last.insert(record.name.to_string(), record.job.as_ref().map(|(_, standing)| *standing));
            record.answer(Ok(()));
        }
        let mut processes = 0;
        while let Some(record) = told.processes.recv().await {
            processes += match record {
                ProcessRecord::Launched { .. } => 1,
                ProcessRecord::Gone(_) => -1,
            };
        }
        (last, processes)
    });
    let web = job("web", |_| {});
    let standing = Standing { started: true, number: 3, origin: Origin::Configuration };
    let restored = manager.restore_all([Restored { config: web.clone(), standing, survivors: Vec::new() }]).await;
    assert_eq!(restored, [Ok(())]);
    manager.load(job("gone", |_| {})).await.unwrap();
    manager.unload(&name("gone")).await.unwrap();
    assert_eq!(manager.standings().await.unwrap()[0].1, standing);
    manager.stop().await;
    drop(manager);
    let (last, processes) = keeping.await.unwrap();
    assert_eq!(last, BTreeMap::from([("default.gone".to_owned(), None), ("default.web".to_owned(), Some(standing))]));
    assert_eq!(processes, 0, "all that was launched is gone");
}
