//! `docs/gafferctl.md`: its examples are run, and it has all commands and no others.

use std::collections::BTreeSet;

use gaffer_tests::Daemon;

use super::commands;
use crate::manual::Page;

#[test]
fn the_examples_of_the_manual_of_gafferctl_do_what_it_says() {
    Page::read("gafferctl.md").run(|daemon| {
        assert_eq!(daemon.until_running("shop.api", 1), [3]);
        daemon.feed("/streams/1/out?feed=continuous&history=10").until("listening");
    });
}

#[test]
fn the_manual_of_gafferctl_has_every_command_with_an_example() {
    let page = Page::read("gafferctl.md");
    let mut told = BTreeSet::new();
    for heading in page.headings() {
        // One heading may have several: `a [NAME]`, `b [NAME]`.
        for usage in heading.text.split('`').filter(|part| part.starts_with(|c: char| c.is_ascii_lowercase())) {
            let command = usage.split(' ').next().unwrap_or_default().to_owned();
            assert!(heading.examples > 0, "{command} has no example");
            assert!(told.insert(command.clone()), "{command} stands there twice");
        }
    }
    assert_eq!(told, commands(&Daemon::start("")));
}
