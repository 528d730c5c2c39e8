//! One process of the operating system, read again and again.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use nix::{errno::Errno, time::ClockId};

use super::{
    clock,
    descriptors::{Descriptors, Source},
    figures::Usage,
    format::tenths,
    host,
    sample::{LINE_LENGTH, Stat},
    users,
};
use crate::names::OsPid;

/// How long user and command line are believed while the program's name stays the same: a process may change either.
const TRUST: Duration = Duration::from_secs(5);

/// Why there is no reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// The process ended, reaped or not, or its number is another's by now.
    Gone,
    /// It may well live, but cannot be read.
    Unreadable,
    /// No descriptor was left to open its files with.
    Starved,
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ESRCH | Errno::ENOENT) => Self::Gone,
            Some(Errno::EMFILE | Errno::ENFILE) => Self::Starved,
            _ => Self::Unreadable,
        }
    }
}

/// One process: what is kept to read it cheaply, and what it takes to know that it is still the same.
#[derive(Debug)]
pub(super) struct Process {
    os_pid: OsPid,
    stat: Source,
    children: Option<Source>,
    clock: Option<ClockId>,
    /// When it started, in ticks since the boot. With the number, that is its identity.
    start_time: u64,
    /// The same in seconds since the epoch, computed once: the clocks drift, a birthday does not.
    create_time: f64,
    threads: u64,
    processor: Processor,
    facts: Option<Facts>,
}

impl Process {
    /// Finds a process. `is_meant` says whether the one that has the number now is the one looked for.
    pub(super) fn open(
        os_pid: OsPid,
        descriptors: &Descriptors,
        is_meant: impl FnOnce(&Stat<'_>) -> bool,
    ) -> Result<Self, Lost> {
        let stat = Source::keep(File::open(stat_path(os_pid))?, descriptors);
        let mut buffer = [0; LINE_LENGTH];
        let length = stat.read_at(|| stat_path(os_pid), &mut buffer, 0)?;
        let first = parse(&buffer[..length])?;
        if !is_meant(&first) {
            return Err(Lost::Gone);
        }
        let start = clock::ticks(first.start_time);
        Ok(Self {
            os_pid,
            stat,
            children: None,
            clock: clock::of_process(os_pid),
            start_time: first.start_time,
            create_time: hundredths(clock::boot_time() + start.as_secs_f64()),
            threads: first.threads,
            processor: Processor::started(clock::now(), clock::since_boot().saturating_sub(start)),
            facts: None,
        })
    }

    pub(super) fn os_pid(&self) -> OsPid {
        self.os_pid
    }

    /// Reads the figures; the children are left to the caller.
    pub(super) fn read(&mut self, descriptors: &Descriptors) -> Result<Usage, Lost> {
        if self.children.is_none() {
            self.children = File::open(children_path(self.os_pid)).ok().map(|file| Source::keep(file, descriptors));
        }
        let mut buffer = [0; LINE_LENGTH];
        // The clock goes by number alone. The reading behind it proves that the number was still this process's.
        let clock = self.clock.and_then(clock::read);
        let mut stat = self.read_stat(&mut buffer)?;
        let at = clock::now();
        let cpu_time = clock.unwrap_or_else(|| clock::ticks(stat.ticks));
        let facts = match self.facts.take() {
            Some(facts) if facts.hold(stat.comm, at) => facts,
            _ => {
                let facts = Facts::read(self.os_pid, stat.comm, at);
                stat = self.read_stat(&mut buffer)?; // These go by number too.
                facts
            }
        };
        self.threads = stat.threads;
        let rss = stat.resident_pages.saturating_mul(clock::page_size());
        let usage = Usage {
            os_pid: self.os_pid,
            username: facts.username.clone(),
            nice: Some(stat.nice),
            cmdline: Some(facts.cmdline.clone()),
            cpu: Some(self.processor.percent(cpu_time, at)),
            mem: host::total_memory().map(|total| tenths(rss as f64 * 100.0 / total as f64)),
            rss: Some(rss),
            vms: Some(stat.virtual_bytes),
            cpu_time: Some(cpu_time),
            create_time: Some(self.create_time),
            children: Vec::new(),
        };
        self.facts = Some(facts);
        Ok(usage)
    }

    fn read_stat<'a>(&self, buffer: &'a mut [u8; LINE_LENGTH]) -> Result<Stat<'a>, Lost> {
        let length = self.stat.read_at(|| stat_path(self.os_pid), buffer, 0)?;
        let stat = parse(&buffer[..length])?;
        // A kept descriptor cannot show another process; a path can.
        if stat.start_time == self.start_time { Ok(stat) } else { Err(Lost::Gone) }
    }

    /// Appends the numbers of its children, as they were about now: the kernel does not stop the world, so that one
    /// may be missing if others ended meanwhile.
    pub(super) fn list_children(&self, into: &mut Vec<OsPid>) {
        // Each thread has its own list. One thread is the rule, and its list is kept open.
        if self.threads <= 1
            && let Some(children) = &self.children
        {
            read_children(children, || children_path(self.os_pid), into);
            return;
        }
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.os_pid)) else { return };
        for thread in threads.flatten() {
            let path = thread.path().join("children");
            if let Ok(file) = File::open(&path) {
                read_children(&Source::keep(file, &Descriptors::at_most(1)), String::new, into);
            }
        }
    }

    /// Closes what is kept open; from now on files are opened for each reading.
    pub(super) fn close(&mut self) {
        self.stat = Source::Opened;
        if let Some(children) = &mut self.children {
            *children = Source::Opened;
        }
    }

    #[cfg(test)]
    pub(super) fn pretend_another_start_time(&mut self) {
        self.start_time += 1;
    }
}

