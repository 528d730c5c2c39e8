//! A folder with a Procfile, in which gaffer is run without a daemon.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    thread,
    time::Instant,
};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{Client, DEADLINE, binaries::search_path, binary, processes, setup::Setup, wait_until};

/// An application's folder. When it is dropped, no process that was begun in it may be left: neither one of the application nor
/// gaffer's guardian.
#[derive(Debug)]
pub struct Project {
    setup: Setup,
}

impl Project {
    /// A folder `shop` with this Procfile.
    pub fn new(procfile: &str) -> Self {
        let project = Self::empty();
        project.file("Procfile", procfile);
        project
    }

    /// A folder `shop` with nothing in it.
    pub fn empty() -> Self {
        let setup = Setup::new();
        fs::create_dir(setup.path("shop")).unwrap();
        Self { setup }
    }

    /// Writes a file into the folder, or one below it.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes a program that the shell runs.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.file(name, &format!("#!/bin/sh\n{text}\n"));
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// A path in the folder, whether it exists or not; the folder itself for the empty name.
    pub fn path(&self, name: &str) -> PathBuf {
        self.setup.path("shop").join(name)
    }

    /// What a file in the folder holds, once a process has written it.
    #[track_caller]
    pub fn until_written(&self, name: &str) -> String {
        wait_until(&format!("{name} is written"), || match fs::read_to_string(self.path(name)) {
            Ok(text) if text.ends_with('\n') => Ok(text),
            other => Err(format!("{other:?}")),
        })
    }

    /// What `misbehave report` wrote.
    #[track_caller]
    pub fn report(&self, name: &str) -> Value {
        let text = wait_until(&format!("{name} is reported"), || fs::read_to_string(self.path(name)));
        serde_json::from_str(&text).unwrap()
    }

    /// gaffer, to be run in the folder. The programs in `bin` of the folder and the helper programs are on its `PATH`.
    pub fn gaffer(&self) -> Client {
        self.program(binary("gaffer"))
    }

    /// Some other program, to be run in the folder with the same `PATH`.
    pub fn program(&self, program: impl AsRef<Path>) -> Client {
        let mut search = self.path("bin").into_os_string();
        search.push(":");
        search.push(search_path());
        Client::within_folder(program.as_ref().to_owned(), &self.path(""))
            .env("PATH", search)
            .env("HOME", self.setup.path(""))
            .env(self.setup.mark(), self.setup.id())
    }

    /// Living processes that were begun in the folder, gaffer and its guardian included.
    pub fn processes(&self) -> Vec<i32> {
        self.setup.processes()
    }

    /// Living processes whose variable `PS` is this: `web.1`. The shell that runs a line is one, and what it runs another.
    pub fn instances(&self, ps: &str) -> Vec<i32> {
        let is_it = |pid: &i32| processes::variable(*pid, "PS").as_deref() == Some(ps);
        self.processes().into_iter().filter(is_it).collect()
    }

    /// Waits until this one runs; its number. It must be the only process of its line.
    #[track_caller]
    pub fn until_running(&self, ps: &str) -> i32 {
        wait_until(&format!("{ps} runs"), || match self.instances(ps)[..] {
            [pid] => Ok(pid),
            ref other => Err(format!("{other:?} do")),
        })
    }

    /// gaffer's guardian, once there is one.
    #[track_caller]
    pub fn until_guarded(&self) -> i32 {
        wait_until("there is a guardian", || {
            let is_it = |pid: &i32| processes::title(*pid).as_deref() == Some("gaffer guardian");
            self.processes().into_iter().find(is_it).ok_or("there is none")
        })
    }

    /// Waits until nothing of it runs.
    #[track_caller]
    pub fn until_nothing_left(&self) {
        wait_until("no process is left", || {
            let left: Vec<String> = self.processes().into_iter().map(processes::describe).collect();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:#?}")) }
        });
    }
}

impl Drop for Project {
    #[expect(clippy::print_stderr, reason = "what a failed test has to say")]
    fn drop(&mut self) {
        // A guardian needs a moment, and where gaffer was killed so does what the guardian ends.
        let begun = Instant::now();
        let mut left = self.processes();
        while !left.is_empty() && begun.elapsed() < DEADLINE && !thread::panicking() {
            thread::sleep(std::time::Duration::from_millis(5));
            left = self.processes();
        }
        let wrong: Vec<String> = left.iter().copied().map(processes::describe).collect();
        for pid in left {
            processes::signal(pid, Signal::SIGKILL);
        }
        if !wrong.is_empty() {
            let text = format!("when the project was dropped, processes were left: {wrong:#?}");
            if thread::panicking() { eprintln!("{text}") } else { panic!("{text}") }
        }
    }
}
