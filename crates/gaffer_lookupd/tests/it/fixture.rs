//! Servers, nodes that speak by hand, and nodes that are managers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use gaffer_client::{
    Client, ClientBuilder,
    lookup::{Lookup, Registrar, Report},
};
use gaffer_core::{
    JobSpec, Manager, ManagerOptions,
    backend::simulated::{Behaviour, SimulatedBackend, Simulation},
};
use gaffer_http::serve::{Endpoint, Lifetime, Listener, Server};
use gaffer_lookupd::{Options, Pings, router};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

/// How long anything at all may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Waits for a condition; shows what was seen instead if it never holds.
pub(crate) async fn until<T, E: Debug>(what: &str, mut look: impl AsyncFnMut() -> Result<T, E>) -> T {
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(value) => return value,
            Err(seen) if begun.elapsed() > DEADLINE => panic!("waited until {what}; seen last: {seen:?}"),
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

/// A server that runs.
pub(crate) struct Lookupd {
    pub(crate) address: SocketAddr,
    server: Option<Server>,
}

/// Nodes are asked this often, and have much time to answer: the machine may have much to do.
pub(crate) fn pings(interval: f64) -> Pings {
    Pings { interval: Duration::from_secs_f64(interval), timeout: DEADLINE }
}

impl Lookupd {
    pub(crate) async fn start(pings: Pings) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), pings).await
    }

    /// At an address that was another's before.
    pub(crate) async fn start_at(address: SocketAddr, pings: Pings) -> Self {
        let endpoint = Endpoint { bind: address.to_string().parse().unwrap(), ..Endpoint::default() };
        let listener = Listener::bind(&endpoint).await.unwrap();
        let address = listener.listening().tcp().unwrap();
        let lifetime = Lifetime::new();
        let router = router(Options { pings, ..Options::default() }, lifetime.clone());
        Self { address, server: Some(Server::start(vec![listener], router, lifetime)) }
    }

    pub(crate) fn client(&self) -> Client {
        client(self.address)
    }

    pub(crate) fn lookup(&self) -> Lookup {
        Lookup::new([self.client()])
    }

    /// Ends it at once: all connections are cut.
    pub(crate) async fn stop(mut self) {
        self.server.take().unwrap().shutdown(Duration::ZERO).await;
    }

    pub(crate) async fn node(&self) -> Node {
        Node::connect(self.address, "/ws").await
    }

    /// The body of an answer.
    pub(crate) async fn request(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request =
            format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(DEADLINE, stream.read_to_string(&mut answer)).await.expect("an answer").unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{method} {path}: {answer}");
        body.to_owned()
    }

    /// What each node has of each job.
    pub(crate) async fn state(&self) -> State {
        state(&self.lookup()).await
    }
}

fn builder(address: SocketAddr) -> ClientBuilder {
    Client::builder(&format!("http://{address}").parse().unwrap()).answer_timeout(DEADLINE)
}

pub(crate) fn client(address: SocketAddr) -> Client {
    builder(address).build().unwrap()
}

/// By node and job, the processes.
pub(crate) type State = BTreeMap<(String, String), BTreeSet<u64>>;

pub(crate) async fn state(lookup: &Lookup) -> State {
    let mut state = State::new();
    for job in lookup.jobs().await.unwrap().value {
        for source in job.sources {
            let pids = source.pids.iter().map(|pid| pid.get()).collect();
            state.insert((source.name, job.name.clone()), pids);
        }
    }
    state
}

/// A websocket, spoken by hand.
pub(crate) struct Node {
    pub(crate) socket: WebSocketStream<TcpStream>,
    next_id: u64,
}

impl Node {
    pub(crate) async fn connect(address: SocketAddr, path: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (socket, _) = client_async(format!("ws://{address}{path}"), stream).await.unwrap();
        Self { socket, next_id: 0 }
    }

    /// Says it, without waiting.
    pub(crate) async fn say(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.unwrap();
    }

    /// The next text; `None` when it is closed. Pings are answered meanwhile.
    pub(crate) async fn hear(&mut self) -> Option<Value> {
        loop {
            match timeout(DEADLINE, self.socket.next()).await.expect("it says something") {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// The close code, when it is closed.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        loop {
            match timeout(DEADLINE, self.socket.next()).await.expect("it is closed") {
                Some(Ok(Message::Close(why))) => return why.map(|why| why.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// Asks, and answers what is answered.
    pub(crate) async fn ask(&mut self, kind: &str, fields: Value) -> Value {
        self.next_id += 1;
        let mut message = json!({"msgid": self.next_id.to_string(), "type": kind});
        message.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.say(message.to_string()).await;
        let reply = self.hear().await.expect("an answer");
        assert_eq!(reply["msgid"], self.next_id.to_string(), "{reply}");
        reply
    }

    /// Asks for what must be done.
    pub(crate) async fn tell(&mut self, kind: &str, fields: Value) {
        let reply = self.ask(kind, fields).await;
        assert_eq!(reply["ok"], true, "{kind}: {reply}");
    }

    pub(crate) async fn identify(&mut self, name: &str, run: Option<&str>) -> Value {
        let mut who = json!({"name": name, "origin": format!("http://{name}"), "version": "0.1"});
        if let Some(run) = run {
            who["incarnation"] = run.into();
        }
        self.ask("IDENTIFY", who).await
    }

    pub(crate) async fn register(&mut self, job: &str, pids: &[u64]) {
        self.tell("REGISTER_JOB", json!({"job_name": job})).await;
        for pid in pids {
            self.tell("REGISTER_PROCESS", json!({"job_name": job, "pid": pid})).await;
        }
    }
}

/// A manager whose processes are simulated, and that tells servers of them.
pub(crate) struct Managed {
    pub(crate) manager: Manager,
    pub(crate) name: String,
    /// What came of it.
    pub(crate) reports: Arc<Mutex<Vec<String>>>,
}

impl Managed {
    pub(crate) async fn start(name: &str, servers: &[SocketAddr]) -> Self {
        Self::start_with(name, servers, 10_000).await
    }

    /// With room for so many events that wait.
    pub(crate) async fn start_with(name: &str, servers: &[SocketAddr], event_queue: usize) -> Self {
        let options = ManagerOptions { environment: BTreeMap::new(), event_queue, ..ManagerOptions::default() };
        let backend = |facts| Ok(SimulatedBackend::new(facts, Simulation::default(), |_| Behaviour::default()));
        let manager = Manager::start(options, backend).unwrap();
        let reports = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&reports);
        let report = move |report: Report| kept.lock().unwrap().push(report.to_string());
        let servers = servers.iter().copied().map(builder).collect();
        let registrar = Registrar::new(servers, name, format!("http://{name}"), report).unwrap();
        manager.start_applications(vec![Box::new(registrar)]).await.map_err(|(name, _)| name).unwrap();
        Self { manager, name: name.to_owned(), reports }
    }

    pub(crate) async fn load(&self, job: &str, number: u32) {
        let mut spec = JobSpec::new(job.parse().unwrap(), "run");
        spec.numprocesses = number;
        self.manager.load(spec.check().unwrap()).await.unwrap();
    }

    /// What it has, as servers should know it.
    pub(crate) async fn state(&self) -> State {
        let roster = self.manager.roster().await.unwrap();
        let job = |(job, pids): (gaffer_core::JobName, Vec<gaffer_core::ProcessId>)| {
            ((self.name.clone(), job.to_string()), pids.into_iter().map(|pid| pid.get()).collect())
        };
        roster.into_iter().map(job).collect()
    }
}
