//! `/channel`, many at once.

use std::{
    net::TcpStream,
    sync::{Arc, Barrier},
    thread,
};

use gaffer_tests::{DEADLINE, Daemon, heavy, processes};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

const JOBS: usize = 100;
const READERS: usize = 1000;
/// Those that do not read.
const STALLED: usize = 250;

/// What those that do not read may add to gafferd's memory, as far as it is theirs alone: a fifth of what they must be told of. What
/// the kernel holds for them is not counted in it.
const MEMORY: u64 = 48 * 1024 * 1024;

/// A name that makes much of each event: what one who does not read must be told of is far more than systems hold for it.
fn job(number: usize) -> String {
    format!("{}{number}", "job".repeat(70))
}

/// A session of SockJS over a websocket, subscribed to all events.
struct Session {
    socket: WebSocket<TcpStream>,
}

impl Session {
    fn open(daemon: &Daemon, number: usize) -> Self {
        let stream = TcpStream::connect(daemon.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        let url = format!("ws://{}/channel/000/reader{number}/websocket", daemon.address());
        let (socket, _) = client(url, stream).unwrap();
        let mut session = Self { socket };
        assert_eq!(session.frame(), "o");
        let subscribe = r#"["{\"event\":\"SUB\",\"data\":{\"topic\":\"EVENTS\"}}"]"#;
        session.socket.send(Message::text(subscribe)).unwrap();
        assert!(session.frame().contains("gaffer:subscription_success"));
        session
    }

    /// The next frame that is no heartbeat.
    fn frame(&mut self) -> String {
        loop {
            match self.socket.read().unwrap() {
                Message::Text(frame) if frame != "h" => return frame.to_string(),
                Message::Text(_) | Message::Ping(_) | Message::Pong(_) => {}
                other @ (Message::Binary(_) | Message::Close(_) | Message::Frame(_)) => panic!("{other:?} is no frame"),
            }
        }
    }

    /// Reads until each job has been restarted: the numbers of all events.
    fn read(mut self) -> Vec<u64> {
        let (mut numbers, mut exits) = (Vec::new(), 0);
        while exits < JOBS {
            let frame = self.frame();
            assert!(!frame.contains("gaffer:lagged"), "{frame}");
            let mut rest = frame.as_str();
            while let Some((_, after)) = rest.split_once(r#"\"id\":\""#) {
                let (id, after) = after.split_once('\\').unwrap();
                numbers.push(id.rsplit_once('-').unwrap().1.parse().unwrap());
                rest = after;
            }
            exits += frame.matches(r#".exit\","#).count();
        }
        numbers
    }
}

#[test]
fn every_one_of_a_thousand_sessions_is_told_of_everything_and_those_that_do_not_read_cost_little() {
    let _turn = heavy();
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(10_000), hard).unwrap();
    let jobs: String = (0..JOBS).map(|number| format!("[process:{}]\ncmd = sleep 1000\n", job(number))).collect();
    let daemon = Daemon::start(&jobs);
    daemon.until_running(&job(JOBS - 1), 1);
    let begun = processes::descriptors(daemon.os_pid()).len();

    let subscribed = Arc::new(Barrier::new(READERS + 1));
    let reading: Vec<_> = (0..READERS)
        .map(|number| {
            let session = Session::open(&daemon, number);
            let subscribed = Arc::clone(&subscribed);
            let read = move || {
                subscribed.wait();
                session.read()
            };
            thread::Builder::new().stack_size(128 * 1024).spawn(read).unwrap()
        })
        .collect();
    let before = processes::memory(daemon.os_pid(), "VmRSS");
    let deaf: Vec<Session> = (READERS..READERS + STALLED).map(|number| Session::open(&daemon, number)).collect();
    subscribed.wait();
    for number in 0..JOBS {
        daemon.post(&format!("/processes/{}/_restart", job(number)));
    }
    let told: Vec<Vec<u64>> = reading.into_iter().map(|reader| reader.join().unwrap()).collect();
    let after = processes::memory(daemon.os_pid(), "VmRSS");
    assert!(after < before + MEMORY, "{} bytes more than before", after.saturating_sub(before));
    // Each restart is a restart, a spawn, a reap and an exit, under the name of the event and of its job. A bit of the last ones is
    // cut off, as a reader ends with the last exit.
    assert!(told[0].len() > JOBS * 8 - 8, "{} events", told[0].len());
    assert!(told[0].is_sorted_by(|one, next| one < next));
    let fewest = told.iter().map(Vec::len).min().unwrap();
    for numbers in &told {
        assert_eq!(numbers[..fewest], told[0][..fewest], "all are told the same");
    }
    drop(deaf);
    daemon.until("all connections are closed", || {
        let now = processes::descriptors(daemon.os_pid()).len();
        if now <= begun { Ok(()) } else { Err(format!("{begun} at first, {now} now")) }
    });
}
