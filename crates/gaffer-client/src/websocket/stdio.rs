//! A process's input and output, bare.

use bytes::Bytes;
use tokio_tungstenite::tungstenite::Message;

use super::{
    ChannelItem,
    kept::Kept,
    socket::{PIECE, Said, Socket},
};
use crate::Error;

/// A process's input and output: bytes both ways.
///
/// To read while a write waits, open two: one with [`Mode::Read`](super::Mode::Read), one with [`Mode::Write`](super::Mode::Write).
///
/// Who reads too slowly loses the oldest output; nothing tells of that among bare bytes, but a [`Channel`](super::Channel) does.
///
/// If it is dropped without [`close`](Self::close), what a process that is slow to read has not read yet may be lost, also of what
/// [`send`](Self::send) has sent.
#[derive(Debug)]
pub struct Stdio {
    socket: Socket,
    kept: Kept,
}

impl Stdio {
    pub(super) fn new(socket: Socket) -> Self {
        Self { socket, kept: Kept::default() }
    }

    /// What the process wrote; `None` once it has ended and all is told.
    ///
    /// # Errors
    /// When the connection breaks, or the node says no.
    ///
    /// # Cancel safety
    /// Nothing is lost if this is dropped.
    pub async fn recv(&mut self) -> Result<Option<Bytes>, Error> {
        while let Some(item) = self.kept.pop() {
            match item {
                ChannelItem::Output(bytes) => return Ok(Some(bytes)),
                ChannelItem::Lost(_) | ChannelItem::Error(_) => {}
            }
        }
        loop {
            match self.socket.recv().await? {
                // Output comes as bytes. Why a node closes the websocket comes as text, and again with its end.
                Some(Said::Text(_)) => {}
                Some(Said::Binary(bytes)) => return Ok(Some(bytes)),
                None => return Ok(None),
            }
        }
    }

    /// Writes to the process. Waits while it does not read, once the connection is full. Nothing is written if there is no data.
    ///
    /// What comes meanwhile is kept for [`recv`](Self::recv), up to 1 MiB. Beyond, the oldest output is given up: so a process that
    /// answers more than is read never holds a write up.
    ///
    /// # Errors
    /// When the connection breaks, or the process has ended. A part may have been written then.
    ///
    /// # Cancel safety
    /// If this is dropped, none, all, or a part in pieces of 256 KiB is written. A piece that was being sent is sent whole, by the
    /// next `recv`, `send` or `close`. So `select!` loses the rest of the data if it drops this.
    pub async fn send(&mut self, mut data: Bytes) -> Result<(), Error> {
        while !data.is_empty() {
            let piece = data.split_to(data.len().min(PIECE));
            let kept = &mut self.kept;
            let sent = self.socket.send(Message::Binary(piece), |said| match said {
                Said::Binary(bytes) => kept.push(ChannelItem::Output(bytes)),
                Said::Text(_) => {}
            });
            sent.await?;
        }
        Ok(())
    }

    /// Closes it; what was sent is written all the same, if the process reads it within some seconds. What the process says
    /// meanwhile is for nobody.
    ///
    /// # Errors
    /// When the connection breaks before the node has closed its side, or that takes more than 10 s.
    pub async fn close(self) -> Result<(), Error> {
        self.socket.close().await
    }
}
