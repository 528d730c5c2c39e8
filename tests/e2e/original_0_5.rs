//! The program and the library of gaffer 0.5.2, as they come from PyPI, against our gafferd.
//!
//! What needs keys is in `access`. Left out is what needs more than this node has so far: `lookup…` needs a lookupd.
//! And what cannot work for reasons of its own:
//! `ps:start` and `ps:stop` without names ask about one application and act on all; `ps:kill app.job` sends the application
//! twice in the job's name; `unload --no-input` and `reload --no-input` act on jobs of every session as if they were the
//! application's (so these run with one application loaded).

use std::{fs, path::PathBuf};

use gaffer_tests::{Client, Daemon, Environment, Setup};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

/// The program, told where the node is.
fn gaffer(daemon: &Daemon) -> Option<Client> {
    let url = format!("http://{}", daemon.address());
    Some(Client::of(daemon, Environment::Gaffer05, "gaffer")?.args(["-g", url.as_str()]))
}

/// The library, driven by a program of ours.
fn library(daemon: &Daemon) -> Option<Client> {
    let url = format!("http://{}", daemon.address());
    Some(Client::driver(daemon, Environment::Gaffer05, "library_0_5.py")?.args([url.as_str()]))
}

/// A line for environments that are empty otherwise, so that the processes can be found.
fn mark(daemon: &Daemon) -> String {
    format!("{}={}", daemon.setup().mark(), daemon.setup().id())
}

/// A folder with an application in it: two lines in a Procfile, and variables.
fn shop(daemon: &Daemon) -> PathBuf {
    let folder = daemon.path("shop");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("Procfile"), "web: sleep 1000\nworker: cat\n").unwrap();
    fs::write(folder.join(".env"), format!("{}\nGAFFER_REDIRECT_INPUT=worker\n", mark(daemon))).unwrap();
    folder
}

#[test]
fn an_application_is_loaded_looked_at_and_unloaded() {
    let daemon = Setup::new().start();
    let Some(gaffer) = gaffer(&daemon) else { return };
    let gaffer = gaffer.within(&shop(&daemon));
    let url = format!("http://{}", daemon.address());
    assert_eq!(gaffer.prints(&["apps"]), "");
    assert_eq!(gaffer.prints(&["load"]), format!("==> 'shop' has been loaded in {url}\n"));
    daemon.until_running("shop.web", 1);
    daemon.until_running("shop.worker", 1);
    let again = format!("'web' already loaded\n'worker' already loaded\n==> 'shop' has been loaded in {url}\n");
    assert_eq!(gaffer.prints(&["load"]), again);
    let other = gaffer.prints(&["load", "-c", "web=2", "--app", "other"]);
    assert_eq!(other, format!("==> 'other' has been loaded in {url}\n"));
    let pids = daemon.until_running("other.web", 2);
    assert_eq!(gaffer.prints(&["apps"]), "shop\nother\n");

    // Two processes of a job that has just started may not both have figures yet.
    daemon.until("both have figures", || {
        let shown = gaffer.prints(&["ps", "--app", "other"]);
        let blocks = ["=== web: `sleep 1000`\nTotal CPU: ", "=== worker: `cat`\nTotal CPU: "];
        let lines = pids.iter().map(|pid| format!("\nweb.{pid}: up for 0:00."));
        let all = lines.chain(blocks.map(str::to_owned)).all(|part| shown.contains(&part));
        if all { Ok(()) } else { Err(shown) }
    });
    assert!(gaffer.fails(&["ps", "--app", "nope"]).contains("'nope' not loaded"));

    let info = gaffer.prints(&["ps:info", "other.web"]);
    let expected = format!("active: True\nrunning: 2\nnum_processes: 2\npids: {},{}\n", pids[0], pids[1]);
    assert_eq!(info, expected);
    let info = gaffer.prints(&["ps:info", &pids[0].to_string()]);
    for line in [format!("pid: {}\n", pids[0]), "name: other.web\n".to_owned(), "commited: False\n".to_owned()] {
        assert!(info.contains(&line), "{line:?} is not in {info}");
    }
    assert!(gaffer.fails(&["ps:info", "nope"]).contains("job 'nope' not found"));
    assert!(gaffer.fails(&["ps:info", "9999"]).contains("process '9999' not found"));

    for job in ["web", "worker"] {
        let job = format!("other.{job}");
        assert_eq!(gaffer.prints(&["unload", &job, "--no-input", "--app", "other"]), format!("job '{job}' unloaded\n"));
    }
    assert_eq!(gaffer.prints(&["apps"]), "shop\n");
    assert_eq!(gaffer.prints(&["unload", "--no-input"]), "==> app 'shop' unloaded\n");
    assert_eq!(gaffer.prints(&["apps"]), "");
    assert!(gaffer.fails(&["unload", "--no-input"]).contains("'shop' not found"));
    // Not an error for the program, which says it on stderr and goes on.
    let said = gaffer.run(&["unload", "web", "--no-input"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, "'web' not found in 'shop'\n"), "{said}");
}

