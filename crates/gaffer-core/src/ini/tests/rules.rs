//! The rules of lines: what `configparser` does, and what it loses.

use super::{bad, bad_each, good};
use crate::{config::Args, ini::NodeConfig};

/// The value of `key` in a section whose keys are free.
#[track_caller]
fn value(lines: &str) -> String {
    let config = good(&format!("[plugin:p]\n{lines}"));
    config.plugins["p"]["key"].clone()
}

#[test]
fn the_manuals_example_reads() {
    let config = good(
        "[gaffer]
http_endpoints = public

[endpoint:public]
bind = 127.0.0.1:5000
;certfile=
;keyfile=

[webhooks]
;create = http://some/url
;proc.dummy.spawn = http://some/otherurl

[process:dummy]
cmd = ./dummy.py
;cwd = .
;uid =
;gid =
;detach = false
;shell = false
; flapping format: attempts=2, window=1., retry_in=7., max_retry=5
;flapping = 2, 1., 7., 5
numprocesses = 1
redirect_output = stdout, stderr
; redirect_input = true
; graceful_timeout = 30

[process:echo]
cmd = ./echo.py
numprocesses = 1
redirect_output = stdout, stderr
redirect_input = true
",
    );
    assert_eq!(config.warnings, []);
    assert_eq!(config.endpoints.len(), 1);
    assert_eq!(config.endpoints[0].bind.to_string(), "127.0.0.1:5000");
    assert_eq!(config.jobs.iter().map(|job| job.name().short()).collect::<Vec<_>>(), ["dummy", "echo"]);
    let echo = &config.jobs[1];
    assert_eq!(echo.redirect_output().iter().map(ToString::to_string).collect::<Vec<_>>(), ["stdout", "stderr"]);
    assert!(echo.redirect_input());
    assert_eq!(echo.flapping(), None);
}

#[test]
fn the_manuals_example_reads_with_its_comments_taken_away() {
    let config = good(
        "[process:dummy]\ncmd = ./dummy.py\ncwd = .\nuid =\ngid =\ndetach = false\nshell = false\n\
         flapping = 2, 1., 7., 5\nnumprocesses = 1\nredirect_output = stdout, stderr\nredirect_input = true\n\
         graceful_timeout = 30\n\n[env:dummy]\nport = 80\n",
    );
    let job = &config.jobs[0];
    assert_eq!((job.uid(), job.gid()), (None, None));
    assert_eq!(job.flapping(), Some(crate::config::Flapping::default()));
    assert_eq!(job.env()["PORT"], "80");
}

#[test]
fn the_first_separator_ends_the_key_and_blanks_around_it_do_not_count() {
    for line in ["key=a", "key = a", "key:a", "key : a", "key\t=\ta\t", "KEY = a", "Key: a"] {
        assert_eq!(value(line), "a", "{line:?}");
    }
    assert_eq!(value("key = a:b=c"), "a:b=c");
    assert_eq!(value("key : a=b:c"), "a=b:c");
    assert_eq!(value("key ="), "");
    assert_eq!(value("key := a"), "= a");
}

#[test]
fn a_comment_has_a_line_of_its_own_and_nothing_behind_a_value_is_one() {
    assert_eq!(value("; no\n# no\n  ; no\n\t# no\nkey = a\n; no\nother = b"), "a");
    for text in ["a ; b", "a # b", "a;b#c", "http://x/?a=1;b=2#top"] {
        assert_eq!(value(&format!("key = {text}")), text);
    }
}

#[test]
fn nothing_is_replaced_unquoted_or_unescaped() {
    for text in [r"C:\new\table", "\"quoted\"", "'a", "%(x)s 100%", "$HOME ${X}", r"a\", "[b]", "é ü 漢"] {
        assert_eq!(value(&format!("key = {text}")), text);
    }
}

#[test]
fn a_deeper_line_continues_the_value() {
    assert_eq!(value("key = a\n  b\n\tc"), "a\nb\nc");
    assert_eq!(value("key =\n  a\n  b"), "a\nb");
    assert_eq!(value("key = a\n\n  b\n\n"), "a\n\nb");
    assert_eq!(value("key = a\n; no\n  ; no\n  b"), "a\nb");
    assert_eq!(value("key = a\n  b = c\n  [d]\n  no separator"), "a\nb = c\n[d]\nno separator");
    assert_eq!(value("  key = a\n  other = b\n    c"), "a");
    assert_eq!(value("  other = b\nkey = a"), "a");
}

