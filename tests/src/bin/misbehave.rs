//! A process that does what processes should not do.
//!
//! Its arguments are steps, taken one after the other; at their end it exits with 0.
//!
//! | step | does |
//! | --- | --- |
//! | `deaf` | heeds no SIGTERM, SIGINT, SIGHUP or SIGQUIT any more |
//! | `setsid` | begins a session of its own |
//! | `child STEP… end` | starts another process that takes these steps; does not wait for it |
//! | `log FILE` | appends a line: nanoseconds since the machine started, os_pid |
//! | `touch FILE` | makes a file |
//! | `until FILE` | waits until the file is there |
//! | `after MS` | waits |
//! | `print TEXT`, `eprint TEXT` | writes a line to stdout, stderr |
//! | `flood N` | writes N bytes to stdout |
//! | `cat` | writes what it reads from stdin to stdout, until the end of stdin |
//! | `report FILE` | writes what it is and has into a file, which appears when it is complete |
//! | `signals` | writes the line `listening`, then the name of each signal that reaches it, until one is SIGTERM |
//! | `on-term CODE` | waits for SIGTERM, then exits with the code |
//! | `forever` | waits for ever |
//! | `exit CODE` | exits |

use std::{
    env,
    fs::{self, OpenOptions},
    io::{self, BufRead, Read, Write},
    path::Path,
    process::{self, Command, ExitCode, Stdio},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{SigSet, Signal},
    time::{ClockId, clock_gettime},
    unistd::{getegid, geteuid, getgid, getgroups, getpgrp, getsid, getuid, setsid},
};
use serde_json::json;

fn main() -> ExitCode {
    let steps: Vec<String> = env::args().skip(1).collect();
    match run(&steps) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _stderr_is_gone = writeln!(io::stderr(), "misbehave: {error}");
            ExitCode::from(99)
        }
    }
}

fn run(steps: &[String]) -> io::Result<u8> {
    let mut steps = steps.iter().map(String::as_str);
    while let Some(step) = steps.next() {
        let mut argument = || steps.next().ok_or_else(|| io::Error::other(format!("{step} needs an argument")));
        match step {
            "deaf" => {
                let signals = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT];
                signals.into_iter().collect::<SigSet>().thread_block()?;
            }
            "setsid" => drop(setsid()?),
            "child" => {
                let (mut depth, mut of_child) = (1, Vec::new());
                loop {
                    let step = argument()?;
                    match step {
                        "child" => depth += 1,
                        "end" => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                    of_child.push(step);
                }
                // A blocked signal stays blocked across this, as a process that means to survive would have it.
                Command::new("/proc/self/exe").args(of_child).stdin(Stdio::null()).spawn()?;
            }
            "log" => log(Path::new(argument()?))?,
            "touch" => fs::write(argument()?, "")?,
            "until" => {
                let path = Path::new(argument()?);
                while !path.exists() {
                    thread::sleep(Duration::from_millis(5));
                }
            }
            "after" => thread::sleep(Duration::from_millis(number(argument()?)?)),
            // In one piece, so that it is read in one piece.
            "print" => io::stdout().write_all(format!("{}\n", argument()?).as_bytes())?,
            "eprint" => io::stderr().write_all(format!("{}\n", argument()?).as_bytes())?,
            "flood" => flood(number(argument()?)?)?,
            "cat" => {
                for line in io::stdin().lock().split(b'\n') {
                    let mut out = io::stdout();
                    out.write_all(&line?)?;
                    out.write_all(b"\n")?;
                    out.flush()?;
                }
            }
            "report" => report(Path::new(argument()?))?,
            "signals" => signals()?,
            "on-term" => {
                let term: SigSet = [Signal::SIGTERM].into_iter().collect();
                term.thread_block()?;
                term.wait()?;
                return Ok(u8::try_from(number(argument()?)?).unwrap_or(u8::MAX));
            }
            "forever" => loop {
                thread::park();
            },
            "exit" => return Ok(u8::try_from(number(argument()?)?).unwrap_or(u8::MAX)),
            other => return Err(io::Error::other(format!("there is no step `{other}`"))),
        }
    }
    Ok(0)
}

fn number(text: &str) -> io::Result<u64> {
    text.parse().map_err(|_| io::Error::other(format!("`{text}` is not a number")))
}

fn log(path: &Path) -> io::Result<()> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    let line = format!("{} {}\n", Duration::from(now).as_nanos(), process::id());
    OpenOptions::new().append(true).create(true).open(path)?.write_all(line.as_bytes())
}

fn signals() -> io::Result<()> {
    let others = [Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGWINCH];
    let awaited: SigSet = [Signal::SIGTERM].into_iter().chain(others).collect();
    awaited.thread_block()?;
    let mut out = io::stdout();
    out.write_all(b"listening\n")?;
    loop {
        let signal = awaited.wait()?;
        out.write_all(format!("{signal}\n").as_bytes())?;
        if signal == Signal::SIGTERM {
            return Ok(());
        }
    }
}

fn flood(mut bytes: u64) -> io::Result<()> {
    let mut block = [b'x'; 64 * 1024];
    block.chunks_mut(64).for_each(|line| line[line.len() - 1] = b'\n');
    let mut out = io::stdout().lock();
    while bytes > 0 {
        let now = block.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
        out.write_all(&block[..now])?;
        bytes -= now as u64;
    }
    out.flush()
}

fn report(path: &Path) -> io::Result<()> {
    // Reading the folder takes a descriptor itself, which is gone when its name is looked up.
    let numbers: Vec<String> = fs::read_dir("/proc/self/fd")?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<_>>()?;
    let descriptors: serde_json::Map<String, serde_json::Value> = numbers
        .into_iter()
        .filter_map(|number| {
            let target = fs::read_link(format!("/proc/self/fd/{number}")).ok()?;
            Some((number, json!(target.to_string_lossy())))
        })
        .collect();
    let mut status = String::new();
    fs::File::open("/proc/self/status")?.read_to_string(&mut status)?;
    let environment: serde_json::Map<String, serde_json::Value> = env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), json!(value.to_string_lossy())))
        .collect();
    let report = json!({
        "os_pid": process::id(),
        "uid": [getuid().as_raw(), geteuid().as_raw()],
        "gid": [getgid().as_raw(), getegid().as_raw()],
        "groups": getgroups()?.into_iter().map(|group| group.as_raw()).collect::<Vec<_>>(),
        "pgrp": getpgrp().as_raw(),
        "sid": getsid(None)?.as_raw(),
        "cwd": env::current_dir()?,
        "fds": descriptors,
        "env": environment,
        "status": status,
    });
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}", process::id()));
    fs::write(&unfinished, report.to_string())?;
    fs::rename(&unfinished, path)
}
