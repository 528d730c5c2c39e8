//! How a session ends.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{self, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{sleep, timeout},
};
use tokio_tungstenite::WebSocketStream;
use tokio_util::sync::CancellationToken;

use super::Close;

/// Why a session is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// We close it.
    Ours(Close),
    /// The peer said something that cannot be understood, nor anything after it.
    Violation(Close),
    /// The peer has closed it.
    Theirs,
    /// The peer is gone.
    Lost,
}

/// Time for the peer to take what was sent last and to close as well. A slow line may still have megabytes to carry.
const PATIENCE: Duration = Duration::from_secs(10);

/// Time for the peer to close as well when it must have everything by now; and for all of it while the server shuts down, which
/// gives more to its connections.
const HASTE: Duration = Duration::from_secs(2);

/// What the slowest line carries in no time. Of more we cannot know: the system takes megabytes from us, and keeps them.
const LITTLE: usize = 64 * 1024;

/// The most bytes that are read of a peer that is not listened to any more. What was under way when it heard of the end is less,
/// as the buffers of both systems hold less.
const UNHEARD: usize = 16 * 1024 * 1024;

/// What each message of a peer takes at least.
const FRAME: usize = 6;

/// Closes the websocket properly, if the peer lets us, and the connection in any case. `said` is how many bytes were sent.
pub(super) async fn part<Io>(mut socket: WebSocketStream<Io>, ending: Ending, said: usize, closing: &CancellationToken)
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let courtesy = if said <= LITTLE { HASTE } else { PATIENCE };
    let parting = async {
        // Whatever fails here fails because the peer is gone.
        match ending {
            Ending::Lost => return,
            Ending::Theirs => drop(socket.flush().await),
            Ending::Ours(close) => {
                drop(socket.send(close.into()).await);
                drop(timeout(courtesy, until_closed(&mut socket)).await);
            }
            Ending::Violation(close) => {
                drop(socket.send(close.into()).await);
                drop(socket.get_mut().shutdown().await);
                // If it were closed with something unread, the kernel would reset it and the peer never see the close.
                let mut unheard = socket.get_mut().take(UNHEARD as u64);
                drop(timeout(courtesy, io::copy(&mut unheard, &mut io::sink())).await);
            }
        }
        drop(socket.get_mut().shutdown().await);
    };
    let hurry = async {
        closing.cancelled().await;
        sleep(HASTE).await;
    };
    tokio::select! {
        () = parting => {}
        () = sleep(PATIENCE) => {}
        () = hurry => {}
    }
}

/// Waits for the peer's close. Whatever else it says is dropped.
async fn until_closed<Io: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<Io>) {
    let mut left = UNHEARD;
    while let Some(Ok(message)) = socket.next().await
        && let Some(rest) = left.checked_sub(FRAME + message.len())
    {
        left = rest;
    }
}
