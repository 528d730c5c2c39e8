//! Applications of plugins: what they say and are told, and what becomes of those that misbehave.

mod bad;
mod examples;
mod protocol;
mod refusals;
mod reload;

use std::{fs, os::unix::fs::PermissionsExt};

use gaffer_tests::{Daemon, Setup, wait_until};
use serde_json::{Value, json};

/// Writes a plugin whose `plugin.ini` has these keys.
fn plugin(setup: &Setup, name: &str, keys: &str) {
    let folder = setup.path("plugins").join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("plugin.ini"), format!("[plugin]\n{keys}")).unwrap();
}

/// Writes a plugin whose application is a script.
fn scripted(setup: &Setup, name: &str, keys: &str, script: &str) {
    plugin(setup, name, &format!("app = ./run.sh\n{keys}"));
    let path = setup.path("plugins").join(name).join("run.sh");
    fs::write(&path, format!("#!/bin/sh\n{script}")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// What `/plugins` says of one.
fn told(daemon: &Daemon, name: &str) -> Value {
    let all = daemon.get("/plugins");
    let found = all["plugins"].as_array().unwrap().iter().find(|plugin| plugin["name"] == name);
    found.cloned().unwrap_or_else(|| panic!("{name} is not in {all}"))
}

/// Waits until an application is as it should be.
#[track_caller]
fn until(daemon: &Daemon, name: &str, what: &str, mut is: impl FnMut(&Value) -> bool) -> Value {
    wait_until(&format!("the application of {name} {what}"), || {
        let app = told(daemon, name)["app"].clone();
        if is(&app) { Ok(app) } else { Err(app) }
    })
}

#[track_caller]
fn until_ready(daemon: &Daemon, name: &str) -> Value {
    until(daemon, name, "is ready", |app| app["state"] == "ready")
}

/// The lines of a file, each an object of JSON, once there are so many.
#[track_caller]
fn lines(daemon: &Daemon, file: &str, number: usize) -> Vec<Value> {
    wait_until(&format!("{file} has {number} lines"), || {
        let text = fs::read_to_string(daemon.path(file)).unwrap_or_default();
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let lines: Vec<Value> = whole.map(|line| serde_json::from_str(line).unwrap_or(json!(line))).collect();
        if lines.len() >= number { Ok(lines) } else { Err(text) }
    })
}
