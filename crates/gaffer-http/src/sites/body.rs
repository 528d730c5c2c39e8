//! A file as the body of an answer, read as it is taken.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::{
    sync::OwnedSemaphorePermit,
    task::{JoinHandle, spawn_blocking},
};

use super::range::Part;

/// Most bytes that are read at once, and wait for their reader.
const CHUNK: u64 = 64 * 1024;

/// Bytes of a file that were promised. It fails if the file has fewer by now: the connection is to end then, as the reader
/// would take what follows for the rest of the file.
pub(super) struct FileBody {
    file: Arc<File>,
    next: u64,
    left: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    /// Given back when the file is closed.
    _permit: OwnedSemaphorePermit,
}

impl FileBody {
    pub(super) fn new(file: File, Part { first, length }: Part, permit: OwnedSemaphorePermit) -> Self {
        Self { file: Arc::new(file), next: first, left: length, reading: None, _permit: permit }
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let body = self.get_mut();
        if body.left == 0 {
            return Poll::Ready(None);
        }
        let (next, length) = (body.next, body.left.min(CHUNK));
        let reading = body.reading.get_or_insert_with(|| {
            let file = body.file.clone();
            spawn_blocking(move || read(&file, next, length))
        });
        let read = ready!(Pin::new(reading).poll(cx)).map_err(io::Error::other).flatten();
        body.reading = None;
        match &read {
            Ok(chunk) => {
                body.next += chunk.len() as u64;
                body.left -= chunk.len() as u64;
            }
            Err(_) => body.left = 0,
        }
        Poll::Ready(Some(read.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Reads some bytes, at least one and at most [`CHUNK`].
fn read(file: &File, at: u64, length: u64) -> io::Result<Bytes> {
    let mut chunk = vec![0; usize::try_from(length).unwrap_or_default()];
    loop {
        match file.read_at(&mut chunk, at) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file has become shorter")),
            Ok(length) => {
                chunk.truncate(length);
                return Ok(chunk.into());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use http_body_util::BodyExt;
    use tokio::sync::Semaphore;

    use super::*;

    fn body(file: &File, first: u64, length: u64) -> FileBody {
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        FileBody::new(file.try_clone().unwrap(), Part { first, length }, permit)
    }

    #[tokio::test]
    async fn a_file_comes_in_chunks() {
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..200_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
        file.write_all(&bytes).unwrap();
        file.rewind().unwrap();
        let mut whole = body(&file, 0, 200_000);
        assert_eq!(whole.size_hint().exact(), Some(200_000));
        let mut seen = Vec::new();
        while let Some(frame) = whole.frame().await {
            let chunk = frame.unwrap().into_data().unwrap();
            assert!(chunk.len() as u64 <= CHUNK);
            seen.extend(chunk);
        }
        assert_eq!(seen, bytes);
        assert!(whole.is_end_stream());
        assert_eq!(body(&file, 100_000, 3).collect().await.unwrap().to_bytes(), bytes[100_000..100_003]);
    }

    #[tokio::test]
    async fn a_file_that_shrinks_fails() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[b'x'; 100_000]).unwrap();
        let mut body = body(&file, 0, 100_000);
        body.frame().await.unwrap().unwrap();
        file.set_len(10).unwrap();
        let error = body.frame().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(body.frame().await.is_none());
    }
}