#[test]
fn byte_order_marks_and_the_line_ends_of_all_systems_are_accepted() {
    let text = "[plugin:p]\nkey = a\n  b\nother = c\n";
    let expected = good(text);
    for text in [text.replace('\n', "\r\n"), text.replace('\n', "\r"), format!("\u{feff}{text}")] {
        assert_eq!(good(&text), expected, "{text:?}");
    }
    assert_eq!(good(text.trim_end()), expected);
    assert_eq!(bad("\u{feff}[gaffer]\r\n\r\nbacklog = x\r\n").split(": ").next(), Some("gaffer.ini:3"));
}

#[test]
fn an_empty_file_is_an_empty_configuration() {
    for text in ["", "\n\n", "; only\n# comments", "\u{feff}", "[gaffer]", "[process:a]\ncmd = x\n[env:a]"] {
        assert_eq!(good(text).warnings, [], "{text:?}");
    }
}

#[test]
fn lines_that_fit_nothing_are_refused_with_the_cure() {
    bad_each(&[
        (
            "key = 1\nother = 2\n[gaffer]\n",
            "gaffer.ini:1: `key = 1` stands before the first section; begin with a header such as `[gaffer]`",
        ),
        (
            "[gaffer]\npidfile\n",
            "gaffer.ini:2: [gaffer] `pidfile` has no `=`; write `key = value`, indent the line if it continues the \
             value above, or begin it with `#` if it is a comment",
        ),
        ("[gaffer]\n= x", "gaffer.ini:2: [gaffer] `= x` has no key before its `=`; write `key = value`"),
        ("[gaffer]\n : x", "gaffer.ini:2: [gaffer] `: x` has no key before its `:`; write `key = value`"),
        ("\n[gaffer\nbind = x", "gaffer.ini:2: `[gaffer` has no closing `]`"),
        ("[gaffer] bind = x", "gaffer.ini:1: `bind = x` stands behind a section header; put it on a line of its own"),
        ("[gaffer]\nbind = \0", "gaffer.ini:2: holds a NUL character; is it a text file?"),
        (
            "[]",
            "gaffer.ini:1: [] is not a section of this file; expected [gaffer], [endpoint:NAME], [process:NAME], \
                [env:NAME], [webhooks], [webhook:NAME], [plugin:NAME], [auth], [ssl] or [lookup_ssl]",
        ),
    ]);
    assert_eq!(good("[process:a] ; the first\ncmd = x\n").jobs.len(), 1);
}

#[test]
fn a_line_that_fits_nothing_swallows_nothing_that_follows() {
    // A library that was tried made `no separator` a part of the next key, and lost the header between them.
    let errors = bad("[process:a]\nno separator\n  more of it\n[process:b]\nnumprocesses = x\n");
    assert_eq!(
        errors,
        "gaffer.ini:1: [process:a] has no `cmd`; give the command to launch, or remove the section\n\
         gaffer.ini:2: [process:a] `no separator` has no `=`; write `key = value`, indent the line if it continues the \
         value above, or begin it with `#` if it is a comment\n\
         gaffer.ini:4: [process:b] has no `cmd`; give the command to launch, or remove the section\n\
         gaffer.ini:5: [process:b] numprocesses: must be a whole number of 0 or more, but is `x`"
    );
}

#[test]
fn an_indented_comment_swallows_nothing_that_follows() {
    let config = good("[process:a]\ncmd = x\n  ; a comment\n[process:b]\n\t# a comment\ncmd = y\n  # a comment\n");
    assert_eq!(config.jobs.iter().map(|job| job.command_text()).collect::<Vec<_>>(), ["x", "y"]);
}

#[test]
fn a_first_letter_is_never_lost_behind_what_looks_like_an_inline_comment() {
    let config = good("[process:a]\ncmd = x ; y\nnumprocesses = 2\n[plugin:p]\na = 1 # one\nname = n\n");
    assert_eq!(config.jobs[0].command_text(), "x ; y");
    assert_eq!(config.jobs[0].numprocesses(), 2);
    assert_eq!(config.plugins["p"]["a"], "1 # one");
    assert_eq!(config.plugins["p"]["name"], "n");
}

