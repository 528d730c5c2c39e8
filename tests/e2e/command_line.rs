//! How gafferd is started, and how it refuses to.

use std::net::TcpListener;

use gaffer_tests::{Setup, heavy};

const WEB: &str = "[process:web]\ncmd = misbehave touch started forever\n";

#[test]
fn the_version_is_told() {
    for option in ["--version", "-V"] {
        let outcome = Setup::new().own_endpoints().arg(option).run();
        assert_eq!(outcome.code, Some(0));
        assert_eq!(outcome.stdout, format!("gafferd {}\n", env!("CARGO_PKG_VERSION")));
        assert_eq!(outcome.stderr, "");
    }
}

#[test]
fn help_names_every_option() {
    let outcome = Setup::new().own_endpoints().arg("--help").run();
    assert_eq!(outcome.code, Some(0));
    for option in ["--config", "--plugins-dir", "-v", "--bind", "--backlog", "--pidfile", "--version", "GAFFERD_CONFIG"]
    {
        assert!(outcome.stdout.contains(option), "{option} is missing in:\n{}", outcome.stdout);
    }
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    for args in
        ["--no-such-option", "--bind", "--bind nonsense:x", "--bind 5000", "--backlog many", "--backlog 0", "a b"]
    {
        let outcome = Setup::new().own_endpoints().args(args).run();
        assert_eq!(outcome.code, Some(2), "{args}: {}", outcome.stderr);
        assert_eq!(outcome.stdout, "", "{args}");
        assert!(outcome.stderr.contains("error: "), "{args}: {}", outcome.stderr);
    }
}

#[test]
fn the_configuration_is_given_by_option_by_position_or_by_the_environment() {
    let by_position = Setup::new();
    by_position.file("other.ini", WEB);
    let by_environment = Setup::new();
    by_environment.file("other.ini", WEB);
    let both = Setup::new();
    both.file("other.ini", WEB);
    both.file("wrong.ini", "[process:wrong]\ncmd = misbehave forever\n");
    for setup in [
        by_position.arg("other.ini"),
        by_environment.env("GAFFERD_CONFIG", "other.ini"),
        Setup::new().ini(WEB).env("GAFFERD_CONFIG", "missing.ini"),
        both.args("-c wrong.ini other.ini"),
    ] {
        let daemon = setup.start();
        daemon.until_running("web", 1);
        assert_eq!(daemon.get("/processes"), serde_json::json!(["web"]));
    }
}

#[test]
fn a_folder_stands_for_the_gafferd_ini_in_it() {
    let setup = Setup::new();
    std::fs::create_dir(setup.path("etc")).unwrap();
    setup.file("etc/gafferd.ini", WEB);
    setup.arg("etc").start().until_running("web", 1);
}

#[test]
fn without_a_configuration_nothing_runs_and_everything_can_be_loaded() {
    let daemon = Setup::new().start();
    assert_eq!(daemon.get("/processes"), serde_json::json!([]));
    daemon.post_body("/processes", serde_json::json!({"name": "web", "cmd": "misbehave forever"}));
    daemon.until_running("web", 1);
}

#[test]
fn every_mistake_of_a_configuration_is_told_with_its_line_and_nothing_is_started() {
    let outcome = Setup::new()
        .ini(
            "[process:web]\ncmd = misbehave touch started forever\n\
             [process:a]\ncmd = misbehave 'open\nnumprocesses = many\nflaping = 2, 1, 7, 5\n\
             [proces:b]\ncmd = x\n",
        )
        .run();
    assert_eq!(outcome.code, Some(1));
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    assert_eq!(lines.len(), 4, "{}", outcome.stderr);
    for (line, begin) in lines.iter().zip([
        "gaffer.ini:4: [process:a] cmd: ",
        "gaffer.ini:5: [process:a] numprocesses: ",
        "gaffer.ini:6: [process:a] flaping: ",
        "gaffer.ini:7: [proces:b] ",
    ]) {
        assert!(line.starts_with(begin), "{begin:?}: {line:?}");
    }
    assert!(outcome.stderr.contains("did you mean `flapping`?"), "{}", outcome.stderr);
    assert!(!outcome.setup.path("started").exists());
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let outcome = Setup::new().args("-c nowhere.ini").run();
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.starts_with("nowhere.ini"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("No such file"), "{}", outcome.stderr);
}

