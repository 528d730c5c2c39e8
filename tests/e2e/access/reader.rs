//! What a key that may read a job and not manage it is told: all but the values of variables.

use gaffer_tests::{Client, Daemon};
use serde_json::{Value, json};

use super::{Keys, ask, make};

/// What nobody but a manager may know.
const SECRET: &str = "toksecret";

const JOBS: &str = "\
    [process:shop:web]\ncmd = misbehave forever $TOK\nredirect_output = out\n[env:shop:web]\ntok = toksecret\n\
    [process:shop:bad]\ncmd = $TOK/bin/x\n[env:shop:bad]\ntok = toksecret\n\
    [process:shop:lost]\ncmd = no-such-program\n[env:shop:lost]\npath = /toksecret\n";

/// A gafferd that tells all that it can, the key of its admin, and one that may read everything.
fn node() -> (Keys, Daemon, String) {
    let keys = Keys::new();
    let daemon = keys.setup().ini(JOBS).arg("-vv").env("GAFFER_LOG", "debug").start();
    let reader = make(&daemon, &keys.admin, &json!({"read": ["*"]}));
    (keys, daemon, reader)
}

/// What a program prints, in which no secret may be.
#[track_caller]
fn printed(client: &Client, args: &[&str]) -> String {
    let said = client.run(args);
    assert!(said.code == 0 && !said.to_string().contains(SECRET), "{said}");
    said.stdout
}

#[test]
fn a_reader_is_told_all_but_the_values_of_variables() {
    let (keys, daemon, reader) = node();
    let ctl = Client::ours(&daemon, "gafferctl").env("GAFFER_API_KEY", &reader);
    let web = daemon.until("web runs", || {
        let status = ask(&daemon, &reader, "GET", "/status/shop.web", "").json();
        status["pids"][0].as_u64().ok_or(status)
    });
    let web = web.to_string();

    let config: Value = serde_json::from_str(&printed(&ctl, &["get_process", "shop.web"])).unwrap();
    assert_eq!((&config["cmd"], &config["env"]), (&json!("misbehave forever $TOK"), &json!({"TOK": null})));
    let text = printed(&ctl, &["info", "shop.web", &web]);
    assert!(text.contains("\ncmd: misbehave forever $TOK\n") && text.contains("\nargs: (hidden)\n"), "{text}");
    assert_eq!(text.matches("\nenv.TOK: (hidden)\n").count(), 2, "{text}");
    let told: Value = serde_json::from_str(&printed(&ctl, &["--json", "info", &web])).unwrap();
    assert_eq!((&told[0]["cmd"], &told[0]["env"]), (&Value::Null, &json!({"TOK": null})));
    for args in [&["status"][..], &["stats"], &["processes"], &["pids", "shop.web"], &["logs", "shop.web"]] {
        printed(&ctl, args);
    }
    let gaffer = Client::ours(&daemon, "gaffer").env("GAFFER_API_KEY", &reader).args(["--app", "shop"]);
    let text = printed(&gaffer, &["ps"]);
    assert!(text.contains("=== web: `misbehave forever $TOK`"), "{text}");
    let text = printed(&gaffer, &["ps:info", &web]);
    assert!(text.contains("\ncmd: (hidden)\nargs: (hidden)\nenv.TOK: (hidden)\n"), "{text}");
    printed(&gaffer, &["logs", "--no-follow", "web"]);

    let said = ctl.run(&["update_process", "shop.web", "-n", "2"]);
    let words = "gafferctl: the values of the variables of `shop.web` are hidden from this key: it needs `manage`\n";
    assert_eq!((said.code, said.stderr.as_str()), (1, words), "{said}");
    let manager = ctl.clone().env("GAFFER_API_KEY", &keys.admin);
    assert!(manager.prints(&["get_process", "shop.web"]).contains(SECRET));
    assert_eq!(manager.prints(&["update_process", "shop.web", "-n", "2"]), "ok\n");
    assert!(manager.prints(&["get_process", "shop.web"]).contains(SECRET), "it is kept by a change");
    let refused = daemon.log().into_iter().find(|line| line.text.contains("PUT"));
    assert!(refused.is_none(), "{refused:?}");
}

#[test]
fn why_a_job_does_not_run_tells_no_values_to_anybody() {
    let (keys, daemon, reader) = node();
    let causes = [
        ("bad", "there is no program `$TOK/bin/x` (variables replaced)"),
        ("lost", "there is no program `no-such-program` in PATH (as its `env` has it)"),
    ];
    for (job, cause) in causes {
        for key in [&reader, &keys.admin] {
            for path in [format!("/status/shop.{job}"), format!("/jobs/shop/{job}")] {
                daemon.until("the cause is told", || {
                    let status = ask(&daemon, key, "GET", &path, "").json();
                    let is_told = status["cause"].as_str().is_some_and(|told| told.ends_with(cause));
                    if is_told { Ok(()) } else { Err(status) }
                });
            }
        }
        daemon.until_logged(cause);
        daemon.until_shown(cause);
    }
    let ctl = Client::ours(&daemon, "gafferctl").env("GAFFER_API_KEY", &reader);
    let watch = ctl.start(&["--json", "watch", "-n", "1000"]);
    for (_, cause) in causes {
        watch.until_printed(cause);
    }
    let lines = watch.lines().into_iter().chain(daemon.log()).chain(daemon.console());
    assert!(lines.clone().count() > 10);
    for line in lines {
        assert!(!line.text.contains(SECRET), "{line:?}");
    }
}
