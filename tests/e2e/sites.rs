//! Sites of plugins, wherever their folder is named.

use std::fs;

use gaffer_tests::{
    Daemon, Setup,
    http::{Answer, Connection},
};

/// Writes the site of a plugin `hello` below a folder.
fn site(setup: &Setup, plugins: &str, text: &str) {
    let site = setup.path(plugins).join("hello/_site");
    fs::create_dir_all(&site).unwrap();
    fs::write(site.join("index.html"), text).unwrap();
}

fn hello(daemon: &Daemon) -> Answer {
    daemon.request("GET", "/_plugin/hello/", None)
}

fn warnings(daemon: &Daemon) -> Vec<String> {
    daemon.log().into_iter().map(|line| line.text).filter(|text| text.contains("WARN")).collect()
}

#[test]
fn sites_are_served_from_the_folder_that_is_named_or_from_home() {
    let ini = "[gaffer]\nplugins_dir = of-ini\n";
    let older = "[gaffer]\nplugin_dir = of-ini\n";
    for (setup, expected) in [
        (Setup::new(), "of home"),
        (Setup::new().ini(ini), "of ini"),
        (Setup::new().ini(older), "of ini"),
        (Setup::new().args("-p of-option"), "of option"),
        (Setup::new().ini(ini).args("--plugins-dir of-option"), "of option"),
    ] {
        site(&setup, ".gafferd/plugins", "of home");
        site(&setup, "of-ini", "of ini");
        site(&setup, "of-option", "of option");
        let mut daemon = setup.start();
        let answer = hello(&daemon);
        assert_eq!((answer.status, answer.text().as_str()), (200, expected));
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(warnings(&daemon), Vec::<String>::new());
        daemon.stop();
    }
}

#[test]
fn a_folder_that_is_not_there_is_warned_of_if_it_was_named() {
    let daemon = Setup::new().start();
    assert_eq!(hello(&daemon).status, 404);
    assert_eq!(warnings(&daemon), Vec::<String>::new());
    let daemon = Setup::new().ini("[gaffer]\nplugins_dir = missing\n").start();
    daemon.until_logged("gaffer.ini:2: [gaffer] plugins_dir: there is no folder `missing`");
    let daemon = Setup::new().args("-p missing").start();
    daemon.until_logged("--plugins-dir: there is no folder `missing`");
    assert_eq!(hello(&daemon).status, 404);
    site(daemon.setup(), "missing", "here now");
    assert_eq!(hello(&daemon).text(), "here now");
}

#[test]
fn a_site_can_be_left_by_no_path() {
    let setup = Setup::new();
    site(&setup, "plugins", "hello");
    setup.file("plugins/hello/plugin.ini", "[plugin]\ndescription = secret\n");
    setup.file("secret", "secret");
    let daemon = setup.args("-p plugins").start();
    for path in [
        "../plugin.ini",
        "%2e%2e/plugin.ini",
        "..%2fplugin.ini",
        "../../../secret",
        "x/../index.html",
        "%2fetc%2fpasswd",
    ] {
        let mut connection = Connection::open(daemon.address());
        connection.request("GET", &format!("/_plugin/hello/{path}"), &[("Connection", "close")], None);
        let answer = connection.answer("GET");
        assert_eq!((answer.status, answer.json()["error"].as_str()), (404, Some("not_found")), "{path}");
    }
}
