//! TLS between nodes and lookup servers.

use std::{fs, path::PathBuf};

use gaffer_tests::{Authority, Daemon, Setup};
use nix::sys::signal::Signal;
use tempfile::TempDir;

const JOB: &str = "[process:web]\ncmd = misbehave forever\n";

/// An authority's files, and those of two who have its certificates.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        files.replace();
        files
    }

    /// Those of another authority, in their place.
    fn replace(&self) {
        let authority = Authority::new("lookup");
        fs::write(self.path("ca.pem"), authority.pem()).unwrap();
        for name in ["server.pem", "node.pem"] {
            fs::write(self.path(name), authority.issue().pem()).unwrap();
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// A server that demands certificates, and its URL.
    fn lookupd(&self) -> (Daemon, String) {
        let args = format!("--certfile {} --cacert {}", self.shown("server.pem"), self.shown("ca.pem"));
        let lookupd = Setup::lookupd().own_endpoints().args("--bind 127.0.0.1:0").args(&args);
        let lookupd = lookupd.start_without_http("listening on https://");
        let line = lookupd.until_logged("listening on https://").text;
        let url = line.split("listening on ").nth(1).unwrap().trim().replace("127.0.0.1", "localhost");
        (lookupd, url)
    }

    /// What a node shows, and whom it trusts.
    fn of_node(&self) -> String {
        format!("--client-cacert {} --client-certfile {}", self.shown("ca.pem"), self.shown("node.pem"))
    }
}

#[test]
fn nodes_show_a_certificate_to_servers_that_demand_one() {
    let files = Files::new();
    let (lookupd, url) = files.lookupd();
    let node = Setup::new().ini(JOB).args(&format!("--lookupd-address {url} {}", files.of_node())).start();
    node.until_logged(&format!("registered at the lookup server {url}"));
    lookupd.until_logged("a node has come");

    let (ca, certificate) = (files.shown("ca.pem"), files.shown("node.pem"));
    let ini =
        format!("[gaffer]\nlookupd_address = {url}\n[lookup_ssl]\nca_certs = {ca}\ncertfile = {certificate}\n{JOB}");
    let configured = Setup::new().ini(&ini).start();
    configured.until_logged(&format!("registered at the lookup server {url}"));

    let bare = Setup::new().ini("").args(&format!("--lookupd-address {url} --client-cacert {ca}")).start();
    bare.until_logged("certificate");
    let trusting = Setup::new().ini("").args(&format!("--lookupd-address {url}")).start();
    trusting.until_logged(&format!("cannot reach gaffer_lookupd at {url}"));
}

#[test]
fn files_that_do_not_serve_keep_a_node_from_starting() {
    let start = |args: &str| Setup::new().ini("").args(args).run();
    let missing = start("--lookupd-address https://localhost:1 --client-cacert no.pem");
    assert_eq!(missing.code, Some(1));
    let told = "gafferd: lookup servers: cannot read `no.pem`: No such file or directory";
    assert!(missing.stderr.contains(told), "{missing:?}");
    let useless = start("--lookupd-address http://127.0.0.1:1 --client-certfile c");
    assert_eq!(useless.code, Some(1));
    assert!(useless.stderr.contains("--client-certfile: needs a lookup server at https://"), "{useless:?}");
}

#[test]
fn certificates_are_replaced_without_a_restart() {
    let files = Files::new();
    let (lookupd, url) = files.lookupd();
    let node = Setup::new().ini(JOB).args(&format!("--lookupd-address {url} {}", files.of_node())).start();
    node.until_logged("registered at the lookup server");
    files.replace();
    lookupd.signal(Signal::SIGHUP);
    lookupd.until_logged("SIGHUP: the certificates were read again");
    // Its connection is as good as before; one that comes anew shows what is there now.
    let another =
        Setup::new().ini(JOB).args(&format!("--node-name b --lookupd-address {url} {}", files.of_node())).start();
    another.until_logged("registered at the lookup server");
    let port: u16 = url.rsplit(':').next().unwrap().parse().unwrap();
    drop(lookupd);
    node.until_logged("trying again");
    let args =
        format!("--bind 127.0.0.1:{port} --certfile {} --cacert {}", files.shown("server.pem"), files.shown("ca.pem"));
    let lookupd = Setup::lookupd().own_endpoints().args(&args).start_without_http("listening on https://");
    lookupd.until_logged("a node has come");
    node.until("it is registered again", || {
        let registered = node.log().iter().filter(|line| line.text.contains("registered at the lookup server")).count();
        if registered == 2 { Ok(()) } else { Err(registered) }
    });
}
