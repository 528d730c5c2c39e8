//! Requests and their answers.

use std::{error, fmt::Write, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{
    Method, RequestBuilder, Response, StatusCode,
    header::{self, HeaderValue},
};
use rustix::io::Errno;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::time::timeout;

use crate::{
    Cause, ClientBuilder, Endpoint, Error, Refusal,
    error::{chain, io_error},
};

/// A client of one node. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) endpoint: Endpoint,
    /// What paths are appended to.
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
    pub(crate) has_key: bool,
    pub(crate) connect_timeout: Duration,
    pub(crate) answer_timeout: Duration,
}

impl Client {
    /// A client with the usual settings.
    ///
    /// # Errors
    /// As [`ClientBuilder::build`].
    pub fn new(endpoint: &Endpoint) -> Result<Self, Error> {
        Self::builder(endpoint).build()
    }

    /// Settings to make a client with.
    pub fn builder(endpoint: &Endpoint) -> ClientBuilder {
        ClientBuilder::new(endpoint)
    }

    /// The node's address.
    pub fn endpoint(&self) -> &Endpoint {
        &self.inner.endpoint
    }

    /// Whether it says with a key who calls.
    pub fn has_key(&self) -> bool {
        self.inner.has_key
    }

    pub(crate) fn get(&self, path: &[&str]) -> Call {
        self.call(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &[&str]) -> Call {
        self.call(Method::POST, path)
    }

    pub(crate) fn call(&self, method: Method, path: &[&str]) -> Call {
        let mut text = String::new();
        for segment in path {
            // Writing to a string does not fail.
            let _: std::fmt::Result = write!(text, "/{}", utf8_percent_encode(segment, ESCAPED));
        }
        let request = self.inner.http.request(method.clone(), format!("{}{text}", self.inner.base));
        Call { client: self.clone(), what: format!("{method} {text}"), request, problem: None, most: MAX_ANSWER }
    }
}

/// What stands for itself in a segment of a path.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@').remove(b'+');

/// Whether what was read cannot be the beginning of an answer.
fn is_no_http(error: &(dyn error::Error + 'static)) -> bool {
    chain(error).any(|error| error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse))
}

/// Whether there is no file descriptor left.
fn is_shortage(error: &(dyn error::Error + 'static)) -> bool {
    io_error(error).and_then(Errno::from_io_error).is_some_and(|errno| [Errno::MFILE, Errno::NFILE].contains(&errno))
}

/// What a call has beyond its time: so a connection that took all of that fails first, which is known to have done nothing.
const MOMENT: Duration = Duration::from_millis(50);

/// The largest answer that is read, feeds aside: far more than a node has to say, and no more than memory takes.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// A request that is not sent yet.
#[derive(Debug)]
pub(crate) struct Call {
    client: Client,
    /// Method and path, for messages.
    what: String,
    request: RequestBuilder,
    /// Why it cannot be sent.
    problem: Option<String>,
    /// Most bytes of its answer.
    most: usize,
}

/// `{"ok": true}` and what else a command answers.
#[derive(Debug, Deserialize)]
struct Done {
    #[serde(default)]
    ignored: Vec<String>,
}

impl Call {
    /// Whose request it is.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Method and path, for messages.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// Changes the request.
    pub(crate) fn with(self, change: impl FnOnce(RequestBuilder) -> RequestBuilder) -> Self {
        Self { request: change(self.request), ..self }
    }

    /// Lets its answer have so many bytes.
    pub(crate) fn up_to(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// Gives it a body of JSON.
    pub(crate) fn body(self, value: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_vec(value) {
            Ok(json) => {
                let json_type = HeaderValue::from_static("application/json");
                self.with(|request| request.header(header::CONTENT_TYPE, json_type).body(json))
            }
            Err(error) => Self { problem: Some(error.to_string()), ..self },
        }
    }

    /// Carries out a command that answers no more than that it is done.
    pub(crate) async fn done(self) -> Result<(), Error> {
        self.ignored().await.map(drop)
    }

    /// Carries out a command; answers which keys of its body meant nothing to the node.
    pub(crate) async fn ignored(self) -> Result<Vec<String>, Error> {
        Ok(self.json::<Done>().await?.ignored)
    }

    /// Asks for a value.
    pub(crate) async fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        let (client, what) = (self.client.clone(), self.what.clone());
        let body = self.bytes().await?;
        serde_json::from_slice(&body).map_err(|error| client.protocol(&what, error.to_string()))
    }

    /// Asks for a word.
    pub(crate) async fn text(self) -> Result<String, Error> {
        Ok(String::from_utf8_lossy(&self.bytes().await?).into_owned())
    }

    /// Asks for bytes, which must come within the time that a call may take.
    pub(crate) async fn bytes(self) -> Result<Bytes, Error> {
        let (client, what, most) = (self.client.clone(), self.what.clone(), self.most);
        let answer = async {
            let answer = self.send().await?;
            client.body(&what, answer, most).await
        };
        client.in_time(&what, answer).await
    }

    /// Sends it; answers once the head of a good answer is there, within the time that a call may take. The body may take as long as it
    /// likes.
    pub(crate) async fn open(self) -> Result<Response, Error> {
        let (client, what) = (self.client.clone(), self.what.clone());
        client.in_time(&what, self.send()).await
    }

    async fn send(self) -> Result<Response, Error> {
        let Self { client, what, request, problem, most } = self;
        if let Some(problem) = problem {
            return Err(Error::Unsendable { call: what, problem });
        }
        let answer = request.send().await.map_err(|error| client.not_answered(&what, error))?;
        let status = answer.status();
        // 101 is the answer to a websocket's request.
        if status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(answer);
        }
        let body = client.body(&what, answer, most).await?;
        let Some(refusal) = Refusal::read(&body, Some(status.as_u16())) else {
            let text: String = String::from_utf8_lossy(&body).chars().filter(|c| !c.is_control()).take(200).collect();
            let problem = format!("{status} {text}").trim_end().to_owned();
            let (endpoint, status) = (client.inner.endpoint.clone(), Some(status.as_u16()));
            return Err(Error::Protocol { endpoint, call: what, problem, status });
        };
        Err(refusal.into())
    }
}

impl Client {
    async fn in_time<T>(&self, call: &str, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let patience = self.inner.answer_timeout;
        let answer = timeout(patience.saturating_add(MOMENT), answer).await;
        answer.unwrap_or_else(|_| Err(self.interrupted(call, Cause::Timeout(patience))))
    }

