//! The first admin, what is logged, and what keeps gafferd from starting.

use std::{fs, os::unix::fs::PermissionsExt};

use gaffer_tests::http::Connection;
use nix::sys::signal::Signal;
use serde_json::json;

use super::{Keys, PASSWORD, ask, errand, make};

fn said(output: &std::process::Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_first_admin_is_made_on_the_command_line_and_comes_in_by_key_and_by_password() {
    let keys = Keys::new();
    let mode = |name: &str| fs::metadata(keys.folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("state"), mode("state/state.db")), (0o700, 0o600));
    let mut daemon = keys.start("[process:web]\ncmd = sleep 1000\n");
    assert_eq!(daemon.request("GET", "/ping", None).status, 200);
    assert_eq!(daemon.request("GET", "/jobs", None).status, 401);
    let answer = ask(&daemon, &keys.admin, "GET", "/jobs", "");
    assert_eq!(answer.json(), json!({"jobs": ["default.web"]}));
    let mut connection = Connection::open(daemon.address());
    // `root:open sesame`
    connection.request("GET", "/auth", &[("Authorization", "Basic cm9vdDpvcGVuIHNlc2FtZQ==")], None);
    let session = connection.answer("GET").json()["api_key"].as_str().unwrap().to_owned();
    assert_eq!(ask(&daemon, &session, "GET", "/jobs", "").status, 200);

    // Beside the node that runs, too.
    let (code, stdout, stderr) =
        said(&errand(&keys.state(), &["--create-admin-user", "--username=ann", "--password=p"], ""));
    assert_eq!(code, Some(0), "{stderr}");
    let (_, key) = stdout.trim_end().split_once("API Key: ").unwrap();
    assert_eq!(ask(&daemon, key, "GET", "/users", "").json(), json!({"users": ["ann", "root"]}));
    let (code, stdout, _) = said(&errand(&keys.state(), &["--list-admins"], ""));
    assert_eq!((code, stdout), (Some(0), format!("ann - {}\nroot - {}\n", &key[..12], &keys.admin[..12])));
    daemon.stop();
}

