//! Webhooks of a gafferd: receivers good and bad, its ini file, its end and its next start.

mod receiver;

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use gaffer_tests::{Authority, Client, Daemon, Setup, repository, skip};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use self::receiver::Receiver;

/// Waits until what is known of the hook to this URL is as it should be.
fn until(daemon: &Daemon, url: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    daemon.until(&format!("{url} {what}"), || {
        let list = daemon.get("/webhooks");
        let mut hooks = list["webhooks"].as_array().unwrap().iter();
        let hook = hooks.find(|hook| hook["url"] == url).cloned().unwrap_or(list.clone());
        if is(&hook) { Ok(hook) } else { Err(list) }
    })
}

fn topics(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().unwrap()).collect()
}

#[test]
fn receivers_of_all_kinds_are_served_side_by_side_and_a_dead_one_ends_with_the_node() {
    let authority = Authority::new("hooks");
    let good = Receiver::start(|_| Some(200));
    let tls = Receiver::tls(&authority.issue(), |_| Some(204));
    let flapping = Receiver::start(|before| [None, Some(500), Some(200)][before % 3]);
    let broken = Receiver::start(|_| Some(500));
    // It takes connections, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let url = |receiver: &Receiver| format!("http://{}/", receiver.address);
    let (good_url, flapping_url, broken_url) = (url(&good), url(&flapping), url(&broken));
    let (silent_url, dead_url) = (format!("http://{}/", silent.local_addr().unwrap()), format!("http://{dead}/"));
    let tls_url = format!("https://localhost:{}/", tls.address.port());
    let setup = Setup::new();
    setup.file("ca.pem", &authority.pem());
    let ini = format!(
        "[webhooks]\nproc.web = {good_url}\n. = {dead_url}\nproc = {broken_url}\n\
         [webhook:tls]\nevents = spawn, exit\nurl = {tls_url}\ncacert = ca.pem\n\
         [webhook:flapping]\nevent = proc.web\nurl = {flapping_url}\n\
         [webhook:silent]\nurl = {silent_url}\ntimeout = 0.5\n\
         [process:web]\ncmd = misbehave forever\ngraceful_timeout = 5\n"
    );
    let mut daemon = setup.ini(&ini).start();
    daemon.until_running("web", 1);
    for _ in 0..3 {
        daemon.post("/processes/web/_stop");
        daemon.until_running("web", 0);
        daemon.post("/processes/web/_start");
        daemon.until_running("web", 1);
    }
    let spawned = ["proc.web.create", "proc.web.start", "proc.web.spawn"];
    let again = ["proc.web.stop", "proc.web.stop_pid", "proc.web.exit", "proc.web.start", "proc.web.spawn"];
    let expected = [&spawned[..], &again, &again, &again].concat();
    assert_eq!(topics(&good.until_taken(expected.len())), expected, "in the order in which it happened");
    assert_eq!(topics(&flapping.until_taken(expected.len())), expected, "whatever failed on the way");
    assert_eq!(topics(&tls.until_taken(7)), ["spawn", "exit", "spawn", "exit", "spawn", "exit", "spawn"]);
    until(&daemon, &flapping_url, "was tried again", |hook| {
        hook["delivered"] == expected.len() && hook["retried"].as_u64() >= Some(1) && hook["waiting"] == 0
    });
    let told = |hook: &Value| {
        ["delivered", "failed", "dropped", "waiting"].map(|key| hook[key].as_u64().unwrap()).iter().sum::<u64>()
    };
    let all = 2 * expected.len() as u64;
    for (url, number, problem) in [
        (&dead_url, all, "refused"),
        (&silent_url, all, "no answer within 0.5 s"),
        (&broken_url, expected.len() as u64, "the receiver answered 500 Internal Server Error"),
    ] {
        let hook = until(&daemon, url, "was told all", |hook| told(hook) == number && hook["last_error"].is_string());
        assert!(hook["last_error"].as_str().unwrap().contains(problem), "{hook}");
        assert_eq!(hook["delivered"], 0, "{hook}");
    }
    let log = daemon.log();
    let about_dead = log.iter().filter(|line| line.text.contains(&format!("to http://{dead}: ")));
    assert_eq!(about_dead.count(), 1, "told once, not at each attempt");

    daemon.stop();
    let log = daemon.log();
    assert!(log.iter().any(|line| line.text.contains("could not be delivered before the end")));
    assert_eq!(topics(&good.taken()).last(), Some(&"proc.web.exit"), "also what happened at the end");
}

