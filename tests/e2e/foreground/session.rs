//! The manual's session.

use gaffer_tests::Project;
use nix::{
    sys::{signal::Signal, stat::Mode},
    unistd::mkfifo,
};

use super::until_printed_times;

/// A program that says hello, and ends once something is written to the fifo `NAME` of the project.
fn waits_for(project: &Project, name: &str) -> String {
    mkfifo(&project.path(name), Mode::S_IRWXU).unwrap();
    project.script(&format!("{name}.sh"), &format!("echo \"hello, $PS is alive\"\nread -r word < {name}"));
    format!("./{name}.sh")
}

/// Lines of one process without what differs from run to run: the time, and the kernel's numbers of processes, which are counted.
fn told(stdout: &str, label: &str) -> Vec<String> {
    let mut pids: Vec<&str> = Vec::new();
    let lines = stdout.lines().filter_map(|line| line.split_once(' ')?.1.strip_prefix(&format!("{label} | ")));
    lines
        .map(|line| {
            let Some((before, after)) = line.split_once(" with pid ") else { return line.to_owned() };
            let (pid, after) = after.split_at(after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len()));
            let position = pids.iter().position(|known| *known == pid).unwrap_or_else(|| {
                pids.push(pid);
                pids.len() - 1
            });
            format!("{before} with pid {}{after}", position + 1)
        })
        .collect()
}

#[test]
fn the_manual_s_session() {
    let project = Project::empty();
    let (dummy, dummy1) = (waits_for(&project, "dummy"), waits_for(&project, "dummy1"));
    project.file("Procfile", &format!("dummy: {dummy}\ndummy1: {dummy1}\n"));
    let gaffer = project.gaffer().start(&["start"]);
    gaffer.until_printed("dummy | hello");
    gaffer.until_printed("dummy1 | hello");
    std::fs::write(project.path("dummy"), "end\n").unwrap();
    gaffer.until_printed("dummy | exit process");
    until_printed_times(&gaffer, "dummy | hello", 2);
    gaffer.signal(Signal::SIGTERM);
    let said = gaffer.wait();
    assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{said}");
    let expected = [
        "spawn process with pid 1",
        "hello, dummy.1 is alive",
        "exit process with pid 1",
        "spawn process with pid 2",
        "hello, dummy.1 is alive",
        "stop_pid process with pid 2",
        "exit process with pid 2 (SIGTERM)",
    ];
    assert_eq!(told(&said.stdout, "dummy"), expected, "{said}");
    let expected = [
        "spawn process with pid 1",
        "hello, dummy1.1 is alive",
        "stop_pid process with pid 1",
        "exit process with pid 1 (SIGTERM)",
    ];
    assert_eq!(told(&said.stdout, "dummy1"), expected, "{said}");
    assert_eq!(said.stdout.lines().count(), 11, "{said}");
}
