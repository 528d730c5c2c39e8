//! Sites of plugins: what is served, in which versions and parts, and what never is.

use std::{
    fs::{self, File},
    net::SocketAddr,
    os::unix::{fs::symlink, net::UnixListener},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use axum::http::HeaderMap;
use gaffer_http::{
    api::{self, Options},
    serve::{Endpoint, Lifetime, Listener, Server},
    sites::MAX_OPEN,
};
use nix::{sys::stat::Mode, unistd::mkfifo};
use tempfile::TempDir;

use crate::{fixture::Node, wire::Wire};

/// A folder of plugins, one of which, `web`, has a site. The secret lies beside them.
struct Plugins(TempDir);

impl Plugins {
    fn new() -> Self {
        let plugins = Self(tempfile::tempdir().unwrap());
        plugins.write("web/_site/index.html", "<h1>web</h1>");
        plugins.write("web/_site/digits.txt", "0123456789");
        plugins.write("web/_site/sub/index.html", "<h1>sub</h1>");
        plugins.write("web/plugin.ini", "secret");
        plugins.write("../secret.html", "secret");
        plugins
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join("plugins").join(path)
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn options(&self) -> Options {
        Options { plugins: Some(self.path("")), ..Options::default() }
    }

    fn node(&self) -> Node {
        Node::with_options(self.options())
    }
}

/// All but what each answer has.
fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<&str> = headers.keys().map(|name| name.as_str()).collect();
    names.retain(|name| !["server", "vary"].contains(name));
    names.sort_unstable();
    names
}

#[tokio::test]
async fn files_are_served_with_their_types() {
    let plugins = Plugins::new();
    let node = plugins.node();
    let index = node.get("/_plugin/web/").await;
    assert_eq!((index.status.as_u16(), index.body.as_str()), (200, "<h1>web</h1>"));
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("content-length", "12"),
        ("cache-control", "no-cache"),
        ("accept-ranges", "bytes"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(index.header(name), value, "{name}");
    }
    assert!(index.header("server").starts_with("gaffer/"));
    assert!(index.header("last-modified").ends_with(" GMT"));
    let tag = index.header("etag");
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{tag}");

    plugins.write("web/_site/sub/b c/é.json", "{}");
    plugins.write("web/_site/empty.css", "");
    for (path, body, media) in [
        ("/_plugin/web/index.html?v=1", "<h1>web</h1>", "text/html; charset=utf-8"),
        ("/_plugin/web/sub/", "<h1>sub</h1>", "text/html; charset=utf-8"),
        ("/_plugin/web/sub/b%20c/%c3%a9.json", "{}", "application/json; charset=utf-8"),
        ("/_plugin/web/empty.css", "", "text/css; charset=utf-8"),
    ] {
        let answer = node.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str(), answer.header("content-type")), (200, body, media));
    }
    node.stop().await;
}

#[tokio::test]
async fn only_pages_that_may_call_may_have_a_site_in_a_frame() {
    let plugins = Plugins::new();
    let node = plugins.node();
    let policy = "frame-ancestors 'self' http://localhost:* http://127.0.0.1:* https://localhost:* https://127.0.0.1:*";
    for path in ["/_plugin/web/", "/_plugin/web/digits.txt"] {
        assert_eq!(node.get(path).await.header("content-security-policy"), policy, "{path}");
    }
    node.stop().await;
    let node = Node::with_options(Options { origins: api::Origins::Any, ..plugins.options() });
    assert_eq!(node.get("/_plugin/web/").await.header("content-security-policy"), "");
    node.stop().await;
}

#[tokio::test]
async fn a_head_is_a_get_without_its_body() {
    let plugins = Plugins::new();
    let node = plugins.node();
    for path in ["/_plugin/web/", "/_plugin/web/digits.txt", "/_plugin/web/sub"] {
        let (get, head) = (node.get(path).await, node.call("HEAD", path, "").await);
        assert_eq!((head.status, head.body.as_str()), (get.status, ""));
        assert_eq!(head.headers, get.headers, "{path}");
    }
    let head = node.call("HEAD", "/_plugin/web/nothing", "").await;
    assert_eq!((head.status.as_u16(), head.body.as_str()), (404, ""));
    node.stop().await;
}

