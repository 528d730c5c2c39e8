//! What processes write as fast as they can: all of it comes, whole and in order, and costs bounded memory.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    process::{Child, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use gaffer_tests::{Project, full_scale, heavy, processes, wait_until};
use nix::sys::signal::Signal;

const WRITERS: usize = 4;

/// How much memory gaffer may ever have taken.
const MOST_MEMORY: u64 = 100 << 20;

/// How much a process may have written of which nothing was read yet: far less than it has to write.
const MOST_UNREAD: usize = 1 << 20;

/// How many lines each process writes.
fn lines() -> usize {
    if full_scale() { 1_000_000 } else { 300_000 }
}

/// Processes that write numbered lines, and one that stays until all are read.
fn project() -> Project {
    Project::new(&format!("web: seq {}\nlast: misbehave until read\n", lines()))
}

const START: [&str; 4] = ["start", "--exit-on-failure", "-c", "web=4"];

/// Takes lines until all numbers have come.
struct Check {
    next: [usize; WRITERS],
    /// How many lines were read.
    read: Arc<AtomicUsize>,
}

impl Check {
    fn new() -> Self {
        Self { next: [1; WRITERS], read: Arc::default() }
    }

    /// Reads until all numbers have come, or the end.
    #[track_caller]
    fn read(&mut self, stream: &mut impl BufRead) {
        let mut line = String::new();
        while !self.is_complete() {
            line.clear();
            stream.read_line(&mut line).unwrap();
            assert!(line.ends_with('\n'), "it ends with {line:?} and {:?}", self.next);
            self.take(&line[..line.len() - 1]);
            self.read.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[track_caller]
    fn take(&mut self, line: &str) {
        let (time, rest) = line.split_at_checked("HH:MM:SS".len()).unwrap_or_else(|| panic!("{line:?}"));
        assert!(time.bytes().all(|byte| byte.is_ascii_digit() || byte == b':'), "{line:?}");
        let (name, text) = rest.split_once(" | ").unwrap_or_else(|| panic!("{line:?}"));
        if text.contains(" process with pid ") {
            return;
        }
        let process: usize = name.strip_prefix(" web.").unwrap_or_else(|| panic!("{line:?}")).parse().unwrap();
        let next = &mut self.next[process - 1];
        assert!(text.parse() == Ok(*next), "{line:?} is not number {next}");
        *next += 1;
    }

    fn is_complete(&self) -> bool {
        self.next.iter().all(|next| *next == lines() + 1)
    }
}

/// Starts it with these words on one pipe, of which nothing is read.
fn unread(project: &Project, words: &[&str]) -> (Child, BufReader<impl Read + use<>>) {
    let mut command = project.gaffer().command(words);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let stdout = child.stdout.take().unwrap();
    (child, BufReader::new(stdout))
}

/// The bytes that a process has written.
fn written(pid: i32) -> Option<usize> {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    io.lines().find_map(|line| line.strip_prefix("wchar: "))?.parse().ok()
}

/// Waits until those that write cannot go on.
#[track_caller]
fn until_stalled(project: &Project, names: &[&str]) {
    let written = || -> Vec<usize> {
        let pids = names.iter().flat_map(|name| project.instances(name));
        pids.filter_map(written).collect()
    };
    let (mut seen, mut times) = (written(), 0);
    wait_until("the writers stall", || {
        let now = written();
        times = if now == seen && now.len() == names.len() { times + 1 } else { 0 };
        seen = now;
        // Ten looks are a tenth of a second.
        if times >= 10 { Ok(()) } else { Err(format!("{seen:?}")) }
    });
    assert!(seen.iter().all(|bytes| *bytes < MOST_UNREAD), "{seen:?}");
}

/// Reads until all numbers have come, as long as lines do come.
#[track_caller]
fn read_all<R: BufRead + Send + 'static>(mut stream: R) -> R {
    let count = Arc::<AtomicUsize>::default();
    let mut check = Check { read: count.clone(), ..Check::new() };
    let reader = thread::spawn(move || {
        check.read(&mut stream);
        stream
    });
    while !reader.is_finished() {
        let seen = count.load(Ordering::Relaxed);
        wait_until("a line comes", || {
            if reader.is_finished() || count.load(Ordering::Relaxed) > seen { Ok(()) } else { Err(seen) }
        });
    }
    reader.join().unwrap()
}

fn pid(child: &Child) -> i32 {
    i32::try_from(child.id()).unwrap()
}

#[track_caller]
fn until_ended(child: &mut Child) -> Option<i32> {
    wait_until("gaffer ends", || child.try_wait().unwrap().ok_or("it runs")).code()
}

#[test]
fn nothing_is_lost_on_the_way_to_a_file() {
    let _turn = heavy();
    let project = project();
    project.file("read", "");
    let path = project.path("log");
    let mut command = project.gaffer().command(&START);
    let mut gaffer = command.stdin(Stdio::null()).stdout(File::create(&path).unwrap()).spawn().unwrap();
    assert_eq!(until_ended(&mut gaffer), Some(0));
    let mut check = Check::new();
    let mut log = BufReader::new(File::open(&path).unwrap());
    check.read(&mut log);
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert!(rest.lines().all(|line| line.contains(" | exit process with pid ")), "{rest}");
}

#[test]
fn a_reader_that_pauses_loses_nothing_and_costs_bounded_memory() {
    let _turn = heavy();
    let project = project();
    let (mut gaffer, stdout) = unread(&project, &START);
    until_stalled(&project, &["web.1", "web.2", "web.3", "web.4"]);
    let mut stdout = read_all(stdout);
    let most = processes::memory(pid(&gaffer), "VmHWM");
    assert!(most < MOST_MEMORY, "{most} bytes");
    project.file("read", "");
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert!(rest.lines().all(|line| line.contains(" | exit process with pid ")), "{rest}");
    assert_eq!(until_ended(&mut gaffer), Some(0));
}

#[test]
fn a_reader_that_stalls_holds_up_the_end_but_not_for_ever() {
    let project = Project::new("web: yes\n");
    let (mut gaffer, mut stdout) = unread(&project, &["start"]);
    until_stalled(&project, &["web.1"]);
    processes::signal(pid(&gaffer), Signal::SIGINT);
    wait_until("the process is gone", || match &project.instances("web.1")[..] {
        [] => Ok(()),
        left => Err(format!("{left:?}")),
    });
    assert_eq!(gaffer.try_wait().unwrap(), None, "its lines are not written");
    // The second kills; the third leaves it at that. They differ, so that the kernel keeps them apart, if not in order.
    processes::signal(pid(&gaffer), Signal::SIGTERM);
    processes::signal(pid(&gaffer), Signal::SIGQUIT);
    let code = until_ended(&mut gaffer).unwrap();
    assert!([143, 131].contains(&code), "{code}");
    project.until_nothing_left();
    let mut left = String::new();
    stdout.read_to_string(&mut left).unwrap();
    assert!(left.contains(" web | y\n"), "what was written is there");
}

#[test]
fn who_kills_does_not_wait_for_a_reader_that_stalls() {
    let project = Project::new("web: yes\n");
    let mut command = project.gaffer().command(&["start"]);
    let mut gaffer = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until_stalled(&project, &["web.1"]);
    processes::signal(pid(&gaffer), Signal::SIGINT);
    wait_until("the process is gone", || match &project.instances("web.1")[..] {
        [] => Ok(()),
        left => Err(format!("{left:?}")),
    });
    processes::signal(pid(&gaffer), Signal::SIGINT);
    assert_eq!(until_ended(&mut gaffer), Some(0));
    let mut said = String::new();
    gaffer.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "gaffer: nobody reads it, and some output is lost\n");
}