#[test]
fn what_is_added_outlives_gafferd_where_it_keeps_a_state() {
    let good = Receiver::start(|_| Some(200));
    let ini =
        format!("[gaffer]\nrequire_key = true\nstate_dir = state\n[webhooks]\nflap = http://{}/ini\n", good.address);
    let setup = Setup::new().ini(&ini);
    let made = Setup::new()
        .cwd(&setup.path(""))
        .args("-c gaffer.ini --create-admin-user --username root --password secret")
        .run();
    let key = made.stdout.rsplit(' ').next().unwrap().trim().to_owned();
    let ctl =
        |daemon: &Daemon, args: &[&str]| Client::ours(daemon, "gafferctl").env("GAFFER_API_KEY", &key).prints(args);
    let list = |daemon: &Daemon| serde_json::from_str::<Value>(&ctl(daemon, &["webhooks", "--json"])).unwrap();
    let url = format!("http://{}/api", good.address);
    // Its folder is there as long as it is.
    let mut first = setup.start();
    let id = ctl(&first, &["add_webhook", "proc.web", &url, "--secret", "hush", "--timeout", "7"]);
    let before = list(&first);
    assert_eq!(before.as_array().unwrap().len(), 2);
    assert_eq!(first.request("GET", "/webhooks", None).status, 401);
    first.signal(Signal::SIGKILL);
    first.wait();

    let folder = first.path("");
    let mut second = Setup::new().cwd(&folder).args("-c gaffer.ini").start();
    let after = list(&second);
    assert_eq!(after, before, "what was acknowledged is kept");
    assert_eq!(
        (&after[1]["id"], &after[1]["signed"], &after[1]["timeout"]),
        (&json!(id.trim()), &json!(true), &json!(7.0))
    );
    ctl(&second, &["add_process", "web", "true"]);
    assert_eq!(topics(&good.until_taken(1)), ["proc.web.create"]);
    assert_eq!(ctl(&second, &["del_webhook", id.trim()]), "ok\n");
    second.stop();

    let third = Setup::new().cwd(&folder).args("-c gaffer.ini").start();
    assert_eq!(list(&third).as_array().unwrap().len(), 1);
}

#[test]
fn a_hook_that_is_of_no_use_keeps_gafferd_from_starting() {
    for (ini, told) in [
        ("[webhooks]\nexit = ftp://x\n", "gaffer.ini:2: [webhooks] exit: must be a URL that begins with"),
        (
            "[webhook:a]\nurl = https://x\ncacert = nothing.pem\n",
            "[webhook:a] cacert nothing.pem: No such file or directory",
        ),
    ] {
        let outcome = Setup::new().ini(ini).run();
        assert_eq!(outcome.code, Some(1));
        assert!(outcome.stderr.lines().any(|line| line.starts_with(told)), "{}", outcome.stderr);
    }
}

/// A program that is ended with the test.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn the_receiver_among_the_examples_checks_what_it_gets() {
    let started = Command::new("python3")
        .arg(repository().join("examples/webhook_receiver.py"))
        .args(["0", "open sesame"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut receiver) = started.map(Ending) else {
        skip("examples/webhook_receiver.py: there is no python3");
        return;
    };
    let mut lines = BufReader::new(receiver.0.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let url = first.strip_prefix("listening on ").unwrap_or_else(|| panic!("{first}"));
    let daemon = Daemon::start(&format!(
        "[webhook:signed]\nevents = proc\nurl = {url}/\nsecret = open sesame\n\
         [webhook:forged]\nevents = proc\nurl = {url}/forged\nsecret = open simsim\n\
         [process:web]\ncmd = misbehave forever\n"
    ));
    daemon.until_running("web", 1);
    let heard: Vec<String> = (0..3).map(|_| lines.next().unwrap().unwrap()).collect();
    assert_eq!(heard, ["proc.web.create web -", "proc.web.start web -", "proc.web.spawn web 1"]);
    let forged = until(&daemon, &format!("{url}/forged"), "is refused", |hook| hook["failed"] == 3);
    assert_eq!((&forged["last_status"], &forged["retried"]), (&json!(403), &json!(0)));
    until(&daemon, &format!("{url}/"), "is taken", |hook| hook["delivered"] == 3);
}

#[test]
fn hooks_come_and_go_with_the_configuration_and_those_that_stay_keep_their_counts() {
    let (first, second) = (Receiver::start(|_| Some(200)), Receiver::start(|_| Some(200)));
    let url = |receiver: &Receiver| format!("http://{}/", receiver.address);
    let web = "[process:web]\ncmd = misbehave forever\n";
    let mut daemon = Setup::new().ini(&format!("[webhooks]\nproc.web = {}\n{web}", url(&first))).start();
    first.until_taken(3);
    let ini =
        format!("[webhooks]\nproc.web = {}\n[webhook:more]\nurl = {}\nevents = stop\n{web}", url(&first), url(&second));
    daemon.setup().file("gaffer.ini", &ini);
    let told = daemon.post("/_reload");
    assert_eq!(told["webhooks"], json!({"added": ["more"], "removed": [], "changed": []}));
    daemon.post("/processes/web/_stop");
    assert_eq!(topics(&second.until_taken(1)), ["stop"]);
    until(&daemon, &url(&first), "has counted on", |hook| hook["delivered"] == 6);

    let hooks = daemon.get("/webhooks")["webhooks"].as_array().unwrap().len();
    daemon
        .setup()
        .file("gaffer.ini", &format!("{ini}[webhook:new]\nurl = https://127.0.0.1:1/\ncacert = nowhere.pem\n"));
    let refused = daemon.request("POST", "/_reload", None);
    assert_eq!(refused.status, 422, "{refused}");
    assert_eq!(daemon.get("/webhooks")["webhooks"].as_array().unwrap().len(), hooks);

    daemon.setup().file("gaffer.ini", web);
    assert_eq!(daemon.post("/_reload")["webhooks"]["removed"], json!(["job.default.web", "more"]));
    assert_eq!(daemon.get("/webhooks")["webhooks"], json!([]));
    daemon.stop();
}