#[test]
fn garbage_for_a_configuration_is_refused_without_a_panic() {
    for bytes in [&b"\x7fELF\x02\x01\x01\0\0\0\0"[..], b"\xff\xfe[\0p\0", b"[", b"=", b"[process:\xc3\x28]\ncmd=x"] {
        let setup = Setup::new();
        std::fs::write(setup.path("bad.ini"), bytes).unwrap();
        let outcome = setup.args("-c bad.ini").run();
        assert_eq!(outcome.code, Some(1), "{bytes:?}");
        assert!(outcome.stderr.starts_with("bad.ini"), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
    }
}

#[test]
fn a_port_in_use_is_named_and_nothing_is_started() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let outcome = Setup::new().own_endpoints().ini(WEB).args(&format!("--bind {address}")).run();
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains(&address.to_string()), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("in use"), "{}", outcome.stderr);
    assert!(!outcome.setup.path("started").exists());
}

#[test]
fn one_endpoint_that_cannot_be_served_refuses_all() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let ini = format!("{WEB}[endpoint:free]\nbind = 127.0.0.1:0\n[endpoint:taken]\nbind = {address}\n");
    let outcome = Setup::new().own_endpoints().ini(&ini).run();
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains(&address.to_string()), "{}", outcome.stderr);
    assert!(!outcome.setup.path("started").exists());
}

#[test]
fn every_endpoint_is_served_and_announced() {
    let daemon = Setup::new()
        .own_endpoints()
        .ini("[endpoint:a]\nbind = 127.0.0.1:0\n[endpoint:b]\nbind = 127.0.0.1:0\n[endpoint:c]\nbind = 127.0.0.1:0\n")
        .start();
    let addresses = daemon.until("three are announced", || {
        let addresses = daemon.addresses();
        if addresses.len() == 3 { Ok(addresses) } else { Err(format!("{addresses:?}")) }
    });
    for address in addresses {
        assert_eq!(gaffer_tests::http::request(address, "GET", "/ping", None).text(), "OK");
    }
}

#[test]
fn only_the_named_endpoints_are_served() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let ini = format!(
        "[gaffer]\nhttp_endpoints = b\n[endpoint:a]\nbind = {}\n[endpoint:b]\nbind = 127.0.0.1:0\n",
        taken.local_addr().unwrap()
    );
    let daemon = Setup::new().own_endpoints().ini(&ini).start();
    assert_eq!(daemon.request("GET", "/ping", None).text(), "OK");
    assert_eq!(daemon.addresses().len(), 1);
}

#[test]
fn bind_replaces_the_endpoints_of_the_configuration() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let ini = format!("{WEB}[endpoint:taken]\nbind = {}\n", taken.local_addr().unwrap());
    let daemon = Setup::new().ini(&ini).start();
    daemon.until_running("web", 1);
    assert_eq!(daemon.addresses().len(), 1);
}

#[test]
fn a_port_is_free_again_as_soon_as_gafferd_has_ended() {
    let mut first = Setup::new().start();
    let address = first.address();
    // Connections that the server closes linger in the kernel.
    for _ in 0..3 {
        first.get("/processes");
    }
    first.stop();
    let second = Setup::new().own_endpoints().args(&format!("--bind {address}")).start();
    assert_eq!(second.address(), address);
}

#[test]
fn without_v_nothing_is_printed_and_with_v_events_are() {
    let ini = "[process:web]\ncmd = misbehave print hello eprint oops forever\nredirect_output = out, err\n";
    let mut quiet = Setup::new().ini(ini).start();
    quiet.until_running("web", 1);
    quiet.stop();
    assert_eq!(quiet.console().len(), 0, "{:?}", quiet.console());

    let mut events = Setup::new().ini(ini).arg("-v").start();
    let (_, os_pid) = events.only_process("web");
    events.until_shown(&format!(" web | spawn process with pid {os_pid}"));
    events.stop();
    events.until_shown(&format!(" web | exit process with pid {os_pid}"));
    let lines: Vec<String> = events.console().into_iter().map(|line| line.text).collect();
    assert!(lines.iter().all(|line| is_console_line(line)), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.ends_with("hello") || line.ends_with("oops")), "{lines:#?}");
}

