//! The pipes of a process: made for a launch, read while it lives, drained when it ends.

use std::{
    cell::RefCell,
    fs::{File, OpenOptions},
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    os::unix::net::UnixStream as StdUnixStream,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use nix::{fcntl::OFlag, unistd::pipe2};
use tokio::{
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf, pipe},
    },
    sync::{oneshot, watch},
    task::coop::consume_budget,
    time::{Instant, timeout_at},
};

use crate::{
    backend::LaunchPlan,
    names::StreamLabel,
    streams::{Output, ProcessIo, Stdin, TwoWay},
};

/// What one read takes at most: as much as a pipe holds.
const CHUNK: usize = 64 * 1024;
/// How much of one output is still read when a process ends while others hold its pipe open. As much as the largest
/// pipe that an ordinary user may make: all that the process can have left behind.
const DRAIN_BYTES: usize = 1024 * 1024;
/// How long the end of a process waits for its outputs to be drained: a lossless sink may be stuck.
const DRAIN_TIME: Duration = Duration::from_secs(1);

thread_local! {
    /// Where reads go first. One a thread, not one an output: most of thousands of processes are silent.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; CHUNK].into());
}

/// `/dev/null`, opened once.
#[derive(Debug)]
pub(super) struct Null(File);

impl Null {
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self(OpenOptions::new().read(true).write(true).open("/dev/null")?))
    }
}

/// Where an output comes from.
#[derive(Debug)]
enum Source {
    Pipe(pipe::Receiver),
    Socket(OwnedReadHalf),
}

impl Source {
    async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Pipe(pipe) => pipe.readable().await,
            Self::Socket(socket) => socket.readable().await,
        }
    }

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Pipe(pipe) => pipe.try_read(buffer),
            Self::Socket(socket) => socket.try_read(buffer),
        }
    }

    /// Reads without asking the runtime, which may not have noticed yet that there is something.
    fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let fd: BorrowedFd<'_> = match self {
            Self::Pipe(pipe) => pipe.as_fd(),
            Self::Socket(socket) => socket.as_ref().as_fd(),
        };
        Ok(nix::unistd::read(fd, buffer)?)
    }
}

/// The pipes of a process that is about to be launched.
#[derive(Debug)]
pub(super) struct Stdio {
    stdin: Option<pipe::Sender>,
    outputs: Vec<(StreamLabel, Source)>,
    custom: Vec<(StreamLabel, Source, OwnedWriteHalf)>,
    /// The child's ends, to be closed once it has them.
    theirs: Vec<OwnedFd>,
    /// What becomes 0, 1, 2 and so on in the child.
    descriptors: Vec<RawFd>,
}

impl Stdio {
    /// Makes the pipes. To be called within the runtime that is to read them.
    pub(super) fn new(plan: &LaunchPlan, null: &Null) -> io::Result<Self> {
        let null = null.0.as_raw_fd();
        let mut theirs = Vec::new();
        let mut give = |fd: OwnedFd| {
            let raw = fd.as_raw_fd();
            theirs.push(fd);
            raw
        };

        let mut stdin = None;
        let mut descriptors = vec![null; 3];
        if plan.stdin {
            let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
            stdin = Some(pipe::Sender::from_owned_fd(write)?); // Makes our end, and only that, non-blocking.
            descriptors[0] = give(read);
        }
        let mut outputs = Vec::new();
        let mut output = |label: &StreamLabel| -> io::Result<RawFd> {
            let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
            outputs.push((label.clone(), Source::Pipe(pipe::Receiver::from_owned_fd(read)?)));
            Ok(give(write))
        };
        match plan.outputs.as_slice() {
            [] => {}
            [both, same, ..] if both == same => {
                let write = output(both)?;
                descriptors[1] = write;
                descriptors[2] = write;
            }
            [first, rest @ ..] => {
                descriptors[1] = output(first)?;
                if let Some(second) = rest.first() {
                    descriptors[2] = output(second)?;
                }
            }
        }
        let mut custom = Vec::with_capacity(plan.custom.len());
        for label in &plan.custom {
            let (ours, its) = StdUnixStream::pair()?;
            ours.set_nonblocking(true)?;
            let (read, write) = UnixStream::from_std(ours)?.into_split();
            custom.push((label.clone(), Source::Socket(read), write));
            descriptors.push(give(its.into()));
        }
        Ok(Self { stdin, outputs, custom, theirs, descriptors })
    }

    /// The child's descriptors, from 0 on.
    pub(super) fn descriptors(&self) -> Vec<RawFd> {
        self.descriptors.clone()
    }

    /// Gives up the child's ends, now that it has them, and splits ours into what others use and what is to be read.
    pub(super) fn launched(self) -> (ProcessIo, Vec<Tap>) {
        drop(self.theirs);
        let mut taps = Vec::new();
        let mut tap = |label: StreamLabel, source: Source| {
            let output = Output::new(label);
            taps.push(Tap { source, output: Arc::clone(&output) });
            output
        };
        let outputs = self.outputs.into_iter().map(|(label, source)| tap(label, source)).collect();
        let custom = self.custom.into_iter();
        let custom =
            custom.map(|(label, source, write)| TwoWay { output: tap(label, source), input: Stdin::new(write) });
        let custom = custom.collect();
        (ProcessIo { outputs, stdin: self.stdin.map(Stdin::new), custom }, taps)
    }
}