/// Start times are told in clock ticks: further digits would only differ from one sampler to the next.
fn hundredths(seconds: f64) -> f64 {
    (seconds * 100.0).round() / 100.0
}

fn stat_path(os_pid: OsPid) -> String {
    format!("/proc/{os_pid}/stat")
}

fn children_path(os_pid: OsPid) -> String {
    format!("/proc/{os_pid}/task/{os_pid}/children")
}

fn parse(line: &[u8]) -> Result<Stat<'_>, Lost> {
    if line.is_empty() {
        return Err(Lost::Gone);
    }
    let stat = Stat::parse(line).ok_or(Lost::Unreadable)?;
    if stat.is_dead() { Err(Lost::Gone) } else { Ok(stat) }
}

/// Reads numbers that are separated by blanks. One may be cut in two by the end of the buffer.
fn read_children(source: &Source, path: impl Fn() -> String, into: &mut Vec<OsPid>) {
    let mut buffer = [0; 1024];
    let mut offset = 0;
    let mut number = 0i32;
    loop {
        match source.read_at(&path, &mut buffer, offset) {
            Ok(0) | Err(_) => break,
            Ok(length) => {
                for &byte in &buffer[..length] {
                    if byte.is_ascii_digit() {
                        number = number.saturating_mul(10).saturating_add(i32::from(byte - b'0'));
                    } else {
                        into.extend(OsPid::new(std::mem::take(&mut number)));
                    }
                }
                offset += length as u64;
            }
        }
    }
    into.extend(OsPid::new(number));
}

/// What a process seldom changes and what is dear to find out.
#[derive(Debug)]
struct Facts {
    comm: Box<[u8]>,
    username: Option<Arc<str>>,
    cmdline: Arc<str>,
    read: Instant,
}

impl Facts {
    fn read(os_pid: OsPid, comm: &[u8], now: Instant) -> Self {
        // The folder belongs to the effective user, also where the files in it are root's because the process is not
        // to be traced.
        let user = fs::metadata(format!("/proc/{os_pid}")).ok().map(|folder| folder.uid());
        Self {
            comm: comm.into(),
            username: user.map(users::name),
            cmdline: program(&first_argument(os_pid), comm).into(),
            read: now,
        }
    }

    /// Another name tells of another program, within the time that these are believed.
    fn hold(&self, comm: &[u8], now: Instant) -> bool {
        *self.comm == *comm && now.saturating_duration_since(self.read) < TRUST
    }
}

fn first_argument(os_pid: OsPid) -> Vec<u8> {
    let mut text = Vec::new();
    if let Ok(file) = File::open(format!("/proc/{os_pid}/cmdline")) {
        let _ = file.take(4096).read_to_end(&mut text); // What came before an error will do: it is for people to see.
    }
    let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
    text.truncate(end);
    text
}

/// The last part of the first word's path: a process that shows a title of its own has a whole sentence there. Without
/// a command line it is the kernel's name.
fn program(argument: &[u8], comm: &[u8]) -> String {
    let text = String::from_utf8_lossy(argument);
    let word = text.split_whitespace().next().unwrap_or_default();
    match Path::new(word).file_name() {
        Some(name) => name.to_string_lossy().into_owned(),
        None => String::from_utf8_lossy(comm).into_owned(),
    }
}

