//! `docs/http-api.md`: its examples are run, and it has all calls and no others.

use std::{
    collections::BTreeSet,
    io::Read,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Instant,
};

use gaffer_tests::{DEADLINE, Daemon, repository, skip};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use serde_json::Value;

/// `$ command`, and what it prints.
#[derive(Debug)]
struct Example {
    command: String,
    /// Lines; `…` stands for anything in a line.
    output: String,
    /// Whether it ends only when it is interrupted.
    endless: bool,
}

/// A call: `GET /processes`.
#[derive(Debug, Default)]
struct Call {
    name: String,
    examples: usize,
}

/// A `## `: its examples follow each other on one gafferd.
#[derive(Debug, Default)]
struct Family {
    calls: Vec<Call>,
    /// The first of the calls that the present heading names.
    heading: usize,
    examples: Vec<Example>,
}

#[derive(Debug, Default)]
struct Page {
    ini: String,
    families: Vec<Family>,
}

impl Page {
    fn read() -> Self {
        let text = std::fs::read_to_string(repository().join("docs/http-api.md")).unwrap();
        let mut page = Self::default();
        let mut block: Option<&str> = None;
        for line in text.lines() {
            match (block, line.strip_prefix("```")) {
                (None, Some(kind)) => block = Some(kind),
                (Some(_), Some(_)) => block = None,
                (Some("ini"), None) if page.families.is_empty() => page.ini += &format!("{line}\n"),
                (Some("console"), None) => page.example_line(line),
                (Some(_), None) => {}
                (None, None) => page.prose_line(line),
            }
        }
        page
    }

    fn prose_line(&mut self, line: &str) {
        if line.starts_with("## ") {
            self.families.push(Family::default());
        } else if let Some(calls) = line.strip_prefix("### ") {
            // One heading may have several: `A`, `B`.
            let names = calls.split('`').filter(|part| part.contains(" /"));
            let family = self.families.last_mut().expect("calls stand in families");
            family.heading = family.calls.len();
            family.calls.extend(names.map(|name| Call { name: name.to_owned(), examples: 0 }));
        }
    }

    fn example_line(&mut self, line: &str) {
        let family = self.families.last_mut().expect("examples stand in families");
        if let Some(command) = line.strip_prefix("$ ") {
            family.calls[family.heading..].iter_mut().for_each(|call| call.examples += 1);
            family.examples.push(Example { command: command.to_owned(), output: String::new(), endless: false });
            return;
        }
        let example = family.examples.last_mut().expect("output follows a command");
        if let Some(more) = example.command.strip_suffix('\\') {
            example.command = format!("{more} {}", line.trim());
        } else if line == "^C" {
            example.endless = true;
        } else {
            example.output += &format!("{line}\n");
        }
    }
}

/// Whether a text is as expected, where `…` is anything within a line.
fn fits(text: &str, expected: &str) -> bool {
    let (text, expected) = (text.replace('\r', ""), expected.trim_end());
    let text = text.trim_end();
    text.lines().count() == expected.lines().count()
        && text.lines().zip(expected.lines()).all(|(line, expected)| line_fits(line, expected))
}

fn line_fits(line: &str, expected: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// A shell, and all that it starts.
struct Shell(Child);

impl Shell {
    fn start(daemon: &Daemon, command: &str) -> Self {
        let command = command.replace("localhost:5000", &daemon.address().to_string());
        let script = format!("curl() {{ command curl --silent --show-error \"$@\"; }}\n{command}");
        let mut shell = Command::new("bash");
        shell.args(["-c", &script]).current_dir(daemon.path("")).stdin(Stdio::null()).stdout(Stdio::piped());
        Self(shell.process_group(0).spawn().unwrap())
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Not reaped before this, so the group is still its own.
        let group = Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        let _gone = killpg(group, Signal::SIGKILL);
        self.0.wait().unwrap();
    }
}

fn run(daemon: &Daemon, example: &Example) -> Result<(), String> {
    let mut shell = Shell::start(daemon, &example.command);
    let mut stdout = shell.0.stdout.take().unwrap();
    let (pieces, read) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(length @ 1..) = stdout.read(&mut piece) {
            if pieces.send(piece[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    let deadline = Instant::now() + DEADLINE;
    let mut seen = Vec::new();
    let text = |seen: &[u8]| String::from_utf8_lossy(seen).into_owned();
    loop {
        if example.endless && fits(&text(&seen), &example.output) {
            break;
        }
        match read.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(piece) => seen.extend(piece),
            Err(mpsc::RecvTimeoutError::Disconnected) if !example.endless && fits(&text(&seen), &example.output) => {
                break;
            }
            Err(error) => {
                let (command, expected) = (&example.command, &example.output);
                return Err(format!("{command}\nprinted\n{}\n(then: {error}), not\n{expected}", text(&seen)));
            }
        }
    }
    drop(shell);
    reader.join().unwrap();
    Ok(())
}

#[test]
fn the_examples_of_the_manual_of_the_api_do_what_it_says() {
    if Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_err() {
        skip("the examples of docs/http-api.md: there is no curl");
        return;
    }
    let page = Page::read();
    let mut wrong = Vec::new();
    for family in &page.families {
        let daemon = Daemon::start(&page.ini);
        daemon.until_running("shop.api", 1);
        wrong.extend(family.examples.iter().filter_map(|example| run(&daemon, example).err()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_manual_of_the_api_has_every_call_with_an_example() {
    let page = Page::read();
    let daemon = Daemon::start(&page.ini);
    let document = daemon.get("/openapi.json");
    let mut served = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let methods = item.as_object().unwrap().keys().map(|method| method.to_uppercase());
        served.extend(methods.map(|method| format!("{method} {path}")));
    }
    let calls: Vec<&Call> = page.families.iter().flat_map(|family| &family.calls).collect();
    let told: BTreeSet<String> = calls.iter().map(|call| call.name.clone()).collect();
    assert_eq!(served.difference(&told).collect::<Vec<_>>(), Vec::<&String>::new(), "not in docs/http-api.md");
    assert_eq!(told.difference(&served).collect::<Vec<_>>(), Vec::<&String>::new(), "not in /openapi.json");
    assert_eq!(calls.len(), told.len(), "each call stands there once");
    for call in calls {
        assert!(call.examples > 0, "{} has no example", call.name);
    }
    assert!(matches!(document["info"]["title"], Value::String(_)));
}