#[test]
fn a_reader_that_goes_away_is_no_success_of_what_was_to_end_by_itself() {
    let project = Project::new("web: yes\n");
    for words in ["start --exit-with web", "start --exit-on-failure", "run -c 2 yes"] {
        let shell = format!("{{ gaffer {words}; echo code $? >&2; }} | head -n 3");
        let said = project.program("sh").run(&["-c", &shell]);
        assert_eq!(said.stderr, "code 141\n", "{words}: {said}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_all() {
    let project = Project::new("web: yes\nother: misbehave child setsid forever end forever\n");
    let shell = project.program("sh");
    let said = shell.run(&["-c", "{ gaffer start; echo code $? >&2; } | head -n 3"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, "code 0\n"), "{said}");
    assert_eq!(said.stdout.lines().count(), 3, "{said}");
    project.until_nothing_left();
}

#[test]
fn a_reader_of_stderr_that_goes_away_ends_nothing() {
    let project = Project::new("web: sh -c 'misbehave until gone; seq 1000 >&2; exec misbehave signals'\n");
    let mut command = project.gaffer().command(&["start"]);
    let mut gaffer = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(gaffer.stdout.take().unwrap());
    drop(gaffer.stderr.take());
    project.file("gone", "");
    let mut line = String::new();
    while !line.contains("listening") {
        line.clear();
        assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "it has ended");
    }
    processes::signal(pid(&gaffer), Signal::SIGTERM);
    assert_eq!(until_ended(&mut gaffer), Some(0));
}

#[test]
fn a_full_disk_is_an_error() {
    let project = Project::new("web: yes\nother: misbehave child setsid forever end forever\n");
    let said = project.program("sh").run(&["-c", "exec gaffer start > /dev/full"]);
    assert_eq!(said.code, 1, "{said}");
    assert!(said.stderr.contains("cannot write to stdout: No space left on device"), "{said}");
    project.until_nothing_left();
}
