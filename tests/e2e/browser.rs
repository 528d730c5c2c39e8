//! Clients in JavaScript: SockJS's own over each of its transports, in Node and in a browser; the library that comes with the
//! console, and its examples; and the console itself, used as a person would.

use std::{env, fs, os::unix::fs::symlink, path::Path};

use gaffer_tests::{Client, Daemon, Environment, Setup, heavy, processes, repository};

/// Jobs for `transports.mjs`, and a site with SockJS's client, which pages and the node's iframe load.
fn with_sockjs() -> Option<Daemon> {
    let modules = Environment::Js.locate()?;
    let setup = Setup::new().args("-p plugins").ini(
        "[process:shop:demo]\ncmd = sleep 1000\n\
         [process:echo]\ncmd = cat\nredirect_output = out\nredirect_input = true\n",
    );
    fs::create_dir_all(setup.path("plugins/sockjs/_site")).unwrap();
    let code = modules.join("node_modules/sockjs-client/dist/sockjs.min.js");
    fs::copy(code, setup.path("plugins/sockjs/_site/sockjs.min.js")).unwrap();
    let page = "<!DOCTYPE html>\n<meta charset=\"utf-8\">\n<title>SockJS</title>\n\
                <link rel=\"icon\" href=\"data:,\">\n<script src=\"sockjs.min.js\"></script>\n<body></body>\n";
    setup.file("plugins/sockjs/_site/page.html", page);
    let daemon = setup.start();
    daemon.only_process("echo");
    daemon.only_process("shop.demo");
    Some(daemon)
}

/// Waits until nothing of a browser is left, which takes a moment after its first process has ended.
pub(crate) fn until_no_browser(daemon: &Daemon) {
    daemon.until("the browser has gone", || {
        let all = daemon.descendants().into_iter().map(processes::describe);
        let left: Vec<String> = all.filter(|process| process.contains("chrom")).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:#?}")) }
    });
}

/// Runs the scenario over each transport.
fn talk_over(runtime: &str, transports: &[&str]) {
    let Some(daemon) = with_sockjs() else { return };
    let browser = runtime != "node";
    let Some(client) = Client::script(&daemon, "transports.mjs", browser) else { return };
    let url = format!("http://{}", daemon.address());
    let mut args = vec![url.as_str(), runtime];
    args.extend(transports);
    let expected: String = transports.iter().map(|transport| format!("ok {transport}\n")).collect();
    assert_eq!(client.prints(&args), expected);
    until_no_browser(&daemon);
}

#[test]
fn sockjs_in_node() {
    talk_over("node", &["websocket", "xhr-streaming", "xhr-polling", "eventsource"]);
}

#[test]
fn sockjs_streams_in_a_browser() {
    let _turn = heavy();
    talk_over("chromium", &["websocket", "xhr-streaming", "eventsource", "htmlfile"]);
}

#[test]
fn sockjs_polls_in_a_browser() {
    let _turn = heavy();
    talk_over("chromium", &["xhr-polling", "jsonp-polling", "iframe-xhr-polling"]);
}

#[test]
fn sockjs_on_a_page_from_elsewhere() {
    let _turn = heavy();
    talk_over("chromium-elsewhere", &["websocket", "xhr-streaming", "eventsource", "xhr-polling", "jsonp-polling"]);
}

#[test]
fn sockjs_in_frames_on_a_page_from_elsewhere() {
    let _turn = heavy();
    talk_over("chromium-elsewhere", &["iframe-eventsource", "iframe-htmlfile", "iframe-xhr-polling"]);
}

#[test]
fn the_library_survives_lost_connections() {
    let daemon = Daemon::start(
        "[process:shop:demo]\ncmd = sleep 1000\n\
         [process:counter]\ncmd = sh -c 'n=0; while sleep 0.01; do n=$$((n + 1)); echo $$n; done'\nredirect_output = out\n",
    );
    let Some(client) = Client::script(&daemon, "library.mjs", false) else { return };
    daemon.until_running("counter", 1);
    daemon.until_running("shop.demo", 1);
    let library = repository().join("examples/plugins/console/_site/gaffer.js");
    let url = format!("http://{}", daemon.address());
    assert_eq!(client.prints(&[&url, library.to_str().unwrap()]), "ok ws\nok sockjs\n");
}

