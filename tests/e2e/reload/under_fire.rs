//! Configurations that change again and again, good and bad ones, while jobs crash and clients do what they like.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use gaffer_tests::{Daemon, Setup, full_scale, heavy, http, wait_until};
use serde_json::{Value, json};

/// Numbers that look random, and are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }
}

/// A job as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Job {
    cmd: String,
    number: usize,
    priority: usize,
}

impl Job {
    fn any(random: &mut Random) -> Self {
        // A few crash all the time.
        let cmd = if random.below(20) == 0 { "misbehave exit 1" } else { "misbehave forever" };
        Self { cmd: format!("{cmd} {}", random.below(3)), number: random.below(3), priority: random.below(5) }
    }

    fn is_steady(&self) -> bool {
        self.cmd.contains("forever")
    }
}

type Jobs = BTreeMap<String, Job>;

fn text(jobs: &Jobs) -> String {
    let mut text = String::new();
    for (name, Job { cmd, number, priority }) in jobs {
        writeln!(
            text,
            "[process:{name}]\ncmd = {cmd}\nnumprocesses = {number}\npriority = {priority}\ngraceful_timeout = 5"
        )
        .unwrap();
    }
    text
}

/// Changes some jobs.
fn edit(jobs: &mut Jobs, random: &mut Random, names: usize) {
    for _ in 0..1 + random.below(6) {
        let name = format!("job{}", random.below(names));
        match (random.below(5), jobs.get_mut(&name)) {
            (0, Some(_)) => drop(jobs.remove(&name)),
            (1, Some(job)) => job.number = random.below(3),
            (2, Some(job)) => job.priority = random.below(5),
            _ => drop(jobs.insert(name, Job::any(random))),
        }
    }
}

/// A text with a mistake.
fn spoil(text: &str, random: &mut Random) -> String {
    let mistakes = [
        "[process:bad]\nnumprocesses = 1\n",
        "[process:bad]\ncmd = x\nflaping = 1\n",
        "[bad\n",
        "[endpoint:x]\nbind = a:b:c\n",
    ];
    format!("{text}{}", mistakes[random.below(mistakes.len())])
}

/// Configuration, number and pids of each job that the file may have.
fn live(daemon: &Daemon) -> BTreeMap<String, Value> {
    let jobs = daemon.get("/status")["jobs"].as_array().unwrap().clone();
    let named = jobs.into_iter().map(|job| (job["name"].as_str().unwrap().to_owned(), job));
    named.filter(|(name, _)| name.starts_with("job")).collect()
}

#[test]
fn the_node_is_as_the_last_good_configuration_says_and_what_did_not_change_goes_on() {
    let _alone = heavy();
    let (names, rounds) = if full_scale() { (200, 500) } else { (60, 40) };
    let mut random = Random(0x5eed_1234_5678_9abc);
    let mut jobs: Jobs = (0..names).map(|number| (format!("job{number}"), Job::any(&mut random))).collect();
    let mut daemon = Setup::new().ini(&text(&jobs)).start();
    daemon.post_body("/processes", json!({"name": "theirs", "cmd": "misbehave forever"}));
    let is_over = AtomicBool::new(false);
    let address = daemon.address();
    thread::scope(|scope| {
        // Somebody who does what the file has no say in: to a job of their own, and looks at all.
        scope.spawn(|| {
            let mut turn = 0;
            while !is_over.load(Ordering::Relaxed) {
                turn += 1;
                let (method, path) = match turn % 4 {
                    0 => ("POST", "/processes/theirs/_restart"),
                    1 => ("POST", "/processes/theirs/_add/1"),
                    2 => ("POST", "/processes/theirs/_sub/1"),
                    _ => ("GET", "/status"),
                };
                let answer = http::request(address, method, path, None);
                assert!([200, 409].contains(&answer.status), "{method} {path}: {answer}");
            }
        });
        let mut pids: BTreeMap<String, Value> = BTreeMap::new();
        for round in 0..rounds {
            let before = jobs.clone();
            if random.below(4) == 0 {
                daemon.setup().file("gaffer.ini", &spoil(&text(&jobs), &mut random));
                assert_eq!(daemon.request("POST", "/_reload", None).status, 422, "round {round}");
            } else {
                edit(&mut jobs, &mut random, names);
                daemon.setup().file("gaffer.ini", &text(&jobs));
                let told = daemon.post("/_reload");
                // One that crashes at once may do so before its siblings are launched: then it is as it was, and next time once more.
                for failed in told["failed"].as_array().into_iter().flatten() {
                    let name = failed["name"].as_str().unwrap().trim_start_matches("default.").to_owned();
                    assert!(!jobs[&name].is_steady(), "round {round}: {failed}");
                    match before.get(&name) {
                        Some(job) => jobs.insert(name, job.clone()),
                        None => panic!("round {round}: {failed}"),
                    };
                }
            }
            let now = live(&daemon);
            assert_eq!(now.keys().collect::<Vec<_>>(), jobs.keys().collect::<Vec<_>>(), "round {round}");
            for (name, job) in &jobs {
                assert_eq!(now[name]["max_processes"], job.number, "round {round}: {name}");
                let is_same = before.get(name).is_some_and(|old| (&old.cmd, old.number) == (&job.cmd, job.number));
                if let Some(pids) = pids.get(name).filter(|_| is_same && job.is_steady()) {
                    assert_eq!(&now[name]["pids"], pids, "round {round}: {name} did not change");
                }
            }
            // What is still on its way is looked at in the next round.
            let settled =
                now.iter().filter(|(name, status)| status["pids"].as_array().unwrap().len() == jobs[*name].number);
            pids = settled.map(|(name, status)| (name.clone(), status["pids"].clone())).collect();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    for (name, job) in &jobs {
        let config = daemon.get(&format!("/processes/{name}"));
        assert_eq!((&config["cmd"], &config["priority"]), (&json!(job.cmd), &json!(job.priority)), "{name}");
    }
    wait_until("all steady ones run", || {
        let now = live(&daemon);
        let lacks = |(name, job): (&String, &Job)| {
            (job.is_steady() && now[name]["running"] != job.number).then(|| now[name].to_string())
        };
        match jobs.iter().find_map(lacks) {
            None => Ok(()),
            Some(lacks) => Err(lacks),
        }
    });
    daemon.stop();
}
