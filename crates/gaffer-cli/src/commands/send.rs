//! `send`: words or stdin to a process.

use std::{
    io::{self, IsTerminal, Read},
    thread,
};

use gaffer_client::{Channel, Client, Error, Mode, SocketOptions};
use gaffer_core::{ProcessId, names::StreamLabel};
use tokio::sync::mpsc;

use super::Acts;
use crate::{Context, Failure, Target};

/// Most bytes that are written at once: what a pipe holds.
const CHUNK: usize = 64 * 1024;

/// How stdin ends that is written to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With its last byte.
    OfFile,
    /// On a terminal, with a line of a single dot, too.
    Dot,
}

/// Writes to a process: the words as a line; if there are none, or only `-`, stdin as it is.
///
/// # Errors
/// When not all was written.
pub async fn run(
    context: &mut Context<'_>,
    pid: ProcessId,
    stream: Option<StreamLabel>,
    words: &[String],
    end: End,
) -> Result<(), Failure> {
    let outcome = match words {
        [] => stdin(&context.client, pid, stream, end).await,
        [word] if word == "-" => stdin(&context.client, pid, stream, end).await,
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
async fn stdin(client: &Client, pid: ProcessId, stream: Option<StreamLabel>, end: End) -> Result<(), Failure> {
    let mut dot = (end == End::Dot && io::stdin().is_terminal()).then(Dot::default);
    let mut channel = client.channel(pid, &SocketOptions { stream, mode: Mode::Write, history: 0 }).await?;
    let mut chunks = chunks();
    let ended = || Failure::Failed(format!("process {pid} has ended before all of stdin was written to it"));
    loop {
        tokio::select! {
            chunk = chunks.recv() => {
                let chunk = chunk.transpose().map_err(|error| Failure::Failed(format!("cannot read stdin: {error}")))?;
                let (text, is_end) = match (dot.as_mut(), chunk) {
                    (None, Some(chunk)) => (chunk, false),
                    (None, None) => (Vec::new(), true),
                    (Some(dot), Some(chunk)) => dot.find(&chunk),
                    (Some(dot), None) => (dot.rest(), true),
                };
                if let Err(error) = channel.send(text.into()).await {
                    let is_over = matches!(error, Error::Interrupted { .. });
                    return Err(if is_over && has_ended(&mut channel).await { ended() } else { error.into() });
                }
                if is_end {
                    return Ok(());
                }
            }
            item = channel.recv() => if item?.is_none() {
                return Err(ended());
            },
        }
    }
}

/// Whether a channel that is over is so because its process has ended, and not because the connection was lost.
async fn has_ended(channel: &mut Channel) -> bool {
    loop {
        match channel.recv().await {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// Finds a line of a single dot.
#[derive(Debug, Default)]
struct Dot {
    place: Place,
}

/// Where the next byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    LineStart,
    /// Behind a dot that begins a line, and is held back.
    BehindDot,
    Within,
}

impl Dot {
    /// What is before such a line, or all of the chunk but a dot that may become one; and whether it is found.
    fn find(&mut self, chunk: &[u8]) -> (Vec<u8>, bool) {
        let mut text = Vec::with_capacity(chunk.len() + 1);
        for byte in chunk {
            match (self.place, byte) {
                (Place::BehindDot, b'\n') => return (text, true),
                (Place::LineStart, b'.') => {
                    self.place = Place::BehindDot;
                    continue;
                }
                (Place::BehindDot, _) => text.push(b'.'),
                (Place::LineStart | Place::Within, _) => {}
            }
            text.push(*byte);
            self.place = if *byte == b'\n' { Place::LineStart } else { Place::Within };
        }
        (text, false)
    }

    /// What is held back.
    fn rest(&self) -> Vec<u8> {
        if self.place == Place::BehindDot { b".".to_vec() } else { Vec::new() }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_line_is_the_dot() {
        for (chunks, sent, is_found) in [
            (&["one\n", ".\n", "two\n"][..], "one\n", true),
            (&[".", "\n"], "", true),
            (&["a\n.\nb"], "a\n", true),
            (&["..\n", "a.\n", " .\n", ".a\n"], "..\na.\n .\n.a\n", false),
            (&["a", ".\n", "."], "a.\n.", false),
        ] {
            let (mut dot, mut text, mut found) = (Dot::default(), Vec::new(), false);
            for chunk in chunks {
                let (before, is_end) = dot.find(chunk.as_bytes());
                text.extend(before);
                found = is_end;
                if is_end {
                    break;
                }
            }
            if !found {
                text.extend(dot.rest());
            }
            assert_eq!((String::from_utf8(text).unwrap().as_str(), found), (sent, is_found), "{chunks:?}");
        }
    }
}
