//! Pages of the manual whose examples are run.

use std::{
    fs,
    io::Read,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Instant,
};

use gaffer_tests::{Client, DEADLINE, Daemon, processes, repository, skip, wait_until};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

/// `$ command`, and what it prints.
#[derive(Debug)]
struct Example {
    command: String,
    /// Lines; `…` stands for anything in a line, and alone for any lines.
    output: String,
    /// Whether it ends only when it is interrupted.
    endless: bool,
}

/// A `### `.
#[derive(Debug)]
pub(crate) struct Heading {
    pub(crate) text: String,
    /// How many examples it has.
    pub(crate) examples: usize,
}

/// A `## `: its examples follow each other on one gafferd.
#[derive(Debug, Default)]
struct Section {
    headings: Vec<Heading>,
    examples: Vec<Example>,
}

/// A page below `docs/`. Its examples are its `console` blocks. An `ini` block that stands before the first section is their
/// configuration; if there is a `procfile` block, and perhaps a `dotenv` block, they run in a folder `shop` with these.
#[derive(Debug)]
pub(crate) struct Page {
    name: &'static str,
    ini: String,
    procfile: String,
    dotenv: String,
    sections: Vec<Section>,
}

impl Page {
    pub(crate) fn read(name: &'static str) -> Self {
        let text = fs::read_to_string(repository().join("docs").join(name)).unwrap();
        let [ini, procfile, dotenv] = [const { String::new() }; 3];
        let mut page = Self { name, ini, procfile, dotenv, sections: Vec::new() };
        let mut block: Option<&str> = None;
        for line in text.lines() {
            match (block, line.strip_prefix("```")) {
                (None, Some(kind)) => block = Some(kind),
                (Some(_), Some(_)) => block = None,
                (Some("ini"), None) if page.sections.is_empty() => page.ini += &format!("{line}\n"),
                (Some("procfile"), None) if page.sections.is_empty() => page.procfile += &format!("{line}\n"),
                (Some("dotenv"), None) if page.sections.is_empty() => page.dotenv += &format!("{line}\n"),
                (Some("console"), None) => page.example_line(line),
                (Some(_), None) => {}
                (None, None) => page.prose_line(line),
            }
        }
        page
    }

    fn prose_line(&mut self, line: &str) {
        if line.starts_with("## ") {
            self.sections.push(Section::default());
        } else if let Some(text) = line.strip_prefix("### ") {
            let section = self.sections.last_mut().expect("headings stand in sections");
            section.headings.push(Heading { text: text.to_owned(), examples: 0 });
        }
    }

    fn example_line(&mut self, line: &str) {
        let section = self.sections.last_mut().expect("examples stand in sections");
        if let Some(command) = line.strip_prefix("$ ") {
            if let Some(heading) = section.headings.last_mut() {
                heading.examples += 1;
            }
            section.examples.push(Example { command: command.to_owned(), output: String::new(), endless: false });
            return;
        }
        let example = section.examples.last_mut().expect("output follows a command");
        if let Some(more) = example.command.strip_suffix('\\') {
            example.command = format!("{more} {}", line.trim());
        } else if line == "^C" {
            example.endless = true;
        } else {
            example.output += &format!("{line}\n");
        }
    }

    /// All headings of the third level.
    pub(crate) fn headings(&self) -> impl Iterator<Item = &Heading> {
        self.sections.iter().flat_map(|section| &section.headings)
    }

    /// A gafferd with the page's configuration.
    pub(crate) fn daemon(&self) -> Daemon {
        Daemon::start(&self.ini)
    }

    /// Where its examples run.
    fn folder(&self, daemon: &Daemon) -> PathBuf {
        if self.procfile.is_empty() {
            return daemon.path("");
        }
        let folder = daemon.path("shop");
        fs::create_dir(&folder).unwrap();
        for (name, text) in [("Procfile", &self.procfile), (".env", &self.dotenv)] {
            if !text.is_empty() {
                fs::write(folder.join(name), text).unwrap();
            }
        }
        folder
    }

