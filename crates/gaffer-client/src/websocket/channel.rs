//! A process's input and output in frames.

use bytes::{Bytes, BytesMut};
use gaffer_core::api::frame::{Frame, Kind};
use serde::Deserialize;
use tokio_tungstenite::tungstenite::Message;

use super::{
    kept::Kept,
    socket::{PIECE, Said, Socket},
};
use crate::{Error, Refusal};

/// What a channel tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelItem {
    /// What the process wrote. What is no UTF-8 became U+FFFD.
    Output(Bytes),
    /// So many bytes of output were lost, because this reader was slow.
    Lost(u64),
    /// Something was refused that was no write.
    Error(Refusal),
}

/// A process's input and output in frames: each write is answered.
///
/// To read while a write waits, open two: one with [`Mode::Read`](super::Mode::Read), one with [`Mode::Write`](super::Mode::Write).
///
/// If it is dropped without [`close`](Self::close), nothing is lost of a write that was answered.
#[derive(Debug)]
pub struct Channel {
    socket: Socket,
    kept: Kept,
    last_id: u64,
}

/// A frame of a node.
enum Told {
    Item(ChannelItem),
    /// The answer to the write of this id.
    Answer(String, Result<(), Refusal>),
    /// What this library does not know.
    Unknown,
}

#[derive(Deserialize)]
struct Lagged {
    lost: u64,
}

impl Channel {
    pub(super) fn new(socket: Socket) -> Self {
        Self { socket, kept: Kept::default(), last_id: 0 }
    }

    /// What comes next; `None` once the process has ended and all is told.
    ///
    /// # Errors
    /// When the connection breaks, or the node says no.
    ///
    /// # Cancel safety
    /// Nothing is lost if this is dropped.
    pub async fn recv(&mut self) -> Result<Option<ChannelItem>, Error> {
        if let Some(item) = self.kept.pop() {
            return Ok(Some(item));
        }
        loop {
            match self.frame().await? {
                Some(Told::Item(item)) => return Ok(Some(item)),
                // The answer to a write that was given up, or what is for others.
                Some(Told::Answer(..) | Told::Unknown) => {}
                None => return Ok(None),
            }
        }
    }

    /// Writes to the process; answers once its pipe has taken all. Nothing is written if there is no data.
    ///
    /// What comes meanwhile is kept for [`recv`](Self::recv), up to 1 MiB. Beyond, the oldest output is given up, which `recv` tells
    /// ([`ChannelItem::Lost`]): so a process that answers more than is read never holds a write up.
    ///
    /// # Errors
    /// When the connection breaks, the process ends, or the node refuses it. A part may have been written then, if it is
    /// more than 256 KiB.
    ///
    /// # Cancel safety
    /// If this is dropped, none, all, or a part in pieces of 256 KiB is written. A piece that was being sent is sent whole, by the
    /// next `recv`, `send` or `close`. So `select!` loses the rest of the data if it drops this.
    pub async fn send(&mut self, mut data: Bytes) -> Result<(), Error> {
        while !data.is_empty() {
            self.send_piece(data.split_to(data.len().min(PIECE))).await?;
        }
        Ok(())
    }

    /// Closes it. Waits for nothing but the node, as each write was waited for. What the process says meanwhile is for nobody.
    ///
    /// # Errors
    /// When the connection breaks before the node has closed its side, or that takes more than 10 s.
    pub async fn close(self) -> Result<(), Error> {
        self.socket.close().await
    }

    async fn send_piece(&mut self, piece: Bytes) -> Result<(), Error> {
        self.last_id += 1;
        let id = self.last_id.to_string();
        let mut frame = BytesMut::from(Frame::head(Kind::Message, &id).as_bytes());
        frame.extend_from_slice(&piece);
        let kept = &mut self.kept;
        let mut unread = Ok(());
        let sent = self.socket.send(Message::Binary(frame.freeze()), |said| match told(&said) {
            Ok(Told::Item(item)) => kept.push(item),
            // The answer to a write that was given up: there is none to this one before it is sent.
            Ok(Told::Answer(..) | Told::Unknown) => {}
            Err(problem) => unread = Err(problem),
        });
        sent.await?;
        unread.map_err(|problem| self.socket.protocol(problem))?;
        loop {
            match self.frame().await? {
                Some(Told::Answer(of, answer)) if of == id => return answer.map_err(Into::into),
                Some(Told::Answer(..) | Told::Unknown) => {}
                Some(Told::Item(item)) => self.kept.push(item),
                None => return Err(self.socket.gone()),
            }
        }
    }

    /// Reads a frame; `None` at the end.
    async fn frame(&mut self) -> Result<Option<Told>, Error> {
        let Some(said) = self.socket.recv().await? else { return Ok(None) };
        told(&said).map(Some).map_err(|problem| self.socket.protocol(problem))
    }
}

/// What a frame says, or what is wrong with it.
fn told(said: &Said) -> Result<Told, String> {
    let (Said::Text(bytes) | Said::Binary(bytes)) = said;
    let frame = Frame::read(bytes).map_err(|error| error.to_string())?;
    let refusal = || Refusal::read(frame.body, None).ok_or_else(|| "an error frame without an error".to_owned());
    let id = || frame.id.to_owned();
    Ok(match frame.kind {
        Some(Kind::Message) => Told::Item(ChannelItem::Output(bytes.slice_ref(frame.body))),
        Some(Kind::Response) => Told::Answer(id(), Ok(())),
        Some(Kind::Error) if frame.id == Frame::OF_CHANNEL => Told::Item(ChannelItem::Error(refusal()?)),
        Some(Kind::Error) => Told::Answer(id(), Err(refusal()?)),
        Some(Kind::Lagged) => {
            let Lagged { lost } = serde_json::from_slice(frame.body).map_err(|error| error.to_string())?;
            Told::Item(ChannelItem::Lost(lost))
        }
        None => Told::Unknown,
    })
}
