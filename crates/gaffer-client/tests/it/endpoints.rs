//! The ways to reach a node: unix sockets, and TLS with all that can be wrong with it.

use std::net::SocketAddr;

use futures_util::StreamExt;
use gaffer_client::{
    Cause, Client, ClientBuilder, Endpoint, Error, FeedOptions, SocketOptions, TlsError, TlsOptions, Told,
};
use gaffer_core::ProcessId;
use gaffer_tests::{Authority, Daemon, Setup};

use crate::fixture::{JOBS, job, label, soon};

/// A bit of everything: a call, a feed and a websocket.
async fn all_ways(client: &Client) {
    client.ping().await.unwrap();
    assert_eq!(client.jobs().await.unwrap().len(), 2);
    let pid = client.pids(&job("echo")).await.unwrap()[0];
    let mut output = client.follow_output(pid, &label("out"), &FeedOptions::default()).await.unwrap();
    let mut stdio = client.stdio(pid, &SocketOptions::default()).await.unwrap();
    stdio.send("hello\n".into()).await.unwrap();
    assert_eq!(soon("it answers", stdio.recv()).await.unwrap().as_deref(), Some(&b"hello\n"[..]));
    assert!(matches!(soon("it is told", output.next()).await, Some(Ok(Told::Item(text))) if text.text == "hello"));
    let missing = client.channel(ProcessId::new(99), &SocketOptions::default()).await.unwrap_err();
    assert!(missing.is_not_found(), "{missing:?}");
}

#[tokio::test]
async fn a_unix_socket_serves_as_well() {
    let setup = Setup::new()
        .own_endpoints()
        .ini(&format!("[endpoint:plain]\nbind = 127.0.0.1:0\n[endpoint:local]\nbind = unix:g.sock\n{JOBS}"));
    let daemon = setup.start();
    daemon.until_running("echo", 1);
    let endpoint: Endpoint = format!("unix:{}", daemon.path("g.sock").display()).parse().unwrap();
    all_ways(&Client::new(&endpoint).unwrap()).await;
    let missing = format!("unix:{}", daemon.path("nobody.sock").display());
    let error = Client::new(&missing.parse().unwrap()).unwrap().ping().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().starts_with(&format!("cannot reach gafferd at {missing}: No such file")), "{error}");
}

struct Secret {
    daemon: Daemon,
    servers: Authority,
    clients: Authority,
}

impl Secret {
    /// A node that wants certificates of its clients.
    fn start() -> Self {
        let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
        let setup = Setup::new().own_endpoints().ini(&format!(
            "[endpoint:plain]\nbind = 127.0.0.1:0\n\
             [endpoint:secret]\nbind = 127.0.0.1:0\ncertfile = both.pem\ncacert = clients.pem\n{JOBS}"
        ));
        setup.file("both.pem", &servers.issue().pem());
        setup.file("clients.pem", &clients.pem());
        let daemon = setup.start();
        daemon.until_running("echo", 1);
        Self { daemon, servers, clients }
    }

    fn builder(&self, tls: TlsOptions) -> ClientBuilder {
        let line = self.daemon.until_logged("listening on https://").text;
        let (_, address) = line.split_once("https://").unwrap();
        let address: SocketAddr = address.split(' ').next().unwrap().parse().unwrap();
        let endpoint = format!("https://localhost:{}", address.port()).parse().unwrap();
        Client::builder(&endpoint).tls(tls)
    }

    async fn error(&self, tls: TlsOptions) -> Error {
        self.builder(tls).build().unwrap().ping().await.unwrap_err()
    }
}

#[tokio::test]
async fn tls_is_spoken_with_those_who_are_trusted_and_no_others() {
    let secret = Secret::start();
    let file = |name: &str, text: &str| Some(secret.daemon.setup().file(name, text));
    let own = secret.clients.issue();
    let (both, alone) = (file("own.pem", &own.pem()), file("certificate.pem", &own.certificate));
    let key = file("key.pem", &own.key);
    let cacert = file("ca.pem", &secret.servers.pem());

    let whole = TlsOptions { cacert: cacert.clone(), certfile: both.clone(), ..TlsOptions::default() };
    all_ways(&secret.builder(whole.clone()).build().unwrap()).await;
    let apart = TlsOptions { certfile: alone, keyfile: key.clone(), ..whole.clone() };
    secret.builder(apart).build().unwrap().ping().await.unwrap();
    let insecure = TlsOptions { insecure: true, cacert: None, ..whole.clone() };
    secret.builder(insecure).build().unwrap().ping().await.unwrap();

    let error = secret.error(TlsOptions { cacert: file("other.pem", &secret.clients.pem()), ..whole.clone() }).await;
    assert!(matches!(error, Error::Unreachable { cause: Cause::Untrusted(_), .. }), "{error:?}");
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    let error = secret.error(TlsOptions { certfile: None, ..whole.clone() }).await;
    assert!(matches!(error, Error::Unreachable { cause: Cause::CertificateRefused(_), .. }), "{error:?}");

    let build = |tls: TlsOptions| match secret.builder(tls).build() {
        Err(Error::Tls(error)) => error,
        other => panic!("{other:?}"),
    };
    let missing = Some(secret.daemon.path("missing.pem"));
    let unreadable = build(TlsOptions { cacert: missing, ..whole.clone() });
    assert!(matches!(unreadable, TlsError::Unreadable { .. }), "{unreadable:?}");
    assert!(unreadable.to_string().contains("missing.pem`: No such file or directory"), "{unreadable}");
    let broken = "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n";
    let broken = build(TlsOptions { cacert: file("broken.pem", broken), ..whole.clone() });
    assert!(matches!(broken, TlsError::Damaged { .. }), "{broken:?}");
    let not_its_key = file("not-its.pem", &secret.clients.issue().key);
    let mismatch = build(TlsOptions { keyfile: not_its_key, ..whole.clone() });
    assert!(matches!(mismatch, TlsError::Mismatch { .. }), "{mismatch:?}");
    let empty = build(TlsOptions { cacert: file("empty.pem", ""), ..whole.clone() });
    assert!(matches!(empty, TlsError::Missing { what: "certificate", .. }), "{empty:?}");
    let no_key = build(TlsOptions { keyfile: cacert, ..whole.clone() });
    assert!(matches!(no_key, TlsError::Missing { what: "private key", .. }), "{no_key:?}");
    let alone = build(TlsOptions { certfile: None, keyfile: key, ..whole });
    assert!(matches!(alone, TlsError::KeyAlone(_)), "{alone:?}");
}
