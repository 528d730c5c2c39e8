//! `unload`, `reload`: applications and jobs.

use std::{fs, os::unix::fs::symlink};

use gaffer_tests::binary;
use serde_json::{Value, json};

use super::{Shop, Transcript};

/// An application `shop` that has a job `bank`, beside an application of that name.
fn started() -> Shop {
    let shop = Shop::new("web: misbehave forever\nworker: misbehave forever\nbank: misbehave forever\n");
    shop.loaded(&["web", "worker", "bank"]);
    for job in ["bank.api", "hall.web"] {
        shop.daemon.post_body("/processes", json!({ "name": job, "cmd": "misbehave forever" }));
        shop.daemon.until_running(job, 1);
    }
    shop
}

#[test]
fn words_mean_applications_and_jobs() {
    let shop = started();
    let gaffer = shop.gaffer();
    Transcript::of(&gaffer)
        .run("unload bank web")
        .run("unload shop:bank")
        .run("unload bank.api")
        .run("unload bank")
        .run("unload nope web")
        .run("unload hall.nope")
        .run("unload --json web worker hall")
        .run("unload worker web")
        .run("unload 'a b' worker")
        .run("unload --quiet")
        .run("unload")
        .run("unload .")
        .check("unload");
    assert_eq!(shop.daemon.get("/processes"), json!([]));
}

#[test]
fn a_reload_sets_the_number_back_and_replaces_the_processes() {
    let shop = started();
    let gaffer = shop.gaffer();
    gaffer.prints(&["scale", "web=3"]);
    let before = shop.daemon.until_running("shop.web", 3);
    Transcript::of(&gaffer)
        .run("reload web nope")
        .run("reload")
        .run("reload hall")
        .run("reload --json . hall.web")
        .run("reload --app nowhere")
        .check("reload");
    let is_new = |status: &Value| {
        let pids = status["pids"].as_array().unwrap();
        pids.len() == 1 && !before.iter().any(|old| pids.contains(&json!(old)))
    };
    shop.daemon.until_status("shop.web", "has one new process", is_new);
}

#[test]
fn a_reload_that_fails_in_part_says_where() {
    let shop = Shop::new("web: misbehave forever\nlate: ./late forever\n");
    let program = shop.path("late");
    symlink(binary("misbehave"), &program).unwrap();
    let gaffer = shop.loaded(&["web", "late"]);
    fs::remove_file(&program).unwrap();
    let (before, _) = shop.daemon.only_process("shop.web");
    Transcript::of(&gaffer).run("reload").run("reload --json").run("reload late").check("reload_part");
    let is_new = |status: &Value| status["pids"].as_array().is_some_and(|pids| pids.len() == 1 && pids[0] != before);
    shop.daemon.until_status("shop.web", "is reloaded all the same", is_new);
    // As the manual says of updates: what cannot be replaced runs on.
    shop.daemon.until_running("shop.late", 1);
}
