//! Requests over connections that are kept.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use crate::fleet::PATIENCE;

/// Requests a second on each connection that is asked at a steady pace.
const PACE: u32 = 100;

/// Where nothing is paced, each thread asks on all of its connections before it reads the first answer.
const THREADS: usize = 2;
const CONNECTIONS: usize = 16;
const ROUND: Duration = Duration::from_secs(1);

pub(crate) fn find(job: &str) -> String {
    format!("/findJob?name={job}")
}

/// A connection.
pub(crate) struct Asker {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Asker {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, read: Vec::new() }
    }

    fn say(&mut self, path: &str) {
        self.stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
    }

    /// The body of the answer.
    fn hear(&mut self) -> &[u8] {
        self.read.clear();
        let mut piece = [0; 64 * 1024];
        let mut whole = None;
        while whole.is_none_or(|(_, end)| self.read.len() < end) {
            let length = self.stream.read(&mut piece).unwrap();
            assert!(length > 0, "the answer ends early");
            self.read.extend_from_slice(&piece[..length]);
            if whole.is_none()
                && let Some(head) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n")
            {
                let text = std::str::from_utf8(&self.read[..head]).unwrap().to_lowercase();
                assert!(text.starts_with("http/1.1 200"), "{text}");
                let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                whole = Some((head + 4, head + 4 + length.parse::<usize>().unwrap()));
            }
        }
        let (from, to) = whole.unwrap();
        assert_eq!(self.read.len(), to, "one answer to one request");
        &self.read[from..to]
    }

    pub(crate) fn ask(&mut self, path: &str) -> &[u8] {
        self.say(path);
        self.hear()
    }
}

/// Of what took different times.
pub(crate) struct Spread {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) max: Duration,
}

impl Spread {
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |share: usize| times[(times.len() - 1) * share / 100];
        Self { p50: at(50), p99: at(99), max: at(100) }
    }
}

/// Asks two servers at a steady pace, by turns, on so many connections to each, for some time: how long answers took.
pub(crate) fn paced(
    servers: [SocketAddr; 2],
    connections: usize,
    time: Duration,
    path: fn(u32) -> String,
) -> thread::JoinHandle<[Spread; 2]> {
    thread::spawn(move || {
        let ask = move |number: usize| {
            let mut askers = servers.map(Asker::connect);
            let mut times = [Vec::new(), Vec::new()];
            let step = Duration::from_secs(1) / PACE / 2;
            let begin = Instant::now() + step * u32::try_from(number).unwrap() / u32::try_from(connections).unwrap();
            for turn in 0.. {
                let due = begin + step * turn;
                if due > begin + time {
                    break;
                }
                thread::sleep(due.saturating_duration_since(Instant::now()));
                let (which, path) = (turn as usize % 2, path(turn / 2 + 7919 * u32::try_from(number).unwrap()));
                let asked = Instant::now();
                askers[which].ask(&path);
                times[which].push(asked.elapsed());
            }
            times
        };
        let threads: Vec<_> = (0..connections).map(|number| thread::spawn(move || ask(number))).collect();
        let mut all = [Vec::new(), Vec::new()];
        for thread in threads {
            for (all, times) in all.iter_mut().zip(thread.join().unwrap()) {
                all.extend(times);
            }
        }
        all.map(Spread::of)
    })
}

/// Requests answered in a second.
pub(crate) fn rate(address: SocketAddr, path: fn(u32) -> String) -> f64 {
    let begun = Instant::now();
    let clients: Vec<_> = (0..THREADS)
        .map(|thread| {
            thread::spawn(move || {
                let mut askers: Vec<_> = (0..CONNECTIONS).map(|_| Asker::connect(address)).collect();
                let mut answered = 0;
                let mut turn = 7919 * u32::try_from(thread).unwrap();
                while begun.elapsed() < ROUND {
                    for asker in &mut askers {
                        asker.say(&path(turn));
                        turn += 1;
                    }
                    for asker in &mut askers {
                        asker.hear();
                        answered += 1;
                    }
                }
                answered
            })
        })
        .collect();
    let answered: u32 = clients.into_iter().map(|client| client.join().unwrap()).sum();
    f64::from(answered) / begun.elapsed().as_secs_f64()
}
