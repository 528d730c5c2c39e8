//! What commands print, as a snapshot keeps it.

mod table;

use std::fmt::Write;

use gaffer_tests::{Client, Said};

use self::table::masked;

/// What varies outside of tables, and what stands for it.
const FILTERS: [(&str, &str); 14] = [
    (r#"[^\s"'`(]*/gaffer-e2e-\w+"#, "DIR"),
    (r"Total CPU: \d+\.\d{6} Total MEM: \d+\.\d\d\b", "Total CPU: N.NNNNNN Total MEM: N.NN"),
    (r"(?m)^create_time: \d+\.\d+$", "create_time: N"),
    (r"127\.0\.0\.1:\d+", "ADDRESS"),
    (r"in PATH \([^)]*\)", "in PATH (…)"),
    (r"\d\d:\d\d:\d\d\b", "HH:MM:SS"),
    (r"\b\d{4}-\d\d-\d\d\b", "DATE"),
    (r"\b\d+:\d\d\.\d\d\b", "M:SS.CC"),
    (r#""(time|create_time|uptime|os_pid|cpu|cpu_time|mem|rss|vms)":-?[\d.e+-]+"#, r#""$1":N"#),
    (r#""(username|mem_info1|mem_info2)":"\w+""#, r#""$1":"…""#),
    (r"\b\d+\.\d%", "N%"),
    (r"\b\d+(\.\d+)? ([KMG]iB|B)\b", "N B"),
    (r"(?m)^uptime: .*s$", "uptime: SPAN"),
    (r"(?m)^(os_pid|user): .*", "$1: …"),
];

/// Commands, each with what it printed, what it said on stderr (behind `!`), and its exit code unless that is 0.
pub(crate) struct Transcript<'a> {
    client: &'a Client,
    text: String,
}

impl<'a> Transcript<'a> {
    pub(crate) fn of(client: &'a Client) -> Self {
        Self { client, text: String::new() }
    }

    /// Runs the program with these arguments, which are split as a shell does it.
    #[track_caller]
    pub(crate) fn run(&mut self, args: &str) -> &mut Self {
        let words = shlex::split(args).unwrap();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let said = self.client.run(&words);
        self.add(args, &said)
    }

    /// The same, with this on its stdin.
    #[track_caller]
    pub(crate) fn run_with_input(&mut self, args: &str, input: &str) -> &mut Self {
        let words = shlex::split(args).unwrap();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let said = self.client.run_with_input(&words, input);
        self.add(&format!("{args} <<< '{input}'"), &said)
    }

    /// Waits, as processes begin and end after the command that asked for it.
    pub(crate) fn once<T>(&mut self, wait: impl FnOnce() -> T) -> &mut Self {
        drop(wait());
        self
    }

    /// What it said that has run already.
    pub(crate) fn add(&mut self, args: &str, said: &Said) -> &mut Self {
        let visible = |text: &str| text.replace('\x1b', "␛").replace('\r', "␍");
        writeln!(self.text, "$ {} {args}", self.client.name()).unwrap();
        let is_table = said.stdout.trim_start_matches("\x1b[1m").starts_with("NAME  ");
        self.text.push_str(&visible(&if is_table { masked(&said.stdout) } else { said.stdout.clone() }));
        if !said.stdout.is_empty() && !said.stdout.ends_with('\n') {
            self.text.push_str("(no line break)\n");
        }
        for line in visible(&said.stderr).lines() {
            let gap = if line.is_empty() { "" } else { " " };
            writeln!(self.text, "!{gap}{line}").unwrap();
        }
        if said.code != 0 {
            writeln!(self.text, "(exit code {})", said.code).unwrap();
        }
        self
    }

    /// Holds it all against the snapshot of this name.
    #[track_caller]
    pub(crate) fn check(&self, name: &str) {
        insta::with_settings!({
            filters => FILTERS.to_vec(),
            snapshot_path => format!("../{}/snapshots", self.client.name()),
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, { insta::assert_snapshot!(name, self.text) });
    }
}
