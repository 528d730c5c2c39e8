//! Nothing that a node can do is forgotten here.

use std::{
    collections::BTreeSet,
    io::Write,
    sync::{Arc, Mutex},
};

use gaffer_client::{Client, ControlOptions, FeedOptions, SocketOptions, StatsOf};
use gaffer_core::{
    JobSpec, ProcessId,
    access::KeyId,
    api::{
        access::{NewKey, NewUser},
        webhooks::NewWebhook,
    },
    names::{SessionId, Signal},
    supervisor::{OneOff, Scale},
};
use serde_json::Value;

use crate::fixture::{client_of, job, label, node, request, server};

/// Operations that no method calls, and those that do the same and are called.
const TWINS: &[(&str, &str)] = &[
    ("get /", "get /version"),
    ("get /processes", "get /jobs"),
    ("delete /processes/{name_or_pid}", "delete /jobs/{session}/{name}"),
    ("get /processes/{name_or_pid}/_pids", "get /jobs/{session}/{name}/pids"),
    ("post /processes/{name_or_pid}", "put /processes/{name_or_pid}"),
    ("post /processes/{name_or_pid}/_add", "post /jobs/{session}/{name}/numprocesses"),
    ("post /processes/{name_or_pid}/_add/{number}", "post /jobs/{session}/{name}/numprocesses"),
    ("post /processes/{name_or_pid}/_sub", "post /jobs/{session}/{name}/numprocesses"),
    ("post /processes/{name_or_pid}/_sub/{number}", "post /jobs/{session}/{name}/numprocesses"),
    ("post /processes/{name_or_pid}/_start", "post /jobs/{session}/{name}/state"),
    ("post /processes/{name_or_pid}/_stop", "post /jobs/{session}/{name}/state"),
    ("post /processes/{name_or_pid}/_signal/{signal}", "post /jobs/{session}/{name}/signal"),
    ("get /groups", "get /sessions"),
    ("get /groups/{group}", "get /jobs/{session}"),
    ("post /jobs/{session}", "post /processes"),
    ("put /jobs/{session}/{name}", "put /processes/{name_or_pid}"),
    ("get /jobs/{session}/{name}/state", "get /status/{name}"),
];

/// Operations for browsers: those of SockJS, and files.
const FOR_BROWSERS: &[&str] = &["get /channel", "get /channel/info", "get /_plugin/{plugin}/{path}"];

/// Calls every method, whatever comes of it.
async fn call_all(client: &Client) {
    let (web, shop, pid): (_, SessionId, _) = (job("shop:web"), "shop".parse().unwrap(), ProcessId::new(7));
    let (out, feed, socket, signal) =
        (label("out"), FeedOptions::default(), SocketOptions::default(), "TERM".parse::<Signal>().unwrap());
    let key: KeyId = "0123456789ab".parse().unwrap();
    let spec = JobSpec::new(web.clone(), "true").check().unwrap();
    drop(client.ping().await);
    drop(client.version().await);
    drop(client.openapi().await);
    drop(client.sessions().await);
    drop(client.jobs_of(&shop).await);
    drop(client.start_session(&shop).await);
    drop(client.stop_session(&shop).await);
    drop(client.restart_session(&shop).await);
    drop(client.unload_session(&shop).await);
    drop(client.jobs().await);
    drop(client.load(&spec).await);
    drop(client.update(&web, &spec).await);
    drop(client.unload(&web).await);
    drop(client.config(&web).await);
    drop(client.job(&web).await);
    drop(client.status(&web).await);
    drop(client.statuses().await);
    drop(client.start(&web).await);
    drop(client.stop(&web).await);
    drop(client.restart(&web).await);
    drop(client.reload(&web).await);
    drop(client.numprocesses(&web).await);
    drop(client.scale(&web, Scale::Set(2)).await);
    drop(client.pids(&web).await);
    drop(client.signal(&web, signal).await);
    drop(client.commit(&web, &OneOff::default()).await);
    drop(client.processes().await);
    drop(client.process(pid).await);
    drop(client.stop_process(pid).await);
    drop(client.signal_process(pid, signal).await);
    drop(client.send(pid, Some(&out), "text").await);
    drop(client.stats().await);
    drop(client.job_stats(&web).await);
    drop(client.process_stats(pid).await);
    for of in [StatsOf::All, StatsOf::Job(web.clone()), StatsOf::Process(web, pid)] {
        drop(client.follow_stats(&of, &feed).await);
    }
    for pattern in [".", "spawn", "proc.web", "proc.web.exit"] {
        drop(client.watch(&pattern.parse().unwrap(), &feed).await);
        drop(client.recent_events(&pattern.parse().unwrap(), 1).await);
    }
    drop(client.plugins().await);
    drop(client.webhooks().await);
    drop(client.webhook("x").await);
    drop(client.add_webhook(&NewWebhook::new(".", "http://127.0.0.1:1/")).await);
    drop(client.remove_webhook("x").await);
    drop(client.plan_reconfiguration().await);
    drop(client.reconfigure().await);
    drop(client.login("anna", "x").await);
    drop(client.logout().await);
    drop(client.keys().await);
    drop(client.key(&key).await);
    drop(client.create_key(&NewKey::default()).await);
    drop(client.revoke_key(&key).await);
    drop(client.users().await);
    drop(client.user("anna").await);
    drop(client.create_user(&NewUser::new("anna", "x")).await);
    drop(client.update_user(&NewUser::new("anna", "x")).await);
    drop(client.set_password("anna", "x").await);
    drop(client.set_user_key("anna", Some(&key)).await);
    drop(client.delete_user("anna").await);
    drop(client.follow_output(pid, &out, &feed).await);
    drop(client.recent_output(pid, &out, 1).await);
    drop(client.control(&ControlOptions::default()).await);
    drop(client.stdio(pid, &socket).await);
    drop(client.channel(pid, &socket).await);
    drop(client.channel(pid, &SocketOptions { stream: Some(out), ..socket }).await);
}

