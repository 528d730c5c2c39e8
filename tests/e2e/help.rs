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
