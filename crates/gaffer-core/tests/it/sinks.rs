//! Sinks that come late to processes of a manager.

use gaffer_core::{
    JobSpec, Manager, ManagerOptions,
    backend::RealBackend,
    events::{Delivery, EventKind, Pattern},
    streams::Chunk,
    supervisor::OneOff,
};

/// Of more processes than are kept for those who come late otherwise, and of each more than is.
#[tokio::test]
async fn a_sink_gets_every_byte_of_a_process_that_has_ended_before() {
    const PROCESSES: usize = 40;
    let options = ManagerOptions { expect_sinks: true, ..ManagerOptions::default() };
    let manager = Manager::start(options, RealBackend::start).unwrap();
    let mut events = manager.subscribe(&Pattern::All);
    let mut spec = JobSpec::new("burst".parse().unwrap(), "seq 1 40000");
    spec.start = false;
    spec.redirect_output = vec!["out".parse().unwrap()];
    let burst = spec.check().unwrap();
    let name = burst.name().clone();
    manager.load(burst).await.unwrap();
    let mut pids = Vec::new();
    for _ in 0..PROCESSES {
        pids.push(manager.commit(&name, OneOff::default()).await.unwrap());
    }
    let mut ended = 0;
    while ended < PROCESSES {
        match events.recv().await.unwrap() {
            Delivery::Item(told) => ended += usize::from(told.event().kind == EventKind::Exit),
            Delivery::Lagged(count) => panic!("{count} events lost"),
        }
    }
    let expected: String = (1..=40_000).map(|number| format!("{number}\n")).collect();
    for pid in pids {
        let output = manager.recent_output(pid, "out").await.unwrap();
        let mut sink = output.attach_sink().unwrap();
        let mut text = Vec::new();
        while let Some(chunk) = sink.recv().await {
            match chunk {
                Chunk::Data(data) => text.extend_from_slice(&data),
                Chunk::Lagged(count) => panic!("{count} bytes lost"),
            }
        }
        assert!(text == expected.as_bytes(), "process {pid}");
    }
    manager.stop().await;
}