/// Processor time at the previous reading.
#[derive(Debug)]
struct Processor {
    time: Duration,
    at: Instant,
    /// How old the process was at `at`, as long as there is no reading to compare with.
    age: Duration,
}

impl Processor {
    fn started(at: Instant, age: Duration) -> Self {
        Self { time: Duration::ZERO, at, age }
    }

    /// Use since the previous reading, in percent of one processor; since the start at the first one.
    fn percent(&mut self, time: Duration, at: Instant) -> f64 {
        let elapsed = at.saturating_duration_since(self.at) + std::mem::take(&mut self.age);
        let used = time.saturating_sub(self.time); // The tick counter may lag behind the clock, should that fail.
        (self.time, self.at) = (time, at);
        if elapsed.is_zero() { 0.0 } else { tenths(used.as_secs_f64() * 100.0 / elapsed.as_secs_f64()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::testing::Child;

    #[test]
    fn use_is_counted_since_the_start_and_then_since_the_previous_reading() {
        let start = clock::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut processor = Processor::started(start, Duration::from_secs(2));
        for (cpu, when, percent) in [
            (1000, 0, 50.0),     // Of two seconds of life.
            (1000, 0, 0.0),      // No time went by.
            (1000, 100, 0.0),    // Slept.
            (1123, 200, 123.0),  // More than one thread.
            (1100, 300, 0.0),    // Never below zero.
            (1133, 10_300, 0.3), // One decimal.
        ] {
            assert_eq!(processor.percent(Duration::from_millis(cpu), at(when)), percent, "{cpu} at {when}");
        }
    }

    #[test]
    fn a_program_is_the_last_part_of_the_first_word() {
        for (argument, shown) in [
            ("/usr/bin/python3", "python3"),
            ("nginx: worker process", "nginx:"),
            ("/opt/app/bin/web --port 1", "web"),
            ("", "comm"),
            ("   ", "comm"),
            ("/", "comm"),
            ("dir/", "dir"),
        ] {
            assert_eq!(program(argument.as_bytes(), b"comm"), shown, "{argument:?}");
        }
        assert_eq!(program(b"caf\xff", b""), "caf\u{fffd}");
    }

    #[test]
    fn a_number_that_is_another_process_now_is_gone() {
        let child = Child::shell("exec sleep 1000");
        let kept_nothing = Descriptors::at_most(0);
        let mut process = Process::open(child.os_pid(), &kept_nothing, |_| true).unwrap();
        assert!(process.read(&kept_nothing).is_ok());
        process.pretend_another_start_time();
        assert_eq!(process.read(&kept_nothing).unwrap_err(), Lost::Gone);
        assert_eq!(Process::open(child.os_pid(), &kept_nothing, |_| false).unwrap_err(), Lost::Gone);
    }

    #[test]
    fn a_dead_process_is_gone_before_and_after_it_is_reaped() {
        for room in [0, 10] {
            let descriptors = Descriptors::at_most(room);
            let mut child = Child::shell("exec sleep 1000");
            let mut process = Process::open(child.os_pid(), &descriptors, |_| true).unwrap();
            assert!(process.read(&descriptors).is_ok());
            child.kill_without_reaping();
            assert_eq!(process.read(&descriptors).unwrap_err(), Lost::Gone);
            child.end();
            assert_eq!(process.read(&descriptors).unwrap_err(), Lost::Gone);
        }
    }

    #[test]
    fn errors_are_told_apart() {
        for (errno, lost) in [
            (Errno::ESRCH, Lost::Gone),
            (Errno::ENOENT, Lost::Gone),
            (Errno::EMFILE, Lost::Starved),
            (Errno::ENFILE, Lost::Starved),
            (Errno::EACCES, Lost::Unreadable),
        ] {
            assert_eq!(Lost::from(io::Error::from(errno)), lost);
        }
    }

    #[test]
    fn a_long_list_of_children_is_read_whole() {
        let numbers: Vec<i32> = (1..3000).collect();
        let text: String = numbers.iter().map(|number| format!("{number} ")).collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in [text.as_str(), text.trim_end()] {
            fs::write(file.path(), text).unwrap();
            let mut found = Vec::new();
            let source = Source::keep(File::open(file.path()).unwrap(), &Descriptors::at_most(1));
            read_children(&source, String::new, &mut found);
            assert_eq!(found.iter().map(|pid| pid.as_raw()).collect::<Vec<_>>(), numbers);
        }
    }
}
