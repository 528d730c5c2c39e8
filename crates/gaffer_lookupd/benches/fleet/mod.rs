//! Nodes, and one who watches.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use gaffer_core::{
    ProcessId,
    api::lookup::{Change, NodeInfo, NodeMessage, NodeReply, NodeRequest, PROTOCOL},
};
use tokio::{net::TcpStream, task::JoinSet};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

pub(crate) const NODES: usize = 1000;
pub(crate) const JOBS: usize = 100;

/// How long anything at all may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Pids have seven digits, so that no answer is longer than another.
const FIRST_PID: u64 = 1_000_000;

/// Whose a job is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// No two nodes have a job of one name.
    Own,
    /// All nodes have the same jobs.
    Shared,
}

/// In ten sessions.
pub(crate) fn job_name(names: Names, node: usize, job: usize) -> String {
    match names {
        Names::Own => format!("team{}.node{node:03}-web{job:02}", job % 10),
        Names::Shared => format!("team{}.web{job:02}", job % 10),
    }
}

pub(crate) async fn connect(address: SocketAddr, path: &str) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let config = WebSocketConfig::default().read_buffer_size(4096);
    client_async_with_config(format!("ws://{address}{path}"), stream, Some(config)).await.unwrap().0
}

/// A node: a websocket, spoken as gaffer's own nodes do.
pub(crate) struct Node {
    pub(crate) number: usize,
    names: Names,
    socket: WebSocketStream<TcpStream>,
    said: u64,
    answered: u64,
    /// The process that each job has, if it has one.
    pub(crate) pids: Vec<Option<u64>>,
    next_pid: u64,
    changes: usize,
}

impl Node {
    /// Connects, and says who it is.
    pub(crate) async fn come(address: SocketAddr, number: usize, names: Names) -> Self {
        let socket = connect(address, "/ws").await;
        let pids = vec![None; JOBS];
        let mut node = Self { number, names, socket, said: 0, answered: 0, pids, next_pid: FIRST_PID, changes: 0 };
        let (name, origin) = (node.name(), format!("http://10.0.0.1:{}", 10_000 + number));
        let info = NodeInfo { name, origin, version: PROTOCOL.to_owned() };
        node.say(NodeRequest::Identify { node: info, incarnation: Some(format!("{number:032x}")) }).await;
        node.hear().await;
        node
    }

    pub(crate) fn name(&self) -> String {
        format!("node{:03}.example.org", self.number)
    }

    pub(crate) fn job_name(&self, job: usize) -> String {
        job_name(self.names, self.number, job)
    }

    async fn say(&mut self, request: NodeRequest) {
        self.said += 1;
        let message = NodeMessage { msgid: self.said.to_string().into(), request };
        self.socket.send(Message::text(serde_json::to_string(&message).unwrap())).await.unwrap();
    }

    /// Hears that the next of what it said is done.
    async fn hear(&mut self) {
        self.answered += 1;
        loop {
            let message = self.socket.next().await.unwrap().unwrap();
            if let Message::Text(text) = &message {
                let reply: NodeReply = serde_json::from_str(text).unwrap();
                assert!(reply.ok && reply.msgid == *self.answered.to_string(), "{text}");
                return;
            }
            assert!(message.is_ping(), "{message}");
        }
    }

    /// Registers all jobs, with a process each, and then hears the answers.
    pub(crate) async fn register(&mut self) {
        for job in 0..JOBS {
            let job_name = self.job_name(job);
            self.say(NodeRequest::RegisterJob { job_name }).await;
            let request = self.start(job);
            self.say(request).await;
        }
        self.say(NodeRequest::Synced).await;
        while self.answered < self.said {
            self.hear().await;
        }
    }

    fn start(&mut self, job: usize) -> NodeRequest {
        let pid = self.next_pid;
        self.next_pid += 1;
        self.pids[job] = Some(pid);
        NodeRequest::RegisterProcess { job_name: self.job_name(job), pid: ProcessId::new(pid) }
    }

    /// A process ends or is replaced: one job after the other. Answers when that was answered.
    pub(crate) async fn change(&mut self) {
        let job = self.changes / 2 % JOBS;
        self.changes += 1;
        let request = match self.pids[job].take() {
            Some(pid) => NodeRequest::UnregisterProcess { job_name: self.job_name(job), pid: ProcessId::new(pid) },
            None => self.start(job),
        };
        self.say(request).await;
        self.hear().await;
    }
}

/// Has all nodes do something at once.
pub(crate) async fn all<T: Send + 'static, F: Future<Output = (Node, T)> + Send + 'static>(
    nodes: &mut Vec<Node>,
    work: impl Fn(Node) -> F,
) -> Vec<T> {
    let mut at_work: JoinSet<_> = nodes.drain(..).map(work).collect();
    let mut done = Vec::new();
    while let Some(outcome) = at_work.join_next().await {
        let (node, value) = outcome.unwrap();
        nodes.push(node);
        done.push(value);
    }
    done
}

/// Who watches, in a thread of its own. It ends with the server.
#[derive(Default)]
pub(crate) struct Watcher {
    heard: AtomicU64,
    lost: AtomicU64,
}

impl Watcher {
    /// Returns when it is subscribed.
    pub(crate) fn start(address: SocketAddr) -> Arc<Self> {
        let watcher = Arc::new(Self::default());
        let counts = Arc::clone(&watcher);
        let (subscribed, is_subscribed) = mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut socket = connect(address, "/lookup/websocket").await;
                subscribed.send(()).unwrap();
                while let Some(Ok(message)) = socket.next().await {
                    let Message::Text(text) = message else { continue };
                    match serde_json::from_str(&text).unwrap() {
                        Change::AddProcess { .. } | Change::RemoveProcess { .. } => {
                            counts.heard.fetch_add(1, Ordering::Relaxed);
                        }
                        Change::Lost { lost } => drop(counts.lost.fetch_add(lost, Ordering::Relaxed)),
                        Change::RemoveNode(_) => return, // The nodes are done.
                        Change::AddNode(_) | Change::Identify(_) | Change::AddJob { .. } | Change::RemoveJob { .. } => {
                            panic!("nothing of the kind happens: {text}")
                        }
                    }
                }
            });
        });
        is_subscribed.recv().unwrap();
        watcher
    }

    /// How many it heard of, and how many it was told that it lost, once it knows of all.
    pub(crate) fn counts(&self, all: u64) -> (u64, u64) {
        let begun = Instant::now();
        loop {
            let (heard, lost) = (self.heard.load(Ordering::Relaxed), self.lost.load(Ordering::Relaxed));
            if heard + lost >= all {
                assert_eq!(heard + lost, all, "each change once");
                return (heard, lost);
            }
            assert!(begun.elapsed() < PATIENCE, "the watcher heard of {heard} of {all} changes, and lost {lost}");
            thread::sleep(Duration::from_millis(10));
        }
    }
}
