//! What is wrong before anything is launched.

use std::fs;

use gaffer_tests::{Project, Said};

/// Runs it, which must fail with this code and launch nothing.
#[track_caller]
fn refuses(project: &Project, args: &[&str], code: i32) -> Said {
    let mut words = vec!["start"];
    words.extend(args);
    let said = project.gaffer().run(&words);
    assert_eq!((said.code, said.stdout.as_str()), (code, ""), "{args:?}: {said}");
    assert!(!fs::exists(project.path("started")).unwrap(), "{args:?}: {said}");
    assert!(!said.stderr.contains("panic"), "{args:?}: {said}");
    said
}

#[test]
fn all_mistakes_of_all_files_are_told_with_their_places() {
    let project = Project::new("web: misbehave touch started\nno colon here\n1: x\n-x: y\n\nlast: echo \"open\n");
    project.file(".env", "A=1\nnothing\n1x=3\n");
    project.file("more.env", "\nC='open\n");
    let said = refuses(&project, &["-e", "more.env", "-e", "9=x"], 1);
    let places: Vec<&str> =
        said.stderr.lines().filter_map(|line| line.split_once(": ")).map(|(place, _)| place).collect();
    assert_eq!(
        places,
        ["Procfile:2", "Procfile:3", "Procfile:4", "Procfile:6", ".env:2", ".env:3", "more.env:2", "9=x"],
        "{said}"
    );
}

#[test]
fn what_is_not_there_is_named() {
    let project = Project::empty();
    let nothing = refuses(&project, &[], 1);
    assert!(nothing.stderr.starts_with("Procfile: is not there; name the Procfile with --procfile"), "{nothing}");
    project.file("Procfile", "\n# nothing\n");
    let empty = refuses(&project, &[], 1);
    assert!(empty.stderr.starts_with("Procfile: has no process types"), "{empty}");
    project.file("Procfile", "web: misbehave touch started\n");
    for (args, name) in [
        (["-f", "other"], "other: is not there"),
        (["-d", "nowhere"], "nowhere/Procfile: is not there"),
        (["-e", "other.env"], "other.env: cannot be read"),
    ] {
        let said = refuses(&project, &args, 1);
        assert!(said.stderr.contains(name), "{said}");
    }
}

#[test]
fn what_does_not_exist_cannot_be_run() {
    let project = Project::new("web: misbehave touch started\ndb: misbehave touch started\n");
    for (args, code, text) in [
        (&["-c", "nope=2"][..], 1, "`nope`"),
        (&["nope"], 1, "`nope`"),
        (&["-c", "web=0,db=0"], 1, "nothing to run"),
        (&["--exit-with", "nope"], 2, "nope is not in the Procfile"),
        (&["--exit-with", "db", "web"], 2, "db is not to run"),
        (&["--app", "a/b"], 1, "--app"),
        (&["--json"], 2, "JSON"),
    ] {
        let said = refuses(&project, args, code);
        assert!(said.stderr.contains(text), "{args:?}: {said}");
    }
}

#[test]
fn what_does_not_read_is_a_mistake_of_the_command_line() {
    let project = Project::new("web: misbehave touch started\n");
    for args in [
        &["-c", "web"][..],
        &["-c", "web=x"],
        &["-c", "web=-1"],
        &["-p", "x"],
        &["-p", "65536"],
        &["--graceful-timeout", "soon"],
        &["--graceful-timeout=-1"],
        &["--no-such-option"],
    ] {
        refuses(&project, args, 2);
    }
}

#[test]
fn ports_beyond_the_last_are_a_mistake() {
    let project = Project::new("web: misbehave touch started\ndb: misbehave touch started\n");
    for args in [&["-p", "65535", "-c", "web=2"][..], &["-p", "65500"], &["-e", "PORT=65500"]] {
        let said = refuses(&project, args, 1);
        assert!(said.stderr.contains("port"), "{args:?}: {said}");
    }
    for port in ["70000", "-1", "many"] {
        let said = refuses(&project, &["-e", &format!("PORT={port}")], 1);
        assert!(said.stderr.contains("PORT") && said.stderr.contains(port), "{said}");
    }
}

#[test]
fn a_name_that_stands_twice_is_a_warning() {
    let project = Project::new("web: echo first\nweb: echo second\n");
    let said = project.gaffer().run(&["start", "--exit-on-failure"]);
    assert_eq!(said.code, 0, "{said}");
    assert_eq!(super::printed(&said.stdout, "web"), ["second"]);
    assert!(said.stderr.starts_with("Procfile:2: ") && said.stderr.contains("line 1"), "{said}");
}

#[test]
fn garbage_is_no_procfile_but_a_mistake() {
    let project = Project::empty();
    for bytes in [&b"\xff\xfe\x00web: x"[..], b"web: \x00 x", &[b'x'; 100_000], b"web:", b": x", b"web: 'open"] {
        fs::write(project.path("Procfile"), bytes).unwrap();
        let said = refuses(&project, &[], 1);
        assert!(said.stderr.starts_with("Procfile:"), "{said}");
        assert!(said.stderr.len() < 2000, "{} bytes", said.stderr.len());
    }
    fs::remove_file(project.path("Procfile")).unwrap();
    fs::create_dir(project.path("Procfile")).unwrap();
    refuses(&project, &[], 1);
}
