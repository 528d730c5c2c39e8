//! Nodes that come, go and flap, whose connections are cut at any byte, beside others that say what is stale and what was said before.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use gaffer_client::lookup::Told;
use gaffer_core::{api::lookup::Change, supervisor::Scale};
use serde_json::json;
use tokio::time::timeout;

use crate::{
    fixture::{DEADLINE, Lookupd, Managed, Node, State, pings, until},
    proxy::{Dice, Proxy},
};

/// Things that happen.
fn steps() -> u64 {
    if std::env::var_os("GAFFER_TEST_SCALE").is_some_and(|scale| scale == "full") { 4_000 } else { 400 }
}

/// Something happens to a node.
async fn happen(node: &Managed, dice: &mut Dice) {
    let name = format!("s{}.x{}", dice.below(2), dice.below(3));
    let job = name.parse().unwrap();
    // What makes no sense, as an unload of what is not loaded, is refused, and nothing happens.
    match dice.below(6) {
        0 | 1 => {
            let mut spec = gaffer_core::JobSpec::new(job, "run");
            spec.numprocesses = u32::try_from(dice.below(4)).unwrap();
            drop(node.manager.load(spec.check().unwrap()).await);
        }
        2 => drop(node.manager.unload(&job).await),
        3 => drop(node.manager.scale(&job, Scale::Set(u32::try_from(dice.below(5)).unwrap())).await),
        4 => drop(node.manager.restart_job(&job).await),
        _ => drop(node.manager.stop_job(&job).await),
    }
}

/// Says on a connection of its own what makes no sense any more, or never did, until it is cut off.
async fn nonsense(lookupd: &Lookupd, dice: &mut Dice) {
    let mut node = Node::connect(lookupd.address, "/ws").await;
    let name = format!("odd{}", dice.below(3));
    // It may be refused, as another is of this name: then the rest is as well.
    let _either_way = node.identify(&name, Some("odd")).await;
    for _ in 0..dice.below(20) {
        let job = format!("s0.x{}", dice.below(3));
        let kinds =
            ["REGISTER_JOB", "UNREGISTER_JOB", "REGISTER_PROCESS", "UNREGISTER_PROCESS", "SYNCED", "IDENTIFY", "?"];
        let kind = kinds[usize::try_from(dice.below(7)).unwrap()];
        let reply = node
            .ask(kind, json!({"job_name": job, "pid": dice.below(4), "name": "x", "origin": "x", "version": "x"}))
            .await;
        assert!(reply["ok"] == true || reply["errno"].is_u64(), "{reply}");
    }
}

#[tokio::test]
async fn whatever_is_cut_the_registry_ends_up_with_what_nodes_have() {
    let mut dice = Dice(0x5eed_1234_abcd);
    let lookupd = Lookupd::start(pings(0.5)).await;
    let mut proxies = Vec::new();
    let mut nodes = Vec::new();
    for number in 0..4 {
        let proxy = Proxy::start(lookupd.address, Dice(0x1000 + number)).await;
        nodes.push(Managed::start(&format!("n{number}"), &[proxy.address]).await);
        proxies.push(proxy);
    }
    let steady = Managed::start("steady", &[lookupd.address]).await;
    steady.load("s0.x0", 1).await;
    until("the steady one is there", async || {
        let state = lookupd.state().await;
        if state.contains_key(&("steady".to_owned(), "s0.x0".to_owned())) { Ok(()) } else { Err(state) }
    })
    .await;
    // Whose connection lives is never told to be gone.
    let mut watch = lookupd.lookup().watch();
    let watching = tokio::spawn(async move {
        let mut removed = BTreeSet::new();
        while let Some(told) = watch.next().await {
            match told {
                Told::Change(Change::RemoveNode(node)) if node.name == "end" => break,
                Told::Change(Change::RemoveNode(node)) => drop(removed.insert(node.name)),
                Told::Lost(lost) => panic!("{lost}"),
                Told::Change(_) | Told::Back(_) => {}
            }
        }
        removed
    });
    for step in 0..steps() {
        let which = usize::try_from(dice.below(6)).unwrap();
        match nodes.get(which) {
            Some(node) => happen(node, &mut dice).await,
            None if which == 4 => happen(&steady, &mut dice).await,
            None => nonsense(&lookupd, &mut dice).await,
        }
        if step % 10 == 9 {
            let cut = || proxies.iter().map(|proxy| proxy.cut.load(Ordering::Relaxed)).sum::<usize>();
            let before = cut();
            until("another connection was cut", async || if cut() > before { Ok(()) } else { Err(before) }).await;
        }
        if step % 50 == 49 {
            // A node ends, and another run of it comes.
            let place = usize::try_from(dice.below(4)).unwrap();
            let name = nodes[place].name.clone();
            nodes[place].manager.stop().await;
            nodes[place] = Managed::start(&name, &[proxies[place].address]).await;
        }
    }
    proxies.iter().for_each(Proxy::calm);
    nodes.push(steady);
    until("the registry is the union of what nodes have", async || {
        let mut expected = State::new();
        for node in &nodes {
            expected.extend(node.state().await);
        }
        let found = lookupd.state().await;
        if found == expected { Ok(()) } else { Err((found, expected)) }
    })
    .await;
    let names: Vec<String> =
        lookupd.lookup().nodes().await.unwrap().value.nodes.into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["n0", "n1", "n2", "n3", "steady"]);
    let mut end = lookupd.node().await;
    end.identify("end", None).await;
    drop(end);
    let removed = timeout(DEADLINE, watching).await.unwrap().unwrap();
    assert!(removed.contains("n0") && !removed.contains("steady"), "{removed:?}");
    for node in nodes {
        node.manager.stop().await;
    }
    lookupd.stop().await;
}
