//! Processes as the kernel tells of them.

use std::{fs, path::PathBuf};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// All processes, by number.
pub fn all() -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// Living processes in whose environment this variable stands with this value. Zombies have none.
pub fn marked(variable: &str, value: &str) -> Vec<i32> {
    let mark = format!("{variable}={value}");
    let carries = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
    };
    all().into_iter().filter(carries).collect()
}

/// A variable in the environment that the process was started with.
pub fn variable(pid: i32, name: &str) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let entries = environment.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    entries
        .filter_map(|entry| entry.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())))
        .find(|(k, _)| k == name)
        .map(|(_, v)| v)
}

/// The name under which `ps` shows a process.
pub fn title(pid: i32) -> Option<String> {
    Some(fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim_end().to_owned())
}

/// The fields of `/proc/<pid>/stat` from the state on, which is the first.
fn stat(pid: i32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

/// Children of a process with their states, zombies (`Z`) included.
pub fn children(parent: i32) -> Vec<(i32, char)> {
    let of = |pid: i32| {
        let stat = stat(pid)?;
        (stat.get(1)?.parse() == Ok(parent)).then_some((pid, stat.first()?.chars().next()?))
    };
    all().into_iter().filter_map(of).collect()
}

/// The parent of a process.
pub fn parent(pid: i32) -> Option<i32> {
    stat(pid)?.get(1)?.parse().ok()
}

/// Whether there is such a process, and it is no zombie.
pub fn is_alive(pid: i32) -> bool {
    stat(pid).is_some_and(|stat| stat.first().is_some_and(|state| state != "Z" && state != "X"))
}

/// The state of a process, such as `S` or `T`.
pub fn state(pid: i32) -> Option<char> {
    stat(pid)?.first()?.chars().next()
}

/// A size from `/proc/<pid>/status`, such as `VmRSS`, in bytes.
pub fn memory(pid: i32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

/// Open descriptors of a process: number and what it leads to.
pub fn descriptors(pid: i32) -> Vec<(i32, PathBuf)> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let of = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.ok()?;
        Some((entry.file_name().to_str()?.parse().ok()?, fs::read_link(entry.path()).ok()?))
    };
    entries.filter_map(of).collect()
}

/// What it is, for messages.
pub fn describe(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    format!("{pid} ({}) of {:?}: {line}", state(pid).unwrap_or('?'), parent(pid))
}

/// Sends a signal. That there is no such process is no error.
pub fn signal(pid: i32, signal: Signal) {
    match kill(Pid::from_raw(pid), signal) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => panic!("cannot send {signal} to {pid}: {error}"),
    }
}
