//! A client of HTTP/1.1 that sees each chunk.

use tokio::io::AsyncWriteExt;

use crate::wire::Wire;

/// Headers of an answer.
#[derive(Debug)]
pub(crate) struct Headers(Vec<(String, String)>);

impl Headers {
    /// The value of one, or nothing.
    pub(crate) fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// Asserts that nothing keeps the answer.
    #[track_caller]
    pub(crate) fn not_cached(&self) {
        let expected = "no-store, no-cache, no-transform, must-revalidate, max-age=0";
        assert_eq!(self.get("cache-control"), expected, "{self:?}");
        assert!(!self.has("expires") && !self.has("last-modified"), "{self:?}");
    }

    /// Asserts that the answer may be kept for a year.
    #[track_caller]
    pub(crate) fn long_lived(&self) {
        assert_eq!(self.get("cache-control"), "public, max-age=31536000");
        assert!(self.has("expires") && !self.has("last-modified"), "{self:?}");
    }

    /// Asserts that a page of this origin may read the answer; without one, any page that sends no cookies.
    #[track_caller]
    pub(crate) fn shared_with(&self, origin: Option<&str>) {
        assert_eq!(self.get("access-control-allow-origin"), origin.unwrap_or("*"), "{self:?}");
        let credentials = if origin.is_some() { "true" } else { "" };
        assert_eq!(self.get("access-control-allow-credentials"), credentials, "{self:?}");
    }
}

/// An answer whose body is still open.
pub(crate) struct Open {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) wire: Wire,
    has_body: bool,
}

/// An answer to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) body: String,
}

impl Answer {
    /// Status and body.
    pub(crate) fn says(&self) -> (u16, &str) {
        (self.status, &self.body)
    }
}

impl Open {
    /// Sends a request, and reads the head of its answer.
    pub(crate) async fn ask(
        mut wire: Wire,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Self {
        let body = body.as_ref();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let request = [head.as_bytes(), b"\r\n", body].concat();
        // Who is refused early is not read to its end: the answer says more than an error here.
        let _either_way = wire.stream.write_all(&request).await;
        Self::read(wire, method != "HEAD").await
    }

    /// Reads the head of an answer.
    pub(crate) async fn read(mut wire: Wire, has_body: bool) -> Self {
        let head = wire.until("\r\n\r\n").await;
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
        let split = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
        let headers = Headers(lines.map(|line| split(line).unwrap_or_else(|| panic!("{line:?}"))).collect());
        let has_body = has_body && !matches!(status, 101 | 204 | 304);
        Self { status, headers, wire, has_body }
    }

    /// The next chunk; nothing at the end.
    pub(crate) async fn chunk(&mut self) -> String {
        assert_eq!(self.headers.get("transfer-encoding"), "chunked");
        let length = self.wire.until("\r\n").await;
        let length = usize::from_str_radix(length.trim_end(), 16).unwrap();
        let chunk = self.wire.exact(length).await;
        assert_eq!(self.wire.exact(2).await, "\r\n");
        chunk
    }

    /// Asserts that these are the next chunks.
    pub(crate) async fn chunks(&mut self, expected: &[&str]) {
        for expected in expected {
            assert_eq!(self.chunk().await, *expected);
        }
    }

    /// Reads to the end.
    pub(crate) async fn whole(mut self) -> Answer {
        let mut body = String::new();
        if self.has_body && self.headers.has("content-length") {
            body = self.wire.exact(self.headers.get("content-length").parse().unwrap()).await;
        } else if self.has_body {
            loop {
                let chunk = self.chunk().await;
                body.push_str(&chunk);
                if chunk.is_empty() {
                    break;
                }
            }
        }
        Answer { status: self.status, headers: self.headers, body }
    }
}
