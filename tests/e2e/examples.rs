//! `examples/gaffer.ini`, run as its first lines say.

use gaffer_tests::{Setup, processes, repository};
use nix::sys::signal::Signal;
use serde_json::json;

#[test]
fn the_example_does_what_its_comments_say() {
    let mut daemon = Setup::new().cwd(repository()).args("-c examples/gaffer.ini -vv").start();
    for (job, number) in [("dummy", 1), ("echo", 1), ("server", 1), ("shop.web", 1), ("shop.worker", 2)] {
        daemon.until_running(job, number);
    }
    assert_eq!(
        daemon.get("/processes"),
        json!(["dummy", "echo", "server", "shop.web", "shop.worker", "flapper"]),
        "in the order of their priorities"
    );
    // The pids that the comments speak of.
    assert_eq!(daemon.pids("dummy"), [1]);
    assert_eq!(daemon.pids("echo"), [2]);

    let console = daemon.request("GET", "/_plugin/console/", None).text();
    assert!(console.contains("<title>") && console.contains("console.js"), "{console}");

    let (_, dummy) = daemon.only_process("dummy");
    daemon.until_shown(&format!("dummy | hello, dummy (pid: {dummy}) is alive"));
    assert!(daemon.feed("/streams/1/stdout?feed=continuous").until("\n").starts_with("STDOUT "));
    let event = daemon.feed("/streams/1/stderr?feed=eventsource").until("\r\n\r\n");
    assert!(event.starts_with("event: stderr\r\nid: ") && event.contains("\r\ndata: STDERR "), "{event:?}");
    assert!(daemon.feed("/streams/1/stdout?feed=longpoll").rest().starts_with("STDOUT "));

    let mut echo = daemon.feed("/streams/2/stdout?feed=continuous");
    daemon.post_body("/streams/2/stdin", "ECHO $HOME \\n *\n");
    assert_eq!(echo.until("\n"), "ECHO $HOME \\n *\n");

    daemon.until_shown("server | serving port 8080");
    daemon.until_shown("shop.web | the shop is open on port 8081");
    let (_, server) = daemon.only_process("server");
    assert_eq!(processes::variable(server, "GREETING").as_deref(), Some("hello"));

    let status = daemon.until_status("flapper", "rests", |status| status["state"] == "flapping");
    assert!(status["cause"].as_str().unwrap().contains("2 exits within 1 s"), "{status}");
    daemon.until_shown("flapper | flap ");

    daemon.post("/processes/dummy/_stop");
    daemon.until_shown(&format!("dummy | dummy (pid: {dummy}) ends"));
    let status = daemon.until_status("dummy", "has ended", |status| status["running"] == 0);
    assert_eq!(status["last_exit"], json!({"pid": 1, "exit_code": 0, "term_signal": 0}), "it ends well, and at once");
    daemon.post("/processes/dummy/_start");
    daemon.until_running("dummy", 1);

    daemon.signal(Signal::SIGINT);
    assert_eq!(daemon.wait().code, Some(0));
    daemon.assert_nothing_left();
}
