//! 4 processes that write 1,000,000 numbered lines each as fast as they can, to a file: through `gaffer start`, through `honcho
//! start` and through `cat`, in one run. What arrives is checked: nothing may be lost, torn, or out of order within a process.
//!
//! honcho is found on the PATH, or by the variable `HONCHO`; it is left out where it is not installed.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints and may panic")]

use std::{
    collections::HashMap,
    env,
    fs::{self, File},
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use gaffer_tests::binary;
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use std::os::unix::process::CommandExt;

const PROCESSES: usize = 4;
const LINES: usize = 1_000_000;
const ROUNDS: usize = 5;

/// What a process does: it stays when it is done, as honcho ends all with the first that ends.
fn work() -> String {
    format!("seq {LINES}; exec sleep 1000")
}

/// Runs a program until all lines are in the file; the seconds that took, and the file's text.
fn run(mut command: Command, out: &Path) -> (f64, Vec<u8>) {
    command.stdin(Stdio::null()).stdout(File::create(out).unwrap()).stderr(Stdio::null()).process_group(0);
    let begun = Instant::now();
    let child = command.spawn().unwrap();
    let text = read_all(out);
    let seconds = begun.elapsed().as_secs_f64();
    end(child);
    (seconds, text)
}

/// Reads a file that grows until all lines are there.
fn read_all(out: &Path) -> Vec<u8> {
    let (mut file, mut text, mut lines, mut counted) = (File::open(out).unwrap(), Vec::new(), 0, 0);
    let patience = Instant::now() + Duration::from_secs(120);
    while lines < PROCESSES * LINES {
        assert!(Instant::now() < patience, "only {lines} lines after two minutes");
        thread::sleep(Duration::from_millis(5));
        file.read_to_end(&mut text).unwrap();
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        // Those of four into one pipe, with nothing in between, are torn: only their ends can be counted.
        let is_event = |line: &&[u8]| line.windows(3).any(|part| part == b"pid");
        let ended = text[counted..whole].split_inclusive(|byte| *byte == b'\n');
        lines += ended.filter(|line| !is_event(line)).count();
        counted = whole;
    }
    text
}

/// Who wrote a line, and which it is: `12:00:00 p1 | 7`, or `7` alone.
fn number(line: &[u8]) -> Option<(&str, usize)> {
    let line = std::str::from_utf8(line).ok()?;
    let (who, number) = line.rsplit_once("| ").unwrap_or(("", line));
    Some((who.split_whitespace().nth(1).unwrap_or(""), number.parse().ok()?))
}

fn end(mut child: Child) {
    let group = Pid::from_raw(child.id().try_into().unwrap());
    killpg(group, Signal::SIGTERM).unwrap();
    child.wait().unwrap();
    let _none_is_left = killpg(group, Signal::SIGKILL);
}

/// Panics unless each process's numbers are all there, in order.
fn check(text: &[u8]) {
    let mut last: HashMap<&str, usize> = HashMap::new();
    for (who, number) in text.split(|byte| *byte == b'\n').filter_map(number) {
        let last = last.entry(who).or_default();
        assert_eq!(number, *last + 1, "after line {last} of {who}");
        *last = number;
    }
    assert_eq!(last.len(), PROCESSES, "{last:?}");
    assert!(last.values().all(|last| *last == LINES), "{last:?}");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let procfile: String = (1..=PROCESSES).map(|process| format!("p{process}: {}\n", work())).collect();
    fs::write(folder.path().join("Procfile"), procfile).unwrap();
    let out = folder.path().join("out");

    let gaffer = || {
        let mut command = Command::new(binary("gaffer"));
        command.args(["start", "--app", "bench"]).current_dir(&folder);
        command
    };
    let honcho = || {
        let program = env::var_os("HONCHO").unwrap_or_else(|| "honcho".into());
        let mut command = Command::new(program);
        command.arg("start").current_dir(&folder).env("PYTHONUNBUFFERED", "1");
        command
    };
    let has_honcho = honcho().arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    let cat = || {
        let mut command = Command::new("sh");
        let all: String = (0..PROCESSES).map(|_| format!("({}) & ", work())).collect();
        command.arg("-c").arg(format!("{{ {all} wait; }} | cat")).current_dir(&folder);
        command
    };

    let (mut ours, mut theirs, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        // By turns, so that whatever else the machine does strikes all.
        let (seconds, text) = run(gaffer(), &out);
        check(&text);
        ours.push(seconds);
        bare.push(run(cat(), &out).0);
        // Once: it takes a minute or more.
        if has_honcho && theirs.is_empty() {
            theirs.push(run(honcho(), &out).0);
        }
    }
    let speed = |seconds: Vec<f64>| (PROCESSES * LINES) as f64 / median(seconds) / 1e6;
    let (ours, bare) = (speed(ours), speed(bare));
    println!(
        "million lines a second, median of {ROUNDS} (honcho: one); {PROCESSES} processes, {LINES} lines each, to a file"
    );
    println!("gaffer start   {ours:>8.2}");
    println!("cat            {bare:>8.2}   gaffer to it: {:.2}", ours / bare);
    if has_honcho {
        let theirs = speed(theirs);
        println!("honcho start   {theirs:>8.2}   gaffer to it: {:.1}", ours / theirs);
    } else {
        println!("honcho start      left out: it is not installed");
    }
}
