//! `ps:start`, `ps:stop`, `ps:kill`, `scale`: what jobs and processes are to do.

use gaffer_tests::{Daemon, wait_until};
use serde_json::Value;

use super::{Shop, Transcript};

const PROCFILE: &str = "web: misbehave forever\nworker: misbehave forever\n";

/// A loaded application whose two jobs run, beside a job of another one.
fn started() -> Shop {
    let shop = Shop::new(PROCFILE);
    shop.loaded(&["web", "worker"]);
    shop.daemon.post_body("/processes", r#"{"name": "bank.api", "cmd": "misbehave forever"}"#);
    shop.daemon.until_running("bank.api", 1);
    shop
}

fn until_state(daemon: &Daemon, job: &str, state: &str) {
    daemon.until_status(job, state, |status| status["state"] == state);
}

#[test]
fn jobs_of_the_application_are_stopped_and_started() {
    let shop = started();
    let gaffer = shop.gaffer();
    Transcript::of(&gaffer)
        .run("ps:stop web")
        .once(|| shop.daemon.until_running("shop.web", 0))
        .run("ps:start shop.web")
        .once(|| shop.daemon.until_running("shop.web", 1))
        .run("ps:stop shop/web shop:worker --quiet")
        .run("ps:start --json web worker")
        .run("ps:stop bank.api")
        .run("ps:start --app bank api")
        .run("ps:stop nope web bank.nope")
        .run("ps:stop --json nope web 999")
        .run("ps:start 7")
        .run("ps:start 'a b' web")
        .run("ps:start --app nowhere web")
        .run("ps:stop --app nowhere")
        .check("start_stop");
    // Nothing of a line is done that does not read.
    until_state(&shop.daemon, "shop.web", "stopped");
    until_state(&shop.daemon, "shop.worker", "started");
}

#[test]
fn without_a_name_all_jobs_of_the_application_are_meant_and_no_others() {
    let shop = started();
    let gaffer = shop.gaffer();
    Transcript::of(&gaffer).run("ps:stop").run("ps:start --no-input").run("ps:stop --json").check("all");
    for job in ["shop.web", "shop.worker"] {
        until_state(&shop.daemon, job, "stopped");
    }
    until_state(&shop.daemon, "bank.api", "started");
}

#[test]
fn a_process_that_is_stopped_by_its_pid_is_replaced() {
    let shop = started();
    let (pid, _) = shop.daemon.only_process("shop.web");
    assert_eq!(shop.gaffer().prints(&["ps:stop", &pid.to_string()]), format!("'{pid}' stopped\n"));
    let is_other = |status: &Value| status["pids"].as_array().is_some_and(|pids| pids.len() == 1 && pids[0] != pid);
    shop.daemon.until_status("shop.web", "has another process", is_other);
}

#[test]
fn signals_reach_jobs_and_processes() {
    let shop = started();
    let gaffer = shop.gaffer();
    let (web, worker) = (shop.daemon.only_process("shop.web"), shop.daemon.only_process("shop.worker"));
    Transcript::of(&gaffer)
        .run("ps:kill web CONT")
        .run("ps:kill shop.web 18")
        .run(&format!("ps:kill {} sigcont", worker.0))
        .run("ps:kill --json worker CONT")
        .run("ps:kill nope HUP")
        .run("ps:kill bank.nope HUP")
        .run("ps:kill 999 HUP")
        .run("ps:kill web NOPE")
        .check("kill");
    assert_eq!((shop.daemon.only_process("shop.web"), shop.daemon.only_process("shop.worker")), (web, worker));
    gaffer.prints(&["ps:kill", "web", "USR1"]);
    shop.daemon.until_status("shop.web", "was ended by it", |status| status["last_exit"]["term_signal"] == 10);
}

#[test]
fn jobs_are_scaled() {
    let shop = started();
    let gaffer = shop.gaffer();
    Transcript::of(&gaffer)
        .run("scale web=3 worker+1 web-1")
        .run("ps:scale shop web=1")
        .run("scale . worker-99")
        .run("scale bank api+1")
        .run("scale bank.api-1 --quiet")
        .run("scale --json web+1 worker=1")
        .run("scale nope=2 web+1")
        .run("scale bank nope=2")
        .run("scale web+1 worker=many")
        .run("scale web")
        .run("scale shop web")
        .run("scale web=20000")
        .run("scale")
        .check("scale");
    // The one with a mistake has changed nothing.
    assert_eq!(shop.daemon.get("/status/shop.web")["max_processes"], 3);
}

#[test]
fn who_is_asked_may_say_no() {
    let shop = started();
    let gaffer = shop.gaffer().at_terminal(80);
    for (args, question, ignored) in [
        (&["ps:stop"][..], "Do you want to stop all jobs of 'shop'? [y]|n: ", "Ignore 'shop'"),
        (&["unload"], "Do you want to unload 'shop'? [y]|n: ", "Ignore 'shop'"),
        (&["reload", "web"], "Do you want to reload 'web'? [y]|n: ", "Ignore 'web'"),
    ] {
        let running = gaffer.start(args);
        running.type_in("n\n");
        let said = running.wait();
        assert_eq!((said.code, said.stdout), (0, format!("{question}{ignored}\n")));
    }
    let running = gaffer.start(&["unload", "web", "worker"]);
    running.type_in("\nno\n");
    let said = running.wait();
    assert_eq!(
        (said.code, said.stdout.as_str()),
        (
            0,
            "Do you want to unload 'web'? [y]|n: job 'web' unloaded\nDo you want to unload 'worker'? [y]|n: Ignore 'worker'\n"
        )
    );
    let said = gaffer.run(&["unload", "--no-input"]);
    assert_eq!((said.code, said.stdout.as_str()), (0, "==> app 'shop' unloaded\n"));
    wait_until("only the other is left", || {
        let left = shop.daemon.get("/processes");
        if left == serde_json::json!(["bank.api"]) { Ok(()) } else { Err(left) }
    });
}
