//! How lines look, and that they are whole.

use gaffer_tests::{Client, Project, RunningClient};

use super::{printed, text_of};

/// Each does its next step when it is told to, so that there is one order.
const STEPS: &str = "\
web: misbehave until 1 print hello until 2 eprint oops until 4 exit 3
worker-of-mails: misbehave until 3 print first forever
";

/// Has the processes do their steps, each once the one before is seen.
fn in_order(project: &Project, gaffer: &RunningClient, last: impl Fn(&RunningClient)) {
    for process in ["web.1", "worker-of-mails.1"] {
        project.until_running(process);
    }
    gaffer.until_printed("worker-of-mails ");
    for (step, text) in [("1", "hello"), ("2", "oops"), ("3", "first")] {
        project.file(step, "");
        if step == "2" { last(gaffer) } else { drop(gaffer.until_printed(text)) }
    }
    project.file("4", "");
}

fn visible(text: &str) -> String {
    text.replace('\x1b', "␛").replace('\r', "␍")
}

fn check(name: &str, text: &str) {
    insta::with_settings!({
        filters => [(r"\d\d:\d\d:\d\d\b", "HH:MM:SS"), (r"\bpid \d+", "pid N")],
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, { insta::assert_snapshot!(name, visible(text)) });
}

#[test]
fn in_a_pipe_lines_are_plain() {
    let project = Project::new(STEPS);
    let gaffer = project.gaffer().start(&["start", "--exit-on-failure"]);
    in_order(&project, &gaffer, |gaffer| drop(gaffer.until_said("oops")));
    let said = gaffer.wait();
    assert_eq!(said.code, 3, "{said}");
    check("pipe", &said.stdout);
    check("pipe_stderr", &said.stderr);
}

#[test]
fn at_a_terminal_lines_are_coloured_and_aligned_and_the_bar_of_stderr_is_red() {
    let project = Project::new(STEPS);
    let gaffer = project.gaffer().on_terminal(80).start(&["start", "--exit-on-failure"]);
    in_order(&project, &gaffer, |gaffer| drop(gaffer.until_printed("oops")));
    let said = gaffer.wait();
    assert_eq!(said.code, 3, "{said}");
    check("terminal", &said.stdout);
}

#[test]
fn colours_are_as_they_are_asked_for() {
    let project = Project::new("web: misbehave print hello\nworker: misbehave eprint oops\n");
    let says = |client: Client, args: &[&str]| {
        let mut words = vec!["start", "--exit-on-failure"];
        words.extend(args);
        let said = client.run(&words);
        assert_eq!(said.code, 0, "{said}");
        said.stdout + &said.stderr
    };
    let has_colour = |text: &str| text.contains('\x1b');
    let is_aligned = |text: &str| text.contains("web    ");
    for (client, args, colour, aligned) in [
        (project.gaffer(), &[][..], false, false),
        (project.gaffer(), &["--color", "always"], true, false),
        (project.gaffer().on_terminal(80), &[], true, true),
        (project.gaffer().on_terminal(80), &["--color", "never"], false, true),
        (project.gaffer().on_terminal(80).env("NO_COLOR", "1"), &[], false, true),
    ] {
        let text = says(client, args);
        assert_eq!((has_colour(&text), is_aligned(&text)), (colour, aligned), "{args:?}: {}", visible(&text));
    }
}

#[test]
fn what_a_process_writes_to_stderr_is_on_stderr() {
    let project = Project::new("web: misbehave print out eprint err\n");
    let said = project.gaffer().run(&["start", "--exit-on-failure"]);
    assert_eq!(said.code, 0, "{said}");
    assert_eq!(printed(&said.stdout, "web"), ["out"]);
    assert_eq!(said.stdout.lines().count(), 3, "with its begin and its end: {said}");
    assert_eq!(printed(&said.stderr, "web"), ["err"]);
    assert_eq!(said.stderr.lines().count(), 1, "{said}");
}

#[test]
fn on_one_pipe_both_outputs_are_whole_lines() {
    let project = Project::empty();
    // Lines of all lengths, some longer than what a pipe takes in one piece.
    project.script(
        "bin/talk",
        "for n in $(seq 300); do printf 'out %d %0*d\\n' $n $((n % 7 * 11)) 0; printf 'err %d %0*d\\n' $n $((n % 5 * 13)) 0 >&2; done\n\
         printf 'out 301 %09000d\\n' 0; printf 'err 301 %09000d\\n' 0 >&2",
    );
    project.file("Procfile", "web: talk\n");
    let shell = project.program("sh");
    let said = shell.run(&["-c", "exec gaffer start --exit-on-failure -c web=4 2>&1"]);
    assert_eq!(said.code, 0, "{said}");
    assert_eq!(said.stderr, "");
    for process in 1..=4 {
        let lines = printed(&said.stdout, &format!("web.{process}"));
        for (output, step) in [("out", 7), ("err", 5)] {
            let seen: Vec<&str> = lines.iter().copied().filter(|line| line.starts_with(output)).collect();
            let expected = (1..=301).map(|n| {
                let width = match (n, step) {
                    (301, _) => 9000,
                    (_, 7) => n % 7 * 11,
                    _ => n % 5 * 13,
                };
                format!("{output} {n} {:0width$}", 0)
            });
            assert!(seen.iter().copied().eq(expected), "web.{process} {output}: {seen:?}");
        }
        assert_eq!(lines.len(), 602, "web.{process} has only whole lines");
    }
    let foreign: Vec<&str> =
        said.stdout.lines().filter(|line| (1..=4).all(|n| text_of(line, &format!("web.{n}")).is_none())).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}

#[test]
fn the_last_line_may_lack_its_end_and_bytes_stay_bytes() {
    let project = Project::new("web: printf 'a\\303\\244\\n\\nb'\nlast: printf 'no end' >&2\n");
    let said = project.gaffer().run(&["start", "--exit-on-failure"]);
    assert_eq!(said.code, 0, "{said}");
    assert_eq!(printed(&said.stdout, "web"), ["aä", "", "b"], "{said}");
    assert_eq!(printed(&said.stderr, "last"), ["no end"], "{said}");
}

#[test]
fn quiet_leaves_out_what_happens() {
    let project = Project::new("web: echo hello\n");
    let said = project.gaffer().run(&["start", "--exit-on-failure", "--quiet"]);
    assert_eq!(said.code, 0, "{said}");
    assert_eq!(said.stdout.lines().filter_map(|line| text_of(line, "web")).collect::<Vec<_>>(), ["hello"], "{said}");
}

#[test]
fn a_file_gets_no_colours_where_the_terminal_does() {
    let project = Project::new("web: echo out; echo err >&2; exit 1\n");
    let said = project.program("sh").at_terminal(80).run(&["-c", "exec gaffer start --exit-on-failure 2> errors"]);
    assert_eq!(said.code, 1, "{said}");
    assert!(said.stdout.contains("\x1b["), "{said}");
    let errors = project.until_written("errors");
    assert!(errors.ends_with(" web | err\n") && !errors.contains('\x1b'), "{errors:?}");
}
