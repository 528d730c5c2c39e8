//! `logs`: what processes have written, and what they write.

use gaffer_tests::{Daemon, Setup, processes, wait_until};
use nix::sys::signal::Signal;

use super::{Transcript, gafferctl, script};

const JOBS: &str = "\
[process:web]
cmd = misbehave print one print two print three eprint oops forever
redirect_output = out, err
[process:other]
cmd = misbehave print hello forever
redirect_output = out
[process:silent]
cmd = misbehave forever
";

fn started() -> Daemon {
    let daemon = Setup::new().ini(JOBS).arg("-vv").start();
    for text in ["web | three", "web | oops", "other | hello"] {
        daemon.until_shown(text);
    }
    daemon.until_running("silent", 1);
    daemon
}

#[test]
fn the_last_lines_are_printed() {
    let daemon = started();
    let ctl = gafferctl(&daemon);
    Transcript::of(&ctl)
        .run("logs other")
        .run("logs --stream out web")
        .run("logs -n 2 -s out web")
        .run("logs -n 0 web")
        .run("logs -s err web")
        .run("logs --json -n 1 -s out web")
        .run("logs -s nope web")
        .run("logs silent")
        .run("logs -n1 -s out web other")
        .run("logs -n1 -s out 1")
        .check("logs");
    Transcript::of(&ctl.on_terminal(100))
        .run("logs other")
        .run("logs -s err web")
        .run("logs -n1 -s out web other")
        .check("logs_terminal");
}

#[test]
fn following_a_job_goes_on_over_restarts_of_its_process() {
    let daemon = Daemon::start("[process:w]\ncmd = sh -c 'echo begun; exec sleep 1000'\nredirect_output = out\n");
    let (first, os_pid) = daemon.only_process("w");
    let ctl = gafferctl(&daemon);
    let follow = ctl.start(&["logs", "-f", "w"]);
    follow.until_printed("begun");
    processes::signal(os_pid, Signal::SIGKILL);
    daemon.until("the next one has begun", || {
        let lines: Vec<String> = follow.lines().into_iter().map(|line| line.text).collect();
        if lines.iter().filter(|line| line.contains("begun")).count() == 2 { Ok(()) } else { Err(lines.join("\n")) }
    });
    assert_ne!(daemon.until_running("w", 1)[0], first);
    daemon.post("/processes/w/_add/1");
    daemon.until("one that comes in addition is followed, too", || {
        let lines = follow.lines();
        let begun = lines.iter().filter(|line| line.text.contains("begun")).count();
        if begun == 3 { Ok(()) } else { Err(begun) }
    });
    follow.signal(Signal::SIGINT);
    assert_eq!(follow.wait().code, 128 + 2);
}

#[test]
fn following_a_process_ends_with_it() {
    let daemon =
        Daemon::start("[process:w]\ncmd = misbehave print begun until go print done exit 0\nredirect_output = out\n");
    let pid = daemon.until_running("w", 1)[0];
    let follow = gafferctl(&daemon).start(&["logs", "--follow", &pid.to_string()]);
    follow.until_printed("begun");
    daemon.touch("go");
    let said = follow.wait();
    assert_eq!(said.code, 0, "{said}");
    assert!(said.stdout.contains("done") && !said.stdout.contains("begun\nbegun"), "{said}");
}

#[test]
fn following_jobs_ends_when_nobody_reads() {
    let daemon = Daemon::start("[process:w]\ncmd = misbehave print line after 10 exit 0\nredirect_output = out\n");
    let said = script(&daemon, "gafferctl logs -f w | head -n 2 | wc -l; echo \"${PIPESTATUS[0]}\"");
    assert_eq!((said.stdout.trim(), said.stderr.as_str()), ("2\n0", ""), "{said}");
}

#[test]
fn following_survives_a_restart_of_gafferd() {
    let jobs = "[process:w]\ncmd = sh -c 'echo begun; exec sleep 1000'\nredirect_output = out\n";
    let mut first = Daemon::start(jobs);
    let follow = gafferctl(&first).start(&["logs", "-f", "--json", "w"]);
    follow.until_printed(r#"{"name":"w","pid":1,"stream":"out","line":"begun"}"#);
    first.signal(Signal::SIGTERM);
    assert_eq!(first.wait().code, Some(0));
    follow.until_said("trying again");
    let _second = Setup::new().own_endpoints().ini(jobs).arg("--bind").arg(first.address().to_string()).start();
    follow.until_said("connected to");
    let begun = || follow.lines().iter().filter(|line| line.text.contains("begun")).count();
    wait_until("what the new process writes is printed, too", || if begun() == 2 { Ok(()) } else { Err(begun()) });
}

#[test]
fn a_line_that_is_begun_is_shown_before_its_end() {
    let daemon = Daemon::start("[process:w]\ncmd = sh -c 'printf name:; exec sleep 1000'\nredirect_output = out\n");
    let follow = "exec 3< <(exec gafferctl logs -f w); read -r -N 11 -u 3 text; echo \"$text\"; kill $!";
    let said = script(&daemon, follow);
    assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("w.1 | name:\n", ""), "{said}");
}

#[test]
fn what_is_begun_is_shown_before_a_signal_ends_it_on_a_terminal() {
    let job = "[process:w]\ncmd = sh -c 'printf \"line\\nname:\"; exec sleep 1000'\nredirect_output = out, err\n";
    let daemon = Daemon::start(job);
    let follow = gafferctl(&daemon).on_terminal(80).start(&["logs", "-f", "w"]);
    follow.until_printed("line");
    assert!(!follow.lines().iter().any(|line| line.text.contains("name:")), "it could be torn by the other output");
    follow.signal(Signal::SIGTERM);
    let said = follow.wait();
    assert_eq!(said.code, 128 + 15, "{said}");
    assert!(said.stdout.contains("name:"), "{said}");
}

#[test]
fn of_very_many_outputs_only_some_are_followed() {
    let job = "[process:w]\ncmd = misbehave print hello forever\nredirect_output = out, err\nnumprocesses = 129\n";
    let daemon = Daemon::start(job);
    daemon.until_running("w", 129);
    let follow = gafferctl(&daemon).start(&["logs", "-f", "w"]);
    follow.until_said("gafferctl: ... and 2 more outputs are not followed; name fewer jobs");
    follow.until_printed("hello");
}

#[test]
fn a_want_of_descriptors_is_no_fault_of_the_node() {
    let daemon = started();
    // Stdin, stdout, stderr, and what the runtime takes.
    let said = script(&daemon, "for n in {9..16}; do (ulimit -n $n; exec gafferctl ping); echo $?; done");
    assert!(said.stdout.contains("0\n"), "{said}");
    assert!(!said.stdout.contains('4') && !said.stderr.contains("cannot reach"), "{said}");
}