/// The requests that the methods make, such as `get /jobs/shop/web`.
async fn requests() -> BTreeSet<String> {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let writer = Arc::clone(&seen);
    let address = server(move |mut stream| {
        let head = request(&stream);
        let (method, target) = head.split_once(' ').unwrap();
        let path = target.split([' ', '?']).next().unwrap();
        writer.lock().unwrap().insert(format!("{} {path}", method.to_ascii_lowercase()));
        let empty =
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        stream.write_all(empty.as_bytes()).unwrap();
    });
    call_all(&client_of(address)).await;
    seen.lock().unwrap().clone()
}

/// Whether a request is one of an operation, and by how many words of its path.
fn fit(operation: &str, request: &str) -> Option<usize> {
    let (operation, request): (Vec<_>, Vec<_>) = (operation.split('/').collect(), request.split('/').collect());
    let fits = |(pattern, word): (&&str, &&str)| pattern.starts_with('{') || pattern == word;
    let is_one = operation.len() == request.len() && operation.iter().zip(&request).all(fits);
    is_one.then(|| operation.iter().filter(|word| !word.starts_with('{')).count())
}

#[tokio::test]
async fn every_operation_has_a_method() {
    let (_daemon, client) = node();
    let document = client.openapi().await.unwrap();
    let described: BTreeSet<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().iter().filter(|(_, operation)| Value::is_object(operation));
            methods.map(move |(method, _)| format!("{method} {path}"))
        })
        .collect();
    let mut known = BTreeSet::new();
    for request in requests().await {
        let fitting = described.iter().filter_map(|operation| Some((fit(operation, &request)?, operation)));
        let (_, operation) = fitting.max().unwrap_or_else(|| panic!("the API has no `{request}`"));
        known.insert(operation.as_str());
    }
    for (twin, called) in TWINS {
        assert!(known.contains(called), "nothing calls `{called}`, which is to stand for `{twin}`");
        assert!(described.contains(*twin), "the API has no `{twin}` any more");
    }
    known.extend(TWINS.iter().map(|(twin, _)| *twin));
    for operation in FOR_BROWSERS {
        assert!(described.contains(*operation), "the API has no `{operation}` any more");
    }
    known.extend(FOR_BROWSERS);
    // HEAD is a GET without its body.
    let forgotten = described.iter().filter(|operation| !known.contains(operation.replace("head ", "get ").as_str()));
    let forgotten: Vec<_> = forgotten.collect();
    assert!(forgotten.is_empty(), "no method of the client does {forgotten:#?}");
}
