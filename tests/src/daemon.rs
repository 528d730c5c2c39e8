//! A running gafferd.

use std::{
    fmt::Display,
    fs,
    net::SocketAddr,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Child, ExitStatus},
    thread,
    time::Duration,
};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    Line, Setup,
    http::{self, Answer, Connection, Feed},
    output::Output,
    processes, wait_until,
};

/// A running gafferd. Dropping it stops it, and fails the test if any process of it is left then.
#[derive(Debug)]
pub struct Daemon {
    setup: Setup,
    child: Child,
    address: SocketAddr,
    stdout: Output,
    stderr: Output,
    ended: bool,
}

/// How gafferd ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
}

/// The address in a line such as `… listening on http://127.0.0.1:41234`, or in one of JSON.
fn announced(line: &Line) -> Option<SocketAddr> {
    let (_, rest) = line.text.split_once("listening on http://")?;
    rest.split([' ', '/', '"']).next()?.trim().parse().ok()
}

impl Daemon {
    /// Starts gafferd with this configuration and waits until it listens.
    #[track_caller]
    pub fn start(ini: &str) -> Self {
        Setup::new().ini(ini).start()
    }

    #[track_caller]
    pub(crate) fn new(setup: Setup, child: Child) -> Self {
        let mut daemon = Self::launched(setup, child);
        match daemon.stderr.find(announced) {
            Some(address) => daemon.address = address,
            None => panic!("gafferd did not say where it listens"),
        }
        daemon
    }

    #[track_caller]
    pub(crate) fn without_http(setup: Setup, child: Child, announced: &str) -> Self {
        let daemon = Self::launched(setup, child);
        daemon.until_logged(announced);
        daemon
    }

    fn launched(setup: Setup, mut child: Child) -> Self {
        let stdout = Output::of(child.stdout.take().unwrap());
        let stderr = Output::of(child.stderr.take().unwrap());
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { setup, child, address: unknown, stdout, stderr, ended: false }
    }

