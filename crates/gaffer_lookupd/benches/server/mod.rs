//! The server, in a process of its own: this program once more, so that what is measured there is the server's alone.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write, stdin},
    net::SocketAddr,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use axum::{Router, body::Bytes, http::header, routing::get};
use gaffer_core::os::raise_nofile_limit;
use gaffer_http::serve::{Endpoint, Lifetime, Listener, Server as Lookupd};
use gaffer_lookupd::{Options, Pings, router};

/// Says that a process is the server.
const ROLE: &str = "GAFFER_LOOKUPD_BENCH_SERVER";

/// Nodes of which nothing is wanted for a while do not read, and so answer no ping.
const SILENCE: Duration = Duration::from_secs(60);

pub(crate) fn is_meant() -> bool {
    env::var_os(ROLE).is_some()
}

/// Serves until whoever started it is gone. Tells where; then takes a body, and tells where a bare handler answers with it.
pub(crate) fn serve() {
    raise_nofile_limit().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _server = runtime.block_on(async {
        let endpoint = Endpoint { bind: "127.0.0.1:0".parse().unwrap(), ..Endpoint::default() };
        let listener = Listener::bind(&endpoint).await.unwrap();
        tell(listener.listening().tcp().unwrap());
        let lifetime = Lifetime::new();
        let pings = Pings { interval: SILENCE, timeout: SILENCE };
        let router = router(Options { pings, ..Options::default() }, lifetime.clone());
        Lookupd::start(vec![listener], router, lifetime)
    });
    let mut length = String::new();
    stdin().read_line(&mut length).unwrap();
    let Ok(length) = length.trim().parse() else { return };
    let mut body = vec![0; length];
    stdin().read_exact(&mut body).unwrap();
    tell(runtime.block_on(bare(body.into())));
    stdin().read_to_end(&mut Vec::new()).unwrap();
}

fn tell(address: SocketAddr) {
    println!("{address}");
}

/// The least that could be done.
async fn bare(body: Bytes) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let content_type = [(header::CONTENT_TYPE, "application/json; charset=UTF-8")];
    let router = Router::new().route("/findJob", get(async move || (content_type, body.clone())));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

/// A server that runs. It ends with this.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
    told: BufReader<ChildStdout>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.env(ROLE, "1").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        Self { address: address(&mut told), child, told }
    }

    /// A bare handler in the same process that answers with this.
    pub(crate) fn bare(&mut self, body: &[u8]) -> SocketAddr {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(format!("{}\n", body.len()).as_bytes()).unwrap();
        input.write_all(body).unwrap();
        address(&mut self.told)
    }

    /// Bytes that are in memory.
    pub(crate) fn resident(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
    }

    /// User and system time, in hundredths of a second.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let of_both = fields.split(' ').skip(11).take(2);
        Duration::from_millis(of_both.map(|ticks| ticks.parse::<u64>().unwrap() * 10).sum())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

fn address(told: &mut BufReader<ChildStdout>) -> SocketAddr {
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    line.trim().parse().unwrap()
}
