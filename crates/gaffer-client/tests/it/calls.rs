//! Every call, once at least.

use gaffer_client::FeedOptions;
use gaffer_core::{
    JobName, JobSpec, SessionId,
    api::JobState,
    names::Signal,
    supervisor::{OneOff, Scale},
};
use serde_json::json;

use crate::fixture::{job, label, next_item, node, pid};

#[tokio::test]
async fn a_node_tells_what_it_is() {
    let (_daemon, client) = node();
    client.ping().await.unwrap();
    assert_eq!(client.version().await.unwrap().name, "gaffer");
    assert!(client.openapi().await.unwrap()["openapi"].is_string());
}

#[tokio::test]
async fn a_run_is_known_by_its_word() {
    let (_daemon, client) = node();
    let run = client.run().await.unwrap();
    assert!(run.as_ref().is_some_and(|run| !run.is_empty()), "{run:?}");
    assert_eq!(client.run().await.unwrap(), run);
    let (_other, other) = node();
    assert_ne!(other.run().await.unwrap(), run);
}

#[tokio::test]
async fn a_job_lives_from_its_loading_to_its_unloading() {
    let (daemon, client) = node();
    let clock = job("clock");
    let mut spec = JobSpec::new(clock.clone(), "misbehave forever");
    spec.numprocesses = 2;
    assert_eq!(client.load(&spec.check().unwrap()).await.unwrap(), Vec::<String>::new());
    let typo = json!({"name": "typo", "cmd": "misbehave forever", "start": false, "comand": "x"});
    assert_eq!(client.load(&typo).await.unwrap(), ["comand"]);
    let error = client.load(&typo).await.unwrap_err();
    assert_eq!(error.refusal().map(|refusal| refusal.status), Some(409), "{error:?}");
    assert_eq!(client.jobs().await.unwrap(), ["echo", "shop.api", "clock", "typo"].map(job));

    daemon.until_running("clock", 2);
    assert_eq!(client.pids(&clock).await.unwrap().len(), 2);
    assert_eq!(client.config(&clock).await.unwrap().numprocesses(), 2);
    assert_eq!(client.config_json(&clock).await.unwrap()["numprocesses"], 2);
    let status = client.status(&clock).await.unwrap();
    assert_eq!((status.name, status.state, status.running), (clock.clone(), JobState::Started, 2));
    let statuses = client.statuses().await.unwrap();
    assert!(statuses.iter().all(|status| status.rss.is_some()) && statuses.len() == 4, "{statuses:?}");

    assert_eq!(client.numprocesses(&clock).await.unwrap(), 2);
    for (scale, expected) in [(Scale::Add(2), 4), (Scale::Sub(1), 3), (Scale::Set(1), 1), (Scale::Sub(9), 0)] {
        assert_eq!(client.scale(&clock, scale).await.unwrap(), expected, "{scale:?}");
    }
    client.reload(&clock).await.unwrap();
    assert_eq!(client.numprocesses(&clock).await.unwrap(), 2);
    assert_eq!(client.update(&clock, &json!({"cmd": "misbehave forever"})).await.unwrap(), Vec::<String>::new());
    assert_eq!(client.numprocesses(&clock).await.unwrap(), 1);
    client.restart(&clock).await.unwrap();

    client.stop(&clock).await.unwrap();
    daemon.until_running("clock", 0);
    let once = OneOff { env: [("DRY".to_owned(), "1".to_owned())].into(), ..OneOff::default() };
    let one_off = client.commit(&clock, &once).await.unwrap();
    let process = client.process(one_off).await.unwrap();
    assert_eq!((process.once, process.env["DRY"].as_deref()), (true, Some("1")));
    let detail = client.job(&clock).await.unwrap();
    assert_eq!((detail.status.name, detail.running_out, detail.processes), (clock.clone(), 1, vec![one_off]));
    assert_eq!(detail.config["name"], "clock");
    client.start(&clock).await.unwrap();
    client.signal(&clock, Signal::new(18).unwrap()).await.unwrap();
    client.unload(&clock).await.unwrap();
    assert!(client.status(&clock).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn processes_are_looked_at_written_to_and_stopped() {
    let (daemon, client) = node();
    let pid = pid(&daemon, "echo");
    assert!(client.processes().await.unwrap().contains(&pid));
    assert_eq!(client.process(pid).await.unwrap().name, job("echo"));
    client.send(pid, None, "hello\n").await.unwrap();
    let mut output =
        client.follow_output(pid, &label("out"), &FeedOptions { history: 1, ..Default::default() }).await.unwrap();
    assert_eq!(next_item(&mut output).await.text, "hello");
    assert_eq!(client.recent_output(pid, &label("out"), 1).await.unwrap(), "hello\n");
    assert!(client.send(pid, Some(&label("nope")), "x").await.unwrap_err().is_not_found());
    client.signal_process(pid, Signal::new(18).unwrap()).await.unwrap();

    assert_eq!(client.process_stats(pid).await.unwrap().pid, pid);
    let stats = client.job_stats(&job("echo")).await.unwrap();
    assert_eq!((stats.name, stats.stats[0].pid), (job("echo"), pid));
    assert_eq!(client.stats().await.unwrap().len(), 2);
    client.stop_process(pid).await.unwrap();
    daemon.until_status("echo", "has another process", |status| status["pids"][0] != pid.get());
}

#[tokio::test]
async fn a_session_is_controlled_as_one() {
    let (daemon, client) = node();
    let shop: SessionId = "shop".parse().unwrap();
    let api: JobName = job("shop.api");
    assert_eq!(client.sessions().await.unwrap(), [SessionId::default(), shop.clone()]);
    assert_eq!(client.jobs_of(&shop).await.unwrap(), std::slice::from_ref(&api));
    client.stop_session(&shop).await.unwrap();
    daemon.until_running("shop.api", 0);
    let mut spawns = client.watch(&"proc.shop.api.spawn".parse().unwrap(), &FeedOptions::default()).await.unwrap();
    client.start_session(&shop).await.unwrap();
    let before = next_item(&mut spawns).await.pid;
    client.restart_session(&shop).await.unwrap();
    let after = next_item(&mut spawns).await.pid;
    assert_ne!(after, before);
    // The old one is there until it has ended.
    assert_eq!(client.pids(&api).await.unwrap().last(), after.as_ref());
    client.unload_session(&shop).await.unwrap();
    assert!(client.jobs_of(&shop).await.unwrap_err().is_not_found());
}
