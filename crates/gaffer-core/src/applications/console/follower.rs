//! The output of one process, to its end.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    cast::Width,
    stream::Stream,
    writer::{Queue, Target, Text},
};
use crate::{
    names::{ProcessId, StreamLabel},
    streams::{Chunk, MergedSubscription, Output, OutputSubscription, ProcessIo, Start},
    voice::Voice,
};

/// How long an output must have been silent, after the exit of its process, to be taken for read to its end. What the process
/// wrote was read before its exit was told, so that this is the time to take that over from the readers.
const LAST_OUTPUT: Duration = Duration::from_millis(200);

/// After so much the rest is not the process's any more, whoever writes it: more than an output keeps, and what a pipe held
/// which the readers had to leave because we were slow.
const LAST_BYTES: usize = 2 * Output::MAX as usize;

/// Shows the output of one process.
#[derive(Debug)]
pub(super) struct Follower {
    output: MergedSubscription,
    /// Apart, so that what stdout began is not finished by stderr. A process has few.
    streams: Vec<(StreamLabel, Stream)>,
    width: Width,
    queue: Queue,
}

/// What a follower is told.
#[derive(Debug)]
pub(super) struct Cues {
    /// What is to be shown before has been. An error: it never will be.
    pub(super) begin: oneshot::Receiver<()>,
    /// The process has exited.
    pub(super) exited: oneshot::Receiver<()>,
    /// The console ends.
    pub(super) ending: CancellationToken,
}

/// Tells, once, that what a process wrote before its exit is in the writer's queue, or never will be.
#[derive(Debug)]
pub(super) struct Shown {
    pid: ProcessId,
    // One message a process.
    tell: mpsc::UnboundedSender<ProcessId>,
}

impl Shown {
    pub(super) fn new(pid: ProcessId, tell: mpsc::UnboundedSender<ProcessId>) -> Self {
        Self { pid, tell }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let _console_is_gone = self.tell.send(self.pid);
    }
}

struct WriterGone;

impl Follower {
    /// Follows a process from the oldest output that is kept on, or is its sink. `None` if it has no output. `errors` is the
    /// voice of its stderr, if that has a writer of its own.
    pub(super) fn new(
        io: &ProcessIo,
        voice: &Voice,
        errors: Option<Voice>,
        lossless: bool,
        width: Width,
        queue: Queue,
    ) -> Option<Self> {
        let errors = io.outputs.get(1).zip(errors);
        let mut streams = Vec::new();
        let sources = io.all_outputs().map(|output| {
            let errors = errors.as_ref().filter(|(errors, _)| Arc::ptr_eq(errors, output));
            let (target, voice) = errors.map_or((Target::Output, voice), |(_, voice)| (Target::Errors, voice));
            streams.push((output.label().clone(), Stream::new(voice.clone(), target, lossless)));
            (output.label().clone(), subscribe(output, lossless))
        });
        let output = MergedSubscription::from_sources(sources);
        (!streams.is_empty()).then_some(Self { output, streams, width, queue })
    }

    /// Shows all there is, unless the writer fails before; `shown` is dropped once that includes what the process itself wrote.
    pub(super) async fn run(mut self, mut cues: Cues, shown: Shown) {
        if (&mut cues.begin).await.is_ok() {
            drop(self.follow(&mut cues, shown).await); // An error says that the writer is gone: nobody looks.
        }
    }

    async fn follow(&mut self, cues: &mut Cues, shown: Shown) -> Result<(), WriterGone> {
        loop {
            let next = tokio::select! {
                next = self.output.recv() => next,
                _ = &mut cues.exited => break,
                () = cues.ending.cancelled() => break,
            };
            let Some((label, chunk)) = next else { return self.finish().await };
            self.show(&label, chunk).await?;
        }
        let mut last = LAST_BYTES * self.streams.len();
        while last > 0
            && let Ok(next) = timeout(LAST_OUTPUT, self.output.recv()).await
        {
            let Some((label, chunk)) = next else { return self.finish().await };
            if let Chunk::Data(data) = &chunk {
                last = last.saturating_sub(data.len());
            }
            self.show(&label, chunk).await?;
        }
        drop(shown);
        // What descendants write is shown all the same, as long as there is a console.
        while let Some(next) = cues.ending.run_until_cancelled(self.output.recv()).await {
            let Some((label, chunk)) = next else { break };
            self.show(&label, chunk).await?;
        }
        self.finish().await
    }

    async fn show(&mut self, label: &StreamLabel, chunk: Chunk) -> Result<(), WriterGone> {
        let Some((_, stream)) = self.streams.iter_mut().find(|(known, _)| known == label) else { return Ok(()) };
        match chunk {
            Chunk::Data(data) => {
                let mut rest = &data[..];
                while !rest.is_empty() {
                    let mut text = Vec::new();
                    rest = stream.push(rest, self.width.get(), &mut text);
                    send(&self.queue, stream.target, text).await?;
                }
                Ok(())
            }
            Chunk::Lagged(lost) => {
                let mut text = Vec::new();
                stream.lost(lost, self.width.get(), &mut text);
                send(&self.queue, stream.target, text).await
            }
        }
    }

    /// Shows what was begun and not ended.
    async fn finish(&mut self) -> Result<(), WriterGone> {
        for (_, stream) in &mut self.streams {
            let mut text = Vec::new();
            stream.finish(self.width.get(), &mut text);
            send(&self.queue, stream.target, text).await?;
        }
        Ok(())
    }
}

fn subscribe(output: &Arc<Output>, lossless: bool) -> OutputSubscription {
    // Somebody else may be the sink already: then we are told what we lose.
    let sink = if lossless { output.attach_sink() } else { None };
    sink.unwrap_or_else(|| output.subscribe(Start::Oldest))
}

async fn send(queue: &Queue, target: Target, bytes: Vec<u8>) -> Result<(), WriterGone> {
    if bytes.is_empty() {
        return Ok(());
    }
    queue.send(Text { target, bytes }).await.map_err(|_| WriterGone)
}