    async fn body(&self, call: &str, mut answer: Response, most: usize) -> Result<Bytes, Error> {
        let mut body = BytesMut::new();
        loop {
            let chunk = answer.chunk().await;
            match chunk.map_err(|error| self.interrupted(call, Cause::of(error.into())))? {
                Some(chunk) => body.extend_from_slice(&chunk),
                None => return Ok(body.freeze()),
            }
            if body.len() > most {
                let problem = format!("more than {} MiB", most / 1024 / 1024);
                return Err(self.protocol(call, problem));
            }
        }
    }

    pub(crate) fn protocol(&self, call: &str, problem: String) -> Error {
        Error::Protocol { endpoint: self.inner.endpoint.clone(), call: call.to_owned(), problem, status: None }
    }

    /// What it means that a request failed before its answer began.
    fn not_answered(&self, call: &str, error: reqwest::Error) -> Error {
        let Inner { endpoint, connect_timeout, .. } = &*self.inner;
        let endpoint = endpoint.clone();
        if error.is_builder() {
            return Error::Unsendable { call: call.to_owned(), problem: Cause::of(error.into()).to_string() };
        }
        if !error.is_connect() {
            let cause = Cause::of(error.into());
            // With TLS 1.3 a node looks at the client's certificate when that already sends.
            if matches!(cause, Cause::CertificateRefused(_)) {
                return Error::Unreachable { endpoint, cause };
            }
            if let Cause::Transport(error) = &cause
                && is_no_http(error.as_ref())
            {
                let hint = if endpoint.is_tls() { "" } else { "; is it https?" };
                return self.protocol(call, format!("it is no HTTP{hint}"));
            }
            return self.interrupted(call, cause);
        }
        if is_shortage(&error) {
            return Error::NoDescriptors { endpoint };
        }
        let cause = if error.is_timeout() { Cause::Timeout(*connect_timeout) } else { Cause::of(error.into()) };
        Error::Unreachable { endpoint, cause }
    }

    pub(crate) fn interrupted(&self, call: &str, cause: Cause) -> Error {
        Error::Interrupted { endpoint: self.inner.endpoint.clone(), call: call.to_owned(), cause }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, io};

    use super::*;

    #[tokio::test]
    async fn what_cannot_be_written_as_json_is_not_sent() {
        let client = Client::new(&Endpoint::default()).unwrap();
        let error = client.post(&["x"]).body(&BTreeMap::from([((1, 2), 3)])).done().await.unwrap_err();
        let expected = "POST /x: what is to be sent cannot be written as a request: key must be a string";
        assert!(matches!(error, Error::Unsendable { .. }), "{error:?}");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_shortage_of_our_own_is_not_the_node_s() {
        let full = io::Error::other(io::Error::from_raw_os_error(Errno::MFILE.raw_os_error()));
        assert!(is_shortage(&full));
        assert!(!is_shortage(&io::Error::other("Too many open files")));
    }
}