/// Puts the examples where Node finds the package that they need, as it does after an `npm install`.
fn examples(daemon: &Daemon, modules: &Path) {
    fs::create_dir_all(daemon.path("examples/js")).unwrap();
    for example in ["watch.mjs", "scale.mjs"] {
        fs::copy(repository().join("examples/js").join(example), daemon.path("examples/js").join(example)).unwrap();
    }
    symlink(repository().join("examples/plugins"), daemon.path("examples/plugins")).unwrap();
    symlink(modules.join("node_modules"), daemon.path("examples/js/node_modules")).unwrap();
}

#[test]
fn the_examples_watch_and_scale() {
    let daemon =
        Daemon::start("[process:shop:web]\ncmd = sh -c 'echo listening; exec sleep 1000'\nredirect_output = out\n");
    let Some(modules) = Environment::Js.locate() else { return };
    examples(&daemon, &modules);
    let (pid, _) = daemon.only_process("shop.web");
    let url = format!("http://{}", daemon.address());
    let example = |name: &str| Client::node(&daemon, &daemon.path("examples/js").join(name)).unwrap();

    let watch = example("watch.mjs").start(&["JOB:shop.web", &url]);
    watch.until_printed("job.shop.web.spawn");
    assert_eq!(example("scale.mjs").prints(&["shop.web", "+1", &url]), "shop.web: 2\n");
    watch.until_printed("\"pid\":2");
    assert_eq!(example("scale.mjs").prints(&["shop.web", "=1", &url]), "shop.web: 1\n");
    watch.until_printed("job.shop.web.exit");
    let output = example("watch.mjs").start(&[&format!("STREAM:{}", pid + 1), &url]);
    output.until_printed("listening");

    let refused = example("scale.mjs").fails(&["nope", "+1", &url]);
    assert!(refused.contains("no job is named"), "{refused}");
    let nobody = example("scale.mjs").fails(&["shop.web", "+1", "http://127.0.0.1:1"]);
    assert_eq!(nobody, "the node cannot be reached\n");
}

/// Lines as a web server logs them, with a warning now and then, and some work.
const WEB: &str = r#"n=0
echo "listening on port 8081"
while sleep 0.3; do
    n=$((n + 1))
    printf '\033[2m%s\033[0m GET /products/%s \033[32m200\033[0m %s ms\n' "$(date +%T)" "$n" "$((n * 7 % 40 + 3))"
    [ $((n % 6)) = 0 ] && printf '\033[33mwarning\033[0m: /products/%s took 312 ms\n' "$n" >&2
    i=0
    while [ $i -lt $((n * 977 % 30000)) ]; do i=$((i + 1)); done
done
"#;

const JOBS: &str = r#"
[process:shop:web]
cmd = sh web.sh
numprocesses = 2
redirect_output = out, err
redirect_input = true

[process:shop:worker]
cmd = sh -c 'while sleep 0.1; do i=0; while [ $$i -lt 9000 ]; do i=$$((i + 1)); done; done'
numprocesses = 3

[process:greeter]
cmd = sh -c 'printf "\033[32mhello\033[0m\n"; exec cat'
redirect_output = out, err
redirect_input = true
start = false

[process:mailer]
cmd = sleep 1000

[process:nightly]
cmd = sleep 1000
start = false

[process:importer]
cmd = sh -c 'echo "the database does not answer" >&2; exit 1'
redirect_output = out, err
flapping = 2, 1., 600., 5
"#;

#[test]
fn the_console_shows_and_controls_jobs() {
    let _turn = heavy();
    let setup = Setup::new().ini(JOBS).arg("-p").arg(repository().join("examples/plugins"));
    setup.file("web.sh", WEB);
    let daemon = setup.start();
    let Some(client) = Client::script(&daemon, "console.mjs", true) else { return };
    daemon.until_running("shop.web", 2);
    daemon.until_status("importer", "rests", |status| status["state"] == "flapping");
    let picture = if env::var_os("GAFFER_SCREENSHOTS").is_some_and(|wanted| wanted == "1") {
        let folder = repository().join("docs/images");
        fs::create_dir_all(&folder).unwrap();
        folder.join("console.png")
    } else {
        daemon.path("console.png")
    };
    let url = format!("http://{}", daemon.address());
    assert_eq!(client.prints(&[&url, picture.to_str().unwrap()]), "ok console\n");
    until_no_browser(&daemon);
}
