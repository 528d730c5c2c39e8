//! `logs`, `send`, `recv`: what processes write and read.

use gaffer_tests::{Line, wait_until};
use nix::sys::signal::Signal;

use super::{Shop, Transcript};

const PROCFILE: &str = "\
web: misbehave print one print two eprint oops until go print more exit 3
echo: cat
silent: misbehave forever
";

/// A loaded application that has written what it writes at first.
fn started() -> Shop {
    let shop = Shop::new(PROCFILE);
    shop.file(".env", "GAFFER_REDIRECT_INPUT=echo\n");
    shop.loaded(&["web", "echo", "silent"]);
    shop.daemon.feed("/streams/1/out?feed=continuous&history=10").until("two");
    shop.daemon.feed("/streams/1/err?feed=continuous&history=10").until("oops");
    shop
}

#[test]
fn what_was_written_is_printed() {
    let shop = started();
    let gaffer = shop.gaffer();
    Transcript::of(&gaffer)
        .run("logs --no-follow web")
        .run("logs --no-follow --ps web -n1")
        .run("logs --no-follow --json -n1 shop.web silent")
        .run("logs --no-follow nope web -n1")
        .run("logs nope")
        .run("logs bank.nope")
        .run("logs --app nowhere")
        .check("logs");
    let said = gaffer.clone().on_terminal(80).prints(&["logs", "--no-follow", "-n1", "web"]);
    assert!(said.starts_with("\u{1b}[36mshop.web.1 |\u{1b}[39m two\n"), "{said:?}");
    let said = gaffer.on_terminal(80).prints(&["logs", "--no-follow", "--no-color", "-n1", "web"]);
    assert!(said.starts_with("shop.web.1 | two\n"), "{said:?}");
}

#[test]
fn what_comes_is_printed_with_what_happens() {
    let shop = started();
    let gaffer = shop.gaffer();
    let follow = gaffer.start(&["logs"]);
    let of_silent = gaffer.start(&["logs", "--ps", "silent", "--json", "-n", "0"]);
    follow.until_printed("shop.web.1    | two");
    follow.until_printed("shop.web.1    | oops");
    shop.daemon.until("both listen to events", || {
        gaffer.prints(&["ps:stop", "silent"]);
        gaffer.prints(&["ps:start", "silent"]);
        let is_heard = |lines: Vec<Line>| lines.iter().any(|line| line.text.contains("shop.silent.start"));
        if is_heard(follow.lines()) && is_heard(of_silent.lines()) { Ok(()) } else { Err("nothing of a start") }
    });
    shop.daemon.touch("shop/go");
    follow.until_printed("shop.web.1    | more");
    let exit = follow.until_printed("job.shop.web.exit process with pid 1");
    assert!(exit.text.ends_with(" shop.web | job.shop.web.exit process with pid 1 (code 3)"), "{}", exit.text);
    // It is restarted, and what the next one writes is followed.
    follow.until_printed("job.shop.web.spawn process with pid ");
    let texts: Vec<String> = follow.lines().into_iter().map(|line| line.text).collect();
    let place = |text: &str| texts.iter().position(|line| line.contains(text)).unwrap();
    let exit = place("job.shop.web.exit process with pid 1 ");
    assert!(place("| more") < exit && exit < place("job.shop.web.spawn"), "{texts:?}");
    gaffer.prints(&["ps:stop", "silent"]);
    of_silent.until_printed(r#""event":"proc.shop.silent.exit""#);
    assert!(!of_silent.lines().iter().any(|line| line.text.contains("web")), "only what is named is followed");
    // A job that comes later is one of the application, too.
    shop.daemon.post_body("/processes", r#"{"name": "shop.late", "cmd": "misbehave forever"}"#);
    follow.until_printed("job.shop.late.spawn process with pid ");
    follow.signal(Signal::SIGINT);
    assert_eq!(follow.wait().code, 128 + 2);
}

#[test]
fn words_and_stdin_are_sent() {
    let shop = started();
    let gaffer = shop.gaffer();
    let mut output = shop.daemon.feed("/streams/2/out?feed=continuous");
    Transcript::of(&gaffer)
        .run("send 2 good 'big  morning'")
        .run_with_input("send 2 -", ".\nfrom a pipe\n")
        .run("send --json 2 again")
        .run("send 3 hello")
        .run("send 999 hello")
        .run("send -s nope 2 hello")
        .run("send web hello")
        .check("send");
    assert_eq!(output.until("again\n"), "good big  morning\n.\nfrom a pipe\nagain\n");
    let terminal = gaffer.at_terminal(80).start(&["send", "2"]);
    terminal.type_in("one\n..\n.\n");
    assert_eq!(terminal.wait().code, 0);
    assert_eq!(output.until("..\n"), "one\n..\n");
}

#[test]
fn what_a_process_writes_is_received_byte_by_byte() {
    let shop = Shop::new("echo: while read -r line; do echo \"$line\"; echo \"err $line\" >&2; done\n");
    shop.file(".env", "GAFFER_REDIRECT_INPUT=echo\n");
    let gaffer = shop.loaded(&["echo"]);
    shop.daemon.post_body("/processes", r#"{"name": "shop.mute", "cmd": "misbehave forever"}"#);
    assert_eq!((shop.daemon.pids("shop.echo"), shop.daemon.until_running("shop.mute", 1)), (vec![1], vec![2]));
    let listeners = [&["recv", "1"][..], &["recv", "1", "out"], &["recv", "1.err"]].map(|args| gaffer.start(args));
    // What was written before they listen is not for them.
    wait_until("all listen", || {
        gaffer.prints(&["send", "1", "tick"]);
        let silent = listeners.iter().filter(|listener| listener.lines().is_empty()).count();
        if silent == 0 { Ok(()) } else { Err(format!("{silent} heard nothing")) }
    });
    gaffer.prints(&["send", "1", "a\u{1b}[1mb", "ü"]);
    let [both, out, err] = listeners;
    assert_eq!(out.until_printed("ü").text, "a\u{1b}[1mb ü");
    assert_eq!(err.until_printed("ü").text, "err a\u{1b}[1mb ü");
    wait_until("both is both", || {
        let lines: Vec<String> = both.lines().into_iter().map(|line| line.text).collect();
        let has = |text: &str| lines.iter().any(|line| line == text);
        if has("a\u{1b}[1mb ü") && has("err a\u{1b}[1mb ü") { Ok(()) } else { Err(lines.join("\n")) }
    });
    Transcript::of(&gaffer)
        .run("recv 999")
        .run("recv 1 zz")
        .run("recv 1.zz")
        .run("recv 2")
        .run("recv web")
        .check("recv");
    gaffer.prints(&["unload", "echo"]);
    for listener in [both, out, err] {
        let said = listener.wait();
        assert_eq!((said.code, said.stderr.as_str()), (0, ""), "it ends with the process: {said}");
    }
}
