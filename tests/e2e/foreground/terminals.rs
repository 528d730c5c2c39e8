//! `--tty`: a terminal for each process.

use gaffer_tests::{Project, processes, wait_until};
use nix::sys::signal::Signal;

use super::{printed, told, until_printed_times};

const WHICH: &str = "for fd in 0 1 2; do if [ -t $fd ]; then echo $fd is a terminal; fi; done";

/// What a line takes before a text of `web`, with its blanks and its bar.
const PREFIX: u16 = 8 + 1 + 3 + 3;

#[test]
fn processes_have_terminals_only_if_asked() {
    let project = Project::empty();
    project.script("which", WHICH);
    project.file("Procfile", "web: ./which\n");
    let said = project.gaffer().run(&["start", "--exit-on-failure"]);
    assert_eq!((said.code, printed(&said.stdout, "web")), (0, vec![]), "{said}");
    let said = project.gaffer().run(&["start", "--exit-on-failure", "--tty"]);
    let all = vec!["0 is a terminal", "1 is a terminal", "2 is a terminal"];
    assert_eq!((said.code, printed(&said.stdout, "web")), (0, all), "{said}");
    assert!(!said.stdout.contains('\r'), "the ends of lines are those of files: {said}");
}

#[test]
fn stderr_is_still_apart() {
    let project = Project::new("web: misbehave print out eprint err\n");
    let said = project.gaffer().run(&["start", "--exit-on-failure", "--tty"]);
    assert_eq!(said.code, 0, "{said}");
    assert_eq!(printed(&said.stdout, "web"), ["out"], "{said}");
    assert_eq!(printed(&said.stderr, "web"), ["err"], "{said}");
}

#[test]
fn nothing_is_lost_at_the_end() {
    let project = Project::new("web: sh -c 'seq 20000; printf last'\n");
    let said = project.gaffer().run(&["start", "--exit-on-failure", "--tty", "-c", "web=2"]);
    assert_eq!(said.code, 0, "{said}");
    for name in ["web.1", "web.2"] {
        let expected = (1..=20000).map(|n| n.to_string()).chain(["last".to_owned()]);
        assert!(printed(&said.stdout, name).into_iter().eq(expected), "{name} lost or changed something");
    }
}

/// Prints the size of its terminal, and each that it has later.
const SIZES: &str = "trap 'stty size' WINCH\nstty size\nmisbehave forever &\nwhile :; do wait; done";

#[test]
fn a_process_knows_how_wide_its_lines_may_be_and_hears_of_changes() {
    let project = Project::empty();
    project.script("sizes", SIZES);
    project.file("Procfile", "web: ./sizes\n");
    let gaffer = project.gaffer().at_terminal(100).start(&["start", "--tty", "--color", "never"]);
    gaffer.until_printed(&format!("| 25 {}", 100 - PREFIX));
    gaffer.resize(70, 50);
    gaffer.until_printed(&format!("| 50 {}", 70 - PREFIX));
    gaffer.type_in("\x03");
    let said = gaffer.wait();
    assert_eq!(said.code, 0, "{said}");
}

#[test]
fn a_process_that_comes_after_a_change_has_the_new_size() {
    let project = Project::empty();
    project.script("sizes", SIZES);
    project.file("Procfile", "web: exec ./sizes\nother: misbehave signals\n");
    let gaffer = project.gaffer().at_terminal(100).start(&["start", "--tty", "--color", "never"]);
    gaffer.until_printed("| 25 ");
    gaffer.until_printed("listening");
    gaffer.resize(70, 50);
    gaffer.until_printed("SIGWINCH");
    gaffer.until_printed("| 50 ");
    let spawned = || told(&gaffer.lines(), "web").iter().filter(|line| line.starts_with("spawn")).count();
    assert_eq!(spawned(), 1);
    let leader = project.instances("web.1").into_iter().find(|pid| processes::parent(*pid) == Some(gaffer.pid()));
    processes::signal(leader.expect("the shell runs"), Signal::SIGKILL);
    wait_until("the next one has the new size", || {
        let told = told(&gaffer.lines(), "web");
        let next = told.iter().skip_while(|line| !line.starts_with("exit"));
        if next.filter(|line| line.starts_with("50 ")).count() > 0 { Ok(()) } else { Err(format!("{told:#?}")) }
    });
    gaffer.type_in("\x03");
    assert_eq!(gaffer.wait().code, 0);
}

/// `sed` holds back what it writes into a pipe until it has enough of it, or ends.
const BUFFERS: &str = "\
exec 3>&1
{ echo one; misbehave touch written until go; echo direct >&3; echo two; } | sed 's/^/by sed: /'
";

#[test]
fn a_program_that_buffers_in_pipes_writes_each_line_at_once() {
    let project = Project::empty();
    project.script("buffers", BUFFERS);
    project.file("Procfile", "web: ./buffers\n");
    let gaffer = project.gaffer().start(&["start", "--exit-on-failure", "--tty"]);
    gaffer.until_printed("by sed: one");
    project.file("go", "");
    let said = gaffer.wait();
    assert_eq!(printed(&said.stdout, "web"), ["by sed: one", "direct", "by sed: two"], "{said}");
}

#[test]
fn through_a_pipe_it_does_not() {
    let project = Project::empty();
    project.script("buffers", BUFFERS);
    project.file("Procfile", "web: ./buffers\n");
    let gaffer = project.gaffer().start(&["start", "--exit-on-failure"]);
    wait_until("the first line is written", || std::fs::metadata(project.path("written")));
    project.file("go", "");
    let said = gaffer.wait();
    assert_eq!(printed(&said.stdout, "web"), ["direct", "by sed: one", "by sed: two"], "{said}");
}

#[test]
fn control_c_still_stops_all() {
    let project = Project::new("web: misbehave signals exit 0\n");
    let gaffer = project.gaffer().at_terminal(80).start(&["start", "--tty", "-c", "web=2"]);
    until_printed_times(&gaffer, "listening", 2);
    gaffer.type_in("\x03");
    let said = gaffer.wait();
    assert_eq!(said.code, 0, "{said}");
    assert!(!said.stdout.contains("SIGINT") && !said.stdout.contains("SIGHUP"), "{said}");
}
