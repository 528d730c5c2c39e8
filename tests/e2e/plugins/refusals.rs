//! Plugins that keep gafferd from starting, and jobs that are none of theirs.

use gaffer_tests::Setup;

use super::{plugin, scripted};

/// What gafferd says when it does not start; nothing may have been launched.
#[track_caller]
fn refusal(setup: Setup) -> String {
    let setup = setup.ini("[process:web]\ncmd = misbehave touch launched forever\n").args("-p plugins");
    let outcome = setup.run();
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert!(!outcome.setup.path("launched").exists() && !outcome.setup.path("plugins/good/launched").exists());
    outcome.stderr
}

#[test]
fn a_plugin_without_what_it_needs_refuses_the_start() {
    let setup = Setup::new();
    scripted(&setup, "good", "", "touch launched\n");
    plugin(&setup, "eager", "mandatory = goad, missing\n");
    assert_eq!(
        refusal(setup),
        "plugins/eager/plugin.ini:2: [plugin] mandatory: the plugin `eager` needs the plugin `goad`, which is not in plugins (did \
         you mean `good`?); put it there, or remove `eager`\n\
         plugins/eager/plugin.ini:2: [plugin] mandatory: the plugin `eager` needs the plugin `missing`, which is not in plugins; \
         put it there, or remove `eager`\n"
    );
}

#[test]
fn plugins_that_need_each_other_refuse_the_start() {
    let setup = Setup::new();
    plugin(&setup, "a", "mandatory = b\n");
    plugin(&setup, "b", "mandatory = a\n");
    let expected = "plugins/a/plugin.ini:2: [plugin] mandatory: plugins need each other in a circle: a -> b -> a\n";
    assert_eq!(refusal(setup), expected);
}

#[test]
fn a_file_with_a_mistake_refuses_the_start() {
    let setup = Setup::new();
    plugin(&setup, "a", "ap = ./run\nsubscribe = spwan\n");
    let said = refusal(setup);
    let expected = "plugins/a/plugin.ini:2: [plugin] ap: is not a key of this section; did you mean `app`?\n\
                    plugins/a/plugin.ini:3: [plugin] subscribe: `spwan` is no event; ";
    assert!(said.starts_with(expected), "{said}");
}

#[test]
fn nobody_else_has_a_job_in_their_session() {
    let outcome = Setup::new().ini("[process:_plugin.web]\ncmd = true\n").run();
    let expected = "gaffer.ini:1: [process:_plugin.web] is in the session `_plugin`, which is for the applications of plugins; \
                    choose another\n";
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), expected));

    let setup = Setup::new();
    scripted(&setup, "app", "", "cat >/dev/null\n");
    let daemon = setup.args("-p plugins").start();
    super::until(&daemon, "app", "runs", |app| app["state"] == "running");
    for (method, path, body) in [
        ("POST", "/processes", r#"{"name": "_plugin.web", "cmd": "true"}"#),
        ("PUT", "/processes/_plugin.app", r#"{"cmd": "true"}"#),
        ("POST", "/jobs/_plugin", r#"{"name": "web", "cmd": "true"}"#),
    ] {
        let answer = daemon.request(method, path, Some(body));
        assert_eq!((answer.status, answer.json()["error"].as_str()), (403, Some("forbidden")), "{method} {path}");
    }
}

#[test]
fn sections_of_plugins_that_are_not_there_are_warned_of() {
    let daemon = Setup::new().ini("[plugin:nope]\na = 1\n").args("-p .").start();
    daemon.until_logged("gaffer.ini:1: [plugin:nope] has no effect: there is no such plugin in .");
}
