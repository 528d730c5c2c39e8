//! Who reads what a process writes: one task an output, while it lives, and when it has ended until all is read.

use std::{
    cell::RefCell,
    io,
    os::fd::{AsFd, BorrowedFd},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::Interest,
    net::unix::{OwnedReadHalf, pipe},
    sync::{oneshot, watch},
    task::coop::consume_budget,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::terminal::End;
use crate::streams::Output;

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

/// Where an output comes from.
#[derive(Debug)]
pub(super) enum Source {
    Pipe(pipe::Receiver),
    Socket(OwnedReadHalf),
    Terminal(Arc<End>),
}

impl Source {
    async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Pipe(pipe) => pipe.readable().await,
            Self::Socket(socket) => socket.readable().await,
            Self::Terminal(end) => end.readable().await.map(|mut ready| ready.retain_ready()),
        }
    }

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Pipe(pipe) => pipe.try_read(buffer),
            Self::Socket(socket) => socket.try_read(buffer),
            Self::Terminal(end) => end.try_io(Interest::READABLE, |end| Ok(nix::unistd::read(end, buffer)?)),
        }
    }

    /// Reads without asking the runtime, which may not have noticed yet that there is something.
    fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let fd: BorrowedFd<'_> = match self {
            Self::Pipe(pipe) => pipe.as_fd(),
            Self::Socket(socket) => socket.as_ref().as_fd(),
            Self::Terminal(end) => end.get_ref().as_fd(),
        };
        Ok(nix::unistd::read(fd, buffer)?)
    }
}

/// One output that is to be read.
#[derive(Debug)]
pub(super) struct Tap {
    pub(super) source: Source,
    /// Where it goes; `None` if nobody wants it.
    pub(super) output: Option<Arc<Output>>,
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
    /// Held, so that the process has its terminal as long as anything of it lives, whatever it has closed.
    _terminals: Vec<Arc<End>>,
}

impl Readers {
    /// Prepares a reader for each output; they are to be spawned as tasks. With the backend's `end` they give up, except those
    /// that have only to read what a process has left behind: a sink may be slow.
    pub(super) fn new(
        taps: Vec<Tap>,
        terminals: Vec<Arc<End>>,
        end: &CancellationToken,
    ) -> (Self, Vec<impl Future<Output = ()> + Send + 'static>) {
        let phase = watch::Sender::new(Phase::Follow);
        let (mut drained, mut ended, mut tasks) = (Vec::new(), Vec::new(), Vec::new());
        for tap in taps {
            let (drained_sender, drained_receiver) = oneshot::channel();
            let (ended_sender, ended_receiver) = oneshot::channel::<()>();
            drained.push(drained_receiver);
            ended.push(ended_receiver);
            let (phase, end) = (phase.subscribe(), end.clone());
            tasks.push(async move {
                let reader = Reader { source: tap.source, output: tap.output.map(CloseOnDrop) };
                {
                    let mut reading = pin!(reader.run(phase.clone(), drained_sender));
                    tokio::select! {
                        biased;
                        () = &mut reading => {}
                        () = end.cancelled() => if *phase.borrow() == Phase::Finish { reading.await },
                    }
                }
                drop((reader, ended_sender)); // In this order: "ended" includes "closed".
            });
        }
        (Self { phase, drained, ended, _terminals: terminals }, tasks)
    }

    /// Has everything read that the process has written. Gives up after a while, and then says no.
    pub(super) async fn drain(&mut self) -> bool {
        self.phase.send_replace(Phase::Drain);
        all(&mut self.drained).await
    }

    /// Has all outputs read to the end and closed. A reader whose sink is stuck, or still to come, goes on by itself after a
    /// while, or at once if it was not `drained` either.
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
    output: Option<CloseOnDrop>,
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
        if let Some(CloseOnDrop(output)) = &self.output {
            output.writable().await;
        }
        let read = SCRATCH.with_borrow_mut(|scratch| {
            let count = read(&self.source, scratch)?;
            Ok::<_, io::Error>(Bytes::copy_from_slice(scratch.get(..count).unwrap_or_default()))
        });
        match read {
            Ok(data) if data.is_empty() => Took::End,
            Ok(data) => {
                let count = data.len();
                if let Some(CloseOnDrop(output)) = &self.output {
                    output.push(data);
                }
                Took::Bytes(count)
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Took::Nothing
            }
            // A terminal whose other end nobody has open any more says EIO, once all was read; a socket whose other end went
            // with unread data ECONNRESET.
            Err(_) => Took::End,
        }
    }
}
