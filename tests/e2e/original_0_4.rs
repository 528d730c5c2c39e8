//! The programs and the library of gaffer 0.4.4, as they come from PyPI, against our gafferd.
//!
//! Left out is what cannot work for reasons of their own: `gafferctl update_process` sends the request of `add_process`, so
//! that every server answers with a conflict (the library's `update_process` is here); the two TLS options are declared
//! without a value; `gafferctl kill` with the *name* of a signal sends `Signals.SIGHUP` on a Python since 3.5; `gaffer scale`
//! fails with the name of a group, as do items without an operator.

use std::fs;

use gaffer_tests::{Client, Daemon, Environment, RunningClient, Setup};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

/// `gafferctl`, told where the node is.
fn gafferctl(daemon: &Daemon) -> Option<Client> {
    let connect = format!("--connect=http://{}", daemon.address());
    Some(Client::of(daemon, Environment::Gaffer04, "gafferctl")?.args([connect.as_str()]))
}

/// The tool for Procfiles, in a folder of the daemon's with such a file.
fn procfile_tool(daemon: &Daemon, folder: &str, procfile: &str) -> Option<Client> {
    let endpoint = format!("http://{}", daemon.address());
    let client = Client::of(daemon, Environment::Gaffer04, "gaffer")?;
    let folder = daemon.path(folder);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("Procfile"), procfile).unwrap();
    Some(client.within(&folder).args(["--endpoint", endpoint.as_str()]))
}

/// The library, driven by a program of ours.
fn library(daemon: &Daemon) -> Option<Client> {
    let url = format!("http://{}", daemon.address());
    Some(Client::driver(daemon, Environment::Gaffer04, "library_0_4.py")?.args([url.as_str()]))
}

#[test]
fn gafferctl_controls_a_job() {
    let daemon = Setup::new().start();
    let Some(ctl) = gafferctl(&daemon) else { return };
    assert_eq!(ctl.prints(&["processes"]), "[]\n");
    assert_eq!(ctl.prints(&["add_process", "--start", "w", "sleep 1000"]), "w\n");
    daemon.until_running("w", 1);
    assert_eq!(ctl.prints(&["processes"]), "['w']\n");
    assert_eq!(ctl.prints(&["status", "w"]), "active\n");
    assert_eq!(ctl.prints(&["add", "w", "2"]), "3\n");
    let pids = daemon.until_running("w", 3);
    assert_eq!(ctl.prints(&["running", "w"]), "3\n");
    assert_eq!(ctl.prints(&["numprocesses", "w"]), "3\n");
    // Python prints lists of numbers as we do.
    assert_eq!(ctl.prints(&["pids", "w"]), format!("{pids:?}\n"));
    assert_eq!(ctl.prints(&["processes", "--running"]), format!("{pids:?}\n"));
    assert_eq!(ctl.prints(&["sub", "w", "1"]), "2\n");
    assert_eq!(daemon.until_running("w", 2), pids[1..]);
    // The number 1 equals `True` in Python, for which gafferctl prints this word.
    assert_eq!(ctl.prints(&["sub", "w", "1"]), "ok\n");
    assert_eq!(daemon.until_running("w", 1), pids[2..]);
    assert_eq!(ctl.prints(&["numprocesses", "w"]), "ok\n");

    // It encodes the JSON twice.
    let twice: String = serde_json::from_str(&ctl.prints(&["get_process", "w"])).unwrap();
    let config: Value = serde_json::from_str(&twice).unwrap();
    assert_eq!((&config["name"], &config["cmd"]), (&json!("w"), &json!("sleep 1000")), "{config}");

    assert_eq!(ctl.prints(&["stop", "w"]), "ok\n");
    daemon.until_running("w", 0);
    assert_eq!(ctl.prints(&["status", "w"]), "stopped\n");
    assert_eq!(ctl.prints(&["start", "w"]), "ok\n");
    daemon.until_running("w", 1);
    // The original said `stopped`: its start did nothing after a stop.
    assert_eq!(ctl.prints(&["status", "w"]), "active\n");
    assert_eq!(ctl.prints(&["del_process", "w"]), "ok\n");
    assert_eq!(ctl.prints(&["processes"]), "[]\n");
}

