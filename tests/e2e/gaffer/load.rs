//! `load`: the application of the Procfile, and jobs of a file.

use std::fs;

use serde_json::json;

use super::{Shop, Transcript};

#[test]
fn the_application_is_loaded_as_it_would_run_here() {
    let shop = Shop::new(
        "web: misbehave report web.json forever\npipe: misbehave report pipe.json forever | cat\nidle: sleep 1000\n",
    );
    shop.file(".env", "GREETING=\"hello  world\"\nPORT=8000\nGAFFER_REDIRECT_INPUT='idle'\n");
    shop.file("more.env", "export COLOUR=red # of the shop\n");
    let gaffer = shop.gaffer();
    let said = gaffer.prints(&["load", "-c", "web=2,idle=0", "-e", "more.env", "-e", "SIZE=big"]);
    assert_eq!(said, format!("==> 'shop' has been loaded in http://{}\n", shop.daemon.address()));
    assert_eq!(shop.daemon.get("/processes"), json!(["shop.web", "shop.pipe", "shop.idle"]));
    shop.daemon.until_running("shop.web", 2);
    let folder = shop.path("");
    for (job, port) in [("web", "8000"), ("pipe", "8100")] {
        let report = shop.daemon.report(&format!("shop/{job}.json"));
        let env = &report["env"];
        let told = ["PORT", "GREETING", "COLOUR", "SIZE", "PS"].map(|name| env[name].as_str());
        assert_eq!(told, [Some(port), Some("hello  world"), Some("red"), Some("big"), None], "{job}");
        assert_eq!(report["cwd"].as_str().map(|cwd| format!("{cwd}/")).as_deref(), folder.to_str(), "{job}");
    }
    let idle = shop.daemon.get("/processes/shop.idle");
    assert_eq!(
        (&idle["numprocesses"], &idle["redirect_input"], &idle["priority"]),
        (&json!(0), &json!(true), &json!(2))
    );
    assert_eq!(idle["redirect_output"], json!(["out", "err"]));
}

#[test]
fn an_application_may_have_another_name() {
    let shop = Shop::new("web: misbehave forever\n");
    let gaffer = shop.gaffer();
    Transcript::of(&gaffer)
        .run("load .")
        .run("load bank")
        .run("--app hall load")
        .run("load 'no name'")
        .run("apps")
        .run("apps --json")
        .run("--app bank unload")
        .run("unload hall")
        .run("--app . unload")
        .run("apps")
        .check("names");
}

#[test]
fn what_is_loaded_already_stays_as_it_was() {
    let shop = Shop::new("web: misbehave forever\n");
    let gaffer = shop.loaded(&["web"]);
    shop.file("Procfile", "web: misbehave print changed forever\nclock: misbehave forever\n");
    Transcript::of(&gaffer)
        .run("load --nostart")
        .run("load --json")
        .run("load --quiet")
        .run("ps:info clock")
        .check("load_again");
    assert_eq!(shop.daemon.get("/processes/shop.web")["args"], json!(["forever"]));
    shop.daemon.until_running("shop.clock", 0);
}

#[test]
fn what_cannot_be_launched_is_told() {
    let shop = Shop::new("web: misbehave forever\nbad: no-such-program --port $PORT\n");
    let gaffer = shop.gaffer();
    Transcript::of(&gaffer)
        .run("load")
        .once(|| shop.daemon.until_running("shop.web", 1))
        .run("ps")
        .run("ps:info bad")
        .check("load_bad");
}

#[test]
fn nothing_is_loaded_of_files_with_mistakes() {
    let shop = Shop::empty();
    let gaffer = shop.gaffer();
    let mut transcript = Transcript::of(&gaffer);
    transcript.run("load");
    shop.file("Procfile", "web: misbehave forever\nworker misbehave forever\na b: true\n");
    transcript.run("load");
    shop.file("Procfile", "web: misbehave forever\n");
    shop.file(".env", "A=1\nB\nC='open\n");
    transcript.run("load");
    shop.file(".env", "");
    transcript.run("load -c web=2,wrok=1").run("load -c web=many").run("load -e missing.env").run("load -f Other");
    transcript.run("load --json -c wrok=1");
    shop.file(
        "jobs.json",
        "{\"jobs\": [{\"name\": \"a\", \"cmd\": \"true\"},\n {\"name\": \"b\", \"cmd\": \"x 'y\"}]}",
    );
    transcript.run("load jobs.json").run("load missing.json").run_with_input("load -", "").check("load_mistakes");
    assert_eq!(shop.daemon.get("/processes"), json!([]));
}

#[test]
fn jobs_of_a_file_are_loaded() {
    let shop = Shop::empty();
    let gaffer = shop.gaffer();
    let jobs = json!({ "jobs": [
        { "name": "web", "cmd": "misbehave forever" },
        { "name": "bank.api", "cmd": "misbehave forever" },
        { "name": "clock", "cmd": "misbehave forever", "start": false },
    ]});
    shop.file("jobs.json", &jobs.to_string());
    Transcript::of(&gaffer)
        .run("load jobs.json")
        .once(|| (shop.daemon.until_running("shop.web", 1), shop.daemon.until_running("bank.api", 1)))
        .run("load ./jobs.json")
        .run_with_input("load -", r#"{"name": "tick", "cmd": "no-such-program", "cdw": "/"}"#)
        .run_with_input(
            "load --json --nostart -",
            r#"[{"name": "web", "cmd": "true"}, {"name": "tock", "cmd": "true"}]"#,
        )
        .run("ps")
        .run("unload --from-file jobs.json")
        .run("unload --from-file jobs.json tick tock")
        .run("apps")
        .check("load_file");
    shop.daemon.until("all is gone", || {
        let left = shop.daemon.get("/processes");
        if left == json!([]) { Ok(()) } else { Err(left) }
    });
}

#[test]
fn what_export_writes_load_takes() {
    let shop = Shop::new("web: misbehave forever\nworker: misbehave forever | cat\n");
    let gaffer = shop.gaffer();
    let written = gaffer.prints(&["export", "--format", "json"]);
    let said = gaffer.run_with_input(&["load", "-"], &written);
    assert_eq!(said.code, 0, "{said}");
    let of_file = ["web", "worker"].map(|job| shop.daemon.get(&format!("/processes/shop.{job}")));
    gaffer.prints(&["unload"]);
    gaffer.prints(&["load"]);
    let of_procfile = ["web", "worker"].map(|job| shop.daemon.get(&format!("/processes/shop.{job}")));
    assert_eq!(of_file, of_procfile);
}

#[test]
fn another_folder_of_the_same_name_is_another_application() {
    let shop = Shop::new("web: misbehave forever\n");
    shop.loaded(&["web"]);
    let other = shop.daemon.path("other/shop");
    fs::create_dir_all(&other).unwrap();
    fs::write(other.join("Procfile"), "api: misbehave forever\nweb: misbehave forever\n").unwrap();
    let gaffer = super::gaffer(&shop.daemon, &other);
    let told = gaffer.fails(&["load"]);
    let folders = format!("{}, not {}", shop.path("").display().to_string().trim_end_matches('/'), other.display());
    assert!(told.contains(&folders) && told.contains("`--app NAME`"), "{told}");
    assert_eq!(shop.daemon.get("/processes"), json!(["shop.web"]), "nothing was loaded");
    gaffer.prints(&["load", "--app", "shop2", "--port", "7000"]);
    shop.daemon.until_running("shop2.api", 1);
    assert_eq!(shop.daemon.get("/processes/shop2.web")["env"]["PORT"], "7100");
}
