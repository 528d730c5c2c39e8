//! The real backend with real processes.
//!
//! Orphans are a matter of the whole program, and these tests run at the same time in one: they also show that backends
//! leave each other's processes alone. Each marks its processes with a node of its own.

mod io;
mod launch;
mod leftovers;
mod survivors;
mod terminal;
mod tree;

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    path::Path,
    sync::{
        Arc, Once,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gaffer_core::{
    ProcessId,
    backend::{Backend, ExitStatus, Fact, LaunchPlan, MARK, RealBackend, SpawnError},
    names::StreamLabel,
    os,
    streams::{Chunk, Output, OutputSubscription, ProcessIo, Start},
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

/// Far more than anything here takes; a test that waits so long has failed.
const DEADLINE: Duration = Duration::from_secs(60);

/// The descriptor limit that this program "was started with".
const ORIGINAL_NOFILE: u64 = 4000;

/// A backend, and what it said.
struct World {
    backend: RealBackend,
    facts: mpsc::Receiver<Fact>,
    node: String,
    last: u64,
    ios: HashMap<ProcessId, ProcessIo>,
}

impl World {
    fn new() -> Self {
        static LIMIT: Once = Once::new();
        LIMIT.call_once(|| {
            let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
            setrlimit(Resource::RLIMIT_NOFILE, ORIGINAL_NOFILE, hard).unwrap();
            os::raise_nofile_limit().unwrap();
        });
        static NODES: AtomicU64 = AtomicU64::new(0);
        let node = format!("test-{}-{}", std::process::id(), NODES.fetch_add(1, Ordering::Relaxed));
        let (sender, facts) = mpsc::channel(4); // Small, so that the backend has to wait for us.
        Self { backend: RealBackend::start(sender).unwrap(), facts, node, last: 0, ios: HashMap::new() }
    }

    /// A plan with the usual `PATH`, the mark, stdin and two outputs.
    fn plan(&mut self, argv: &[&str]) -> LaunchPlan {
        self.last += 1;
        let pid = ProcessId::new(self.last);
        let env = [("PATH", "/usr/local/bin:/usr/bin:/bin"), (MARK, &format!("{}:{pid}", self.node))];
        let env: BTreeMap<OsString, OsString> = env.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let program = argv[0].into();
        let argv = argv.iter().map(|&word| word.to_owned()).collect();
        let outputs = vec![label("out"), label("err")];
        LaunchPlan {
            pid,
            argv,
            program,
            is_path_of_job: false,
            env,
            cwd: None,
            uid: None,
            gid: None,
            detach: false,
            outputs,
            stdin: true,
            custom: vec![],
            terminal: None,
            expect_sinks: false,
            survivor: None,
        }
    }

    fn shell_plan(&mut self, script: &str) -> LaunchPlan {
        self.plan(&["sh", "-c", script])
    }

    /// Launches and waits until it runs. Other facts must not come in between.
    async fn launch(&mut self, plan: LaunchPlan) -> Started {
        self.backend.launch(Arc::new(plan.clone()));
        self.spawned(plan).await
    }

    async fn spawned(&mut self, plan: LaunchPlan) -> Started {
        match self.fact().await {
            Fact::Spawned { pid, os_pid, io } if pid == plan.pid => {
                self.ios.insert(pid, io.clone());
                Started { pid, os_pid: os_pid.as_raw(), out: io.outputs.first().map(Reading::new), io }
            }
            other => panic!("{plan:?} was answered by {other:?}"),
        }
    }

    async fn shell(&mut self, script: &str) -> Started {
        let plan = self.shell_plan(script);
        self.launch(plan).await
    }

    async fn failure(&mut self, plan: LaunchPlan) -> SpawnError {
        self.backend.launch(Arc::new(plan.clone()));
        match self.fact().await {
            Fact::SpawnFailed { pid, error } if pid == plan.pid => error,
            other => panic!("{plan:?} was answered by {other:?}"),
        }
    }

    async fn fact(&mut self) -> Fact {
        timeout(DEADLINE, self.facts.recv()).await.expect("no fact came").unwrap()
    }

    /// The next fact is the exit of this process.
    async fn exited(&mut self, process: &Started) -> (ExitStatus, bool) {
        match self.fact().await {
            Fact::Exited { pid, status, tree_alive } if pid == process.pid => (status, tree_alive),
            other => panic!("not the exit of {}: {other:?}", process.pid),
        }
    }

    async fn tree_gone(&mut self, process: &Started) {
        match self.fact().await {
            Fact::TreeGone { pid } if pid == process.pid => {}
            other => panic!("not the end of the tree of {}: {other:?}", process.pid),
        }
    }

    /// Runs to the end; what it wrote to stdout, and how it ended.
    async fn run(&mut self, plan: LaunchPlan) -> (String, ExitStatus) {
        let mut process = self.launch(plan).await;
        let (status, tree_alive) = self.exited(&process).await;
        assert!(!tree_alive);
        (process.rest().await, status)
    }

    /// Runs a script to its successful end; what it wrote to stdout.
    async fn output_of(&mut self, script: &str) -> String {
        let plan = self.shell_plan(script);
        let (output, status) = self.run(plan).await;
        assert_eq!(status, ExitStatus::Code(0), "{script}: {output}");
        output
    }

    /// Kills a process, whose tree may then be there for a moment or not, and waits until nothing is left.
    async fn kill(&mut self, process: &Started) -> ExitStatus {
        self.backend.kill(process.pid);
        let (status, tree_alive) = self.exited(process).await;
        if tree_alive {
            self.tree_gone(process).await;
        }
        status
    }
}

/// A running process.
struct Started {
    pid: ProcessId,
    os_pid: i32,
    io: ProcessIo,
    out: Option<Reading>,
}

impl Started {
    /// The next line on stdout.
    async fn line(&mut self) -> String {
        self.out.as_mut().unwrap().line().await
    }

    /// The next line on stdout: a number of the kernel's.
    async fn os_pid(&mut self) -> i32 {
        self.line().await.parse().unwrap()
    }

    /// What is still to come on stdout, which ends.
    async fn rest(&mut self) -> String {
        match &mut self.out {
            Some(out) => out.rest().await,
            None => String::new(),
        }
    }

    async fn write(&self, text: &'static str) {
        timeout(DEADLINE, self.io.stdin.as_ref().unwrap().write(text.into())).await.unwrap().unwrap();
    }
}

/// Reads an output line by line.
struct Reading {
    subscription: OutputSubscription,
    text: String,
}

impl Reading {
    fn new(output: &Arc<Output>) -> Self {
        Self::of(output.subscribe(Start::Oldest))
    }

    fn of(subscription: OutputSubscription) -> Self {
        Self { subscription, text: String::new() }
    }

    async fn more(&mut self) -> bool {
        match timeout(DEADLINE, self.subscription.recv()).await.expect("no output came") {
            Some(Chunk::Data(data)) => {
                self.text.push_str(std::str::from_utf8(&data).unwrap());
                true
            }
            Some(Chunk::Lagged(count)) => panic!("lost {count} bytes"),
            None => false,
        }
    }

    async fn line(&mut self) -> String {
        loop {
            if let Some((line, rest)) = self.text.split_once('\n') {
                let line = line.to_owned();
                self.text = rest.to_owned();
                return line;
            }
            assert!(self.more().await, "the output ended within {:?}", self.text);
        }
    }

    async fn rest(&mut self) -> String {
        while self.more().await {}
        std::mem::take(&mut self.text)
    }
}

fn label(text: &str) -> StreamLabel {
    text.parse().unwrap()
}

/// Whether a process of this number is there, as a zombie too.
fn exists(os_pid: i32) -> bool {
    Path::new(&format!("/proc/{os_pid}")).exists()
}

/// Waits for what announces itself by no event.
async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}
