//! The plugins in `examples/plugins`, and the application of `crates/gaffer-core/examples`.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use gaffer_tests::{Setup, example, processes, repository};
use nix::sys::signal::Signal;

use super::until_ready;

/// Copies the files of an example.
fn copy(setup: &Setup, path: &str) {
    let from = repository().join("examples/plugins").join(path);
    let to = setup.path("plugins").join(from.file_name().unwrap());
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn the_one_in_sh_lists_exits() {
    let setup = Setup::new();
    copy(&setup, "sh/exit-log");
    let list = setup.path("list");
    let ini = format!(
        "[plugin:exit-log]\nfile = {}\n[process:web]\ncmd = misbehave forever\n[process:s.once]\ncmd = misbehave exit 3\n\
         flapping = 1, 1, 60, 1\n",
        list.display()
    );
    let mut daemon = setup.ini(&ini).args("-p plugins").start();
    until_ready(&daemon, "exit-log");
    let (web, _) = daemon.only_process("web");
    let text = || fs::read_to_string(&list).unwrap_or_default();
    daemon.until("an exit is in the list", || if text().contains("s.once (pid ") { Ok(()) } else { Err(text()) });
    assert!(text().contains("): exit code 3\n"), "{}", text());
    daemon.stop();
    assert!(text().ends_with(&format!(" web (pid {web}): signal 15\n")), "the last is there, too: {}", text());
}

#[test]
fn the_one_in_python_restarts_after() {
    if Command::new("python3").arg("--version").output().is_err() {
        return; // Not everybody has it.
    }
    let setup = Setup::new();
    copy(&setup, "python/restart-after");
    let ini = "[plugin:restart-after]\nwhen = db\nrestart = web, nobody\n[process:db]\ncmd = misbehave forever\n\
               [process:web]\ncmd = misbehave forever\n";
    let mut daemon = setup.ini(ini).args("-p plugins").start();
    until_ready(&daemon, "restart-after");
    let (web, (_, db)) = (daemon.only_process("web").0, daemon.only_process("db"));
    processes::signal(db, Signal::SIGKILL);
    daemon.until_logged("plugin restart-after: web was restarted, as db was launched");
    daemon.until_logged("WARN plugin restart-after: nobody was not restarted: no job is named `default.nobody`");
    assert!(daemon.pids("web") != [web]);
    daemon.stop();
}

#[test]
fn the_one_in_rust_counts() {
    let setup = Setup::new();
    copy(&setup, "rust/tally");
    fs::copy(example("gaffer-plugins", "tally"), setup.path("plugins/tally/tally")).unwrap();
    let ini = "[plugin:tally]\nevery = 2\n[process:web]\ncmd = misbehave forever\n";
    let mut daemon = setup.ini(ini).args("-p plugins").start();
    until_ready(&daemon, "tally");
    for _ in 0..2 {
        let (pid, os_pid) = daemon.only_process("web");
        processes::signal(os_pid, Signal::SIGKILL);
        daemon.until_status("web", "runs again", |status| {
            status["pids"].as_array().is_some_and(|pids| pids.len() == 1 && pids[0] != pid)
        });
    }
    daemon.until_logged("INFO plugin tally: web: ");
    daemon.stop();
    daemon.until_logged("INFO plugin tally: web: 3 launches, 3 exits, 3 of them failures");
}

#[test]
fn an_application_of_ones_own_program_counts_too() {
    let mut program = Command::new(example("gaffer-core", "application")).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "the first exit");
    processes::signal(i32::try_from(program.id()).unwrap(), Signal::SIGINT);
    let last = lines.next().unwrap().unwrap();
    assert!(program.wait().unwrap().success());
    let count = last.strip_suffix(" exits").unwrap().parse::<u64>().unwrap();
    // A second one may be under way, or just be launched.
    assert!(count >= 1, "{last}");
}