#[tokio::test]
async fn a_folder_is_served_at_the_path_with_a_slash() {
    let plugins = Plugins::new();
    let node = plugins.node();
    plugins.write("web/_site/bare/file.txt", "");
    plugins.write("web/_site/a b/index.html", "");
    for (path, place) in [
        ("/_plugin/web", "/_plugin/web/"),
        ("/_plugin/web?a=/b&c=%20", "/_plugin/web/?a=/b&c=%20"),
        ("/_plugin/web/sub?", "/_plugin/web/sub/?"),
        ("/_plugin/web/a%20b", "/_plugin/web/a%20b/"),
        ("/_plugin/web?//evil.example", "/_plugin/web/?//evil.example"),
    ] {
        let answer = node.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.header("location"), answer.body.as_str()), (307, place, ""));
        assert_eq!(answer.header("cache-control"), "no-cache");
    }
    for path in
        ["/_plugin/web/bare", "/_plugin/web/bare/", "/_plugin/web/digits.txt/", "/_plugin/web/index.html/index.html"]
    {
        node.get(path).await.refused(404, "not_found");
    }
    node.stop().await;
}

#[tokio::test]
async fn where_there_is_no_site_there_is_nothing() {
    let plugins = Plugins::new();
    plugins.write("app/plugin.ini", "");
    plugins.write("app/index.html", "secret");
    let paths = ["/_plugin", "/_plugin/", "/_plugin/web", "/_plugin/web/", "/_plugin/web/index.html"];
    let nowhere = Options { plugins: Some(plugins.path("missing")), ..Options::default() };
    for options in [Options::default(), nowhere] {
        let node = Node::with_options(options);
        for path in paths {
            node.get(path).await.refused(404, "not_found");
        }
        node.stop().await;
    }
    let node = plugins.node();
    for path in
        ["/_plugin", "/_plugin/", "/_plugin/nope/", "/_plugin/app/", "/_plugin/app/index.html", "/_plugin/web/nope"]
    {
        let reason = node.get(path).await.refused(404, "not_found");
        assert_eq!(reason, format!("there is nothing at {path}"));
    }
    node.stop().await;
}

#[tokio::test]
async fn files_are_read_and_nothing_else() {
    let plugins = Plugins::new();
    let node = plugins.node();
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        for path in ["/_plugin/web", "/_plugin/web/", "/_plugin/web/sub/index.html"] {
            let answer = node.call(method, path, "").await;
            answer.refused(405, "method_not_allowed");
            assert_eq!(answer.header("allow"), "GET,HEAD");
        }
    }
    let foreign = node.ask("GET", "/_plugin/web/", &[("origin", "http://localhost:1")]).await;
    assert_eq!(foreign.header("access-control-allow-origin"), "http://localhost:1");
    node.stop().await;
}

#[tokio::test]
async fn sites_come_change_and_go_while_the_node_runs() {
    let plugins = Plugins::new();
    let node = plugins.node();
    node.get("/_plugin/new/").await.refused(404, "not_found");
    plugins.write("new/index.html", "one");
    let one = node.get("/_plugin/new/").await;
    assert_eq!(one.body, "one");
    plugins.write("new/index.html", "two");
    assert_eq!(node.ask("GET", "/_plugin/new/", &[("if-none-match", one.header("etag"))]).await.body, "two");
    plugins.write("new/_site/index.html", "three");
    assert_eq!(node.get("/_plugin/new/").await.body, "three");
    fs::remove_dir_all(plugins.path("new")).unwrap();
    node.get("/_plugin/new/").await.refused(404, "not_found");
    node.stop().await;
}

#[tokio::test]
async fn who_knows_a_file_is_spared_it() {
    let plugins = Plugins::new();
    let node = plugins.node();
    let path = "/_plugin/web/digits.txt";
    let known = node.get(path).await;
    let (tag, date) = (known.header("etag").to_owned(), known.header("last-modified").to_owned());
    let weak = format!("W/{tag}");
    for header in [
        ("if-none-match", tag.as_str()),
        ("if-none-match", &weak),
        ("if-none-match", "*"),
        ("if-modified-since", &date),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = node.ask(method, path, &[header]).await;
            assert_eq!((answer.status.as_u16(), answer.body.as_str()), (304, ""), "{header:?}");
            assert_eq!((answer.header("etag"), answer.header("cache-control")), (tag.as_str(), "no-cache"));
            assert_eq!(answer.header("content-length"), "10", "that of the file, if any");
            let expected = ["cache-control", "content-length", "content-security-policy", "etag", "last-modified"];
            assert_eq!(names(&answer.headers), expected);
        }
    }
    let other = [("if-none-match", "\"x\""), ("if-modified-since", date.as_str())];
    assert_eq!(node.ask("GET", path, &other).await.status.as_u16(), 200, "the tag wins");
    let answer = node.ask("GET", path, &[("if-match", "\"x\"")]).await;
    answer.refused(412, "precondition_failed");

    let later = SystemTime::now() - Duration::from_secs(3600);
    File::options().append(true).open(plugins.path("web/_site/digits.txt")).unwrap().set_modified(later).unwrap();
    let touched = node.ask("GET", path, &[("if-none-match", &tag)]).await;
    assert_eq!(touched.status.as_u16(), 200);
    assert_ne!((touched.header("etag"), touched.header("last-modified")), (tag.as_str(), date.as_str()));
    node.stop().await;
}