#[test]
fn gafferctl_sends_signals() {
    let daemon = Daemon::start("[process:w]\ncmd = sleep 1000\nnumprocesses = 2\n");
    let Some(ctl) = gafferctl(&daemon) else { return };
    let first = daemon.until_running("w", 2);
    let until_replaced = |gone: &[u64], signal: i32| {
        let status = daemon.until_status("w", "has replaced them", |status| {
            let now = status["pids"].as_array().unwrap();
            now.len() == 2 && gone.iter().all(|pid| !now.contains(&json!(pid)))
        });
        assert_eq!(status["last_exit"]["term_signal"], signal);
        daemon.pids("w")
    };
    // A signal that comes before the program would be of no use as a test of it.
    let until_programs_run = |pids: &[u64]| {
        for pid in pids {
            daemon.os_pid_of(*pid);
        }
    };

    until_programs_run(&first);
    assert_eq!(ctl.prints(&["kill", &first[0].to_string(), "10"]), "ok\n");
    let second = until_replaced(&first[..1], 10);
    assert_eq!(second[0], first[1], "the other one runs on");
    until_programs_run(&second);
    assert_eq!(ctl.prints(&["kill", "w", "12"]), "ok\n");
    until_replaced(&second, 12);
}

#[test]
fn gafferctl_shows_what_the_node_refuses() {
    let daemon = Daemon::start("[process:w]\ncmd = sleep 1000\n");
    let Some(ctl) = gafferctl(&daemon) else { return };
    daemon.until_running("w", 1);
    let said = ctl.fails(&["add_process", "--start", "w", "sleep 1000"]);
    assert!(said.contains("'error': 'conflict'"), "{said}");
    let of_unknown: [&[&str]; 11] = [
        &["del_process", "nope"],
        &["get_process", "nope"],
        &["start", "nope"],
        &["stop", "nope"],
        &["add", "nope", "1"],
        &["sub", "nope", "1"],
        &["numprocesses", "nope"],
        &["running", "nope"],
        &["pids", "nope"],
        &["status", "nope"],
        &["kill", "nope", "10"],
    ];
    for args in of_unknown {
        let said = ctl.fails(args);
        assert!(said.contains("'error': 'not_found'"), "{args:?}: {said}");
    }
}

#[test]
fn gafferctl_loads_a_job_from_json() {
    let daemon = Setup::new().start();
    let Some(ctl) = gafferctl(&daemon) else { return };
    let job = json!({
        "name": "filed", "cmd": "sh", "args": ["-c", "echo $MOOD; exec sleep 1000"], "env": {"MOOD": "good"},
        "numprocesses": 2, "redirect_output": ["out", "err"], "redirect_input": true, "graceful_timeout": 5,
        "flapping": {"attempts": 2, "window": 1.0, "retry_in": 7.0, "max_retry": 5}, "cwd": daemon.path(""),
    });
    daemon.setup().file("job.json", &job.to_string());
    assert_eq!(ctl.prints(&["load_process", "--start", "job.json"]), "filed\n");
    daemon.until_running("filed", 2);

    // Without `--start` it is loaded, and no more; even if the file says otherwise.
    let piped = json!({"name": "piped", "cmd": "sleep 1000", "start": true}).to_string();
    let said = ctl.run_with_input(&["load_process", "-"], &piped);
    assert_eq!((said.code, said.stdout.as_str()), (0, "piped\n"), "{said}");
    assert_eq!(ctl.prints(&["status", "piped"]), "stopped\n");
    assert_eq!(ctl.prints(&["processes"]), "['filed', 'piped']\n");
    assert!(ctl.fails(&["load_process", "job.json"]).contains("'error': 'conflict'"));
}

/// Loads and unloads a job until a client that watches has seen it, so that it misses nothing from then on.
fn until_watching(daemon: &Daemon, client: &RunningClient) {
    daemon.until("the client sees events", || {
        daemon.post_body("/processes", json!({"name": "knock", "cmd": "true", "start": false}));
        daemon.delete("/processes/knock");
        let lines = client.lines();
        if lines.iter().any(|line| line.text.contains("delete knock")) { Ok(()) } else { Err(format!("{lines:?}")) }
    });
}

