//! TLS, and HTTP/2 on it.

use std::{io, sync::Arc, time::Duration};

use axum::body::Body;
use gaffer_http::serve::{Endpoint, Limits, Listener, TlsFiles};
use http_body_util::BodyExt;
use hyper::{Request, client::conn::http2::SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    AlertDescription, ClientConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{io::AsyncReadExt, net::TcpStream, task::JoinHandle, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    authority::{Authority, Identity},
    server::{Fixture, output},
    wire::{DEADLINE, Wire},
};

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn endpoint(tls: TlsFiles, limits: Limits) -> Endpoint {
    Endpoint { bind: "127.0.0.1:0".parse().unwrap(), tls: Some(tls), limits, ..Endpoint::default() }
}

async fn serve(tls: TlsFiles) -> Fixture {
    Fixture::at(&endpoint(tls, Limits::default())).await
}

async fn connect(server: &Fixture, config: Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(server.address()).await?;
    TlsConnector::from(config).connect("localhost".try_into().unwrap(), stream).await
}

/// The alert that ended a connection.
fn alert(error: &io::Error) -> Option<AlertDescription> {
    let rustls::Error::AlertReceived(alert) = error.get_ref()?.downcast_ref()? else { return None };
    Some(*alert)
}

/// What one request over HTTP/1.1 brings.
async fn ask(server: &Fixture, config: Arc<ClientConfig>) -> io::Result<String> {
    let mut wire = Wire::over(connect(server, config).await?);
    wire.send("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    let mut text = String::new();
    timeout(DEADLINE, wire.stream.read_to_string(&mut text)).await.expect("an end")?;
    Ok(text)
}

/// An HTTP/2 client; its connection is driven in a task.
async fn http2(server: &Fixture, config: Arc<ClientConfig>) -> SendRequest<Body> {
    driven_http2(server, config).await.0
}

/// The same, with the task, which ends with the connection.
async fn driven_http2(server: &Fixture, config: Arc<ClientConfig>) -> (SendRequest<Body>, JoinHandle<()>) {
    let stream = connect(server, config).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (client, driver) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let driving = tokio::spawn(async move { drop(driver.await) });
    (client, driving)
}

async fn get(client: &mut SendRequest<Body>, path: &str) -> hyper::Response<hyper::body::Incoming> {
    let request = Request::get(format!("https://localhost{path}")).body(Body::empty()).unwrap();
    timeout(DEADLINE, client.send_request(request)).await.expect("an answer").unwrap()
}

async fn text(response: hyper::Response<hyper::body::Incoming>) -> String {
    let body = timeout(DEADLINE, response.into_body().collect()).await.expect("an end").unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

/// The next chunk that holds something; `None` at the end.
async fn chunk(body: &mut hyper::body::Incoming) -> Option<String> {
    loop {
        let frame = timeout(DEADLINE, body.frame()).await.expect("a chunk")?.unwrap();
        let data = frame.into_data().unwrap();
        if !data.is_empty() {
            return Some(String::from_utf8(data.to_vec()).unwrap());
        }
    }
}

#[tokio::test]
async fn the_protocol_is_agreed_on() {
    let authority = Authority::new();
    let server = serve(authority.files(&authority.issue())).await;
    assert_eq!(server.listening.to_string(), format!("https://{}", server.address()));
    for alpn in [&["http/1.1"][..], &[]] {
        let answer = ask(&server, authority.client(None, alpn)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("hello"), "{answer}");
    }
    let mut client = http2(&server, authority.client(None, &["h2", "http/1.1"])).await;
    assert_eq!(text(get(&mut client, "/").await).await, "hello");
    let who = text(get(&mut client, "/who").await).await;
    assert!(who.starts_with("default Tcp(127.0.0.1:") && who.ends_with(" true"), "{who}");
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_trusts_another_authority_goes_away_and_hurts_nobody() {
    let authority = Authority::new();
    let server = serve(authority.files(&authority.issue())).await;
    let error = ask(&server, Authority::new().client(None, &[])).await.unwrap_err();
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");
    assert!(ask(&server, authority.client(None, &[])).await.unwrap().ends_with("hello"));
}

#[tokio::test]
async fn a_client_certificate_is_demanded() {
    let (authority, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let server = serve(authority.demanding(&authority.issue(), &clients)).await;
    let good = clients.issue();
    assert!(ask(&server, authority.client(Some(&good), &[])).await.unwrap().ends_with("hello"));
    let stranger = strangers.issue();
    for (identity, expected) in [
        (None, AlertDescription::CertificateRequired),
        // Its authority has the right name, but another key.
        (Some(&stranger), AlertDescription::DecryptError),
    ] {
        let mut wire = Wire::over(connect(&server, authority.client(identity, &[])).await.unwrap());
        // By its own lights it is connected, so that it sends what nobody will read.
        wire.send(&format!("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n{}", "x".repeat(30_000))).await;
        timeout(DEADLINE, wire.stream.get_ref().0.readable()).await.expect("an alert").unwrap();
        // Not even now is it cut off, which it would notice before it reads the alert.
        wire.send(&"x".repeat(10_000)).await;
        let read = timeout(DEADLINE, wire.stream.read_to_end(&mut Vec::new())).await.expect("an end");
        assert_eq!(alert(&read.unwrap_err()), Some(expected));
    }
    let mut client = http2(&server, authority.client(Some(&good), &["h2"])).await;
    assert_eq!(text(get(&mut client, "/").await).await, "hello");
}

#[tokio::test]
async fn a_feed_goes_over_http2_beside_other_requests() {
    let authority = Authority::new();
    let server = serve(authority.files(&authority.issue())).await;
    let mut client = http2(&server, authority.client(None, &["h2"])).await;
    let mut feed = get(&mut client, "/feed").await.into_body();
    server.feed(0).send(output("one\n")).await.unwrap();
    assert_eq!(chunk(&mut feed).await.unwrap(), "event: out\r\ndata: one\r\n\r\n");
    assert_eq!(text(get(&mut client, "/").await).await, "hello");
    server.feed(0).send(output("two\n")).await.unwrap();
    assert_eq!(chunk(&mut feed).await.unwrap(), "event: out\r\ndata: two\r\n\r\n");

    let mut other = get(&mut client, "/feed").await.into_body();
    let source = server.feed(1);
    source.send(output("x\n")).await.unwrap();
    chunk(&mut other).await.unwrap();
    drop(other);
    timeout(DEADLINE, source.closed()).await.expect("a request that is given up frees its feed");

    let shutdown = tokio::spawn(server.server.shutdown(DEADLINE));
    assert_eq!(chunk(&mut feed).await, None, "the feed ends properly");
    assert_eq!(shutdown.await.unwrap(), 0);
}

#[tokio::test]
async fn an_http2_client_that_does_not_read_costs_bounded_memory() {
    let authority = Authority::new();
    let server = serve(authority.files(&authority.issue())).await;
    let mut client = http2(&server, authority.client(None, &["h2"])).await;
    let unread = get(&mut client, "/flood").await;
    // Its window is two megabytes: beyond that, nothing more than a few buffers may be taken from the source.
    let taken = || *server.shared.flooded.lock().unwrap();
    let begun = std::time::Instant::now();
    while taken() < 2 * 1024 * 1024 {
        assert_eq!(text(get(&mut client, "/").await).await, "hello");
        assert!(begun.elapsed() < DEADLINE, "{}", taken());
    }
    for _ in 0..200 {
        assert_eq!(text(get(&mut client, "/").await).await, "hello");
    }
    assert!(taken() < 3 * 1024 * 1024, "{}", taken());
    drop(unread);
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn certificates_are_read_anew_for_new_connections() {
    let (authority, fresh) = (Authority::new(), Authority::new());
    let server = serve(authority.files(&authority.issue())).await;
    let mut kept = Wire::over(connect(&server, authority.client(None, &[])).await.unwrap());
    kept.send("GET /feed HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    kept.until("\r\n\r\n").await;

    // A certificate without its key: nothing changes.
    let renewed = fresh.issue();
    authority.write("cert.pem", &renewed.certificate);
    let error = server.certificates.reload().await.unwrap_err().to_string();
    assert!(error.starts_with("endpoint `default`: keyfile ") && error.contains("does not belong"), "{error}");
    assert!(ask(&server, authority.client(None, &[])).await.unwrap().ends_with("hello"));

    authority.write("key.pem", &renewed.key);
    server.certificates.reload().await.unwrap();
    assert!(ask(&server, fresh.client(None, &[])).await.unwrap().ends_with("hello"));
    ask(&server, authority.client(None, &[])).await.unwrap_err();

    server.feed(0).send(output("on\n")).await.unwrap();
    kept.until("data: on\r\n\r\n\r\n").await;
}

#[tokio::test]
async fn a_handshake_that_stalls_is_cut_off() {
    let authority = Authority::new();
    // Long enough for a handshake on a machine with too much to do.
    let limits = Limits { header_timeout: Duration::from_secs(2), ..Limits::default() };
    let server = Fixture::at(&endpoint(authority.files(&authority.issue()), limits)).await;
    let mute = server.connect().await;
    let mut half = server.connect().await;
    half.send("\u{16}\u{3}\u{1}").await;
    // Those that say nothing after it.
    let mut silent = Vec::new();
    for alpn in ["h2", "http/1.1"] {
        silent.push(connect(&server, authority.client(None, &[alpn])).await.unwrap());
    }
    assert_eq!(mute.rest().await, "");
    assert_eq!(half.rest().await, "");
    for stream in silent {
        Wire::over(stream).rest().await;
    }
}

#[tokio::test]
async fn an_idle_http2_connection_is_closed_and_a_feed_is_not_idle() {
    let authority = Authority::new();
    let idle = Duration::from_millis(200);
    let limits = Limits { header_timeout: DEADLINE * 2, idle_timeout: idle, ..Limits::default() };
    let server = Fixture::at(&endpoint(authority.files(&authority.issue()), limits)).await;
    let config = authority.client(None, &["h2"]);
    let (mut fed, driving_fed) = driven_http2(&server, config.clone()).await;
    let mut feed = get(&mut fed, "/feed").await.into_body();
    for _ in 0..2 {
        let (mut client, driving) = driven_http2(&server, config.clone()).await;
        text(get(&mut client, "/").await).await;
        timeout(DEADLINE, driving).await.expect("it should be closed").unwrap();
        drop(client);
    }
    server.feed(0).send(output("on\n")).await.unwrap();
    assert_eq!(chunk(&mut feed).await.unwrap(), "event: out\r\ndata: on\r\n\r\n");
    // Given up in a stream of its own, it leaves the connection idle.
    drop(feed);
    timeout(DEADLINE, driving_fed).await.expect("it should be closed").unwrap();
    drop(fed);
}

#[tokio::test]
async fn garbage_hurts_nobody() {
    let authority = Authority::new();
    let server = serve(authority.files(&authority.issue())).await;
    let mut plain = server.connect().await;
    plain.send(GET).await;
    assert!(!plain.rest().await.contains("hello"));
    let mut noise = server.connect().await;
    noise.send(&"\u{1}\u{7f}".repeat(10_000)).await;
    noise.rest().await;
    // Garbage within TLS, where HTTP/2 was agreed on.
    let mut wire = Wire::over(connect(&server, authority.client(None, &["h2"])).await.unwrap());
    wire.send(GET).await;
    wire.rest().await;
    let mut wire = Wire::over(connect(&server, authority.client(None, &["h2"])).await.unwrap());
    wire.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}\u{8}\u{9}").await;
    wire.rest().await;
    assert!(ask(&server, authority.client(None, &[])).await.unwrap().ends_with("hello"));
}

#[tokio::test]
async fn shutdown_does_not_wait_for_who_is_shaking_hands() {
    let authority = Authority::new();
    let server = serve(authority.files(&authority.issue())).await;
    let mute = server.connect().await;
    let idle = connect(&server, authority.client(None, &["h2"])).await.unwrap();
    server.stop().await; // It has nothing to cut.
    assert_eq!(mute.rest().await, "");
    Wire::over(idle).rest().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed() {
    let authority = Authority::new();
    let limits = Limits { max_connections: 1, ..Limits::default() };
    let server = Fixture::at(&endpoint(authority.files(&authority.issue()), limits)).await;
    let config = authority.client(None, &[]);
    let mut kept = Wire::over(connect(&server, config.clone()).await.unwrap());
    kept.send(GET).await;
    kept.until("hello").await;
    ask(&server, config.clone()).await.unwrap_err();
    drop(kept);
    let again = async { while ask(&server, config.clone()).await.is_err() {} };
    timeout(DEADLINE, again).await.expect("there is room again");
}

#[tokio::test]
async fn what_is_wrong_with_a_file_is_told() {
    let authority = Authority::new();
    let Identity { certificate, key } = authority.issue();
    let other = authority.issue();
    let file = |name: &str, text: &str| authority.write(name, text);
    let (cert, key_file) = (file("c.pem", &certificate), file("k.pem", &key));
    let both = file("both.pem", &format!("{certificate}{key}"));
    let (empty, foreign) = (file("empty.pem", "nothing\n"), file("foreign.pem", &other.key));
    let broken = file("broken.pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    let hollow = file("hollow.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let missing = empty.with_file_name("missing.pem");
    let pipe = empty.with_file_name("pipe.pem");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let binary = |name: &str, content: &[u8]| {
        let path = empty.with_file_name(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let cert_der = binary("c.der", &CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap());
    let key_der = binary("k.der", PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap().secret_der());
    let zero = file("zero.pem", "0 is no certificate\n");
    let locked = file("locked.pem", &key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"));
    let old_lock = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n\
                    -----END RSA PRIVATE KEY-----\n";
    let locked_too = file("locked_too.pem", &format!("{certificate}{old_lock}"));
    let files = |certfile: &std::path::Path, keyfile: Option<&std::path::Path>, cacert: Option<&std::path::Path>| {
        let owned = |path: Option<&std::path::Path>| path.map(Into::into);
        TlsFiles { certfile: certfile.into(), keyfile: owned(keyfile), cacert: owned(cacert) }
    };
    Listener::bind(&endpoint(files(&both, None, None), Limits::default())).await.unwrap();
    for (wrong, key, problem) in [
        (files(&missing, None, None), "certfile", "missing.pem: No such file or directory (os error 2)"),
        (files(&empty, None, None), "certfile", "empty.pem: there is no certificate in it"),
        (files(&broken, None, None), "certfile", "broken.pem: it is not valid PEM: "),
        (
            files(&cert, None, None),
            "certfile",
            "c.pem: there is no private key in it; name the file that has it in `keyfile`",
        ),
        (files(&cert, Some(&missing), None), "keyfile", "missing.pem: No such file"),
        (files(&cert, Some(&empty), None), "keyfile", "empty.pem: there is no private key in it"),
        (
            files(&cert, Some(&foreign), None),
            "keyfile",
            "foreign.pem: the private key does not belong to the certificate in ",
        ),
        (files(&hollow, Some(&key_file), None), "certfile", "hollow.pem: the certificate cannot be used: "),
        (files(&both, None, Some(&empty)), "cacert", "empty.pem: there is no certificate in it"),
        (files(&both, None, Some(&hollow)), "cacert", "hollow.pem: the certificate cannot be used: "),
        (files(&pipe, None, None), "certfile", "pipe.pem: it is not a regular file"),
        (files(&cert, Some(empty.parent().unwrap()), None), "keyfile", ": it is not a regular file"),
        (
            files(&cert_der, None, None),
            "certfile",
            "c.der: it is DER, not PEM; convert it: `openssl x509 -inform der -in /",
        ),
        (
            files(&cert, Some(&key_der), None),
            "keyfile",
            "k.der: it is DER, not PEM; convert it: `openssl pkey -inform der -in /",
        ),
        (files(&zero, None, None), "certfile", "zero.pem: there is no certificate in it"),
        (
            files(&cert, Some(&locked), None),
            "keyfile",
            "locked.pem: its private key is encrypted; decrypt it: `openssl pkey -in /",
        ),
        (files(&locked_too, None, None), "certfile", "locked_too.pem: its private key is encrypted; decrypt it: "),
    ] {
        let wrong = endpoint(wrong, Limits::default());
        let error = timeout(DEADLINE, Listener::bind(&wrong)).await.expect("an answer").unwrap_err();
        assert_eq!(error.to_string(), "cannot serve TLS at endpoint `default`");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.starts_with(&format!("{key} /")) && cause.contains(problem), "{cause}");
    }
}
