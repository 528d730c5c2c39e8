//! The end of a connection whose last word is to be heard.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::stream::Stream;

/// Time for the peer to see the last word, and go.
const PATIENCE: Duration = Duration::from_secs(1);

/// Most bytes that are read of what the peer still sends.
const READ: usize = 64 * 1024;

/// Ends a connection to which everything was written.
///
/// To close with bytes unread would be a reset, which can overtake what was written. So the peer is told that nothing more
/// comes, and is heard out.
pub(super) async fn end(mut stream: Stream) -> io::Result<()> {
    timeout(PATIENCE, async {
        stream.shutdown().await?;
        let mut buffer = [0; 1024];
        let mut left = READ;
        while left > 0 {
            match stream.read(&mut buffer).await? {
                0 => break,
                number => left = left.saturating_sub(number),
            }
        }
        Ok(())
    })
    .await?
}