#[test]
fn with_vv_the_output_of_processes_is_printed_too() {
    let ini = "[process:web]\ncmd = misbehave print hello eprint oops forever\nredirect_output = out, err\n\
               [process:shop:web]\ncmd = misbehave print \"from the shop\" forever\nredirect_output = out\n";
    for setup in [Setup::new().ini(ini).arg("-vv"), Setup::new().ini(ini).args("-v -v")] {
        let daemon = setup.start();
        daemon.until_shown(" web | hello");
        daemon.until_shown(" web | oops");
        daemon.until_shown(" shop.web | from the shop");
        daemon.until_shown(" web | create web");
        let lines: Vec<String> = daemon.console().into_iter().map(|line| line.text).collect();
        assert!(lines.iter().all(|line| is_console_line(line)), "{lines:#?}");
    }
}

/// `HH:MM:SS name | text`, without colours.
fn is_console_line(line: &str) -> bool {
    let Some((time, rest)) = line.split_once(' ') else { return false };
    let digits: Vec<&str> = time.split(':').collect();
    let is_time = digits.len() == 3 && digits.iter().all(|part| part.len() == 2 && part.parse::<u8>().is_ok());
    is_time && rest.contains(" | ") && !line.contains('\u{1b}')
}

#[test]
fn a_closed_stdout_does_not_end_gafferd() {
    // As in `gafferd -vv | head -1`.
    let _turn = heavy();
    let setup = Setup::new();
    setup
        .file("gaffer.ini", "[process:web]\ncmd = misbehave flood 4000000 touch done forever\nredirect_output = out\n");
    let pipe = "exec \"$0\" -vv -c gaffer.ini --bind 127.0.0.1:0 3>&1 | head -n 1 >/dev/null";
    let gafferd = gaffer_tests::binary("gafferd");
    let path = std::env::join_paths(
        [gafferd.parent().unwrap().to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let mut shell = std::process::Command::new("sh")
        .args(["-c", pipe])
        .arg(&gafferd)
        .current_dir(setup.path(""))
        .env("PATH", path.unwrap())
        .env(setup.mark(), setup.id())
        .env("STATE_DIRECTORY", setup.path("state"))
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    gaffer_tests::wait_until("the flood is over", || std::fs::metadata(setup.path("done")));
    let is_gafferd =
        |pid: &i32| std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.ends_with("gafferd"));
    let daemon = setup.processes().into_iter().find(is_gafferd).expect("gafferd lives on");
    gaffer_tests::processes::signal(daemon, nix::sys::signal::Signal::SIGTERM);
    shell.wait().unwrap();
    gaffer_tests::wait_until("nothing is left", || {
        let left = setup.processes();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
}

#[test]
fn settings_that_are_known_but_do_nothing_yet_are_warned_about() {
    let daemon = Setup::new().ini(&format!("[ssl]\ncertfile = c\n{WEB}")).start();
    daemon.until_logged("gaffer.ini:1: [ssl] is known but not supported yet");
    daemon.until_running("web", 1);
}

#[test]
fn a_pidfile_keeps_a_second_gafferd_out_and_goes_with_the_first() {
    let shared = tempfile::tempdir().unwrap();
    let pidfile = shared.path().join("gafferd.pid");
    let start = || Setup::new().ini(WEB).arg("--pidfile").arg(&pidfile);
    let mut first = start().start();
    let written = std::fs::read_to_string(&pidfile).unwrap();
    assert_eq!(written.trim(), first.os_pid().to_string());

    let second = start().run();
    assert_eq!(second.code, Some(1), "{}", second.stderr);
    assert!(second.stderr.contains(&format!("names process {}", first.os_pid())), "{}", second.stderr);
    assert!(!second.setup.path("started").exists());
    assert_eq!(std::fs::read_to_string(&pidfile).unwrap(), written);

    first.stop();
    assert!(!pidfile.exists());

    // One that a killed gafferd left is replaced.
    std::fs::write(&pidfile, written).unwrap();
    let third = start().start();
    assert_eq!(std::fs::read_to_string(&pidfile).unwrap().trim(), third.os_pid().to_string());
}

#[test]
fn a_start_that_fails_leaves_no_pidfile() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let outcome = Setup::new()
        .own_endpoints()
        .ini(WEB)
        .args(&format!("--bind {} --pidfile gafferd.pid", taken.local_addr().unwrap()))
        .run();
    assert_eq!(outcome.code, Some(1));
    assert!(!outcome.setup.path("gafferd.pid").exists());
}
