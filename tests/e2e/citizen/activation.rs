//! Sockets that are handed over.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    os::{fd::OwnedFd, unix::net::UnixListener},
    process::{Child, Command, Stdio},
};

use gaffer_tests::{Channel, binary, http, processes};
use nix::sys::signal::Signal;

use super::Folder;

/// gafferd with one or two sockets handed over.
struct Activated {
    child: Child,
    /// What it has said until it listened, or ended.
    said: String,
}

impl Activated {
    /// Starts it; a shell gives the sockets their numbers, and becomes gafferd.
    fn start(folder: &Folder, args: &str, sockets: [Option<OwnedFd>; 2], environment: &[(&str, &str)]) -> Self {
        let count = sockets.iter().flatten().count();
        let script = format!(
            "exec 3<&0 4<&1 </dev/null >/dev/null; LISTEN_PID=$$ LISTEN_FDS=${{FDS-{count}}} exec \"$0\" \"$@\""
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script]).arg(binary("gafferd")).args(args.split_whitespace());
        folder.surround(&mut command);
        let [first, second] = sockets.map(|socket| socket.map_or_else(Stdio::null, Stdio::from));
        command.current_dir(folder.path("")).envs(environment.iter().copied());
        let mut child = command.stdin(first).stdout(second).stderr(Stdio::piped()).spawn().unwrap();
        drop(command); // It holds the sockets.
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        // The last of what it says at its start. What it says later fits into the pipe.
        while !said.lines().last().is_some_and(|line| line.contains("listening on") && line.contains("endpoint=\"z\""))
        {
            if stderr.read_line(&mut said).unwrap() == 0 {
                break;
            }
        }
        child.stderr = Some(stderr.into_inner());
        Self { child, said }
    }

    /// Ends it; its exit code.
    fn stop(mut self) -> Option<i32> {
        processes::signal(i32::try_from(self.child.id()).unwrap(), Signal::SIGTERM);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Activated {
    fn drop(&mut self) {
        // It has ended, unless the test has failed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

const INI: &str = "[process:web]\ncmd = sleep 1000\n[endpoint:a]\nbind = 127.0.0.1:1\n[endpoint:b]\nbind = unix:/no/such/b.sock\n[endpoint:z]\nbind = 127.0.0.1:0\n";

#[test]
fn endpoints_are_served_on_the_sockets_that_bear_their_names() {
    let folder = Folder::new();
    folder.write("g.ini", INI);
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let unix = UnixListener::bind(folder.path("b.sock")).unwrap();
    let (address, path) = (tcp.local_addr().unwrap(), folder.path("b.sock"));
    // Who comes before gafferd does waits.
    let mut early = http::Connection::open(address);
    let ours = tcp.try_clone().unwrap();
    let sockets = [Some(unix.into()), Some(tcp.into())];
    let gafferd = Activated::start(&folder, "-c g.ini", sockets, &[("LISTEN_FDNAMES", "b:a")]);
    assert!(gafferd.said.contains(&format!("listening on http://{address} endpoint=\"a\"")), "{}", gafferd.said);
    assert!(gafferd.said.contains(&format!("listening on unix:{}", path.display())), "{}", gafferd.said);
    early.request("GET", "/ping", &[], None);
    assert_eq!(early.answer("GET").status, 200);
    assert_eq!(http::request(address, "GET", "/ping", None).status, 200);
    assert_eq!(http::request_over(Channel::unix(&path).unwrap(), "GET", "/ping", None).status, 200);
    let job = processes::children(i32::try_from(gafferd.child.id()).unwrap())[0].0;
    for (number, target) in processes::descriptors(job) {
        assert!(number < 3 || !target.to_string_lossy().starts_with("socket:"), "{number}: {target:?}");
    }
    assert_eq!(gafferd.stop(), Some(0));
    assert!(path.exists(), "whoever made it removes it");
    drop(ours);
}

#[test]
fn sockets_without_names_go_by_address_and_then_in_order() {
    let folder = Folder::new();
    let [first, second] = [0, 1].map(|_: usize| TcpListener::bind("127.0.0.1:0").unwrap());
    let [at_first, at_second] = [&first, &second].map(|socket| socket.local_addr().unwrap());
    folder.write(
        "g.ini",
        &format!(
            "[endpoint:a]\nbind = 127.0.0.1:1\n[endpoint:b]\nbind = {at_first}\n[endpoint:z]\nbind = 127.0.0.1:0\n"
        ),
    );
    let gafferd = Activated::start(&folder, "-c g.ini", [Some(first.into()), Some(second.into())], &[]);
    assert!(gafferd.said.contains(&format!("listening on http://{at_first} endpoint=\"b\"")), "{}", gafferd.said);
    assert!(gafferd.said.contains(&format!("listening on http://{at_second} endpoint=\"a\"")), "{}", gafferd.said);
    assert_eq!(gafferd.stop(), Some(0));
}

#[test]
fn sockets_that_are_of_no_use_keep_it_from_starting() {
    let folder = Folder::new();
    folder.write("g.ini", INI);
    let listener = || TcpListener::bind("127.0.0.1:0").unwrap();
    let fails = |args: &str, sockets: [Option<OwnedFd>; 2], environment: &[(&str, &str)], told: &str| {
        let mut gafferd = Activated::start(&folder, args, sockets, environment);
        assert_eq!(gafferd.child.wait().unwrap().code(), Some(1), "{}", gafferd.said);
        assert!(gafferd.said.contains(told), "{told}: {}", gafferd.said);
    };
    let two = || [Some(listener().into()), Some(listener().into())];
    fails("--bind 127.0.0.1:0", two(), &[], "socket activation: 2 sockets were handed over, but there are 1 endpoints");
    fails("-c g.ini", two(), &[("LISTEN_FDNAMES", "a:a")], "two of the sockets that were handed over are named `a`");
    fails("-c g.ini", [None, None], &[("FDS", "9")], "LISTEN_FDS tells of descriptor");
    fails("-c g.ini", [None, None], &[("FDS", "many")], "LISTEN_FDS must be a number");
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    fails(
        "-c g.ini",
        [Some(udp.into()), None],
        &[("FDS", "1")],
        "g.ini:3: [endpoint:a] cannot listen at endpoint `a` on the socket that was handed over: it is no stream socket",
    );
}