#[test]
fn an_application_is_scaled_stopped_started_and_reloaded() {
    let daemon = Setup::new().start();
    let Some(gaffer) = gaffer(&daemon) else { return };
    let gaffer = gaffer.within(&shop(&daemon));
    gaffer.prints(&["load"]);
    daemon.until_running("shop.web", 1);
    let line = |job: &str, number: u32| format!("Scaling shop.{job} processes... done, now running {number}\n");
    assert_eq!(gaffer.prints(&["ps:scale", "web=3", "worker+1"]), line("web", 3) + &line("worker", 2));
    daemon.until_running("shop.worker", 2);
    assert_eq!(gaffer.prints(&["ps:scale", "web-1"]), line("web", 2));
    let pids = daemon.until_running("shop.web", 2);
    assert_eq!(gaffer.prints(&["ps:scale", "--app=nope", "web=3"]), "'nope.web' not found\n");

    // A process that is stopped alone is replaced.
    assert_eq!(gaffer.prints(&["ps:stop", &pids[0].to_string(), "--no-input"]), format!("'{}' stopped\n", pids[0]));
    let replaced = |status: &Value, gone: &[u64]| {
        let now = status["pids"].as_array().unwrap();
        now.len() == 2 && gone.iter().all(|pid| !now.contains(&json!(pid)))
    };
    daemon.until_status("shop.web", "has another process", |status| replaced(status, &pids[..1]));

    assert_eq!(gaffer.prints(&["ps:stop", "web", "--no-input"]), "'web' stopped\n");
    daemon.until_running("shop.web", 0);
    assert_eq!(daemon.status("shop.web")["active"], false);
    assert_eq!(gaffer.prints(&["ps:start", "web", "--no-input"]), "'web' started\n");
    // The original went back to the number that the job was loaded with. Here what is scaled stays so over a stop.
    let pids = daemon.until_running("shop.web", 2);
    assert_eq!(gaffer.prints(&["reload", "web", "--no-input"]), "job 'web' reloaded\n");
    // But a reload does end it.
    daemon.until_status("shop.web", "has one new process", |status| {
        let now = status["pids"].as_array().unwrap();
        status["running"] == 1 && now.len() == 1 && !pids.iter().any(|pid| now.contains(&json!(pid)))
    });
    assert_eq!(gaffer.prints(&["ps:scale", "web=2"]), line("web", 2));
    daemon.until_running("shop.web", 2);
    let reloaded = "job 'web' reloaded\njob 'worker' reloaded\n==> app 'shop' reloaded\n";
    assert_eq!(gaffer.prints(&["reload", "--no-input"]), reloaded);
    daemon.until_running("shop.web", 1);
    let said = gaffer.run(&["ps:stop", "9999", "--no-input"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, "'9999' not found\n"), "{said}");
}

#[test]
fn signals_are_sent_to_processes_and_to_jobs() {
    let daemon = Setup::new().start();
    let Some(gaffer) = gaffer(&daemon) else { return };
    let gaffer = gaffer.within(&shop(&daemon));
    gaffer.prints(&["load", "-c", "web=2"]);
    let first = daemon.until_running("shop.web", 2);
    let until_replaced = |gone: &[u64], signal: i32| {
        let status = daemon.until_status("shop.web", "has replaced them", |status| {
            let now = status["pids"].as_array().unwrap();
            now.len() == 2 && gone.iter().all(|pid| !now.contains(&json!(pid)))
        });
        assert_eq!(status["last_exit"]["term_signal"], signal);
        daemon.pids("shop.web")
    };
    assert_eq!(gaffer.prints(&["ps:kill", &first[0].to_string(), "10"]), format!("'10' sent to '{}'\n", first[0]));
    let second = until_replaced(&first[..1], 10);
    // These failed on the original, whose node took the job's name for a pid.
    assert_eq!(gaffer.prints(&["ps:kill", "web", "12"]), "'12' sent to 'web'\n");
    let third = until_replaced(&second, 12);
    assert_eq!(gaffer.prints(&["ps:kill", "web", "HUP"]), "'HUP' sent to 'web'\n");
    until_replaced(&third, 1);
    assert!(gaffer.fails(&["ps:kill", "9999", "10"]).contains("'9999' not found"));
    assert!(gaffer.fails(&["ps:kill", "nope", "10"]).contains("'nope' not found"));
}

