//! The original's node, client and lookup server, 0.5.2, each beside ours of the other.

use std::{
    fs,
    io::Write,
    net::{TcpListener, TcpStream},
};

use gaffer_tests::{Client, Daemon, Environment, RunningClient, Setup, http, wait_until};
use nix::sys::signal::Signal;
use serde_json::json;

use super::fleet::{lookupd, until_true};

const APPLICATION: &str = "web: sleep 1000\n";

/// A port that was free a moment ago. The original does not say where it listens.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The original's node, in a folder of its own.
struct OriginalNode {
    running: RunningClient,
    port: u16,
}

impl OriginalNode {
    fn start(beside: &Daemon, lookupd: &str) -> Option<Self> {
        let port = port();
        let (bind, origin) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}"));
        fs::create_dir_all(beside.path("original")).unwrap();
        let program = Client::of(beside, Environment::Gaffer05, "gafferd")?;
        let options = ["-c", "original", "--bind", &bind, "--lookupd-address", lookupd, "--broadcast-address", &origin];
        let running = program.start(&options);
        wait_until("the original answers", || {
            let answer =
                std::panic::catch_unwind(|| http::request(([127, 0, 0, 1], port).into(), "GET", "/ping", None));
            answer.map(drop).map_err(|_| "nobody")
        });
        Some(Self { running, port })
    }

    /// Ends it, once its jobs are.
    fn end(self) {
        self.running.signal(Signal::SIGTERM);
        drop(self.running.wait());
    }
}

#[test]
fn the_original_s_node_registers_here_and_its_client_reads_what_ours_and_it_have() {
    let lookupd = lookupd(None);
    let address = format!("http://{}", lookupd.address());
    let args = format!("--lookupd-address {address} --node-name ours");
    let ini = "[process:shop:db]\ncmd = misbehave forever\nnumprocesses = 2\n";
    let ours = Setup::new().ini(ini).args(&args).start();
    ours.until_running("shop.db", 2);
    let Some(theirs) = OriginalNode::start(&ours, &address) else { return };
    let folder = ours.path("shop");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("Procfile"), APPLICATION).unwrap();
    let url = format!("http://127.0.0.1:{}", theirs.port);
    let gaffer = Client::of(&ours, Environment::Gaffer05, "gaffer").unwrap().within(&folder);
    gaffer.prints(&["-g", &url, "load"]);
    let sources = |job: &str| lookupd.get(&format!("/findJob?name={job}"))["sources"].clone();
    wait_until("the original's job is known", || {
        let found = sources("shop.web");
        if found[0]["pids"].as_array().is_some_and(|pids| pids.len() == 1) { Ok(()) } else { Err(found) }
    });
    assert_eq!(sources("shop.web")[0]["node_info"]["origin"], url);

    // What the original's client prints, and ours in its words.
    let nodes = gaffer.prints(&["lookup:nodes", "-L", &address]);
    assert!(nodes.starts_with("2 node(s) found\n"), "{nodes}");
    assert!(nodes.contains(&format!("http://{} - ours (protocol: 0.1)", ours.address())), "{nodes}");
    assert!(nodes.contains(&format!("{url} - ")), "{nodes}");
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(|line| line.trim_end().to_owned()).collect();
        lines.sort_unstable();
        lines
    };
    let own = Client::ours(&ours, "gaffer").within(&folder);
    for words in [
        &["lookup:nodes"][..],
        &["lookup:jobs"],
        &["lookup:sessions"],
        &["lookup:sessions", "ours"],
        &["lookup:session", "shop"],
        &["lookup:job", "shop.db"],
        &["lookup:job", "shop.web"],
    ] {
        let line = [words, &["-L", &address]].concat();
        assert_eq!(sorted(&own.prints(&line)), sorted(&gaffer.prints(&line)), "{words:?}");
    }

    gaffer.prints(&["-g", &url, "unload", "--no-input"]);
    wait_until("the original's job is gone", || {
        let found = sources("shop.web");
        if found == json!([]) { Ok(()) } else { Err(found) }
    });
    theirs.end();
    until_true(&[&lookupd], &[&ours]);
}

#[test]
fn our_node_registers_at_the_original_s_server() {
    let daemon = Daemon::start("");
    let port = port();
    let address = format!("http://127.0.0.1:{port}");
    let Some(program) = Client::of(&daemon, Environment::Gaffer05, "gaffer_lookupd") else { return };
    let server = program.start(&["--bind", &format!("127.0.0.1:{port}")]);
    let args = format!("--lookupd-address {address} --node-name ours");
    let node = Setup::new().ini("[process:web]\ncmd = misbehave forever\nnumprocesses = 2\n").args(&args).start();
    node.until_logged(&format!("registered at the lookup server {address}"));
    let find = || http::request(([127, 0, 0, 1], port).into(), "GET", "/findJob?name=default.web", None).json();
    let until_pids = |pids: &[u64]| {
        wait_until("the original knows it", || {
            let found = find();
            if found["sources"][0]["pids"] == json!(pids) { Ok(()) } else { Err(found) }
        });
    };
    let pids = node.until_running("web", 2);
    until_pids(&pids);
    node.post("/processes/web/_add/1");
    let pids = node.until_running("web", 3);
    until_pids(&pids);

    // Our client reads it, also while somebody is connected who does not say who it is, whom the original lists.
    let mut idle = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let upgrade = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    idle.write_all(upgrade.as_bytes()).unwrap();
    wait_until("the original lists it", || {
        let nodes = http::request(([127, 0, 0, 1], port).into(), "GET", "/nodes", None).json();
        if nodes["nodes"].as_array().is_some_and(|nodes| nodes.len() == 2) { Ok(()) } else { Err(nodes) }
    });
    let gaffer = Client::ours(&node, "gaffer");
    let expected = format!("1 node(s) found\n\nhttp://{} - ours (protocol: 0.1)\n", node.address());
    assert_eq!(gaffer.prints(&["lookup:nodes", "-L", &address]), expected);
    let watching = gaffer.start(&["lookup", "-L", &address]);
    wait_until("changes are printed", || {
        node.post("/processes/web/_sub/1");
        node.post("/processes/web/_add/1");
        if watching.shown().contains("add_process | default.web: process id") { Ok(()) } else { Err(watching.shown()) }
    });
    drop(idle);
    server.signal(Signal::SIGTERM);
    drop(server.wait());
    node.until_logged("trying again");
}