#[tokio::test]
async fn a_part_is_sent_to_who_asks_for_one() {
    let plugins = Plugins::new();
    let node = plugins.node();
    let path = "/_plugin/web/digits.txt";
    let tag = node.get(path).await.header("etag").to_owned();
    for (range, content_range, body) in [
        ("bytes=0-0", "bytes 0-0/10", "0"),
        ("bytes=3-5", "bytes 3-5/10", "345"),
        ("bytes=7-", "bytes 7-9/10", "789"),
        ("bytes=-2", "bytes 8-9/10", "89"),
        ("bytes=5-1000", "bytes 5-9/10", "56789"),
    ] {
        let answer = node.ask("GET", path, &[("range", range), ("if-range", &tag)]).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (206, body), "{range}");
        assert_eq!(answer.header("content-range"), content_range);
        assert_eq!(answer.header("content-length"), body.len().to_string());
        assert_eq!((answer.header("etag"), answer.header("content-type")), (tag.as_str(), "text/plain; charset=utf-8"));
    }
    for headers in [
        [("range", "bytes=0-1,4-5"), ("accept", "*/*")],
        [("range", "lines=0-1"), ("accept", "*/*")],
        [("range", "bytes=3-5"), ("if-range", "\"x\"")],
    ] {
        let answer = node.ask("GET", path, &headers).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "0123456789"), "{headers:?}");
        assert_eq!(answer.header("content-range"), "");
    }
    for range in ["bytes=10-", "bytes=-0"] {
        let answer = node.ask("GET", path, &[("range", range)]).await;
        answer.refused(416, "range_not_satisfiable");
        assert_eq!(answer.header("content-range"), "bytes */10");
    }
    node.stop().await;
}

#[tokio::test]
async fn links_lead_to_places_in_the_site_alone() {
    let plugins = Plugins::new();
    let node = plugins.node();
    let site = plugins.path("web/_site");
    for (target, name) in [
        (Path::new("digits.txt"), "near.txt"),
        (&site.join("digits.txt"), "absolute.txt"),
        (Path::new("../../../secret.html"), "far.html"),
        (&plugins.path("../secret.html"), "out.html"),
        (Path::new("../plugin.ini"), "ini.html"),
        (Path::new("/"), "root"),
    ] {
        symlink(target, site.join(name)).unwrap();
    }
    for path in ["near.txt", "absolute.txt"] {
        assert_eq!(node.get(&format!("/_plugin/web/{path}")).await.body, "0123456789", "{path}");
    }
    for path in ["far.html", "out.html", "ini.html", "root/", "root", "root/etc/passwd"] {
        node.get(&format!("/_plugin/web/{path}")).await.refused(404, "not_found");
    }
    fs::create_dir(plugins.path("alias")).unwrap();
    symlink("../web/_site", plugins.path("alias/_site")).unwrap();
    assert_eq!(node.get("/_plugin/alias/digits.txt").await.body, "0123456789");
    node.stop().await;
}

#[tokio::test]
async fn what_is_no_plain_file_is_never_opened() {
    let plugins = Plugins::new();
    let node = plugins.node();
    let site = plugins.path("web/_site");
    mkfifo(&site.join("pipe.html"), Mode::S_IRWXU).unwrap();
    let _socket = UnixListener::bind(site.join("socket.html")).unwrap();
    symlink("/dev/zero", site.join("zero.html")).unwrap();
    symlink("pipe.html", site.join("linked.html")).unwrap();
    plugins.write("web/_site/.hidden.html", "secret");
    plugins.write("web/_site/.git/index.html", "secret");
    let long = "x".repeat(300);
    let deep = "x/".repeat(3000);
    for path in [
        "pipe.html",
        "socket.html",
        "zero.html",
        "linked.html",
        ".hidden.html",
        ".git/",
        "%2egit/index.html",
        &long,
        &deep,
    ] {
        node.get(&format!("/_plugin/web/{path}")).await.refused(404, "not_found");
    }
    node.stop().await;
}

/// The router on a real socket.
struct Served {
    node: Node,
    server: Server,
    address: SocketAddr,
}

impl Served {
    async fn start(plugins: &Plugins) -> Self {
        let node = plugins.node();
        let lifetime = Lifetime::new();
        let router = api::router(node.manager.clone(), plugins.options(), lifetime.clone());
        let endpoint = Endpoint { bind: "127.0.0.1:0".parse().unwrap(), ..Endpoint::default() };
        let listener = Listener::bind(&endpoint).await.unwrap();
        let address = listener.listening().tcp().unwrap();
        Self { node, server: Server::start(vec![listener], router, lifetime), address }
    }

    async fn connect(&self) -> Wire {
        Wire::connect(self.address).await
    }

