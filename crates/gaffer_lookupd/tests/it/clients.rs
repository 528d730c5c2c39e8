//! The client library: nodes that register, and those who ask and watch.

use std::{net::SocketAddr, time::Duration};

use gaffer_client::{
    Client, Error,
    lookup::{Follower, Lookup, Told, Watch},
};
use gaffer_core::{JobName, api::lookup::Change};
use tokio::{net::TcpListener, time::timeout};

use crate::fixture::{DEADLINE, Lookupd, Managed, State, client, pings, state, until};

/// An address where nobody listens.
async fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

async fn until_as(lookup: &Lookup, nodes: &[&Managed]) {
    until("servers know what nodes have", async || {
        let mut expected = State::new();
        for node in nodes {
            expected.extend(node.state().await);
        }
        let found = state(lookup).await;
        if found == expected { Ok(()) } else { Err((found, expected)) }
    })
    .await;
}

fn name(text: &str) -> JobName {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_node_tells_what_it_has_and_each_change() {
    let lookupd = Lookupd::start(pings(15.0)).await;
    let node = Managed::start("a", &[lookupd.address]).await;
    let lookup = lookupd.lookup();
    node.load("s.x", 3).await;
    until_as(&lookup, &[&node]).await;
    node.load("web", 1).await;
    node.manager.scale(&name("s.x"), gaffer_core::supervisor::Scale::Set(1)).await.unwrap();
    until_as(&lookup, &[&node]).await;
    node.manager.restart_job(&name("web")).await.unwrap();
    let once = node.manager.commit(&name("web"), Default::default()).await.unwrap();
    until_as(&lookup, &[&node]).await;
    assert!(state(&lookup).await[&("a".to_owned(), "default.web".to_owned())].contains(&once.get()));
    node.manager.unload(&name("s.x")).await.unwrap();
    until_as(&lookup, &[&node]).await;
    node.manager.stop().await;
    until_as(&lookup, &[]).await;
    lookupd.stop().await;
}

#[tokio::test]
async fn a_server_that_comes_back_is_told_everything_and_a_dead_one_disturbs_nobody() {
    let (lookupd, dead) = (Lookupd::start(pings(0.4)).await, nowhere().await);
    let address = lookupd.address;
    let node = Managed::start("a", &[dead, address]).await;
    node.load("s.x", 2).await;
    until_as(&lookupd.lookup(), &[&node]).await;
    lookupd.stop().await;
    node.load("s.y", 1).await;
    let lookupd = Lookupd::start_at(address, pings(0.4)).await;
    until_as(&lookupd.lookup(), &[&node]).await;
    let reports = node.reports.lock().unwrap().clone();
    let of = |text: &str| reports.iter().filter(|report| report.contains(text)).count();
    assert_eq!(of(&format!("registered at the lookup server http://{address}")), 2, "{reports:?}");
    assert_eq!(of(&format!("cannot reach gaffer_lookupd at http://{dead}")), 1, "told once: {reports:?}");
    node.manager.stop().await;
    lookupd.stop().await;
}

#[tokio::test]
async fn events_that_were_missed_are_made_up_for() {
    let lookupd = Lookupd::start(pings(15.0)).await;
    // Two events may wait: most of a burst is lost.
    let node = Managed::start_with("a", &[lookupd.address], 2).await;
    let lookup = lookupd.lookup();
    for round in 0..5 {
        for job in 0..20 {
            node.load(&format!("s{round}.x{job}"), 3).await;
        }
        for job in 0..10 {
            node.manager.unload(&name(&format!("s{round}.x{job}"))).await.unwrap();
        }
        until_as(&lookup, &[&node]).await;
    }
    node.manager.stop().await;
    lookupd.stop().await;
}

#[tokio::test]
async fn a_node_that_is_refused_says_so_and_comes_when_its_place_is_free() {
    let lookupd = Lookupd::start(pings(0.4)).await;
    let first = Managed::start("a", &[lookupd.address]).await;
    first.load("s.x", 1).await;
    until_as(&lookupd.lookup(), &[&first]).await;
    let second = Managed::start("a", &[lookupd.address]).await;
    until("it is refused", async || {
        let reports = second.reports.lock().unwrap().clone();
        if reports.iter().any(|report| report.contains("another node is registered as `a` at http://a")) {
            Ok(())
        } else {
            Err(reports)
        }
    })
    .await;
    until_as(&lookupd.lookup(), &[&first]).await;
    first.manager.stop().await;
    second.load("s.y", 1).await;
    until_as(&lookupd.lookup(), &[&second]).await;
    second.manager.stop().await;
    lookupd.stop().await;
}

#[tokio::test]
async fn several_servers_are_asked_as_one_and_those_that_are_away_are_named() {
    let (one, other) = (Lookupd::start(pings(15.0)).await, Lookupd::start(pings(15.0)).await);
    let dead = nowhere().await;
    // One that takes connections and says nothing.
    let hung = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hung_address = hung.local_addr().unwrap();
    let (a, b) = (Managed::start("a", &[one.address]).await, Managed::start("b", &[one.address, other.address]).await);
    a.load("s.x", 1).await;
    b.load("s.x", 2).await;
    until_as(&one.lookup(), &[&a, &b]).await;
    until_as(&other.lookup(), &[&b]).await;
    let lookup = Lookup::new([dead, one.address, hung_address, other.address].map(client));
    let begun = std::time::Instant::now();
    let found = lookup.job("s/x").await.unwrap();
    assert!(begun.elapsed() < DEADLINE / 2, "a server that hangs is not waited for as long as it may take");
    let names: Vec<&str> = found.value.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let silent: Vec<String> = found.silent.iter().map(ToString::to_string).collect();
    assert_eq!(silent.len(), 2, "{silent:?}");
    assert!(silent[0].starts_with(&format!("cannot reach gaffer_lookupd at http://{dead}: ")), "{silent:?}");
    assert!(silent[1].contains(&hung_address.to_string()), "{silent:?}");
    let sessions = lookup.sessions(Some("a")).await.unwrap().value;
    assert_eq!((sessions.len(), sessions[0].jobs["s.x"].len()), (1, 1));
    assert_eq!(lookup.session(&"s".parse().unwrap()).await.unwrap().value.len(), 1);
    assert_eq!(lookup.nodes().await.unwrap().value.nodes.len(), 2);
    let nobody = Lookup::new([client(dead)]).jobs().await.unwrap_err();
    assert!(nobody.to_string().starts_with("cannot reach gaffer_lookupd at"), "{nobody}");
    for node in [a, b] {
        node.manager.stop().await;
    }
    one.stop().await;
    other.stop().await;
}

/// The next changes, in few words.
async fn changes(watch: &mut Watch, number: usize) -> Vec<String> {
    let mut heard = Vec::new();
    while heard.len() < number {
        match timeout(DEADLINE, watch.next()).await.expect("a change").unwrap() {
            Told::Change(Change::AddNode(_) | Change::Lost { .. }) => {}
            Told::Change(Change::Identify(node)) => heard.push(format!("+{}", node.name)),
            Told::Change(Change::RemoveNode(node)) => heard.push(format!("-{}", node.name)),
            Told::Change(Change::AddJob { node, job_name }) => heard.push(format!("+{} {job_name}", node.name)),
            Told::Change(Change::RemoveJob { node, job_name }) => heard.push(format!("-{} {job_name}", node.name)),
            Told::Change(Change::AddProcess { node, job_name, pid }) => {
                heard.push(format!("+{} {job_name} {pid}", node.name));
            }
            Told::Change(Change::RemoveProcess { node, job_name, pid }) => {
                heard.push(format!("-{} {job_name} {pid}", node.name));
            }
            Told::Lost(_) => heard.push("lost".to_owned()),
            Told::Back(_) => heard.push("back".to_owned()),
        }
    }
    heard
}

#[tokio::test]
async fn who_watches_two_servers_hears_each_change_once() {
    let (one, other) = (Lookupd::start(pings(0.4)).await, Lookupd::start(pings(0.4)).await);
    let addresses = [one.address, other.address];
    let lookup = Lookup::new(addresses.map(client));
    let node = Managed::start("a", &addresses).await;
    node.load("s.x", 1).await;
    until_as(&one.lookup(), &[&node]).await;
    until_as(&other.lookup(), &[&node]).await;
    let mut watch = lookup.watch_all();
    assert_eq!(changes(&mut watch, 3).await, ["+a", "+a s.x", "+a s.x 1"]);
    node.load("s.y", 1).await;
    assert_eq!(changes(&mut watch, 2).await, ["+a s.y", "+a s.y 2"]);
    one.stop().await;
    assert_eq!(changes(&mut watch, 1).await, ["lost"]);
    node.manager.unload(&name("s.x")).await.unwrap();
    assert_eq!(changes(&mut watch, 1).await, ["-a s.x"]);
    let one = Lookupd::start_at(addresses[0], pings(0.4)).await;
    assert_eq!(changes(&mut watch, 1).await, ["back"]);
    until_as(&one.lookup(), &[&node]).await;
    node.manager.stop().await;
    let mut last = changes(&mut watch, 2).await;
    last.retain(|change| change != "-a s.y 2");
    assert_eq!(last.first().map_or("-a", String::as_str), "-a");
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn when_all_servers_are_away_nothing_is_taken_for_gone() {
    let lookupd = Lookupd::start(pings(0.4)).await;
    let address = lookupd.address;
    let node = Managed::start("a", &[address]).await;
    node.load("s.x", 1).await;
    let lookup = lookupd.lookup();
    until_as(&lookup, &[&node]).await;
    let mut watch = lookup.watch_all();
    assert_eq!(changes(&mut watch, 3).await, ["+a", "+a s.x", "+a s.x 1"]);
    lookupd.stop().await;
    assert_eq!(changes(&mut watch, 1).await, ["lost"]);
    let lookupd = Lookupd::start_at(address, pings(0.4)).await;
    assert_eq!(changes(&mut watch, 1).await, ["back"]);
    until_as(&lookup, &[&node]).await;
    node.load("s.y", 0).await;
    assert_eq!(changes(&mut watch, 1).await, ["+a s.y"], "nothing came or went before");
    node.manager.stop().await;
    lookupd.stop().await;
}

#[tokio::test]
async fn a_job_is_followed_from_node_to_node() {
    let lookupd = Lookupd::start(pings(15.0)).await;
    let job = name("s.x");
    // Nodes are `http://a` and `http://b`, where nobody is: who has the job is all that is asked here.
    let mut follower: Follower = lookupd.lookup().follow(&job, Client::new);
    assert!(timeout(Duration::from_millis(50), follower.client()).await.is_err(), "nobody has it");
    let (a, b) = (Managed::start("a", &[lookupd.address]).await, Managed::start("b", &[lookupd.address]).await);
    b.load("s.x", 1).await;
    assert_eq!(follower.client().await.unwrap().endpoint().to_string(), "http://b:80");
    a.load("s.x", 1).await;
    until_as(&lookupd.lookup(), &[&a, &b]).await;
    assert_eq!(follower.client().await.unwrap().endpoint().to_string(), "http://b:80", "it stays");
    b.manager.unload(&job).await.unwrap();
    timeout(DEADLINE, follower.moved()).await.expect("it has moved");
    assert_eq!(follower.client().await.unwrap().endpoint().to_string(), "http://a:80");
    assert_eq!(follower.node().unwrap().name, "a");
    // A call that finds the node gone is made again where the job is then.
    b.load("s.x", 1).await;
    until_as(&lookupd.lookup(), &[&a, &b]).await;
    let mut calls = Vec::new();
    let called = follower.call(async |client: Client| {
        calls.push(client.endpoint().to_string());
        if calls.len() == 1 {
            a.manager.stop().await;
            // As of a node that is gone.
            return Client::new(&format!("http://{}", nowhere().await).parse().unwrap())?.ping().await;
        }
        Ok(())
    });
    timeout(DEADLINE, called).await.unwrap().unwrap();
    assert_eq!(calls, ["http://a:80", "http://b:80"]);
    let failed = follower.call(async |_| Err::<(), _>(Error::InvalidKey)).await;
    assert!(matches!(failed, Err(Error::InvalidKey)), "what another node would say as well is told");
    // One that is there, but out of reach: the next is called at once.
    let c = Managed::start("c", &[lookupd.address]).await;
    c.load("s.x", 1).await;
    until_as(&lookupd.lookup(), &[&b, &c]).await;
    let mut called = Vec::new();
    let answered = follower.call(async |client: Client| {
        called.push(client.endpoint().to_string());
        if called.len() == 1 {
            return Client::new(&format!("http://{}", nowhere().await).parse().unwrap())?.ping().await;
        }
        Ok(())
    });
    timeout(DEADLINE, answered).await.unwrap().unwrap();
    assert_eq!(called, ["http://b:80", "http://c:80"]);
    c.manager.stop().await;
    b.manager.stop().await;
    lookupd.stop().await;
}
