//! `gaffer run`: one command with the application's variables.

use gaffer_tests::{Project, wait_until};
use nix::sys::signal::Signal;

use super::until_printed_times;

fn project() -> Project {
    let project = Project::new("web: sh -c 'echo $PS $PORT $COLOUR'\nworker: sh -c 'echo $PS $PORT $COLOUR'\n");
    project.file(".env", "COLOUR=blue\nGREETING='hello  world'\n");
    project
}

#[test]
fn the_exit_code_is_the_commands() {
    let project = project();
    for (args, code) in [
        (&["run", "true"][..], 0),
        (&["run", "sh", "-c", "exit 7"], 7),
        (&["run", "sh", "-c", "kill -9 $$"], 137),
        (&["run", "misbehave", "exit", "255"], 255),
        (&["run", "no-such-program"], 127),
        (&["run", "./Procfile"], 126),
        (&["run", "--", "sh", "-c", "exit 3"], 3),
    ] {
        let said = project.gaffer().run(args);
        assert_eq!((said.code, said.stdout.as_str()), (code, ""), "{args:?}: {said}");
        assert_eq!(said.stderr.is_empty(), ![126, 127].contains(&code), "{args:?}: {said}");
    }
}

#[test]
fn it_has_the_applications_variables_and_folder() {
    let project = project();
    let gaffer = project.gaffer();
    assert_eq!(gaffer.prints(&["run", "printenv", "COLOUR", "GREETING"]), "blue\nhello  world\n");
    assert_eq!(gaffer.prints(&["-e", "COLOUR=red", "run", "printenv", "COLOUR"]), "red\n");
    // What the shell has left in the words is not touched again.
    assert_eq!(gaffer.prints(&["run", "printf", "%s|", "$COLOUR", "a  b", "*", "$$", ""]), "$COLOUR|a  b|*|$$||");
    let folder = project.path("").canonicalize().unwrap();
    project.file("sub/x", "");
    let below = gaffer.clone().within(&project.path("sub"));
    assert_eq!(below.prints(&["-d", "..", "run", "pwd", "-P"]), format!("{}\n", folder.display()));
}

#[test]
fn the_folder_is_what_pwd_says() {
    let project = Project::new("web: printenv PWD\n");
    let folder = project.file("sub/x", "").parent().unwrap().to_owned();
    let below = project.gaffer().within(&folder).env("PWD", &folder);
    for args in [&["run", "printenv", "PWD"][..], &["run", "-c", "2", "printenv", "PWD"], &["start", "--exit-with=web"]]
    {
        let said = below.run(&[&["-d", ".."], args].concat());
        let shown: Vec<&str> = said.stdout.lines().filter(|line| line.contains('/')).collect();
        assert!(!shown.is_empty() && shown.iter().all(|line| !line.ends_with("/sub")), "{args:?}: {said}");
    }
    assert_eq!(below.prints(&["-d", "..", "-e", "PWD=/mine", "run", "printenv", "PWD"]), "/mine\n");
}

#[test]
fn a_name_of_the_procfile_stands_for_its_line() {
    let project = project();
    let worker = project.gaffer().prints(&["run", "worker"]);
    assert_eq!(worker, "worker.1 5100 blue\n", "it is run as `start` would");
    // With anything behind it, it is a command.
    project.script("bin/web", "echo a command \"$@\"");
    assert_eq!(project.gaffer().prints(&["run", "web", "--port", "1"]), "a command --port 1\n");
    assert_eq!(project.gaffer().prints(&["run", "--", "web"]), "a command\n");
}

#[test]
fn stdin_and_outputs_are_its_own() {
    let project = project();
    let said = project.gaffer().run_with_input(&["run", "misbehave", "cat", "eprint", "done"], "one\ntwo\n");
    assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (0, "one\ntwo\n", "done\n"));
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let said = project.gaffer().run_with_input(&["run", "cksum"], &bytes);
    let alone = project.program("cksum").run_with_input(&[], &bytes);
    assert_eq!(said.stdout, alone.stdout);
}

#[test]
fn the_terminal_is_its_own() {
    let project = project();
    let gaffer = project.gaffer().at_terminal(80);
    let said = gaffer.run(&["run", "sh", "-c", "test -t 0 && test -t 1 && test -t 2 && stty size"]);
    assert_eq!((said.code, said.stdout.as_str()), (0, "25 80\n"));
    let running = gaffer.start(&["run", "misbehave", "signals"]);
    running.until_printed("listening");
    running.resize(60, 10);
    running.until_printed("SIGWINCH");
    running.type_in("\x03");
    running.until_printed("SIGINT");
    running.signal(Signal::SIGTERM);
    assert_eq!(running.wait().code, 0);
}

#[test]
fn nobody_stands_between_it_and_who_began_it() {
    let project = project();
    let running = project.gaffer().start(&["run", "misbehave", "report", "report", "signals", "exit", "9"]);
    running.until_printed("listening");
    assert_eq!(project.report("report")["os_pid"], running.pid());
    assert_eq!(project.processes(), [running.pid()], "and there is no guardian");
    running.signal(Signal::SIGTERM);
    assert_eq!(running.wait().code, 9);
}

#[test]
fn of_several_the_worst_code_counts() {
    let project = project();
    let said = project.gaffer().run(&["run", "-c", "3", "sh", "-c", "echo $PS $COLOUR; exit ${PS#*.}"]);
    assert_eq!(said.code, 3, "{said}");
    for number in 1..=3 {
        assert_eq!(super::printed(&said.stdout, &format!("run.{number}")), [format!("run.{number} blue")], "{said}");
    }
    project.until_nothing_left();
}

#[test]
fn several_are_interrupted_together() {
    let project = project();
    let gaffer = project.gaffer().at_terminal(80).start(&["run", "-c", "2", "misbehave", "signals", "exit", "0"]);
    until_printed_times(&gaffer, "listening", 2);
    gaffer.type_in("\x03");
    let said = gaffer.wait();
    assert_eq!(said.code, 130, "{said}");
    assert_eq!(said.stdout.matches("SIGTERM").count(), 2, "{said}");
    wait_until("nothing is left", || match &project.processes()[..] {
        [] => Ok(()),
        left => Err(format!("{left:?}")),
    });
}

#[test]
fn mistakes_are_told_and_nothing_is_run() {
    let project = project();
    project.file(".env", "nothing\n");
    let said = project.gaffer().run(&["run", "misbehave", "touch", "started"]);
    assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{said}");
    assert!(said.stderr.starts_with(".env:1: "), "{said}");
    assert!(!std::fs::exists(project.path("started")).unwrap());
    let said = project.gaffer().run(&["run"]);
    assert_eq!(said.code, 2, "{said}");
}
