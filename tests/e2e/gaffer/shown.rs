//! `ps`, `ps:info`, `apps`: how applications stand.

use std::fs;

use gaffer_tests::{Client, Daemon};

use super::{Shop, Transcript, gaffer};

const PROCFILE: &str = "\
web: misbehave forever
idle: misbehave forever
line: misbehave forever | cat 'some file' -
done: misbehave exit 3
bad: no-such-program
";

#[test]
fn jobs_are_shown_as_they_stand() {
    let shop = Shop::new(PROCFILE);
    let gaffer = shop.loaded(&["web"]);
    shop.daemon.until_status("shop.done", "has ended", |status| status["last_exit"]["exit_code"] == 3);
    gaffer.prints(&["ps:stop", "idle", "line", "done"]);
    gaffer.prints(&["scale", "bad=0"]);
    for job in ["idle", "line", "done"] {
        shop.daemon.until_running(&format!("shop.{job}"), 0);
    }
    Transcript::of(&gaffer)
        .run("ps")
        .run("ps shop --quiet")
        .run("ps nowhere")
        .run("ps --json nowhere")
        .run("ps:info web")
        .run("ps:info shop.idle")
        .run("ps:info 1")
        .run("ps:info nope")
        .run("ps:info bank.nope")
        .run("ps:info 999")
        .run("apps --quiet")
        .check("ps");
    let json: serde_json::Value = serde_json::from_str(&gaffer.prints(&["ps", "--json"])).unwrap();
    let web = &json[0];
    assert_eq!((&web["name"], &web["cmd"]), (&"shop.web".into(), &"misbehave forever".into()));
    assert_eq!(web["processes"][0]["pid"], 1);
    assert!(web["processes"][0]["uptime"].as_f64().is_some_and(|uptime| uptime >= 0.0), "{json}");
    let info: serde_json::Value = serde_json::from_str(&gaffer.prints(&["ps:info", "--json", "web"])).unwrap();
    assert_eq!((&info["name"], &info["config"]["cmd"]), (&"shop.web".into(), &"misbehave".into()));
    let info: serde_json::Value = serde_json::from_str(&gaffer.prints(&["ps:info", "--json", "1"])).unwrap();
    assert_eq!((&info["name"], &info["pid"]), (&"shop.web".into(), &1.into()));
}

#[test]
fn an_application_is_seen_from_anywhere() {
    let shop = Shop::new("web: misbehave forever\n");
    shop.loaded(&["web"]);
    let elsewhere = gaffer(&shop.daemon, &shop.daemon.path(""));
    for args in
        [&["ps", "shop"][..], &["--app", "shop", "ps"], &["-d", "shop", "ps"], &["-f", "shop/Procfile", "ps", "."]]
    {
        let said = elsewhere.prints(args);
        assert!(said.starts_with("=== web: `misbehave forever`\nTotal CPU: "), "{args:?}: {said}");
    }
    assert_eq!(elsewhere.prints(&["apps"]), "shop\n");
}

#[test]
fn a_folder_whose_name_can_be_none_says_what_to_do() {
    let daemon = Daemon::start("");
    let folder = daemon.path("my shop");
    fs::create_dir(&folder).unwrap();
    let client: Client = gaffer(&daemon, &folder);
    fs::write(folder.join("Procfile"), "web: misbehave forever\n").unwrap();
    Transcript::of(&client)
        .run("load")
        .run("ps")
        .run("--app shop load")
        .run("--app shop ps:stop web nope")
        .check("folder");
}
