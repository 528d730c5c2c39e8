//! Saying no to a connection beyond the limit.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{farewell, stream::Stream};

/// Connections at once that are told why they are refused, at each endpoint; more are closed without a word.
pub(super) const REFUSALS: usize = 64;

/// Time for what is refused to be sent, and for room for the answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Most bytes that are read of what is refused, before the answer.
const READ: usize = 64 * 1024;

const ANSWER: &str = concat!(
    "HTTP/1.1 503 Service Unavailable\r\n",
    "content-type: application/json; charset=UTF-8\r\n",
    "content-length: 127\r\n",
    "retry-after: 1\r\n",
    "connection: close\r\n",
    "server: gaffer/",
    env!("CARGO_PKG_VERSION"),
    "\r\n\r\n",
    r#"{"errno":503,"error":"too_many_connections","reason":"this endpoint has as many connections as it takes; try again in a while"}"#,
);

/// Answers that there are too many connections.
pub(super) async fn refuse(mut stream: Stream) -> io::Result<()> {
    // An answer before the question confuses some clients; one who asks nothing gets it all the same.
    let _: Result<_, _> = timeout(PATIENCE, read_head(&mut stream)).await;
    timeout(PATIENCE, stream.write_all(ANSWER.as_bytes())).await??;
    farewell::end(stream).await
}

/// Reads to the end of a head.
async fn read_head(stream: &mut Stream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    let mut left = READ;
    let mut tail = [0; 4];
    let mut ended = false;
    while left > 0 && !ended {
        let number = stream.read(&mut buffer).await?;
        if number == 0 {
            return Ok(());
        }
        left = left.saturating_sub(number);
        for byte in &buffer[..number] {
            tail.rotate_left(1);
            tail[3] = *byte;
            ended |= tail == *b"\r\n\r\n" || tail[2..] == *b"\n\n";
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_as_long_as_it_says() {
        let (head, body) = ANSWER.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!((body["errno"].as_u64(), body["error"].as_str()), (Some(503), Some("too_many_connections")));
    }
}