#[test]
fn gafferctl_watches() {
    let daemon = Setup::new().start();
    let Some(ctl) = gafferctl(&daemon) else { return };
    let all = ctl.start(&["watch"]);
    let of_one = ctl.start(&["watch", "proc.w"]);
    until_watching(&daemon, &all);
    // That one filters for itself, so a job of its name is what shows that it is there.
    daemon.until("the second client sees events", || {
        daemon.post_body("/processes", json!({"name": "w", "cmd": "sleep 1000", "start": false}));
        daemon.post("/processes/w/_start");
        daemon.until_running("w", 1);
        daemon.delete("/processes/w");
        let lines = of_one.lines();
        if lines.iter().any(|line| line.text.contains("spawn w")) { Ok(()) } else { Err(format!("{lines:?}")) }
    });

    assert_eq!(ctl.prints(&["add_process", "--start", "web", "sleep 1000"]), "web\n");
    daemon.only_process("web");
    assert_eq!(ctl.prints(&["add", "web", "1"]), "2\n");
    daemon.until_running("web", 2);
    assert_eq!(ctl.prints(&["sub", "web", "1"]), "ok\n");
    daemon.until_running("web", 1);
    assert_eq!(ctl.prints(&["stop", "web"]), "ok\n");
    daemon.until_running("web", 0);
    assert_eq!(ctl.prints(&["del_process", "web"]), "ok\n");
    all.until_printed("delete web");
    // `HH:MM:SS web | spawn web`; its own words, never the form with an os_pid, which it looks for under a wrong name.
    let events: Vec<String> = all
        .lines()
        .iter()
        .filter_map(|line| Some(line.text.split_once(" web | ")?.1.strip_suffix(" web")?.to_owned()))
        .collect();
    let generic: Vec<&str> = events.iter().map(String::as_str).filter(|event| !event.starts_with("proc.")).collect();
    let expected =
        ["create", "start", "spawn", "update", "spawn", "update", "reap", "exit", "stop", "stop_pid", "exit", "delete"];
    assert_eq!(generic, expected, "{events:?}");
    for twin in ["start", "spawn", "reap", "exit", "stop", "stop_pid"] {
        let pair = [twin.to_owned(), format!("proc.web.{twin}")];
        assert!(events.windows(2).any(|events| events == pair), "{twin} has no twin: {events:?}");
    }
    let foreign: Vec<_> = of_one.lines().into_iter().filter(|line| !line.text.contains(" w | proc.w.")).collect();
    assert!(foreign.is_empty(), "{foreign:?}");

    for client in [all, of_one] {
        client.signal(Signal::SIGINT);
        client.wait();
    }
}

#[test]
fn the_procfile_tool_loads_scales_and_unloads() {
    let daemon = Setup::new().start();
    let procfile = "# Comments are skipped.\nweb: sleep 1000\nworker: sleep '2000'\n";
    let Some(tool) = procfile_tool(&daemon, "shop", procfile) else { return };
    let url = format!("http://{}", daemon.address());
    assert_eq!(tool.prints(&["load"]), format!("'shop' has been loaded in {url}\n"));
    daemon.until_running("shop:web", 1);
    daemon.until_running("shop:worker", 1);
    // A group that is there already has the tool look for another name.
    assert_eq!(tool.prints(&["load"]), format!("'shop.0' has been loaded in {url}\n"));
    daemon.until_running("shop.0:web", 1);
    assert_eq!(tool.prints(&["-c", "web=2", "load", "other"]), format!("'other' has been loaded in {url}\n"));
    daemon.until_running("other:web", 2);

    for group in [None, Some("other")] {
        let shown = tool.prints(&[&["ps"][..], group.as_slice()].concat());
        for part in ["=== web: `sleep 1000`\nTotal CPU: ", "=== worker: `sleep '2000'`\nTotal CPU: ", ": up for 0:00."]
        {
            assert!(shown.contains(part), "{part:?} is not in {shown}");
        }
        for name in ["web", "worker"] {
            for pid in daemon.pids(&format!("{}:{name}", group.unwrap_or("shop"))) {
                assert!(shown.contains(&format!("\n{name}.{pid}: up for ")), "{shown}");
            }
        }
    }

    let line = |name: &str, number: u32| format!("Scaling {name} processes... done, now running {number}\n");
    assert_eq!(tool.prints(&["scale", "web=3", "worker+2", "nope=1"]), line("web", 3) + &line("worker", 3));
    daemon.until_running("shop:web", 3);
    daemon.until_running("shop:worker", 3);
    assert_eq!(tool.prints(&["scale", "web-1"]), line("web", 2));
    assert_eq!(tool.prints(&["scale", "web=1"]), line("web", 1));
    daemon.until_running("shop:web", 1);

    assert_eq!(tool.prints(&["unload"]), "'shop' unloaded\n");
    // The original's server left every second job behind.
    for name in ["shop:web", "shop:worker"] {
        assert_eq!(daemon.request("GET", &format!("/processes/{name}"), None).status, 404, "{name}");
    }
    assert_eq!(tool.prints(&["unload", "other"]), "'other' unloaded\n");
    assert_eq!(tool.prints(&["unload", "shop.0"]), "'shop.0' unloaded\n");
    assert_eq!(daemon.get("/processes"), json!([]));
    assert!(tool.fails(&["unload"]).contains("'shop' not found"));
}

