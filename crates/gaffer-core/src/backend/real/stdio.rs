//! What a process has as stdin, stdout and stderr, and its extra pipes: made for a launch.

use std::{
    fs::{File, OpenOptions},
    io,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    os::unix::net::UnixStream as StdUnixStream,
    sync::Arc,
};

use nix::{fcntl::OFlag, unistd::pipe2};
use tokio::net::{
    UnixStream,
    unix::{OwnedWriteHalf, pipe},
};

use super::{
    readers::{Source, Tap},
    terminal::{End, Keyboard, Pair},
};
use crate::{
    backend::LaunchPlan,
    names::StreamLabel,
    streams::{Output, ProcessIo, Stdin, Terminal, TerminalSize, TwoWay},
};

/// `/dev/null`, opened once.
#[derive(Debug)]
pub(super) struct Null(File);

impl Null {
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self(OpenOptions::new().read(true).write(true).open("/dev/null")?))
    }
}

/// The streams of a process that is about to be launched.
#[derive(Debug)]
pub(super) struct Stdio {
    stdin: Option<Inlet>,
    /// Those without a label are read, and what they bring is dropped.
    outputs: Vec<(Option<StreamLabel>, Source)>,
    custom: Vec<(StreamLabel, Source, OwnedWriteHalf)>,
    /// Our ends of its terminals, that of stdin and stdout first.
    terminals: Vec<Arc<End>>,
    /// The child's ends, to be closed once it has them.
    theirs: Vec<OwnedFd>,
    /// What becomes 0, 1, 2 and so on in the child.
    descriptors: Vec<RawFd>,
    expect_sinks: bool,
}

#[derive(Debug)]
enum Inlet {
    Pipe(pipe::Sender),
    Terminal(Keyboard),
}

/// What a process is launched with, after the launch.
#[derive(Debug)]
pub(super) struct Launched {
    /// What others use.
    pub(super) io: ProcessIo,
    /// What is to be read.
    pub(super) taps: Vec<Tap>,
    /// To be kept until nothing of the process is left: with the last descriptor of our end the kernel takes its terminal away.
    pub(super) terminals: Vec<Arc<End>>,
}

impl Stdio {
    /// Makes pipes and terminals. To be called within the runtime that is to read them.
    pub(super) fn new(plan: &LaunchPlan, null: &Null) -> io::Result<Self> {
        let mut stdio = Self {
            stdin: None,
            outputs: Vec::new(),
            custom: Vec::new(),
            terminals: Vec::new(),
            theirs: Vec::new(),
            descriptors: vec![null.0.as_raw_fd(); 3],
            expect_sinks: plan.expect_sinks,
        };
        match plan.terminal {
            Some(size) => stdio.add_terminals(plan, size)?,
            None => stdio.add_pipes(plan)?,
        }
        for label in &plan.custom {
            let (ours, its) = StdUnixStream::pair()?;
            ours.set_nonblocking(true)?;
            let (read, write) = UnixStream::from_std(ours)?.into_split();
            stdio.custom.push((label.clone(), Source::Socket(read), write));
            let its = stdio.give(its.into());
            stdio.descriptors.push(its);
        }
        Ok(stdio)
    }

    fn add_pipes(&mut self, plan: &LaunchPlan) -> io::Result<()> {
        if plan.stdin {
            let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
            let ours = pipe::Sender::from_owned_fd(write)?; // Makes our end, and only that, non-blocking.
            self.stdin = Some(Inlet::Pipe(ours));
            self.descriptors[0] = self.give(read);
        }
        match plan.outputs.as_slice() {
            [] => {}
            [both, same, ..] if both == same => {
                let write = self.output_pipe(both)?;
                self.descriptors[1] = write;
                self.descriptors[2] = write;
            }
            [first, rest @ ..] => {
                self.descriptors[1] = self.output_pipe(first)?;
                if let Some(second) = rest.first() {
                    self.descriptors[2] = self.output_pipe(second)?;
                }
            }
        }
        Ok(())
    }

    fn output_pipe(&mut self, label: &StreamLabel) -> io::Result<RawFd> {
        let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
        self.outputs.push((Some(label.clone()), Source::Pipe(pipe::Receiver::from_owned_fd(read)?)));
        Ok(self.give(write))
    }

    fn add_terminals(&mut self, plan: &LaunchPlan, size: TerminalSize) -> io::Result<()> {
        let mut labels = plan.outputs.iter();
        let (first, second) = (labels.next(), labels.next());
        let main = self.terminal(first, size, plan.stdin)?;
        let merged = first.is_some() && first == second;
        let errors = if merged { main } else { self.terminal(second, size, false)? };
        self.descriptors = vec![main, main, errors];
        Ok(())
    }

    /// Terminals are read also without a label: a process must not wait for ever for somebody who reads what nobody wants.
    fn terminal(&mut self, label: Option<&StreamLabel>, size: TerminalSize, writable: bool) -> io::Result<RawFd> {
        let Pair { ours, theirs } = Pair::open(size, writable)?;
        if writable {
            self.stdin = Some(Inlet::Terminal(Keyboard::new(Arc::clone(&ours))));
        }
        self.outputs.push((label.cloned(), Source::Terminal(Arc::clone(&ours))));
        self.terminals.push(ours);
        Ok(self.give(theirs))
    }

    fn give(&mut self, fd: OwnedFd) -> RawFd {
        let raw = fd.as_raw_fd();
        self.theirs.push(fd);
        raw
    }

    /// The child's descriptors, from 0 on.
    pub(super) fn descriptors(&self) -> Vec<RawFd> {
        self.descriptors.clone()
    }

    /// Gives up the child's ends, now that it has them, and splits ours up.
    pub(super) fn launched(self) -> Launched {
        drop(self.theirs);
        let mut taps = Vec::new();
        let mut tap = |label: StreamLabel, source: Source| {
            let output = if self.expect_sinks { Output::expecting_sink(label) } else { Output::new(label) };
            taps.push(Tap { source, output: Some(Arc::clone(&output)) });
            output
        };
        let mut outputs = Vec::with_capacity(self.outputs.len());
        let mut unwanted = Vec::new();
        for (label, source) in self.outputs {
            match label {
                Some(label) => outputs.push(tap(label, source)),
                None => unwanted.push(Tap { source, output: None }),
            }
        }
        let custom = self.custom.into_iter();
        let custom =
            custom.map(|(label, source, write)| TwoWay { output: tap(label, source), input: Stdin::new(write) });
        let custom = custom.collect();
        taps.extend(unwanted);
        let stdin = self.stdin.map(|inlet| match inlet {
            Inlet::Pipe(pipe) => Stdin::new(pipe),
            Inlet::Terminal(keyboard) => Stdin::new(keyboard),
        });
        let terminal = (!self.terminals.is_empty()).then(|| Terminal::new(&self.terminals));
        Launched { io: ProcessIo { outputs, stdin, custom, terminal }, taps, terminals: self.terminals }
    }
}