    /// The kernel's number of gafferd.
    pub fn os_pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Where it listens; the first endpoint.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All addresses that it has announced.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.log().iter().filter_map(announced).collect()
    }

    /// How it was started.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// A path in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.setup.path(name)
    }

    /// Makes an empty file in its folder, for a `misbehave until …`.
    pub fn touch(&self, name: &str) {
        fs::write(self.path(name), "").unwrap();
    }

    /// Waits for a file in its folder and reads it.
    #[track_caller]
    pub fn read(&self, name: &str) -> String {
        self.until(&format!("there is a file {name}"), || fs::read_to_string(self.path(name)))
    }

    /// Waits for what `misbehave report NAME` writes.
    #[track_caller]
    pub fn report(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    /// What `misbehave log NAME` wrote so far: times and os_pids.
    pub fn launches(&self, name: &str) -> Vec<(Duration, i32)> {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        // A line may be half written.
        let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        let parse = |line: &str| {
            let (time, pid) = line.split_once(' ').unwrap();
            (Duration::from_nanos(time.parse().unwrap()), pid.parse().unwrap())
        };
        whole.map(parse).collect()
    }

    /// What gafferd wrote to stderr.
    pub fn log(&self) -> Vec<Line> {
        self.stderr.lines()
    }

    /// Waits for a line on stderr that holds the text.
    #[track_caller]
    pub fn until_logged(&self, text: &str) -> Line {
        let found = self.stderr.find(|line| line.text.contains(text).then(|| line.clone()));
        found.unwrap_or_else(|| panic!("gafferd never logged {text:?}"))
    }

    /// What gafferd wrote to stdout.
    pub fn console(&self) -> Vec<Line> {
        self.stdout.lines()
    }

    /// Waits for a line on stdout that holds the text.
    #[track_caller]
    pub fn until_shown(&self, text: &str) -> Line {
        let found = self.stdout.find(|line| line.text.contains(text).then(|| line.clone()));
        found.unwrap_or_else(|| panic!("gafferd never showed {text:?}; it showed:\n{}", self.stdout))
    }

    /// Waits for a condition.
    #[track_caller]
    pub fn until<T, E: Display>(&self, what: &str, look: impl FnMut() -> Result<T, E>) -> T {
        wait_until(what, look)
    }

    /// Asks for something, whatever the answer.
    pub fn request(&self, method: &str, path: &str, body: Option<&str>) -> Answer {
        http::request(self.address, method, path, body.map(str::as_bytes))
    }

    #[track_caller]
    fn successful(&self, method: &str, path: &str, body: Option<&str>) -> Value {
        let answer = self.request(method, path, body);
        assert_eq!(answer.status, 200, "{method} {path}: {answer}");
        answer.json()
    }

    /// The JSON at a path.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        self.successful("GET", path, None)
    }

    /// Does something that must succeed.
    #[track_caller]
    pub fn post(&self, path: &str) -> Value {
        self.successful("POST", path, None)
    }

    /// Posts JSON, or input of a process, which must be taken.
    #[track_caller]
    pub fn post_body(&self, path: &str, body: impl Display) -> Value {
        self.successful("POST", path, Some(&body.to_string()))
    }

    /// Gives a job another configuration.
    #[track_caller]
    pub fn put(&self, path: &str, body: impl Display) -> Value {
        self.successful("PUT", path, Some(&body.to_string()))
    }

    /// Removes something.
    #[track_caller]
    pub fn delete(&self, path: &str) -> Value {
        self.successful("DELETE", path, None)
    }

    /// Opens a feed.
    #[track_caller]
    pub fn feed(&self, path: &str) -> Feed {
        Feed::open(self.address, path)
    }

    /// Opens a connection, to send on it whatever one likes.
    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// `/status/<job>`.
    #[track_caller]
    pub fn status(&self, job: &str) -> Value {
        self.get(&format!("/status/{job}"))
    }

    /// Waits until a job's status is as it should be. The job need not be loaded yet: gafferd listens before it loads.
    #[track_caller]
    pub fn until_status(&self, job: &str, what: &str, mut is: impl FnMut(&Value) -> bool) -> Value {
        wait_until(&format!("{job} {what}"), || {
            let answer = self.request("GET", &format!("/status/{job}"), None);
            let status = answer.json();
            if answer.status == 200 && is(&status) { Ok(status) } else { Err(status) }
        })
    }

    /// Waits until exactly so many processes of a job run, and answers their pids.
    #[track_caller]
    pub fn until_running(&self, job: &str, number: usize) -> Vec<u64> {
        let status = self.until_status(job, &format!("has {number} processes"), |status| {
            status["running"] == number && status["pids"].as_array().is_some_and(|pids| pids.len() == number)
        });
        pids(&status)
    }

    /// Pids of a job, oldest first.
    #[track_caller]
    pub fn pids(&self, job: &str) -> Vec<u64> {
        pids(&self.get(&format!("/processes/{job}/_pids")))
    }

    /// Waits for the only process of a job to run a program: its pid and os_pid.
    #[track_caller]
    pub fn only_process(&self, job: &str) -> (u64, i32) {
        let pid = self.until_running(job, 1)[0];
        (pid, self.os_pid_of(pid))
    }

    /// The kernel's number of the leader of a process, by the mark in its environment.
    #[track_caller]
    pub fn os_pid_of(&self, pid: u64) -> i32 {
        let end = format!(":{pid}");
        wait_until(&format!("process {pid} runs its program"), || {
            let children = processes::children(self.os_pid());
            let carries =
                |os_pid: &i32| processes::variable(*os_pid, "GAFFER_PROCESS").is_some_and(|mark| mark.ends_with(&end));
            // Orphans are children too, and carry the mark; the leader is the one that leads its group.
            let leads = |os_pid: &i32| {
                nix::unistd::getpgid(Some(nix::unistd::Pid::from_raw(*os_pid)))
                    .is_ok_and(|group| group.as_raw() == *os_pid)
            };
            children
                .iter()
                .map(|(os_pid, _)| *os_pid)
                .filter(carries)
                .find(leads)
                .ok_or_else(|| format!("{children:?}"))
        })
    }

    /// All living processes that descend from this gafferd.
    pub fn descendants(&self) -> Vec<i32> {
        self.setup.processes().into_iter().filter(|pid| *pid != self.os_pid()).collect()
    }

    /// Sends a signal to gafferd itself.
    pub fn signal(&self, signal: Signal) {
        processes::signal(self.os_pid(), signal);
    }

    /// Waits until gafferd has ended. What it wrote is complete then.
    #[track_caller]
    pub fn wait(&mut self) -> Ended {
        let status: ExitStatus = wait_until("gafferd ends", || match self.child.try_wait().unwrap() {
            Some(status) => Ok(status),
            None => Err("it still runs"),
        });
        self.ended = true;
        self.stdout.finish();
        self.stderr.finish();
        Ended { code: status.code(), signal: status.signal() }
    }

    /// Stops gafferd as a service manager would, and checks that it ends well and leaves nothing behind.
    #[track_caller]
    pub fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        assert_eq!(self.wait(), Ended { code: Some(0), signal: None });
        self.assert_nothing_left();
    }

    /// Kills gafferd as nobody can prevent. What it has launched goes on.
    #[track_caller]
    pub fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.wait();
    }

    /// Starts gafferd anew, after its end, in the same folder and with the same arguments, and waits until it listens.
    #[track_caller]
    pub fn start_again(&mut self) {
        self.launch_again();
        match self.stderr.find(announced) {
            Some(address) => self.address = address,
            None => panic!("gafferd did not say where it listens"),
        }
    }

    /// The same, and waits for a line on stderr that holds the text, where it does not listen.
    #[track_caller]
    pub fn start_again_without_http(&mut self, announced: &str) {
        self.launch_again();
        self.until_logged(announced);
    }

    /// Starts it anew, which must come to its end by itself: the exit code, and all of stderr.
    #[track_caller]
    pub fn run_again(&mut self) -> (Option<i32>, String) {
        self.launch_again();
        let ended = self.wait();
        (ended.code, self.stderr.to_string())
    }

    fn launch_again(&mut self) {
        assert!(self.is_over(), "it still runs");
        let mut child = self.setup.spawn();
        self.stdout = Output::of(child.stdout.take().unwrap());
        self.stderr = Output::of(child.stderr.take().unwrap());
        (self.child, self.ended) = (child, false);
    }

    /// Checks that no process of it is left.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        let left: Vec<String> = self.descendants().into_iter().map(processes::describe).collect();
        assert!(left.is_empty(), "processes are left: {left:#?}");
    }

    fn is_over(&mut self) -> bool {
        self.ended = self.ended || !matches!(self.child.try_wait(), Ok(None));
        self.ended
    }

    /// Ends gafferd, by force if need be; what is wrong with how it ended.
    fn end(&mut self) -> Vec<String> {
        let mut wrong = Vec::new();
        if !self.is_over() {
            self.signal(Signal::SIGTERM);
            let begun = std::time::Instant::now();
            while !self.is_over() && begun.elapsed() < crate::DEADLINE {
                thread::sleep(Duration::from_millis(5));
            }
            if !self.is_over() {
                wrong.push("gafferd had to be killed".to_owned());
                self.signal(Signal::SIGKILL);
                drop(self.child.wait());
            }
        }
        for pid in self.descendants() {
            wrong.push(format!("left behind: {}", processes::describe(pid)));
            processes::signal(pid, Signal::SIGKILL);
        }
        wrong
    }
}

fn pids(status: &Value) -> Vec<u64> {
    status["pids"].as_array().unwrap().iter().map(|pid| pid.as_u64().unwrap()).collect()
}

impl Drop for Daemon {
    #[expect(clippy::print_stderr, reason = "what a failed test has to say")]
    fn drop(&mut self) {
        let wrong = self.end();
        if thread::panicking() || !wrong.is_empty() {
            self.stdout.finish();
            self.stderr.finish();
            eprintln!("stdout of gafferd:\n{}stderr of gafferd:\n{}", self.stdout, self.stderr);
        }
        if !wrong.is_empty() {
            let text = format!("when the daemon was dropped: {wrong:#?}");
            if thread::panicking() { eprintln!("{text}") } else { panic!("{text}") }
        }
    }
}
