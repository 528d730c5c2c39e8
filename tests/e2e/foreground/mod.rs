//! Applications without a daemon: `gaffer start`, `run`, `check` and `export`, from the command line to the exit code.

mod children;
mod endings;
mod files;
mod guardian;
mod killed;
mod lines;
mod lossless;
mod mistakes;
mod namespace;
mod one_off;
mod ports;
mod procfiles;
mod session;
mod signals;
mod terminals;

use gaffer_tests::{Line, RunningClient, wait_until};

/// A line without its time and name; `None` if it is not this one's.
fn text_of<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_time, rest) = line.split_once(' ')?;
    rest.strip_prefix(name)?.trim_start_matches(' ').strip_prefix("| ")
}

/// Whether gaffer tells it, and no process.
fn is_event(text: &str) -> bool {
    text.contains(" process with pid ")
}

/// What this one printed.
fn printed<'a>(stdout: &'a str, name: &str) -> Vec<&'a str> {
    stdout.lines().filter_map(|line| text_of(line, name)).filter(|text| !is_event(text)).collect()
}

/// The texts of this one so far, without the numbers of processes.
fn told(lines: &[Line], name: &str) -> Vec<String> {
    let texts = lines.iter().filter_map(|line| text_of(&line.text, name));
    let masked = |text: &str| match text.split_once("with pid ") {
        Some((event, pid)) => format!("{event}with pid N{}", pid.trim_start_matches(|c: char| c.is_ascii_digit())),
        None => text.to_owned(),
    };
    texts.map(masked).collect()
}

/// Waits until so many lines hold the text.
#[track_caller]
fn until_printed_times(gaffer: &RunningClient, text: &str, times: usize) {
    wait_until(&format!("{text:?} is printed {times} times"), || {
        let lines = gaffer.lines();
        if lines.iter().filter(|line| line.text.contains(text)).count() >= times {
            return Ok(());
        }
        Err(lines.into_iter().map(|line| line.text).collect::<Vec<_>>().join("\n"))
    });
}
