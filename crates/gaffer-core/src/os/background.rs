//! Going into the background.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::fd::AsFd,
    process::ExitCode,
};

use nix::{
    fcntl::OFlag,
    sys::{
        stat::{SFlag, fstat},
        wait::waitpid,
    },
    unistd::{ForkResult, dup2_stderr, dup2_stdin, dup2_stdout, fork, pipe2, setsid},
};

/// What the daemon tells who started it, once it is ready.
const READY: u8 = 0;

/// Who goes on after [`go_into_background`].
#[derive(Debug)]
pub enum Background {
    /// The daemon, which has to say when it is ready.
    Daemon(Readiness),
    /// Who started it, which is to end so: well, once the daemon is ready; with a failure, if that ends before.
    Starter(ExitCode),
}

/// To be told when the daemon is ready. If it is dropped before, who started the daemon ends with a failure.
#[derive(Debug)]
pub struct Readiness {
    starter: File,
}

impl Readiness {
    /// The daemon is ready: who started it ends well. What the daemon writes to stderr from now on goes nowhere, unless that is a file.
    ///
    /// # Errors
    /// When `/dev/null` cannot be opened.
    pub fn ready(mut self) -> io::Result<()> {
        if !is_file(io::stderr()) {
            // Whoever reads a pipe to its end would wait for the daemon's; and a terminal is for others now.
            dup2_stderr(null()?)?;
        }
        // Whoever started it may be gone by now, and need not know any more.
        let _unheard = self.starter.write_all(&[READY]);
        Ok(())
    }
}

/// Goes on as a daemon, in a session of its own, without a terminal, and with nothing on stdin and stdout. What is written to stderr reaches
/// who started it until the daemon is [ready](Readiness::ready): so it can say why it cannot start.
///
/// To be called before there is a second thread.
///
/// # Errors
/// When there is a second thread, or the kernel refuses.
pub fn go_into_background() -> io::Result<Background> {
    if fs::read_dir("/proc/self/task")?.count() > 1 {
        return Err(io::Error::other("there are several threads, of which only one would go on"));
    }
    let (ours, theirs) = pipe2(OFlag::O_CLOEXEC)?;
    // SAFETY: there is one thread, as was just seen: the child is as whole as its parent.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => {
            drop(theirs);
            // It ends at once, as the daemon is its child.
            let _either_way = waitpid(child, None);
            let mut told = [!READY];
            let is_ready = matches!(File::from(ours).read(&mut told), Ok(1)) && told[0] == READY;
            return Ok(Background::Starter(if is_ready { ExitCode::SUCCESS } else { ExitCode::FAILURE }));
        }
        ForkResult::Child => drop(ours),
    }
    setsid()?;
    // A second time: who leads a session might come by a terminal.
    // SAFETY: as above; the child of one thread has one.
    if let ForkResult::Parent { .. } = unsafe { fork() }? {
        // SAFETY: it takes an integer. What is to be done at an end is the starter's and the daemon's business.
        unsafe { libc::_exit(0) };
    }
    let null = null()?;
    dup2_stdin(null.as_fd())?;
    dup2_stdout(null.as_fd())?;
    Ok(Background::Daemon(Readiness { starter: theirs.into() }))
}

fn is_file(stream: impl AsFd) -> bool {
    fstat(stream).is_ok_and(|status| SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG)
}

fn null() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/null")
}
