//! A node that is reached in three ways.

use std::net::SocketAddr;

use gaffer_tests::{Authority, Client, Daemon, Setup};

/// A gafferd that is reached in three ways; by TLS with a client certificate only. The certificates are files in its folder.
pub(crate) struct Node {
    pub(crate) daemon: Daemon,
    tls: SocketAddr,
}

impl Node {
    /// One with these jobs, as sections of its configuration.
    pub(crate) fn start(jobs: &str) -> Self {
        let (authority, clients) = (Authority::new("servers"), Authority::new("clients"));
        let setup = Setup::new().own_endpoints().ini(&format!(
            "[endpoint:plain]\nbind = 127.0.0.1:0\n[endpoint:local]\nbind = unix:g.sock\n\
             [endpoint:secret]\nbind = 127.0.0.1:0\ncertfile = both.pem\ncacert = clients.pem\n{jobs}"
        ));
        setup.file("both.pem", &authority.issue().pem());
        setup.file("servers.pem", &authority.pem());
        setup.file("clients.pem", &clients.pem());
        let own = clients.issue();
        setup.file("own.pem", &own.certificate);
        setup.file("own.key", &own.key);
        setup.file("own-both.pem", &own.pem());
        let daemon = setup.start();
        let line = daemon.until_logged("listening on https://").text;
        let (_, address) = line.split_once("https://").unwrap();
        let tls = address.split(' ').next().unwrap().parse().unwrap();
        daemon.until_logged("listening on unix:");
        Self { daemon, tls }
    }

    /// Where it speaks TLS.
    pub(crate) fn tls_url(&self) -> String {
        format!("https://localhost:{}", self.tls.port())
    }

    /// A client over each transport, with what the transport is called.
    pub(crate) fn clients(&self, client: &Client) -> [(&'static str, Client); 3] {
        let file = |name| self.daemon.path(name).to_str().unwrap().to_owned();
        let (cacert, certfile, keyfile) = (file("servers.pem"), file("own.pem"), file("own.key"));
        let secret = client.clone().env("GAFFER_ENDPOINT", self.tls_url());
        let secret = secret.args(["--cacert", &cacert, "--certfile", &certfile, "--keyfile", &keyfile]);
        let local = client.clone().env("GAFFER_ENDPOINT", format!("unix:{}", file("g.sock")));
        [("tcp", client.clone()), ("tls", secret), ("unix", local)]
    }
}