#[test]
fn the_library_knows_groups() {
    let daemon = Daemon::start(
        "[process:ga:a]\ncmd = sleep 1000\n[process:ga:b]\ncmd = sleep 1000\n[process:ga:c]\ncmd = sleep 1000\n\
         [process:gb:a]\ncmd = sleep 1000\n",
    );
    let Some(library) = library(&daemon) else { return };
    for job in ["ga.a", "ga.b", "ga.c", "gb.a"] {
        daemon.only_process(job);
    }
    library.prints(&["groups"]);
}

#[test]
fn the_library_knows_processes_by_name_and_by_pid() {
    let daemon = Daemon::start("[process:w]\ncmd = sleep 1000\nnumprocesses = 2\n");
    let Some(library) = library(&daemon) else { return };
    for pid in daemon.until_running("w", 2) {
        daemon.os_pid_of(pid);
    }
    library.prints(&["processes"]);
    // The one that it stopped has been replaced.
    daemon.until_status("w", "has another process", |status| status["pids"] == json!([2, 3]));
}

#[test]
fn the_library_restarts_and_updates() {
    let daemon = Daemon::start("[process:w]\ncmd = sleep 1000\n");
    let Some(library) = library(&daemon) else { return };
    let (old, _) = daemon.only_process("w");
    library.prints(&["restart"]);
    let has_another = |status: &Value, old: u64| status["running"] == 1 && status["pids"] != json!([old]);
    let status = daemon.until_status("w", "has another process", |status| has_another(status, old));
    let old = status["pids"][0].as_u64().unwrap();
    library.prints(&["update"]);
    daemon.until_status("w", "has two processes", |status| {
        status["running"] == 2 && !status["pids"].as_array().unwrap().contains(&json!(old))
    });
    daemon.until_running("v", 1);
}

/// Events that the library has printed.
fn events(client: &RunningClient) -> Vec<Value> {
    client.lines().iter().filter_map(|line| serde_json::from_str(&line.text).ok()).collect()
}

#[test]
fn the_library_follows_events() {
    let daemon = Daemon::start("[process:w]\ncmd = sleep 1000\nstart = false\n");
    let Some(library) = library(&daemon) else { return };
    daemon.until_status("w", "is loaded", |_| true);
    let watcher = library.start(&["follow", "/watch/proc/w", "proc.w.start", "proc.w.spawn", "proc.w.exit"]);
    watcher.until_printed("connected");
    daemon.post("/processes/w/_start");
    let (pid, os_pid) = daemon.only_process("w");
    daemon.post("/processes/w/_stop");
    watcher.until_printed("proc.w.exit");
    let expected = json!([
        ["proc.w.start", {"event": "proc.w.start", "name": "w"}],
        ["proc.w.spawn", {"event": "proc.w.spawn", "name": "w", "pid": pid, "os_pid": os_pid, "detached": false}],
        ["proc.w.exit", {"event": "proc.w.exit", "name": "w", "pid": pid, "os_pid": os_pid, "exit_status": 0, "term_signal": 15}],
    ]);
    for (event, expected) in events(&watcher).iter().zip(expected.as_array().unwrap()) {
        assert_eq!(event[0], expected[0]);
        for (key, value) in expected[1].as_object().unwrap() {
            assert_eq!(&event[1][key], value, "{key} of {event}");
        }
    }
    assert_eq!(events(&watcher).len(), 3, "{:?}", watcher.lines());
}

#[test]
fn the_library_follows_figures() {
    let daemon = Daemon::start("[process:w]\ncmd = sleep 1000\n");
    let Some(library) = library(&daemon) else { return };
    let (pid, os_pid) = daemon.only_process("w");
    for path in ["/stats/w".to_owned(), format!("/stats/w/{pid}")] {
        let follower = library.start(&["follow", &path, "stat"]);
        let line = follower.until_printed("[\"stat\"");
        let event: Value = serde_json::from_str(&line.text).unwrap();
        assert_eq!((&event[1]["pid"], &event[1]["cmdline"]), (&json!(os_pid), &json!("sleep")), "{event}");
        assert!(event[1]["cpu"].is_number() && event[1]["mem"].is_number(), "{event}");
    }
}

#[test]
fn the_library_follows_output() {
    let daemon = Daemon::start("[process:echo]\ncmd = cat\nredirect_output = out, err\nredirect_input = true\n");
    let Some(library) = library(&daemon) else { return };
    let (pid, _) = daemon.only_process("echo");
    let follower = library.start(&["follow", &format!("/streams/{pid}/out"), "out"]);
    follower.until_printed("connected");
    daemon.post_body(&format!("/streams/{pid}/stdin"), "hello, you\n");
    let line = follower.until_printed("hello");
    assert_eq!(serde_json::from_str::<Value>(&line.text).unwrap(), json!(["out", "hello, you"]));
}