    async fn stop(self) {
        self.server.shutdown(Duration::ZERO).await;
        self.node.stop().await;
    }
}

#[tokio::test]
async fn no_path_leads_out_however_it_is_written() {
    let plugins = Plugins::new();
    let served = Served::start(&plugins).await;
    for path in [
        "/_plugin/web/../plugin.ini",
        "/_plugin/web/sub/../../plugin.ini",
        "/_plugin/web/sub/../index.html",
        "/_plugin/../../secret.html",
        "/_plugin/../secret.html",
        "/_plugin/..%2fsecret.html",
        "/_plugin/web/..%2fplugin.ini",
        "/_plugin/web/%2e%2e/plugin.ini",
        "/_plugin/web/%2e%2e%2fplugin.ini",
        "/_plugin/web/..%5cplugin.ini",
        "/_plugin/web/..\\plugin.ini",
        "/_plugin/web/./index.html",
        "/_plugin/web//index.html",
        "/_plugin/web//etc/passwd",
        "/_plugin/web/%2fetc%2fpasswd",
        "/_plugin/web/index.html%00",
        "/_plugin/web/index.html%00.txt",
        "/_plugin/web/%ff",
        "/_plugin/web/%c0%ae%c0%ae/plugin.ini",
        "/_plugin/web/%252e%252e/plugin.ini",
        "/_plugin//web/index.html",
        "/_plugin/./web/index.html",
        "/_plugin/%2e/web/index.html",
        "/_plugin/%2e%2e/plugins/web/_site/index.html",
        "/_plugin/web/../_site/index.html",
        "//_plugin/web/sub",
        "//evil.example/_plugin/web",
        "/_plugin//evil.example/..",
        "/_plugin/web/%0d%0aset-cookie:x",
    ] {
        let mut wire = served.connect().await;
        wire.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await;
        let answer = wire.rest().await;
        assert!(answer.starts_with("HTTP/1.1 404 ") || answer.starts_with("HTTP/1.1 400 "), "{path}: {answer}");
        assert!(
            !answer.contains("secret\r\n") && !answer.ends_with("secret") && !answer.contains("location:"),
            "{answer}"
        );
    }
    served.stop().await;
}

#[tokio::test]
async fn answers_without_a_body_leave_the_connection_fit_for_more() {
    let plugins = Plugins::new();
    let served = Served::start(&plugins).await;
    let mut wire = served.connect().await;
    for (head, status) in [
        ("GET /_plugin/web/ HTTP/1.1\r\nIf-None-Match: *", "304 Not Modified"),
        ("HEAD /_plugin/web/ HTTP/1.1", "200 OK"),
        ("GET http://127.0.0.1:1/_plugin/web HTTP/1.1", "307 Temporary Redirect\r\nlocation: /_plugin/web/"),
    ] {
        wire.send(&format!("{head}\r\nHost: localhost\r\n\r\n")).await;
        let answer = wire.until("\r\n\r\n").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
    }
    wire.send("GET /_plugin/web/digits.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert!(wire.until("\r\n\r\n").await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(wire.rest().await, "0123456789");
    served.stop().await;
}

#[tokio::test]
async fn a_large_file_comes_whole_and_one_that_shrinks_ends_the_connection() {
    let plugins = Plugins::new();
    let served = Served::start(&plugins).await;
    let length = 32 * 1024 * 1024;
    plugins.write("web/_site/large.txt", "x".repeat(length));
    let request = "GET /_plugin/web/large.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut whole = served.connect().await;
    whole.send(&request.replace("Host: localhost", "Host: localhost\r\nConnection: close")).await;
    let head = whole.until("\r\n\r\n").await;
    assert!(head.contains(&format!("content-length: {length}\r\n")), "{head}");
    assert_eq!(whole.rest().await.len(), length);

    let mut cut = served.connect().await;
    cut.send(request).await;
    cut.until("\r\n\r\n").await;
    // Far more is left than buffers hold, as nothing of it was read yet.
    File::options().write(true).open(plugins.path("web/_site/large.txt")).unwrap().set_len(10).unwrap();
    let rest = cut.rest().await;
    assert!(rest.len() < length, "nothing is put in the place of what is gone");
    served.stop().await;
}

#[tokio::test]
async fn readers_that_stand_still_keep_a_bounded_number_of_files_open() {
    let plugins = Plugins::new();
    let node = plugins.node();
    let mut bodies = Vec::new();
    for _ in 0..MAX_OPEN {
        bodies.push(node.unread("/_plugin/web/digits.txt").await);
    }
    node.get("/_plugin/web/digits.txt").await.refused(503, "too_many_files");
    bodies.pop();
    assert_eq!(node.get("/_plugin/web/digits.txt").await.status.as_u16(), 200);
    node.stop().await;
}
