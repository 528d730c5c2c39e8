//! `docs/gaffer.md`: its examples are run, and it has all commands and no others.

use std::collections::BTreeSet;

use gaffer_tests::{Client, Daemon};

use crate::{help, manual::Page};

#[test]
fn the_examples_of_the_manual_of_gaffer_do_what_it_says() {
    Page::read("gaffer.md").run(|_| {});
}

#[test]
fn the_manual_of_gaffer_has_every_command_with_an_example() {
    let page = Page::read("gaffer.md");
    let mut told = BTreeSet::new();
    for heading in page.headings() {
        // One heading may have several: `a [NAME]`, `b [NAME]`.
        for usage in heading.text.split('`').filter(|part| part.starts_with(|c: char| c.is_ascii_lowercase())) {
            assert!(heading.examples > 0, "{usage} has no example");
            told.insert(usage.split(' ').next().unwrap_or_default().to_owned());
        }
    }
    assert_eq!(told, help::commands(&Client::ours(&Daemon::start(""), "gaffer")));
}