#[test]
fn a_process_of_a_job_is_run_once() {
    let daemon = Setup::new().start();
    let Some(gaffer) = gaffer(&daemon) else { return };
    let gaffer = gaffer.within(&shop(&daemon));
    gaffer.prints(&["load"]);
    daemon.until_running("shop.web", 1);
    let said = gaffer.prints(&["run", "web", "-p", "MOOD=good", "--graceful-timeout=5"]);
    let pid = said.strip_prefix("'shop.web': new process ").and_then(|rest| rest.strip_suffix(" launched\n"));
    let pid: u64 = pid.unwrap_or_else(|| panic!("{said}")).parse().unwrap();
    let os_pid = daemon.os_pid_of(pid);
    daemon.until("the process has the variable", || {
        let mood = gaffer_tests::processes::variable(os_pid, "MOOD");
        if mood.as_deref() == Some("good") { Ok(()) } else { Err(format!("{mood:?}")) }
    });
    let info = gaffer.prints(&["ps:info", &pid.to_string()]);
    assert!(info.contains("commited: True\n"), "{info}");
    // One without a word about its environment or time, which the program sends as nulls.
    assert!(gaffer.prints(&["run", "web"]).starts_with("'shop.web': new process "));
    assert_eq!(gaffer.prints(&["run", "nope"]), "'shop.nope' not found\n");
}

#[test]
fn jobs_are_loaded_and_unloaded_from_a_file() {
    let daemon = Setup::new().start();
    let Some(gaffer) = gaffer(&daemon) else { return };
    let url = format!("http://{}", daemon.address());
    let (name, value) = (daemon.setup().mark(), daemon.setup().id());
    let job = |job: &str| json!({"name": job, "cmd": "sleep", "args": ["1000"], "env": {name: value}});
    daemon.setup().file("jobs.json", &json!({"jobs": [job("made.one"), job("two")]}).to_string());
    daemon.setup().file("job.json", &job("three").to_string());
    let expected = format!(
        "'made.one' has been loaded in {url}\n'default.two' has been loaded in {url}\n'jobs.json' has been loaded\n"
    );
    assert_eq!(gaffer.prints(&["load", "jobs.json"]), expected);
    let three = format!("'other.three' has been loaded in {url}\n'job.json' has been loaded\n");
    assert_eq!(gaffer.prints(&["load", "--app", "other", "job.json"]), three);
    for job in ["made.one", "default.two", "other.three"] {
        daemon.until_running(job, 1);
    }
    assert_eq!(gaffer.prints(&["apps"]), "made\ndefault\nother\n");
    let piped = gaffer.run_with_input(&["load", "-"], job("four").to_string());
    assert_eq!(
        (piped.code, piped.stdout),
        (0, format!("'default.four' has been loaded in {url}\n'-' has been loaded\n"))
    );
    let unloaded = gaffer.prints(&["unload", "--from-file", "jobs.json", "--no-input"]);
    assert_eq!(unloaded, "job 'made.one' unloaded\njob 'default.two' unloaded\n");
    assert_eq!(gaffer.prints(&["apps"]), "other\ndefault\n");
    assert!(gaffer.fails(&["load"]).contains("procfile or job file is missing"));
}

