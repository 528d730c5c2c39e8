//! A client that sees every byte.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

/// Fails a test that hangs. Nothing waits this long when all is well.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Wire<S = TcpStream> {
    pub(crate) stream: S,
    seen: Vec<u8>,
}

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self { stream, seen: Vec::new() }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads until what came since the last call ends in `end`, and answers it.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        while !self.seen.windows(end.len()).any(|window| window == end.as_bytes()) {
            let read = tokio::time::timeout(DEADLINE, self.stream.read_buf(&mut self.seen)).await;
            let seen = String::from_utf8_lossy(&self.seen).into_owned();
            match read {
                Ok(Ok(1..)) => {}
                other => panic!("{other:?} instead of {end:?}; seen: {seen:?}"),
            }
        }
        let at = self.seen.windows(end.len()).position(|window| window == end.as_bytes()).unwrap();
        let text = self.seen.drain(..at + end.len()).collect();
        String::from_utf8(text).unwrap()
    }

    /// Reads so many bytes.
    pub(crate) async fn exact(&mut self, length: usize) -> String {
        while self.seen.len() < length {
            let read = tokio::time::timeout(DEADLINE, self.stream.read_buf(&mut self.seen)).await;
            assert!(matches!(read, Ok(Ok(1..))), "{read:?} after {} of {length} bytes", self.seen.len());
        }
        String::from_utf8(self.seen.drain(..length).collect()).unwrap()
    }

    /// Reads to the end of the connection, however it ends.
    pub(crate) async fn rest(mut self) -> String {
        let read = self.stream.read_to_end(&mut self.seen);
        // A reset is an end too: the server does not read what it refuses.
        drop(tokio::time::timeout(DEADLINE, read).await.expect("the connection should have been closed"));
        String::from_utf8_lossy(&self.seen).into_owned()
    }
}
