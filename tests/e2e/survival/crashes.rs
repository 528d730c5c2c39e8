//! gafferd is killed at any moment, again and again: what it has acknowledged is there, and nothing runs twice.

use std::{
    collections::BTreeMap,
    hint,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use gaffer_tests::{Setup, full_scale, http};
use serde_json::json;

use super::{standing, until_nothing_runs_twice};

/// Numbers that look random, and are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// How a job stands, as far as is known: whether it is to run, and its number.
type Standing = Option<(bool, u64)>;

/// What one client has asked for, about a job that is its own.
#[derive(Default)]
struct Client {
    /// As was acknowledged.
    known: Standing,
    /// As it is if what was not acknowledged was done all the same.
    maybe: Option<Standing>,
}

impl Client {
    /// Asks for something, until gafferd is gone.
    fn act(&mut self, address: SocketAddr, name: &str, random: &mut Random) -> bool {
        let (method, path, body, then) = match (self.known, random.below(6)) {
            (None, _) => {
                let job = json!({"name": name, "cmd": "misbehave forever", "numprocesses": 1}).to_string();
                ("POST", "/processes".to_owned(), Some(job), Some((true, 1)))
            }
            (Some((_, number)), 0) => ("POST", format!("/processes/{name}/_stop"), None, Some((false, number))),
            (Some((_, number)), 1) => ("POST", format!("/processes/{name}/_start"), None, Some((true, number))),
            (Some((started, number)), 2) if number < 3 => {
                ("POST", format!("/processes/{name}/_add/1"), None, Some((started, number + 1)))
            }
            (Some((started, number)), 3) if number > 0 => {
                ("POST", format!("/processes/{name}/_sub/1"), None, Some((started, number - 1)))
            }
            (Some((started, number)), 4) => {
                let job = json!({"cmd": "misbehave forever", "numprocesses": 1, "graceful_timeout": 7, "start": false});
                ("PUT", format!("/processes/{name}"), Some(job.to_string()), Some((started, number)))
            }
            (Some(_), _) => ("DELETE", format!("/processes/{name}"), None, None),
        };
        match http::request_of_mortal(address, method, &path, body.as_deref().map(str::as_bytes)) {
            Some(answer) if answer.status == 200 => {
                self.known = then;
                true
            }
            Some(answer) => panic!("{method} {path}: {answer}"),
            None => {
                self.maybe = Some(then);
                false
            }
        }
    }
}

#[test]
fn what_was_acknowledged_is_there_after_any_crash_and_nothing_runs_twice() {
    let rounds = if full_scale() { 100 } else { 8 };
    let mut daemon = Setup::new().ini("[process:fixed]\ncmd = misbehave forever\nnumprocesses = 2\n").start();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut clients: BTreeMap<String, Client> =
        (0..4).map(|number| (format!("job{number}"), Client::default())).collect();
    for round in 0..rounds {
        let address = daemon.address();
        let (enough, turns) = (random.below(40), random.below(2_000_000));
        let seeds: Vec<u64> = clients.keys().map(|_| random.below(u64::MAX) | 1).collect();
        let done = AtomicU64::new(0);
        thread::scope(|scope| {
            for ((name, client), seed) in clients.iter_mut().zip(seeds) {
                let done = &done;
                scope.spawn(move || {
                    let mut random = Random(seed);
                    while client.act(address, name, &mut random) {
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            while done.load(Ordering::Relaxed) < enough {
                thread::yield_now();
            }
            // Not always just when something was acknowledged.
            (0..turns).for_each(|_| hint::spin_loop());
            daemon.kill();
        });
        daemon.start_again();
        let stands = standing(&daemon);
        let mut expected = 2;
        for (name, client) in &mut clients {
            let is = stands.get(name).copied();
            let may_be = [Some(client.known), client.maybe.take()];
            assert!(may_be.contains(&Some(is)), "round {round}: {name} stands as {is:?}, and not as one of {may_be:?}");
            client.known = is;
            expected += is.filter(|(started, _)| *started).map_or(0, |(_, number)| number as usize);
        }
        until_nothing_runs_twice(&daemon, expected);
    }
    daemon.stop();
}