#[test]
fn lines_are_sent_to_a_process_and_received() {
    let daemon = Daemon::start(
        "[process:echo]\ncmd = cat\nredirect_output = out, err\nredirect_input = true\n\
         [process:mute]\ncmd = sleep 1000\n",
    );
    let Some(gaffer) = gaffer(&daemon) else { return };
    let (echo, _) = daemon.only_process("echo");
    let (mute, _) = daemon.only_process("mute");
    let echo = echo.to_string();
    let receiver = gaffer.start(&["recv", &echo]);
    let by_label = gaffer.start(&["recv", &format!("{echo}.out")]);
    // Neither says when it has connected, so this is said until both have heard it.
    daemon.until("both receive", || {
        assert_eq!(gaffer.prints(&["send", &echo, "knock"]), "");
        let lines = [receiver.lines(), by_label.lines()];
        if lines.iter().all(|lines| !lines.is_empty()) { Ok(()) } else { Err(format!("{lines:?}")) }
    });
    assert_eq!(gaffer.prints(&["send", &echo, "hello,", "you"]), "");
    receiver.until_printed("hello, you");
    by_label.until_printed("hello, you");
    for client in [receiver, by_label] {
        client.signal(Signal::SIGINT);
        client.wait();
    }

    assert_eq!(gaffer.prints(&["send", "9999", "hello"]), "process '9999' not found\n");
    assert_eq!(gaffer.prints(&["recv", "9999"]), "process '9999' not found\n");
    assert!(gaffer.fails(&["send", &mute.to_string(), "hello"]).contains("can't write on this process, (no stdin)"));
    assert!(gaffer.fails(&["recv", &echo, "zz"]).contains("can't read on 'zz'"));
}

#[test]
fn the_library_asks_an_empty_node() {
    let daemon = Setup::new().start();
    let Some(library) = library(&daemon) else { return };
    library.prints(&["node"]);
}

#[test]
fn the_library_knows_jobs() {
    let daemon = Setup::new().start();
    let Some(library) = library(&daemon) else { return };
    library.prints(&["jobs", &mark(&daemon)]);
    daemon.until("all are gone", || {
        let left = daemon.descendants();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
}

#[test]
fn the_library_knows_processes() {
    let daemon = Daemon::start("[process:web]\ncmd = sleep 1000\n");
    let Some(library) = library(&daemon) else { return };
    let (pid, _) = daemon.only_process("web");
    library.prints(&["processes"]);
    daemon
        .until_status("web", "has another process", |status| status["running"] == 1 && status["pids"] != json!([pid]));
}

#[test]
fn the_library_talks_to_processes() {
    let daemon = Daemon::start(
        "[process:echo]\ncmd = sh -c 'cat <&3 >&3 & exec cat'\nredirect_output = out, err\nredirect_input = true\n\
         custom_streams = extra\n[process:mute]\ncmd = sleep 1000\n",
    );
    let Some(library) = library(&daemon) else { return };
    daemon.only_process("echo");
    daemon.only_process("mute");
    library.prints(&["sockets"]);
    library.prints(&["refused_sockets"]);
}

#[test]
fn the_library_subscribes_and_commands() {
    let daemon = Daemon::start(
        "[process:echo]\ncmd = cat\nredirect_output = out, err\nredirect_input = true\n\
         [process:web]\ncmd = sleep 1000\n",
    );
    let Some(library) = library(&daemon) else { return };
    daemon.only_process("echo");
    daemon.only_process("web");
    library.prints(&["control"]);
}

#[test]
fn what_happens_to_an_application_is_shown() {
    let daemon = Setup::new().start();
    let Some(gaffer) = gaffer(&daemon) else { return };
    let gaffer = gaffer.within(&shop(&daemon));
    gaffer.prints(&["load"]);
    daemon.until_running("shop.web", 1);
    let logs = gaffer.start(&["logs", "--no-color"]);
    let of_web = gaffer.start(&["logs", "--no-color", "--ps", "web"]);
    // Neither says when it has subscribed, so something happens until both have told of it.
    daemon.until("both are told", || {
        gaffer.prints(&["ps:scale", "web+1"]);
        let lines = [logs.lines(), of_web.lines()];
        if lines.iter().all(|lines| !lines.is_empty()) { Ok(()) } else { Err(format!("{lines:?}")) }
    });
    gaffer.prints(&["ps:scale", "worker+1"]);
    gaffer.prints(&["ps:stop", "web", "--no-input"]);
    for line in
        ["job.shop.worker.spawn process with pid ", "job.shop.web.stop shop.web", "job.shop.web.exit process with pid "]
    {
        logs.until_printed(line);
    }
    of_web.until_printed("job.shop.web.exit process with pid ");
    assert!(
        of_web.lines().iter().all(|line| format!("{line:?}").contains(" shop.web | job.shop.web.")),
        "{:?}",
        of_web.lines()
    );
    for client in [logs, of_web] {
        client.signal(Signal::SIGINT);
        client.wait();
    }
}