/// One output that is to be read.
#[derive(Debug)]
pub(super) struct Tap {
    source: Source,
    output: Arc<Output>,
}

/// What the readers of a process are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Read as it comes.
    Follow,
    /// The process has ended: read what is there, say so, go on.
    Drain,
    /// Nothing of it is left: read what is there, and close.
    Finish,
}

/// The readers of one process.
#[derive(Debug)]
pub(super) struct Readers {
    phase: watch::Sender<Phase>,
    drained: Vec<oneshot::Receiver<()>>,
    ended: Vec<oneshot::Receiver<()>>,
}

impl Readers {
    /// Prepares a reader for each output; they are to be spawned as tasks.
    pub(super) fn new(taps: Vec<Tap>) -> (Self, Vec<impl Future<Output = ()> + Send + 'static>) {
        let phase = watch::Sender::new(Phase::Follow);
        let (mut drained, mut ended, mut tasks) = (Vec::new(), Vec::new(), Vec::new());
        for tap in taps {
            let (drained_sender, drained_receiver) = oneshot::channel();
            let (end, ended_receiver) = oneshot::channel();
            drained.push(drained_receiver);
            ended.push(ended_receiver);
            let phase = phase.subscribe();
            tasks.push(async move {
                let reader = Reader { source: tap.source, output: CloseOnDrop(tap.output) };
                reader.run(phase, drained_sender).await;
                drop((reader, end)); // In this order: "ended" includes "closed".
            });
        }
        (Self { phase, drained, ended }, tasks)
    }

    /// Has everything read that the process has written. Gives up after a while, and then says no.
    pub(super) async fn drain(&mut self) -> bool {
        self.phase.send_replace(Phase::Drain);
        all(&mut self.drained).await
    }

    /// Has all outputs read to the end and closed. A reader whose sink is stuck goes on by itself after a while, or at
    /// once if it was not `drained` either.
    pub(super) async fn finish(&mut self, drained: bool) {
        self.phase.send_replace(Phase::Finish);
        if drained {
            all(&mut self.ended).await;
        }
    }
}

/// Waits for all answers, up to a deadline; says whether they came.
async fn all(answers: &mut Vec<oneshot::Receiver<()>>) -> bool {
    #[expect(clippy::disallowed_methods, reason = "a deadline against the machine, not a decision of the supervisor")]
    let deadline = Instant::now() + DRAIN_TIME;
    for answer in answers.drain(..) {
        // An error says that the reader has ended, which is as good.
        if timeout_at(deadline, answer).await.is_err() {
            return false;
        }
    }
    true
}

/// What one read brought.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Took {
    Bytes(usize),
    Nothing,
    End,
}

struct Reader {
    source: Source,
    output: CloseOnDrop,
}

/// Whatever ends a reader, its subscribers must learn that no more will come.
struct CloseOnDrop(Arc<Output>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Reader {
    async fn run(&self, mut phase: watch::Receiver<Phase>, drained: oneshot::Sender<()>) {
        let mut drained = Some(drained);
        loop {
            // First, as the output of a flooding child is always readable. An error: nobody is left to tell us.
            let ready = tokio::select! {
                biased;
                changed = phase.changed() => changed.is_err(),
                readable = self.source.readable() => {
                    if readable.is_err() || self.take(Source::try_read).await == Took::End {
                        return;
                    }
                    consume_budget().await; // A flooding child must not keep a worker for itself.
                    continue;
                }
            };
            let now = *phase.borrow_and_update();
            match now {
                _ if ready => return,
                Phase::Follow => {}
                Phase::Drain | Phase::Finish => {
                    if self.drain().await == Took::End || now == Phase::Finish {
                        return;
                    }
                    if let Some(drained) = drained.take() {
                        let _nobody_waits_any_more = drained.send(());
                    }
                }
            }
        }
    }

    /// Reads what is there, but not for ever: a descendant may go on writing.
    async fn drain(&self) -> Took {
        let mut taken = 0;
        while taken < DRAIN_BYTES {
            match self.take(Source::read_now).await {
                Took::Bytes(count) => taken += count,
                Took::Nothing => return Took::Nothing,
                Took::End => return Took::End,
            }
            consume_budget().await;
        }
        Took::Nothing
    }

    /// Waits until a lossless sink has room, so that its back-pressure reaches the pipe, then reads once.
    async fn take(&self, read: fn(&Source, &mut [u8]) -> io::Result<usize>) -> Took {
        self.output.0.writable().await;
        let read = SCRATCH.with_borrow_mut(|scratch| {
            let count = read(&self.source, scratch)?;
            Ok::<_, io::Error>(Bytes::copy_from_slice(scratch.get(..count).unwrap_or_default()))
        });
        match read {
            Ok(data) if data.is_empty() => Took::End,
            Ok(data) => {
                let count = data.len();
                self.output.0.push(data);
                Took::Bytes(count)
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Took::Nothing
            }
            Err(_) => Took::End, // A socket whose other end went with unread data says ECONNRESET.
        }
    }
}
