//! A client that takes nothing for granted: HTTP/1.1, one connection a request.

use std::{
    fmt,
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
};

use nix::sys::socket::{setsockopt, sockopt::RcvBuf};
use serde_json::Value;

use crate::Channel;

/// What a server said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// Without its chunks.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {self}"))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.status, self.headers, self.text())
    }
}

/// A connection, for what no well-behaved client would send.
#[derive(Debug)]
pub struct Connection {
    reader: BufReader<Channel>,
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> Self {
        Self::over(Channel::tcp(address))
    }

    /// Speaks over a channel that is there.
    pub fn over(channel: Channel) -> Self {
        Self { reader: BufReader::new(channel) }
    }

    /// Has the kernel keep little of what was not read yet, so that the server soon notices who does not read.
    pub fn keep_little(&self) {
        setsockopt(self.reader.get_ref(), RcvBuf, &(16 * 1024)).unwrap();
    }

    /// Sends bytes as they are. That the server has closed is for its answer to tell.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _closed = self.reader.get_mut().write_all(bytes.as_ref());
    }

    /// Says that nothing more comes.
    pub fn finish(&mut self) {
        self.reader.get_mut().finish();
    }

    /// Reads to the end of the connection.
    pub fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let _reset = self.reader.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Sends a request.
    pub fn request(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = body {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        self.send(request);
        self.send(body.unwrap_or_default());
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.reader.read_line(&mut line).unwrap();
        (read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// Reads status and headers. `None` if the server closed without a word.
    pub fn head(&mut self) -> Option<Answer> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {first:?}"));
        let mut headers = Vec::new();
        while let Some(line) = self.line().filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').unwrap();
            headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
        Some(Answer { status, headers, body: Vec::new() })
    }

    /// Reads one chunk; `None` for the last, or at the end of the connection.
    fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.line()?;
        let size = usize::from_str_radix(&line, 16).unwrap_or_else(|_| panic!("not the size of a chunk: {line:?}"));
        let mut chunk = vec![0; size];
        self.reader.read_exact(&mut chunk).unwrap();
        assert_eq!(self.line().as_deref(), Some(""), "a chunk ends where its size says");
        (size > 0).then_some(chunk)
    }

    /// Reads a whole answer.
    pub fn answer(&mut self, method: &str) -> Answer {
        let mut answer = self.head().expect("the server closed without an answer");
        if method == "HEAD" || answer.status == 204 {
            return answer;
        }
        if answer.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk() {
                answer.body.extend(chunk);
            }
        } else if let Some(length) = answer.header("content-length") {
            answer.body = vec![0; length.parse().unwrap()];
            self.reader.read_exact(&mut answer.body).unwrap();
        } else {
            self.reader.read_to_end(&mut answer.body).unwrap();
        }
        answer
    }
}

/// Asks for something and reads the whole answer.
pub fn request(address: SocketAddr, method: &str, path: &str, body: Option<&[u8]>) -> Answer {
    request_over(Channel::tcp(address), method, path, body)
}

/// The same, of a server that may be gone, or go in the middle: then there is no answer, and whether anything was done is not known.
pub fn request_of_mortal(address: SocketAddr, method: &str, path: &str, body: Option<&[u8]>) -> Option<Answer> {
    let stream = std::net::TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(crate::DEADLINE)).ok()?;
    let mut connection = Connection::over(Channel::Tcp(stream));
    connection.request(method, path, &[("Connection", "close")], body);
    let text = connection.rest();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let is_whole = length.is_none_or(|length: usize| body.len() == length);
    is_whole.then(|| Answer { status, headers: Vec::new(), body: body.as_bytes().to_vec() })
}

/// The same, over a channel that is there.
pub fn request_over(channel: Channel, method: &str, path: &str, body: Option<&[u8]>) -> Answer {
    let mut connection = Connection::over(channel);
    connection.request(method, path, &[("Connection", "close")], body);
    connection.answer(method)
}

/// An endless answer, read piece by piece.
#[derive(Debug)]
pub struct Feed {
    connection: Connection,
    /// Status and headers.
    pub head: Answer,
}

impl Feed {
    /// Asks for a feed. Once this returns the server has subscribed: nothing that happens from now on is missed.
    pub fn open(address: SocketAddr, path: &str) -> Self {
        Self::open_with(address, path, &[])
    }

    /// The same, with headers.
    pub fn open_with(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Self {
        Self::over(Connection::open(address), path, headers)
    }

    /// As [`open`](Self::open), for one who will not read: the kernel keeps little of what comes.
    pub fn open_stalled(address: SocketAddr, path: &str) -> Self {
        let connection = Connection::open(address);
        connection.keep_little();
        Self::over(connection, path, &[])
    }

    /// The same, on a connection that is there.
    pub fn over(mut connection: Connection, path: &str, headers: &[(&str, &str)]) -> Self {
        connection.request("GET", path, headers, None);
        let head = connection.head().expect("the server closed without an answer");
        assert_eq!(head.status, 200, "{path}: {}", connection.rest());
        assert_eq!(head.header("transfer-encoding"), Some("chunked"), "{head}");
        Self { connection, head }
    }

    /// The next piece as it was sent; `None` at the end.
    pub fn next_chunk(&mut self) -> Option<Vec<u8>> {
        self.connection.chunk()
    }

    /// Reads until the text appears; all that was read.
    #[track_caller]
    pub fn until(&mut self, text: &str) -> String {
        let mut seen = Vec::new();
        loop {
            let so_far = String::from_utf8_lossy(&seen);
            if so_far.contains(text) {
                return so_far.into_owned();
            }
            match self.next_chunk() {
                Some(chunk) => seen.extend(chunk),
                None => panic!("the feed ended before {text:?}: {so_far:?}"),
            }
        }
    }

    /// Reads to the end.
    pub fn rest(&mut self) -> String {
        let mut seen = Vec::new();
        while let Some(chunk) = self.next_chunk() {
            seen.extend(chunk);
        }
        String::from_utf8_lossy(&seen).into_owned()
    }
}
