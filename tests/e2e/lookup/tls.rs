//! TLS between nodes and lookup servers.

use gaffer_tests::{Authority, Setup};

#[test]
fn nodes_show_a_certificate_to_servers_that_demand_one() {
    let authority = Authority::new("lookup");
    let lookupd = Setup::lookupd();
    let (server, client) = (authority.issue(), authority.issue());
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let ca = file("ca.pem", &authority.pem());
    let (cert, key) = (file("server.pem", &server.certificate), file("server.key", &server.key));
    let lookupd = lookupd
        .own_endpoints()
        .args(&format!("--bind 127.0.0.1:0 --certfile {cert} --keyfile {key} --cacert {ca}"))
        .start_without_http("listening on https://");
    let line = lookupd.until_logged("listening on https://").text;
    let url = line.split("listening on ").nth(1).unwrap().trim().replace("127.0.0.1", "localhost");
    let (cert, key) = (file("node.pem", &client.certificate), file("node.key", &client.key));

    let args = format!("--lookupd-address {url} --client-cacert {ca} --client-certfile {cert} --client-keyfile {key}");
    let node = Setup::new().ini("[process:web]\ncmd = misbehave forever\n").args(&args).start();
    node.until_logged(&format!("registered at the lookup server {url}"));
    lookupd.until_logged("a node has come");

    let ini = format!(
        "[gaffer]\nlookupd_address = {url}\n[lookup_ssl]\nca_certs = {ca}\ncertfile = {cert}\nkeyfile = {key}\n\
         [process:web]\ncmd = misbehave forever\n"
    );
    let configured = Setup::new().ini(&ini).start();
    configured.until_logged(&format!("registered at the lookup server {url}"));

    let bare = Setup::new().ini("").args(&format!("--lookupd-address {url} --client-cacert {ca}")).start();
    bare.until_logged("certificate");
    let trusting = Setup::new().ini("").args(&format!("--lookupd-address {url}")).start();
    trusting.until_logged(&format!("cannot reach gaffer_lookupd at {url}"));

    let missing = Setup::new().ini("").args(&format!("--lookupd-address {url} --client-cacert no.pem")).run();
    assert_eq!(missing.code, Some(1));
    assert!(
        missing.stderr.contains("cannot speak with the lookup server") && missing.stderr.contains("no.pem"),
        "{missing:?}"
    );
    let useless = Setup::new().ini("").args("--lookupd-address http://127.0.0.1:1 --client-certfile c").run();
    assert_eq!(useless.code, Some(1));
    assert!(useless.stderr.contains("--client-certfile: needs a lookup server at https://"), "{useless:?}");
}
