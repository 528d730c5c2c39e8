//! What holds for every text.

use std::{collections::BTreeMap, fmt::Write as _, fs};

use proptest::{collection, prelude::*};

use crate::ini::NodeConfig;

/// Lines that come close to making sense, and some that do not.
fn line() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "[gaffer]",
        "[process:a]",
        "[job:a]",
        "[job:b:c]",
        "[env:a]",
        "[env:b.c]",
        "[endpoint:e]",
        "[webhooks]",
        "[webhook:w]",
        "[plugin:p]",
        "[auth]",
        "[ssl]",
        "[",
        "]",
        "cmd",
        "args",
        "numprocesses",
        "flapping",
        "env:x",
        "bind",
        "include",
        "http_endpoints",
        "stats_interval",
        "redirect_output",
        "priority",
        "=",
        " = ",
        ":",
        "  ",
        "\t",
        ";",
        "#",
        "x",
        "127.0.0.1:80",
        "1",
        "-1",
        "2, 1., 7., 5",
        "true",
        "'",
        "\"",
        "\\",
        "\u{feff}",
        "\0",
        "\r",
        "é",
        "http://x",
        "%",
        "unix:",
        "[[",
        ",",
    ]);
    collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

/// Text without what a line's own rules take away: ends of lines, blanks at its ends.
fn value() -> impl Strategy<Value = String> {
    "[^\0\r\n]{0,30}".prop_map(|text| text.trim().to_owned())
}

/// A variable's name that is upper-case already.
fn variable() -> impl Strategy<Value = String> {
    "[A-Z_][A-Z0-9_]{0,8}"
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in collection::vec(any::<u8>(), 0..300)) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        let _ = NodeConfig::read(file.path()).map_err(|errors| errors.to_string()); // Any answer is right.
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = NodeConfig::parse("x.ini", &text).map_err(|errors| errors.to_string()); // Any answer is right.
    }

    #[test]
    fn what_is_refused_says_where_and_why(lines in collection::vec(line(), 0..20), end in "\n|\r\n|\r") {
        let text = lines.join(&end);
        if let Err(errors) = NodeConfig::parse("x.ini", &text) {
            prop_assert!(!errors.0.is_empty());
            for error in &errors.0 {
                // A piece may hold a CR, which ends a line too.
                prop_assert!((1..=text.split(['\r', '\n']).count()).contains(&error.place.line), "{error}");
                prop_assert!(!error.to_string().contains(char::is_control), "{error:?}");
            }
        }
    }

    #[test]
    fn one_bad_line_anywhere_refuses_the_whole(
        before in collection::vec("[a-z]{1,5}", 0..4),
        after in collection::vec("[a-z]{1,5}", 0..4),
        wrong in prop::sample::select(vec!["what", "[nope]", "[open", "= x", "[gaffer] x", "colour = red", "\0"]),
    ) {
        let job = |text: &mut String, part: &str, (position, name): (usize, &String)| {
            let _ = write!(text, "[process:{part}:{name}{position}]\ncmd = x\n"); // A String takes everything.
        };
        let mut text = String::new();
        before.iter().enumerate().for_each(|named| job(&mut text, "before", named));
        let good = NodeConfig::parse("x.ini", &text).unwrap();
        prop_assert_eq!(good.jobs.len(), before.len());
        let line = text.lines().count() + 1;
        text.push_str(wrong);
        text.push('\n');
        after.iter().enumerate().for_each(|named| job(&mut text, "after", named));
        let errors = NodeConfig::parse("x.ini", &text).unwrap_err();
        prop_assert_eq!(errors.0.len(), 1, "{}", errors);
        prop_assert_eq!(errors.0[0].place.line, line);
    }

    #[test]
    fn values_come_back_as_they_were_written(
        env in collection::btree_map(variable(), value(), 0..6),
        plugin in collection::btree_map("[a-z.]{1,8}", value(), 0..6),
        separator in prop::sample::select(vec!["=", ":", " = ", "\t:  "]),
        end in prop::sample::select(vec!["\n", "\r\n", "\r", "\n\n", "\n; comment\n", "\n   # comment\n"]),
        mark in prop::sample::select(vec!["", "\u{feff}"]),
    ) {
        let lines = |values: &BTreeMap<String, String>| -> String {
            values.iter().map(|(key, value)| format!("{key}{separator}{value}{end}")).collect()
        };
        let text = format!(
            "{mark}[plugin:p]{end}{}[process:a]{end}cmd = x{end}[env:a]{end}{}", lines(&plugin), lines(&env)
        );
        let config = NodeConfig::parse("x.ini", &text).unwrap();
        prop_assert_eq!(config.jobs[0].env(), &env);
        prop_assert_eq!(&config.plugins["p"], &plugin);
    }

    #[test]
    fn jobs_come_back_as_they_were_written(
        jobs in collection::btree_map(
            "[a-z][a-z0-9_@+-]{0,8}",
            ("[a-z/.]{1,12}", 0..10_000_u32, any::<bool>(), 0..100_u32, 1..100_u32, 0..1000_u32),
            0..8,
        ),
    ) {
        let mut text = String::new();
        for (name, (cmd, processes, start, priority, attempts, timeout)) in &jobs {
            let _ = write!(
                text, // A String takes everything.
                "[process:s:{name}]\ncmd = {cmd}\nnumprocesses: {processes}\nstart = {start}\npriority = {priority}\n\
                 flapping = {attempts}, 0.5, 1, 2\ngraceful_timeout = {}\n", f64::from(*timeout) / 8.0
            );
        }
        let config = NodeConfig::parse("x.ini", &text).unwrap();
        prop_assert_eq!(config.jobs.len(), jobs.len());
        for (job, (name, (cmd, processes, start, priority, attempts, timeout))) in config.jobs.iter().zip(&jobs) {
            prop_assert_eq!(job.name().to_string(), format!("s.{name}"));
            prop_assert_eq!(&job.command_text(), cmd);
            prop_assert_eq!((job.numprocesses(), job.priority()), (*processes, *priority));
            prop_assert_eq!(job.spec().start, *start);
            prop_assert_eq!(job.flapping().unwrap().attempts.get(), *attempts);
            prop_assert_eq!(job.graceful_timeout().as_secs_f64(), f64::from(*timeout) / 8.0);
        }
    }
}
