//! Several nodes and several lookup servers, each of which is killed and comes back.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::{Duration, Instant},
};

use gaffer_tests::{Daemon, Setup, http, processes, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;

/// How often a node is asked for a sign of life. What is killed is noticed at once; what comes back, within half of it.
const PING_INTERVAL: u64 = 6;

pub(super) fn lookupd(address: Option<SocketAddr>) -> Daemon {
    let setup = Setup::lookupd().args(&format!("--ping-interval {PING_INTERVAL}"));
    match address {
        None => setup.start(),
        Some(address) => setup.own_endpoints().args(&format!("--bind {address}")).start(),
    }
}

pub(super) fn node(name: &str, ini: &str, servers: &[SocketAddr], address: Option<SocketAddr>) -> Daemon {
    let mut setup = Setup::new().ini(ini).args(&format!("--node-name {name}"));
    for server in servers {
        setup = setup.args(&format!("--lookupd-address http://{server}"));
    }
    match address {
        None => setup.start(),
        Some(address) => setup.own_endpoints().args(&format!("--bind {address}")).start(),
    }
}

/// Kills it as nobody can prevent, and what it leaves.
pub(super) fn kill(mut daemon: Daemon) -> SocketAddr {
    daemon.signal(Signal::SIGKILL);
    let _killed = daemon.wait();
    daemon.descendants().into_iter().for_each(|pid| processes::signal(pid, Signal::SIGKILL));
    wait_until("nothing of it is left", || match daemon.descendants().as_slice() {
        [] => Ok(()),
        left => Err(format!("{left:?}")),
    });
    daemon.address()
}

/// By origin, the jobs and the processes of all of them.
type Truth = BTreeMap<String, (BTreeSet<String>, BTreeSet<u64>)>;

/// What nodes say of themselves.
fn truth(nodes: &[&Daemon]) -> Truth {
    let texts = |value: &Value| value.as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect();
    let numbers = |value: &Value| value.as_array().unwrap().iter().map(|it| it.as_u64().unwrap()).collect();
    let of_node = |node: &&Daemon| {
        let (jobs, pids) = (texts(&node.get("/jobs")["jobs"]), numbers(&node.get("/pids")["pids"]));
        (format!("http://{}", node.address()), (jobs, pids))
    };
    nodes.iter().map(of_node).collect()
}

/// What a server says of them.
fn told(lookupd: &Daemon) -> Truth {
    let mut told = Truth::new();
    for node in lookupd.get("/nodes")["nodes"].as_array().unwrap() {
        told.insert(node["origin"].as_str().unwrap().to_owned(), Default::default());
    }
    for job in lookupd.get("/jobs")["jobs"].as_array().unwrap() {
        for source in job["sources"].as_array().unwrap() {
            let node = told.entry(source["node_info"]["origin"].as_str().unwrap().to_owned()).or_default();
            node.0.insert(job["name"].as_str().unwrap().to_owned());
            node.1.extend(source["pids"].as_array().unwrap().iter().map(|pid| pid.as_u64().unwrap()));
        }
    }
    told
}

#[track_caller]
pub(super) fn until_true(lookupds: &[&Daemon], nodes: &[&Daemon]) {
    let begun = Instant::now();
    for lookupd in lookupds {
        wait_until("a lookup server tells the truth", || {
            let (told, truth) = (told(lookupd), truth(nodes));
            if told == truth { Ok(()) } else { Err(format!("{told:?} instead of {truth:?}")) }
        });
    }
    // What is promised; it takes half of one interval at most, and this is four times that.
    assert!(begun.elapsed() < Duration::from_secs(2 * PING_INTERVAL), "it took {:?}", begun.elapsed());
}

const JOBS: &str =
    "[process:web]\ncmd = misbehave forever\nnumprocesses = 2\n[process:shop:db]\ncmd = misbehave forever\n";

#[test]
fn whoever_is_killed_and_comes_back_every_server_tells_the_truth() {
    let (first, second) = (lookupd(None), lookupd(None));
    let servers = [first.address(), second.address()];
    let name = |number: usize| format!("n{number}");
    let mut nodes: Vec<Daemon> = (0..3).map(|number| node(&name(number), JOBS, &servers, None)).collect();
    nodes.iter().for_each(|node| drop(node.until_running("web", 2)));
    until_true(&[&first, &second], &nodes.iter().collect::<Vec<_>>());

    for number in 0..3 {
        let address = kill(nodes.remove(number));
        until_true(&[&first, &second], &nodes.iter().collect::<Vec<_>>());
        nodes.insert(number, node(&name(number), JOBS, &servers, Some(address)));
        nodes[number].until_running("web", 2);
        until_true(&[&first, &second], &nodes.iter().collect::<Vec<_>>());
    }

    let address = kill(first);
    // What happens while a server is away.
    nodes[0].post("/processes/web/_add/1");
    nodes[1].delete("/processes/shop.db");
    nodes[2].post_body("/processes", r#"{"name": "late", "cmd": "misbehave forever"}"#);
    nodes[0].until_running("web", 3);
    nodes[2].until_running("late", 1);
    let all: Vec<&Daemon> = nodes.iter().collect();
    until_true(&[&second], &all);
    let first = lookupd(Some(address));
    until_true(&[&first, &second], &all);
    let address = kill(second);
    let second = lookupd(Some(address));
    until_true(&[&first, &second], &all);

    // All servers at once; nodes go on as if nothing were.
    let addresses = [kill(first), kill(second)];
    nodes[0].post("/processes/web/_sub/2");
    nodes[0].until_running("web", 1);
    let [first, second] = addresses.map(|address| lookupd(Some(address)));
    until_true(&[&first, &second], &nodes.iter().collect::<Vec<_>>());

    // One that is stopped is gone at once, and so its jobs.
    let mut last = nodes.pop().unwrap();
    last.stop();
    until_true(&[&first, &second], &nodes.iter().collect::<Vec<_>>());
}

#[test]
fn a_node_comes_up_and_works_whether_servers_are_there_or_not() {
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let node = node("n", JOBS, &[nowhere], None);
    node.until_running("web", 2);
    node.until_logged(&format!("cannot reach gaffer_lookupd at http://{nowhere}"));
    let lookupd = lookupd(Some(nowhere));
    until_true(&[&lookupd], &[&node]);
}

#[test]
fn servers_and_names_may_stand_in_the_configuration() {
    let (first, second) = (lookupd(None), lookupd(None));
    let ini = format!(
        "[gaffer]\nlookupd_address = http://{}\nlookupd_address_2 = http://{}\nnode_name = n 7\n\
         broadcast_address = https://n7.example:7000\n[process:web]\ncmd = misbehave forever\n",
        first.address(),
        second.address()
    );
    let node = Setup::new().ini(&ini).start();
    node.until_running("web", 1);
    for lookupd in [&first, &second] {
        wait_until("it is known", || {
            let nodes = lookupd.get("/nodes");
            let expected = serde_json::json!([{"name": "n 7", "origin": "https://n7.example:7000", "version": "0.1"}]);
            if nodes["nodes"] == expected { Ok(()) } else { Err(nodes) }
        });
        let found = http::request(lookupd.address(), "GET", "/findJob?name=web", None).json();
        assert_eq!(found["sources"][0]["name"], "n 7");
    }
}

#[test]
fn two_nodes_at_one_place_are_told_apart_and_the_second_says_why_it_is_not_let_in() {
    let lookupd = lookupd(None);
    let at = |port: &str| {
        let args =
            format!("--node-name n --broadcast-address http://n:{port} --lookupd-address http://{}", lookupd.address());
        Setup::new().ini("[process:web]\ncmd = misbehave forever\n").args(&args).start()
    };
    let mut first = at("1");
    first.until_logged("registered at the lookup server");
    let other = at("2");
    other.until_logged("registered at the lookup server");
    lookupd.until_logged("several nodes have this name");
    let nodes = lookupd.get("/nodes");
    assert_eq!(nodes["conflicts"], serde_json::json!([{"name": "n", "origins": ["http://n:1", "http://n:2"]}]));
    let twin = at("1");
    twin.until_logged("does not let this node in: another node is registered as `n` at http://n:1");
    lookupd.until_logged("a node is refused");
    first.stop();
    twin.until_logged("registered at the lookup server");
}