#[test]
fn an_indented_header_or_key_is_not_swallowed_by_the_value_above() {
    bad_each(&[
        (
            "[process:a]\ncmd = x\n\n  [process:b]\n  cmd = y\n",
            "gaffer.ini:4: [process:a] cmd: `[process:b]` is indented, so it would continue this key's value (which \
             began in line 2) and not begin a section; remove its indentation",
        ),
        (
            "[process:a]\ncmd = x\n  Numprocesses = 2\n",
            "gaffer.ini:3: [process:a] cmd: `Numprocesses = 2` is indented, so it would continue this key's value \
             (which began in line 2) and not set `numprocesses`; remove its indentation, or move it up to the line \
             above if it is meant as a part of the value",
        ),
        (
            "[process:a]\ncmd = x\nnumprocesses = 2\n  something = else\n",
            "gaffer.ini:3: [process:a] numprocesses: takes one line, but goes on with `something = else`; remove that \
             line's indentation if it is a key of its own",
        ),
        (
            "[gaffer]\nallowed_hosts = a\n  backlog = 2\n",
            "gaffer.ini:3: [gaffer] allowed_hosts: `backlog = 2` is indented, so it would continue this key's value \
             (which began in line 2) and not set `backlog`; remove its indentation, or move it up to the line above if \
             it is meant as a part of the value",
        ),
    ]);
    // Sections may be indented as a whole.
    assert_eq!(good("  [process:a]\n  cmd = x\n  [process:b]\n  cmd = y\n").jobs.len(), 2);
    assert_eq!(good("[process:a]\n  cmd = x\n  [process:b]\n  cmd = y\n").jobs.len(), 2);
}

#[test]
fn a_command_may_go_on_over_lines() {
    let config =
        good("[process:a]\ncmd = ./server\n  --port 80\n  name=x\nargs =\n  -a\n\n  'b c'\nnumprocesses = 2\n");
    let crate::config::CommandLine::Words(words) = config.jobs[0].command() else { panic!("shell") };
    assert_eq!(*words, ["./server", "--port", "80", "name=x", "-a", "b c"]);
    assert_eq!(config.jobs[0].spec().args, Some(Args::Line("-a\n\n'b c'".to_owned())));

    let config = good("[process:a]\nshell = true\ncmd = for x in 1 2\n  do echo $x\n  done\n");
    let crate::config::CommandLine::Shell(line) = config.jobs[0].command() else { panic!("words") };
    assert_eq!(line, "for x in 1 2\ndo echo $x\ndone");
}

#[test]
fn a_list_may_go_on_over_lines_with_or_without_commas() {
    for list in ["a, b", "a,b,", "\n  a\n  b", "a,\n  b", "\n  a,\n\n  b,\n"] {
        let config =
            good(&format!("[gaffer]\nallowed_hosts = {list}\n[process:p]\ncmd = x\nredirect_output = {list}\n"));
        assert_eq!(config.settings.allowed_hosts, ["a", "b"], "{list:?}");
        assert_eq!(config.jobs[0].redirect_output().len(), 2, "{list:?}");
    }
    assert_eq!(
        good("[process:p]\ncmd = x\nflapping = 3, 4,\n  5\n  6").jobs[0].flapping(),
        good("[process:p]\ncmd = x\nflapping = 3, 4, 5, 6").jobs[0].flapping(),
    );
}

#[test]
fn messages_quote_no_more_than_a_line_and_nothing_that_a_terminal_obeys() {
    let long = "x".repeat(1_000_000);
    for text in [
        format!("[gaffer]\n{long}"),
        format!("[{long}]"),
        format!("[gaffer]\n{long} = 1"),
        format!("[gaffer]\nbind = {long}"),
        format!("[process:a]\ncmd = x\nnumprocesses = {long}\ncustom_streams = {long}"),
        format!("[process:{long}]\ncmd = '"),
        format!("[process:a]\ncmd = x\n[env:{long}]"),
        format!("[gaffer]\nhttp_endpoints = {long}"),
    ] {
        let message = bad(&text);
        assert!(message.lines().all(|line| line.chars().count() < 900), "{message:.2000}");
    }
    let message = bad("[gaffer]\nb\x1b[31mad = 1\nlog_level = \x1b[2J\n[process:a]\ncmd = x\nstart = \x07\n[\x1b]\n");
    assert!(!message.contains(['\x1b', '\x07']), "{message:?}");
}

#[test]
fn a_file_of_mistakes_is_given_up_after_a_hundred() {
    let text = format!("[gaffer]\n{}", "what\n".repeat(100_000));
    let errors = NodeConfig::parse("gaffer.ini", &text).unwrap_err();
    assert_eq!(errors.0.len(), 101);
    assert_eq!(errors.0[100].to_string(), "gaffer.ini:101: too many mistakes; the rest is not told");
}