#[test]
fn an_admin_that_cannot_be_is_refused_with_what_to_do() {
    let keys = Keys::new();
    let state = keys.state();
    for (args, input, code, expected) in [
        (
            &["--create-admin-user", "--username=root"][..],
            "p",
            1,
            "username 'root' already exists. Please choose another",
        ),
        (
            &["--create-admin-user", "--username=ann"],
            "",
            1,
            "there must be a password; give --password, or a line of stdin",
        ),
        (&["--create-admin-user", "--password=p"], "", 1, "there must be a name; give --username"),
        (
            &["--create-admin-user", "--username=a:b", "--password=p"],
            "",
            1,
            "username: must be 1 to 255 bytes without `:` and `/`",
        ),
        (&["--create-admin-user", "--username=ann", "--password="], "", 1, "password: must be 1 to 1024 bytes"),
        (&["--username=ann"], "", 2, "--create-admin-user"),
        (&["--create-admin-user", "--list-admins"], "", 2, "cannot be used with"),
    ] {
        let (status, stdout, stderr) = said(&errand(&state, args, input));
        assert_eq!((status, stdout.as_str()), (Some(code), ""), "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
    }
    let (status, _, stderr) = said(&errand(&keys.folder.path().join("state/state.db/x"), &["--list-admins"], ""));
    assert_eq!(status, Some(1));
    assert!(stderr.starts_with("gafferd: ") && stderr.contains("state.db"), "{stderr}");
    let (_, stdout, _) = said(&errand(&state, &["--list-admins"], ""));
    assert_eq!(stdout, format!("root - {}\n", &keys.admin[..12]));
}

#[test]
fn a_state_folder_is_one_nodes_and_free_again_when_that_is_killed() {
    let keys = Keys::new();
    let mut first = keys.start("");
    let second = keys.setup().ini("").run();
    assert_eq!(second.code, Some(1));
    let expected = format!("os_pid {}", first.os_pid());
    assert!(second.stderr.contains(&expected) && second.stderr.contains("state"), "{}", second.stderr);
    first.signal(Signal::SIGKILL);
    first.wait();
    keys.start("").stop();
}

#[test]
fn a_node_that_nobody_can_administer_says_how_to_mend_that() {
    let folder = tempfile::tempdir().unwrap();
    let setup = gaffer_tests::Setup::new()
        .ini(&format!("[gaffer]\nrequire_key = true\nstate_dir = {}\n", folder.path().join("state").display()));
    let mut daemon = setup.start();
    let line = daemon.until_logged("there is none that permits everything").text;
    assert!(line.contains("make one: gafferd -c gaffer.ini --create-admin-user"), "{line}");
    daemon.stop();
}

#[test]
fn changes_and_refusals_leave_a_line_and_secrets_none() {
    let keys = Keys::new();
    let ini = "[process:web]\ncmd = sh -c 'echo $SECRET; exec cat'\nredirect_output = out\nredirect_input = true\n\
               [env:web]\nsecret = swordfish\n";
    let mut daemon = keys.setup().env("GAFFER_LOG", "trace").arg("-vv").ini(ini).start();
    let key = make(&daemon, &keys.admin, &json!({"read": ["default"], "create_key": true}));
    daemon.until_logged(&format!("made key {} with", &key[..12]));
    ask(
        &daemon,
        &keys.admin,
        "POST",
        "/users",
        &json!({"username": "bob", "password": "hunter2", "key": key}).to_string(),
    );
    daemon.until_logged("made user \"bob\"");
    ask(&daemon, &keys.admin, "PUT", "/users/bob/password", &json!({"password": "hunter3"}).to_string());
    daemon.until_logged("gave user \"bob\" another password");

    assert_eq!(daemon.request("GET", "/jobs", None).status, 401);
    let line = daemon.until_logged("path=\"/jobs\"").text;
    assert!(line.contains("refused") && line.contains("nobody") && line.contains("peer=127.0.0.1:"), "{line}");
    assert_eq!(ask(&daemon, &key, "DELETE", "/jobs/default/web", "").status, 403);
    let line = daemon.until_logged("path=\"/jobs/default/web\"").text;
    assert!(line.contains(&format!("key {}", &key[..12])) && line.contains("does not permit to manage"), "{line}");
    ask(&daemon, &key, "GET", &format!("/keys/{}", keys.admin), "");
    daemon.until_logged(&format!("path=\"/keys/{}\"", &keys.admin[..12]));
    ask(&daemon, &format!("{}{}", &keys.admin[..12], "0".repeat(52)), "GET", "/jobs", "");
    daemon.until_logged("caller=\"a bad key\"");
    let mut connection = Connection::open(daemon.address());
    // `bob:wrong`
    connection.request("GET", "/auth", &[("Authorization", "Basic Ym9iOndyb25n")], None);
    assert_eq!(connection.answer("GET").status, 401);
    let line = daemon.until_logged("username or password is wrong").text;
    assert!(line.contains("bob"), "who tried to log in is told: {line}");
    ask(&daemon, &keys.admin, "DELETE", &format!("/keys/{key}"), "");
    daemon.until_logged(&format!("revoked key {}", &key[..12]));
    daemon.stop();
    let log: String = daemon.log().into_iter().map(|line| line.text + "\n").collect();
    for secret in [&keys.admin[12..], &key[12..], PASSWORD, "hunter2", "hunter3", "swordfish", "Ym9iOndyb25n"] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}

#[test]
fn a_change_is_told_in_the_log_though_nobody_waits_for_its_answer() {
    let keys = Keys::new();
    let mut daemon = keys.start("");
    // Whether a request comes far enough before its connection is seen to be gone is chance; what came is told.
    let revoked = gaffer_tests::wait_until("a key is revoked", || {
        let key = make(&daemon, &keys.admin, &json!({"read": ["*"]}));
        let path = format!("/keys/{}", &key[..12]);
        let mut connection = Connection::open(daemon.address());
        connection.request("DELETE", &path, &[("X-Api-Key", &keys.admin)], None);
        drop(connection);
        match ask(&daemon, &keys.admin, "GET", &path, "").status {
            404 => Ok(key),
            status => Err(status),
        }
    });
    daemon.until_logged(&format!("revoked key {}", &revoked[..12]));
    daemon.stop();
}
