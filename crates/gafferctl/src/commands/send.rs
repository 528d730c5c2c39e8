//! `send`: words or stdin to a process.

use std::{
    io::{self, Read},
    thread,
};

use gaffer_cli::{Context, Failure, Target};
use gaffer_client::{Client, Mode, SocketOptions};
use gaffer_core::{ProcessId, names::StreamLabel};
use tokio::sync::mpsc;

use super::Acts;

/// Most bytes that are written at once: what a pipe holds.
const CHUNK: usize = 64 * 1024;

pub(super) async fn run(
    context: &mut Context<'_>,
    pid: ProcessId,
    stream: Option<StreamLabel>,
    words: &[String],
) -> Result<(), Failure> {
    let outcome = match words {
        [] => stdin(&context.client, pid, stream).await,
        [word] if word == "-" => stdin(&context.client, pid, stream).await,
        words => {
            let line = words.join(" ") + "\n";
            context.client.send(pid, stream.as_ref(), line).await.map_err(Failure::from)
        }
    };
    let mut acts = Acts::of_one(context.output);
    acts.done(Target::Process(pid), outcome)?;
    acts.finish()
}

/// Writes stdin to a process as it comes. Each chunk is answered before the next is read, so that a process that does not read
/// makes whoever writes to our stdin wait.
async fn stdin(client: &Client, pid: ProcessId, stream: Option<StreamLabel>) -> Result<(), Failure> {
    let mut channel = client.channel(pid, &SocketOptions { stream, mode: Mode::Write, history: 0 }).await?;
    let mut chunks = chunks();
    loop {
        tokio::select! {
            chunk = chunks.recv() => match chunk {
                Some(Ok(chunk)) => channel.send(chunk.into()).await?,
                Some(Err(error)) => return Err(Failure::Failed(format!("cannot read stdin: {error}"))),
                None => return Ok(()),
            },
            item = channel.recv() => if item?.is_none() {
                return Err(Failure::Failed(format!("process {pid} has ended before all of stdin was written to it")));
            },
        }
    }
}

/// Stdin in chunks, as large as they come; of a terminal, lines.
///
/// They are read in a thread of their own, which nobody waits for: where the process ends, we do not stay for the next line.
fn chunks() -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel(1);
    thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut buffer = vec![0; CHUNK];
        loop {
            let chunk = match stdin.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => Ok(buffer.get(..length).unwrap_or_default().to_vec()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let failed = chunk.is_err();
            if sender.blocking_send(chunk).is_err() || failed {
                return;
            }
        }
    });
    receiver
}
