//! Writers to a process that ends.

use std::{fs::File, io::Read, time::Duration};

use gaffer_core::{JobSpec, Manager, ManagerError, ManagerOptions, backend::RealBackend, streams::StdinError};

#[tokio::test]
async fn a_writer_is_told_of_the_end_though_an_outsider_holds_the_other_end() {
    let manager = Manager::start(ManagerOptions::default(), RealBackend::start).unwrap();
    let mut spec = JobSpec::new("deaf".parse().unwrap(), "sleep 1000");
    spec.redirect_input = true;
    manager.load(spec.check().unwrap()).await.unwrap();
    let pid = manager.pids(None).await.unwrap()[0];
    let os_pid = manager.process(pid).await.unwrap().os_pid;
    let mut outsider = File::open(format!("/proc/{os_pid}/fd/0")).unwrap();
    let writer = tokio::spawn({
        let manager = manager.clone();
        async move { manager.send(pid, vec![b'x'; 300_000], None).await } // More than the pipe holds.
    });
    // It has begun.
    let mut outsider = tokio::task::spawn_blocking(move || {
        outsider.read_exact(&mut [0]).unwrap();
        outsider
    })
    .await
    .unwrap();
    manager.stop_job(&"deaf".parse().unwrap()).await.unwrap();
    let told = tokio::time::timeout(Duration::from_secs(30), writer).await.expect("the writer should be told").unwrap();
    assert_eq!(told, Err(ManagerError::Write { pid, source: StdinError::Closed }));
    // Nobody holds the end to write at any more.
    let rest = tokio::task::spawn_blocking(move || outsider.read_to_end(&mut Vec::new()).unwrap());
    let rest = tokio::time::timeout(Duration::from_secs(30), rest).await.expect("the pipe should be closed").unwrap();
    assert!(rest < 300_000);
    manager.stop().await;
}
