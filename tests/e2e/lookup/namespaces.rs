//! Hosts with a cable between them that is cut: network namespaces, which take root.

use std::{
    process::{Command, Output},
    sync::atomic::{AtomicU32, Ordering},
};

use gaffer_tests::{Setup, binary, skip, wait_until};
use serde_json::Value;

/// Two hosts, and a cable.
struct Hosts {
    server: String,
    node: String,
}

fn ip(args: &str) -> Result<(), String> {
    let output = Command::new("ip").args(args.split(' ')).output().map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("ip {args}: {}", String::from_utf8_lossy(&output.stderr)))
    }
}

impl Hosts {
    fn new() -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let id = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let hosts = Self { server: format!("gs{id}"), node: format!("gn{id}") };
        let Self { server, node } = &hosts;
        for name in [server, node] {
            ip(&format!("netns add {name}"))?;
            ip(&format!("-n {name} link set lo up"))?;
        }
        ip(&format!("-n {server} link add eth0 type veth peer name eth0 netns {node}"))?;
        for (name, address) in [(server, "10.231.17.1/30"), (node, "10.231.17.2/30")] {
            ip(&format!("-n {name} address add {address} dev eth0"))?;
            ip(&format!("-n {name} link set eth0 up"))?;
        }
        Ok(hosts)
    }

    /// Pulls the cable, without a word to either side, or puts it back.
    fn cut(&self, is_cut: bool) {
        let state = if is_cut { "down" } else { "up" };
        // Of the other end each only sees that nothing arrives: the addresses stay.
        ip(&format!("-n {} link set eth0 {state}", self.node)).unwrap();
    }

    /// Runs a program on a host to its end.
    fn run(host: &str, program: &str, args: &[&str]) -> Output {
        let program = binary(program);
        Command::new("ip").args(["netns", "exec", host]).arg(program).args(args).output().unwrap()
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for name in [&self.server, &self.node] {
            // What was not made cannot be removed.
            drop(ip(&format!("netns del {name}")));
        }
    }
}

/// The port that a daemon says it listens at.
fn port(line: &str) -> &str {
    line.rsplit(':').next().unwrap().split([' ', '\u{1b}']).next().unwrap().trim()
}

#[test]
fn a_node_behind_a_cut_cable_is_gone_and_comes_back_with_all_that_happened_meanwhile() {
    let hosts = match Hosts::new() {
        Ok(hosts) => hosts,
        Err(why) => return skip(&format!("hosts with a cut cable between them: no network namespaces here: {why}")),
    };
    let lookupd =
        Setup::lookupd().in_namespace(&hosts.server).own_endpoints().args("--bind 0.0.0.0:0 --ping-interval 1");
    let lookupd = lookupd.start_without_http("listening on");
    let server = format!("http://10.231.17.1:{}", port(&lookupd.until_logged("listening on").text));
    let args =
        format!("--bind 0.0.0.0:0 --node-name far --broadcast-address http://10.231.17.2:1 --lookupd-address {server}");
    let node = Setup::new().ini("[process:web]\ncmd = misbehave forever\n").in_namespace(&hosts.node);
    let node = node.own_endpoints().args(&args).start_without_http("listening on");
    let at = format!("http://127.0.0.1:{}", port(&node.until_logged("listening on").text));

    let known = || -> Value {
        let output = Hosts::run(&hosts.server, "gaffer", &["lookup:jobs", "--json", "-L", &server]);
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    };
    let until = |what: &str, jobs: &[(&str, usize)]| {
        wait_until(what, || {
            let told = known();
            let jobs_told = told["jobs"].as_array().into_iter().flatten();
            let found = jobs_told.map(|job| {
                let pids = job["sources"][0]["pids"].as_array().map_or(0, Vec::len);
                (job["name"].as_str().unwrap_or_default(), pids)
            });
            if told["jobs"].is_array() && found.eq(jobs.iter().copied()) { Ok(()) } else { Err(told.to_string()) }
        });
    };
    until("the job is known", &[("default.web", 1)]);

    hosts.cut(true);
    until("nobody takes the node for there", &[]);
    node.until_logged("lost gaffer_lookupd at");
    for words in [&["add", "web", "2"][..], &["add_process", "--start", "late", "misbehave", "forever"]] {
        let output = Hosts::run(&hosts.node, "gafferctl", &[&["--connect", &at], words].concat());
        assert!(output.status.success(), "{output:?}");
    }
    until("still nobody", &[]);

    hosts.cut(false);
    until("it is known with what happened meanwhile", &[("default.late", 1), ("default.web", 3)]);
    // Short cuts, which nobody need notice, do no harm.
    for _ in 0..3 {
        hosts.cut(true);
        hosts.cut(false);
    }
    let output = Hosts::run(&hosts.node, "gafferctl", &["--connect", &at, "del_process", "late"]);
    assert!(output.status.success(), "{output:?}");
    until("it goes on", &[("default.web", 3)]);
}
