//! How gafferctl finds its node: options, environment, user file.

use std::{fs, os::unix::fs::PermissionsExt};

use gaffer_tests::{Client, Daemon, Setup};

use super::gafferctl;

/// gafferctl without a hint where the node is.
fn lost(daemon: &Daemon) -> Client {
    gafferctl(daemon).env("GAFFER_ENDPOINT", "")
}

fn url(daemon: &Daemon) -> String {
    format!("http://{}", daemon.address())
}

#[test]
fn the_option_wins_over_the_environment() {
    let daemon = Daemon::start("[process:web]\ncmd = misbehave forever\n");
    let ctl = lost(&daemon).env("GAFFER_ENDPOINT", "http://127.0.0.1:1");
    assert_eq!(ctl.run(&["ping"]).code, 4);
    let address = daemon.address().to_string();
    for connect in [url(&daemon), address.clone(), format!("http://{address}/")] {
        assert_eq!(ctl.prints(&["--connect", &connect, "ping"]), "ok\n");
        assert_eq!(ctl.prints(&["ping", "--connect", &connect]), "ok\n", "behind the command, too");
        assert_eq!(ctl.prints(&["ping", &format!("--connect={connect}")]), "ok\n");
    }
}

#[test]
fn the_user_file_names_nodes() {
    let daemon = Daemon::start("[process:web]\ncmd = misbehave forever\n");
    let folder = daemon.path("client-home/.gaffer");
    fs::create_dir_all(&folder).unwrap();
    let content = format!("[node \"{}\"]\nname = prod\n", url(&daemon));
    fs::write(folder.join("gaffer.ini"), &content).unwrap();
    let ctl = lost(&daemon);
    assert_eq!(ctl.prints(&["--connect", "prod", "ping"]), "ok\n");
    assert_eq!(ctl.clone().env("GAFFER_ENDPOINT", "prod").prints(&["ping"]), "ok\n");
    let other = daemon.path("other.ini");
    fs::write(&other, content.replace("prod", "test")).unwrap();
    let ctl = ctl.env("GAFFER_CONFIG", &other);
    assert_eq!(ctl.prints(&["--connect", "test", "ping"]), "ok\n");
}

#[test]
fn a_key_that_others_can_read_is_warned_of() {
    let daemon = Setup::new().start();
    let file = daemon.setup().file("user.ini", &format!("[node \"{}\"]\nkey = secret\n", url(&daemon)));
    let ctl = gafferctl(&daemon).env("GAFFER_CONFIG", &file);
    for (mode, warns) in [(0o644, true), (0o600, false)] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let said = ctl.run(&["ping"]);
        assert_eq!((said.code, said.stdout.as_str()), (0, "ok\n"), "{said}");
        assert_eq!(said.stderr.contains("user.ini"), warns, "{said}");
        assert!(!said.stderr.contains("secret"), "{said}");
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    for args in [&["-q", "ping"][..], &["--api-key", "mine", "ping"]] {
        assert_eq!(ctl.run(args).stderr, "", "{args:?}");
    }
    let other = format!("localhost:{}", daemon.address().port());
    assert_eq!(ctl.run(&["--connect", &other, "ping"]).stderr, "", "the key is of another node");
}

#[test]
fn a_user_file_with_mistakes_is_refused_with_the_line() {
    let daemon = Setup::new().start();
    let file = daemon.path("wrong.ini");
    fs::write(&file, "[node \"http://127.0.0.1:5000\"]\nkeyfil = x\nnam = y\n").unwrap();
    let said = gafferctl(&daemon).env("GAFFER_CONFIG", &file).run(&["ping"]);
    assert_eq!(said.code, 1, "{said}");
    let begin = |line| format!("{}:{line}: [node ", file.display());
    let lines: Vec<&str> = said.stderr.lines().collect();
    assert!(lines[0].starts_with(&begin(2)) && lines[0].contains("`keyfile`"), "{said}");
    assert!(lines[1].starts_with(&begin(3)) && lines.len() == 2, "{said}");
    assert_eq!(said.stdout, "");
}

#[test]
fn a_file_that_the_environment_names_must_be_there() {
    let daemon = Setup::new().start();
    let said = gafferctl(&daemon).env("GAFFER_CONFIG", "missing.ini").run(&["ping"]);
    assert_eq!(said.code, 1, "{said}");
    assert!(said.stderr.contains("missing.ini"), "{said}");
}
