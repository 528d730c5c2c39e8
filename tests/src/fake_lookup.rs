//! A lookup server that knows what it was told at its start, and nothing else ever.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use serde_json::{Value, json};

/// A job on a node.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The job's full name.
    pub job: String,
    /// The node's name.
    pub node: String,
    /// Where it is.
    pub origin: String,
    /// The job's processes there.
    pub pids: Vec<u64>,
}

impl Registered {
    /// A job on a node of this name, which is there.
    pub fn new(job: &str, node: &str, origin: impl Into<String>, pids: &[u64]) -> Self {
        Self { job: job.to_owned(), node: node.to_owned(), origin: origin.into(), pids: pids.to_vec() }
    }

    fn source(&self) -> Value {
        json!({"name": self.node, "pids": self.pids, "node_info": self.node_info()})
    }

    fn node_info(&self) -> Value {
        json!({"name": self.node, "origin": self.origin, "version": "0.1"})
    }

    fn session(&self) -> &str {
        self.job.rsplit_once('.').map_or("default", |(session, _)| session)
    }
}

/// A lookup server that answers as one does which knows these jobs. Dropping it ends it.
#[derive(Debug)]
pub struct FakeLookup {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    is_over: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl FakeLookup {
    /// Starts it on a port of its own.
    pub fn start(known: impl IntoIterator<Item = Registered>) -> Self {
        let known: Vec<Registered> = known.into_iter().collect();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, is_over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let server = thread::spawn({
            let (heard, is_over) = (heard.clone(), is_over.clone());
            move || {
                for stream in listener.incoming() {
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    // Who asks several things at once does so on several connections.
                    let (known, heard) = (known.clone(), heard.clone());
                    thread::spawn(move || serve(stream.unwrap(), &known, &heard));
                }
            }
        });
        Self { address, heard, is_over, server: Some(server) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every line of every request so far.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

impl Drop for FakeLookup {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // It waits for somebody.
        drop(TcpStream::connect(self.address));
        if let Some(server) = self.server.take() {
            drop(server.join());
        }
    }
}

/// Answers requests until the client is gone.
fn serve(stream: TcpStream, known: &[Registered], heard: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut lines: Vec<String> = Vec::new();
        loop {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return,
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let target = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
        heard.lock().unwrap().extend(lines);
        let (status, body) = match answer(&target, known) {
            Some(body) => ("200 OK", body),
            None => ("404 Not Found", json!({"errno": 404, "error": "not_found", "reason": target})),
        };
        let body = body.to_string();
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        if reader.get_mut().write_all((head + &body).as_bytes()).is_err() {
            return;
        }
    }
}

fn answer(target: &str, known: &[Registered]) -> Option<Value> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let asked = |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
    let of = |is_meant: &dyn Fn(&Registered) -> bool| known.iter().filter(|it| is_meant(it)).collect::<Vec<_>>();
    Some(match path {
        "/nodes" => {
            let texts: BTreeSet<String> = known.iter().map(|it| it.node_info().to_string()).collect();
            let nodes: Vec<Value> = texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
            json!({ "nodes": nodes })
        }
        "/jobs" => jobs(&of(&|_| true)),
        "/findSession" => jobs(&of(&|it| Some(it.session()) == asked("sessionid"))),
        "/findJob" => {
            let sources: Vec<Value> =
                of(&|it| Some(it.job.as_str()) == asked("name")).iter().map(|it| it.source()).collect();
            json!({ "sources": sources })
        }
        "/sessions" => sessions(&of(&|_| true)),
        _ => sessions(&of(&|it| Some(it.node.as_str()) == path.strip_prefix("/sessions/"))),
    })
    .filter(|_| {
        ["/nodes", "/jobs", "/sessions", "/findJob", "/findSession"].iter().any(|known| path.starts_with(known))
    })
}

fn by_name(known: &[&Registered]) -> BTreeMap<String, Vec<Value>> {
    let mut jobs: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for it in known {
        jobs.entry(it.job.clone()).or_default().push(it.source());
    }
    jobs
}

fn jobs(known: &[&Registered]) -> Value {
    let jobs: Vec<Value> =
        by_name(known).into_iter().map(|(name, sources)| json!({"name": name, "sources": sources})).collect();
    json!({"nb_jobs": jobs.len(), "jobs": jobs})
}

fn sessions(known: &[&Registered]) -> Value {
    let names: BTreeSet<&str> = known.iter().map(|it| it.session()).collect();
    let session = |name: &str| {
        let of_session: Vec<&Registered> = known.iter().copied().filter(|it| it.session() == name).collect();
        json!({"sessionid": name, "jobs": by_name(&of_session)})
    };
    let sessions: Vec<Value> = names.into_iter().map(session).collect();
    json!({"nb_sessions": sessions.len(), "sessions": sessions})
}
