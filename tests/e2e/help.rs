//! What programs say of themselves.

use std::collections::BTreeSet;

use gaffer_tests::Client;

/// The names of all commands of a program, as its help lists them.
pub(crate) fn commands(program: &Client) -> BTreeSet<String> {
    let help = program.prints(&["-h"]);
    let (_, list) = help.split_once("Commands:\n").expect("the help lists the commands");
    let names = list.lines().take_while(|line| !line.is_empty()).filter_map(|line| {
        // What a long description goes on with stands further in.
        let name = line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?.split(' ').next()?;
        (name != "help").then(|| name.to_owned())
    });
    names.collect()
}

/// Runs a program with each of these lines, split as a shell does it: none reads, which stderr says, and stdout nothing.
#[track_caller]
pub(crate) fn assert_usage_errors(program: &Client, lines: &[&str]) {
    for args in lines {
        let words = shlex::split(args).unwrap();
        let said = program.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(said.code, 2, "{args}: {said}");
        assert_eq!(said.stdout, "", "{args}: {said}");
        assert!(!said.stderr.is_empty(), "{args}");
    }
}