    /// Runs all examples; `prepare` waits until a new gafferd is as they expect it.
    pub(crate) fn run(&self, prepare: impl Fn(&Daemon)) {
        if Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_err() {
            skip(&format!("the examples of docs/{}: there is no curl", self.name));
            return;
        }
        let mut wrong = Vec::new();
        for section in self.sections.iter().filter(|section| !section.examples.is_empty()) {
            let daemon = self.daemon();
            let folder = self.folder(&daemon);
            prepare(&daemon);
            wrong.extend(section.examples.iter().filter_map(|example| run(&daemon, &folder, example).err()));
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    }
}

/// Whether a text is as expected, where `…` is anything within a line, and on a line of its own any lines, or none.
fn fits(text: &str, expected: &str) -> bool {
    let text = text.replace('\r', "");
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let expected: Vec<&str> = expected.trim_end().lines().collect();
    lines_fit(&lines, &expected)
}

fn lines_fit(lines: &[&str], expected: &[&str]) -> bool {
    match (lines, expected) {
        (_, ["…", rest @ ..]) => (0..=lines.len()).any(|skipped| lines_fit(&lines[skipped..], rest)),
        ([line, lines @ ..], [expected, rest @ ..]) => line_fits(line, expected) && lines_fit(lines, rest),
        ([], []) => true,
        (_, _) => false,
    }
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
    fn start(daemon: &Daemon, folder: &Path, command: &str) -> Self {
        let command = command.replace("localhost:5000", &daemon.address().to_string());
        // What programs say on stderr belongs to what they print, but what curl says when it fails does not.
        let script = format!("exec 3>&2 2>&1\ncurl() {{ command curl --silent --show-error \"$@\" 2>&3; }}\n{command}");
        let mut shell = Client::bash(daemon).within(folder).command(&["-c", &script]);
        shell.stdin(Stdio::null()).stdout(Stdio::piped());
        Self(shell.process_group(0).spawn().unwrap())
    }
}

impl Shell {
    /// Only to be called as long as it is not reaped: until then the group is its own.
    fn signal(&self, signal: Signal) {
        let group = Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        let _gone = killpg(group, signal);
    }

    /// Interrupts it, as Ctrl-C does, and waits until it has ended.
    fn interrupt(&self) {
        self.signal(Signal::SIGINT);
        let pid = i32::try_from(self.0.id()).unwrap();
        wait_until("an example ends that was interrupted", || match processes::is_alive(pid) {
            true => Err(processes::describe(pid)),
            false => Ok(()),
        });
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        self.0.wait().unwrap();
    }
}

/// Runs an example in a folder, beside a daemon; what is wrong with what it printed.
fn run(daemon: &Daemon, folder: &Path, example: &Example) -> Result<(), String> {
    let mut shell = Shell::start(daemon, folder, &example.command);
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
            shell.interrupt();
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
    // With its end that of its processes has come, but for what a node runs.
    daemon.until("no gaffer and no guardian is left", || {
        let is_gaffer =
            |pid: &i32| processes::title(*pid).is_some_and(|title| title.starts_with("gaffer") && title != "gafferd");
        let left: Vec<i32> = daemon.setup().processes().into_iter().filter(is_gaffer).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    drop(shell);
    reader.join().unwrap();
    Ok(())
}

#[test]
fn dots_stand_for_what_differs() {
    for (text, expected, is_fitting) in [
        ("a 1 b\nc\n", "a … b\nc\n", true),
        ("a 1 b\nc\n", "a … b\n", false),
        ("a\n1\n2\nb\n", "a\n…\nb\n", true),
        ("a\nb\n", "…\na\n…\nb\n…\n", true),
        ("a\n1\n", "a\n…\nb\n", false),
        ("", "…\n", true),
    ] {
        assert_eq!(fits(text, expected), is_fitting, "{text:?} and {expected:?}");
    }
}
