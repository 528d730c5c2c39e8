//! How many of each run, and with which `PORT` and `PS`.

use std::collections::BTreeSet;

use gaffer_tests::Project;

use super::{is_event, text_of};

const PROCFILE: &str = "\
web: printenv PS PORT
# Not a type of process: it takes no port.
worker: printenv PS PORT

clock: printenv PS PORT
";

/// What runs: the name before the bar, `PS`, `PORT`.
fn runs(project: &Project, environment: &[(&str, &str)], args: &[&str]) -> BTreeSet<String> {
    let gaffer = environment.iter().fold(project.gaffer(), |gaffer, (name, value)| gaffer.env(name, value));
    let mut words = vec!["start", "--exit-on-failure"];
    words.extend(args);
    let said = gaffer.run(&words);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{said}");
    let names: BTreeSet<&str> =
        said.stdout.lines().map(|line| line.split(' ').nth(1).expect("the name is behind the time")).collect();
    let told = names.into_iter().map(|name| {
        let texts = said.stdout.lines().filter_map(|line| text_of(line, name)).filter(|text| !is_event(text));
        format!("{name}: {}", texts.collect::<Vec<_>>().join(" "))
    });
    told.collect()
}

#[track_caller]
fn assert_runs(project: &Project, environment: &[(&str, &str)], args: &[&str], expected: &[&str]) {
    let expected: BTreeSet<String> = expected.iter().map(|&line| line.to_owned()).collect();
    assert_eq!(runs(project, environment, args), expected, "{environment:?} {args:?}");
}

fn from(base: u16) -> [String; 3] {
    [format!("web: web.1 {base}"), format!("worker: worker.1 {}", base + 100), format!("clock: clock.1 {}", base + 200)]
}

#[test]
fn the_first_port_is_the_options_the_variables_the_environments_or_5000() {
    let project = Project::new(PROCFILE);
    let assert_base = |environment: &[(&str, &str)], args: &[&str], base| {
        let from = from(base);
        assert_runs(&project, environment, args, &from.each_ref().map(String::as_str));
    };
    assert_base(&[], &[], 5000);
    assert_base(&[("PORT", "4000")], &[], 4000);
    project.file(".env", "PORT=3000\n");
    assert_base(&[("PORT", "4000")], &[], 3000);
    project.file("more.env", "PORT=3500\n");
    assert_base(&[("PORT", "4000")], &["-e", "more.env"], 3500);
    assert_base(&[("PORT", "4000")], &["-e", "more.env", "-e", "PORT=3600"], 3600);
    assert_base(&[("PORT", "4000")], &["-e", "PORT=3600", "--port", "8000"], 8000);
    assert_base(&[], &["-p", "65335"], 65335);
}

#[test]
fn instances_count_from_the_port_of_their_type() {
    let project = Project::new(PROCFILE);
    assert_runs(
        &project,
        &[],
        &["-c", "web=2,worker=0"],
        &["web.1: web.1 5000", "web.2: web.2 5001", "clock: clock.1 5200"],
    );
    assert_runs(
        &project,
        &[],
        &["-c", "all=2", "-c", "clock=1"],
        &[
            "web.1: web.1 5000",
            "web.2: web.2 5001",
            "worker.1: worker.1 5100",
            "worker.2: worker.2 5101",
            "clock: clock.1 5200",
        ],
    );
}

#[test]
fn only_what_is_named_runs_with_the_port_that_it_always_has() {
    let project = Project::new(PROCFILE);
    assert_runs(&project, &[], &["clock", "worker"], &["worker: worker.1 5100", "clock: clock.1 5200"]);
    assert_runs(&project, &[], &["-c", "worker=2", "worker"], &["worker.1: worker.1 5100", "worker.2: worker.2 5101"]);
}

#[test]
fn the_application_may_lie_elsewhere() {
    let project = Project::empty();
    project.file("api/Procfile.dev", "web: cat name; printenv PS PORT");
    project.file("api/name", "api\n");
    project.file("api/.env", "PORT=7000\n");
    project.file("name", "none\n");
    assert_runs(&project, &[], &["-f", "api/Procfile.dev"], &["web: api web.1 7000"]);
    assert_runs(&project, &[], &["-d", "api", "-f", "Procfile.dev"], &["web: api web.1 7000"]);
    project.file("api/Procfile", "other: cat name; printenv PS PORT");
    assert_runs(&project, &[], &["-d", "api"], &["other: api other.1 7000"]);
}
