//! Which processes run: for the next run of a node that was killed, and for those that are to outlive it.
//!
//! A plain file to which lines are appended, and never waited for: it need outlive the node, and not the machine, which has other
//! processes when it starts again. That is what the number of the boot tells.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    mem,
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    time::Duration,
};

use gaffer_core::{
    JobConfig, JobName, JobSpec, ProcessId,
    backend::{Root, Survivor},
    config::KEYS_IN_PLACE,
    manager::ProcessRecord,
};
use nix::fcntl::OFlag;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::{sync::mpsc::Receiver, task::spawn_blocking, time::timeout};
use tracing::warn;

use crate::folder::StateFolder;

/// The file in the state folder.
const FILE: &str = "processes";
/// Lines that are appended before the file is written anew without those that are out of date, beyond one for each process that lives.
const SLACK: usize = 10_000;
/// Records that are written at once, at most.
const MAX_BATCH: usize = 4096;
/// The pause until it is tried again to write what could not be.
const RETRY: Duration = Duration::from_secs(3);
/// The largest file that is read: far more than the lines between two rewritings.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// A process of an earlier run, which may live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastProcess {
    /// Its job.
    pub job: JobName,
    /// Which process, and what it carries.
    pub survivor: Survivor,
    /// Whether it was to outlive the node.
    pub detach: bool,
    /// Whether it was a one-off.
    pub once: bool,
    /// How long it may take to end.
    pub grace: Duration,
    /// What its configuration was like.
    form: String,
}

impl PastProcess {
    /// Whether it is as a job is configured now: one that would be replaced if that were read again is not.
    pub fn is_as(&self, config: &JobConfig) -> bool {
        self.job == *config.name() && self.form == form(config)
    }
}

/// What earlier runs have left to be known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PastRun {
    /// The nodes that did not come to their end: what carries their mark was left behind.
    pub killed: Vec<String>,
    /// The processes that were not told to be gone. Some may be gone all the same, and what descends from them be there.
    pub processes: Vec<PastProcess>,
}

/// Why it is not known what earlier runs have left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PastError {
    /// It cannot be read.
    #[error("`{}` cannot be read: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// It is another node's, which runs: its state folder was copied, or its lock does not reach here.
    #[error(
        "`{}` is of a gafferd that runs (os_pid {os_pid}), with a state folder of its own or on another system; choose another folder for this one",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
        /// The process.
        os_pid: i32,
    },
}

/// Writes down which processes run.
#[derive(Debug)]
pub struct ProcessLog {
    path: PathBuf,
    head: Value,
    /// `None` if the file is not as it should be, and is to be written anew.
    file: Option<File>,
    /// Those that live, as their lines have them.
    lives: BTreeMap<ProcessId, Value>,
    appended: usize,
    /// Whether it is told that it cannot be written to.
    complained: bool,
}

impl ProcessLog {
    /// Reads what earlier runs of a node have left. What does not read is left out: it is what was being written at the end.
    ///
    /// # Errors
    /// When the file is there and cannot be read, and when it is that of a node that runs.
    pub fn past(folder: &StateFolder) -> Result<PastRun, PastError> {
        let path = folder.path().join(FILE);
        let unreadable = |cause| PastError::Unreadable { path: path.clone(), cause };
        let text = match fs::metadata(&path) {
            Ok(found) if found.len() > MAX_FILE => return Err(unreadable(io::ErrorKind::FileTooLarge.into())),
            Ok(_) => fs::read(&path).map_err(unreadable)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(PastRun::default()),
            Err(error) => return Err(unreadable(error)),
        };
        let Read { past, writer } = read(&text, &boot().map_err(unreadable)?);
        let writer = writer.filter(|writer| writer.lives() && Some(*writer) != Root::own());
        if let Some(os_pid) = writer.and_then(Root::os_pid) {
            return Err(PastError::InUse { path, os_pid: os_pid.as_raw() });
        }
        Ok(past)
    }

    /// Begins to write for a run of a node, in place of what was there. `survivors` are those of earlier runs that are still to be known, and
    /// `killed` the earlier nodes of which something may be left. If it cannot be written now, it is tried again and again.
    ///
    /// # Errors
    /// When the number of the boot cannot be read.
    pub fn begin(folder: &StateFolder, node: &str, killed: &[String], survivors: &[PastProcess]) -> io::Result<Self> {
        let path = folder.path().join(FILE);
        let own = Root::own().map(|root| root.to_string());
        let head = json!({"node": node, "killed": killed, "gafferd": own, "boot": boot()?});
        // Until they are taken back under new numbers, which replace their lines by their marks.
        let kept = (u64::MAX / 2..).zip(survivors);
        let lives = kept.map(|(number, process)| (ProcessId::new(number), process.line(None))).collect();
        let mut log = Self { path, head, file: None, lives, appended: 0, complained: false };
        log.write(&[]);
        Ok(log)
    }

    /// Writes down what a manager tells, until it has ended.
    pub async fn keep(mut self, mut records: Receiver<ProcessRecord>) -> Self {
        let mut batch = Vec::new();
        loop {
            let received = if self.file.is_some() {
                records.recv_many(&mut batch, MAX_BATCH).await
            } else {
                // Nothing: it is only tried again.
                let received = timeout(RETRY, records.recv_many(&mut batch, MAX_BATCH)).await;
                let Ok(received) = received else {
                    self = self.on_disk(Vec::new()).await;
                    continue;
                };
                received
            };
            if received == 0 {
                return self;
            }
            self = self.on_disk(mem::take(&mut batch)).await;
        }
    }

    /// Says in the file that the node has come to its end, and that nothing is left but what is to outlive it: then nobody need look for
    /// more at the next start.
    pub async fn end(self) {
        let ended = spawn_blocking(move || {
            let mut log = self;
            if let Some(file) = &mut log.file
                && let Err(error) = file.write_all(b"{\"end\":true}\n")
            {
                warn!(%error, "`{}` cannot be written to: the next start finds what was left for a crash", log.path.display());
            }
        });
        let _runtime_is_ending = ended.await;
    }

    /// Writes, where waiting for the disk holds up nobody.
    async fn on_disk(self, records: Vec<ProcessRecord>) -> Self {
        let writing = spawn_blocking(move || {
            let mut log = self;
            log.write(&records);
            log
        });
        match writing.await {
            Ok(log) => log,
            // The runtime is ending, and nothing is written any more.
            Err(_) => std::future::pending().await,
        }
    }

    fn write(&mut self, records: &[ProcessRecord]) {
        let mut lines = String::new();
        for record in records {
            if let Some(line) = self.note(record) {
                self.appended += 1;
                lines.push_str(&line.to_string());
                lines.push('\n');
            }
        }
        // In one piece: what is torn by a full disk is written anew as a whole.
        let appended = match &mut self.file {
            Some(file) if self.appended <= self.lives.len() + SLACK => file.write_all(lines.as_bytes()),
            Some(_) | None => self.rewrite(),
        };
        match appended {
            Ok(()) => self.complained = false,
            Err(error) => {
                self.file = None;
                if !mem::replace(&mut self.complained, true) {
                    warn!(
                        %error,
                        "`{}` cannot be written to, and is tried again: if gafferd is killed before that, the next one may not know all that it has launched",
                        self.path.display()
                    );
                }
            }
        }
    }

    /// Takes a record in, and gives the line to be written.
    fn note(&mut self, record: &ProcessRecord) -> Option<Value> {
        match record {
            ProcessRecord::Launched { pid, os_pid, mark, root, config, once } => {
                // None: it is gone already.
                let root = root.or_else(|| Root::of(*os_pid))?;
                let is_unclaimed = |line: &Value| {
                    is_unclaimed(line) && line.get("mark").and_then(Value::as_str) == Some(mark.as_str())
                };
                self.lives.retain(|_, line| !is_unclaimed(line));
                let process = PastProcess {
                    job: config.name().clone(),
                    survivor: Survivor { root, mark: mark.clone() },
                    detach: config.detach(),
                    once: *once,
                    grace: config.graceful_timeout(),
                    form: form(config),
                };
                let line = process.line(Some(*pid));
                self.lives.insert(*pid, line.clone());
                Some(line)
            }
            ProcessRecord::Gone(pid) => self.lives.remove(pid).map(|_| json!({"gone": pid.get()})),
        }
    }

    /// Writes the file anew, and has it take the place of the old one when it is whole.
    fn rewrite(&mut self) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
        let mut file = options.open(&new)?;
        let mut text = format!("{}\n", self.head);
        for line in self.lives.values() {
            text.push_str(&line.to_string());
            text.push('\n');
        }
        file.write_all(text.as_bytes())?;
        fs::rename(&new, &self.path)?;
        (self.file, self.appended) = (Some(file), 0);
        Ok(())
    }
}

impl PastProcess {
    fn line(&self, pid: Option<ProcessId>) -> Value {
        json!({
            "pid": pid.map(ProcessId::get),
            "root": self.survivor.root.to_string(),
            "mark": self.survivor.mark,
            "job": self.job.to_string(),
            "detach": self.detach,
            "once": self.once,
            "grace": self.grace.as_secs_f64(),
            "form": self.form,
        })
    }

    fn of(line: &Map<String, Value>) -> Option<Self> {
        let text = |key: &str| line.get(key).and_then(Value::as_str);
        let truth = |key: &str| line.get(key).and_then(Value::as_bool);
        Some(Self {
            job: text("job")?.parse().ok()?,
            survivor: Survivor { root: Root::parse(text("root")?)?, mark: text("mark")?.to_owned() },
            detach: truth("detach")?,
            once: truth("once")?,
            grace: Duration::try_from_secs_f64(line.get("grace")?.as_f64()?).ok()?,
            form: text("form")?.to_owned(),
        })
    }
}

/// Whether a line is of a process that nobody has taken back yet.
fn is_unclaimed(line: &Value) -> bool {
    line.get("pid").is_some_and(Value::is_null)
}

/// What stands in the file.
#[derive(Debug, Default)]
struct Read {
    past: PastRun,
    /// The process that has written it.
    writer: Option<Root>,
}

/// Reads the lines, of which only those of this boot mean anything.
fn read(text: &[u8], boot: &str) -> Read {
    let mut killed = Vec::new();
    let mut writer = None;
    let mut lives: BTreeMap<Option<u64>, Vec<PastProcess>> = BTreeMap::new();
    let mut is_of_boot = false;
    for line in text.split(|byte| *byte == b'\n') {
        let Ok(Value::Object(line)) = serde_json::from_slice(line) else { continue };
        let number = |key: &str| line.get(key).and_then(Value::as_u64);
        let text = |key: &str| line.get(key).and_then(Value::as_str);
        if let Some(node) = text("node") {
            is_of_boot = text("boot") == Some(boot);
            if is_of_boot {
                writer = text("gafferd").and_then(Root::parse);
                let earlier = line.get("killed").and_then(Value::as_array).into_iter().flatten();
                killed = earlier.filter_map(|node| node.as_str().map(str::to_owned)).collect();
                killed.push(node.to_owned());
            }
        } else if let Some(gone) = number("gone") {
            lives.remove(&Some(gone));
        } else if line.contains_key("end") {
            killed.clear();
            writer = None;
        } else if let Some(process) = PastProcess::of(&line).filter(|_| is_of_boot) {
            // One that was taken back has a line of its own since.
            if let Some(unclaimed) = lives.get_mut(&None) {
                unclaimed.retain(|other| other.survivor.mark != process.survivor.mark);
            }
            lives.entry(number("pid")).or_default().push(process);
        }
    }
    Read { past: PastRun { killed, processes: lives.into_values().flatten().collect() }, writer }
}

/// What tells of a configuration whether processes that were launched with it are as another one has them. What is by default does not
/// count, so that a key that a later version brings changes nothing.
fn form(config: &JobConfig) -> String {
    let json = |config: &JobConfig| match serde_json::to_value(config) {
        Ok(Value::Object(told)) => told,
        Ok(_) | Err(_) => Map::new(),
    };
    let usual = JobSpec::new(config.name().clone(), "true").check().map(|usual| json(&usual)).unwrap_or_default();
    let mut told = json(config);
    told.retain(|key, value| !KEYS_IN_PLACE.contains(&key.as_str()) && usual.get(key) != Some(value));
    let digest = Sha256::digest(Value::Object(told).to_string());
    digest[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What tells one run of the machine from another.
fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::{process::Command, sync::Arc};

    use gaffer_core::{JobSpec, names::OsPid};
    use tokio::sync::mpsc;

    use super::*;

    fn config(change: impl FnOnce(&mut JobSpec)) -> JobConfig {
        let mut spec = JobSpec::new("shop.web".parse().unwrap(), "./web");
        change(&mut spec);
        spec.check().unwrap()
    }

    fn folder() -> (tempfile::TempDir, StateFolder) {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir().unwrap();
        let folder = StateFolder::lock(root.path()).unwrap();
        (root, folder)
    }

    fn launched(pid: u64, os_pid: u32, config: &JobConfig) -> ProcessRecord {
        ProcessRecord::Launched {
            pid: ProcessId::new(pid),
            os_pid: OsPid::new(os_pid.cast_signed()).unwrap(),
            mark: format!("node:{pid}"),
            root: None,
            config: Arc::new(config.clone()),
            once: false,
        }
    }

    async fn write(log: ProcessLog, records: Vec<ProcessRecord>) -> ProcessLog {
        let (sender, receiver) = mpsc::channel(100);
        records.into_iter().for_each(|record| sender.try_send(record).unwrap());
        drop(sender);
        log.keep(receiver).await
    }

    /// What the next run would find.
    fn past(folder: &StateFolder) -> PastRun {
        ProcessLog::past(folder).unwrap()
    }

    #[tokio::test]
    async fn who_lives_is_known_to_the_next_run_until_it_ends() {
        let (_root, folder) = folder();
        let mut children = [(); 2].map(|()| Command::new("sleep").arg("1000").spawn().unwrap());
        let [detached, other] = [config(|spec| spec.detach = true), config(|_| {})];
        assert_eq!(past(&folder), PastRun::default());
        let log = ProcessLog::begin(&folder, "node", &["before".to_owned()], &[]).unwrap();
        assert_eq!(past(&folder).killed, ["before", "node"], "as if it was killed now");
        let records = vec![
            launched(1, children[0].id(), &detached),
            launched(2, children[1].id(), &other),
            ProcessRecord::Gone(ProcessId::new(2)),
        ];
        write(log, records).await.end().await;

        let left = past(&folder);
        assert_eq!(left.killed, [""; 0], "it has come to its end");
        let [process] = &left.processes[..] else { panic!("{left:?}") };
        assert!(process.detach && process.is_as(&detached) && !process.is_as(&other));
        assert!(process.is_as(&config(|spec| {
            spec.detach = true;
            spec.numprocesses = 9;
        })));
        assert_eq!(process.survivor.root.os_pid().unwrap().as_raw(), children[0].id().cast_signed());

        // It is carried over, and taken back under another number.
        let log = ProcessLog::begin(&folder, "next", &[], &left.processes).unwrap();
        assert_eq!(past(&folder).processes, left.processes);
        let taken_back = ProcessRecord::Launched {
            pid: ProcessId::new(7),
            os_pid: process.survivor.root.os_pid().unwrap(),
            mark: process.survivor.mark.clone(),
            root: Some(process.survivor.root),
            config: Arc::new(detached),
            once: false,
        };
        drop(write(log, vec![taken_back]).await);
        assert_eq!(past(&folder).processes, left.processes, "once");
        assert_eq!(past(&folder).killed, ["next"], "it was not said that nothing is left");
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    #[tokio::test]
    async fn what_could_not_be_written_is_written_as_soon_as_it_can_be() {
        let (root, folder) = folder();
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        // A folder of that name is in the way, as a full disk would be.
        let way = root.path().join("processes.new");
        fs::create_dir(&way).unwrap();
        let log = ProcessLog::begin(&folder, "node", &[], &[]).unwrap();
        let log = write(log, vec![launched(1, child.id(), &config(|_| {}))]).await;
        assert_eq!(past(&folder), PastRun::default());
        fs::remove_dir(&way).unwrap();
        let (sender, receiver) = mpsc::channel(1);
        let keeping = tokio::spawn(log.keep(receiver));
        while past(&folder).processes.is_empty() {
            tokio::task::yield_now().await;
        }
        drop(sender);
        drop(keeping.await.unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[tokio::test]
    async fn the_file_of_a_gafferd_that_runs_is_not_taken_for_that_of_a_dead_one() {
        let (root, folder) = folder();
        drop(ProcessLog::begin(&folder, "node", &[], &[]).unwrap());
        let path = root.path().join(FILE);
        let own = Root::own().unwrap().to_string();
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let another = Root::of(OsPid::new(child.id().cast_signed()).unwrap()).unwrap().to_string();
        let text = fs::read_to_string(&path).unwrap().replace(&own, &another);
        fs::write(&path, &text).unwrap();
        let error = ProcessLog::past(&folder).unwrap_err();
        assert!(matches!(error, PastError::InUse { os_pid, .. } if os_pid == child.id().cast_signed()), "{error}");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(past(&folder).killed, ["node"]);
    }

    #[test]
    fn lines_of_another_boot_or_that_were_being_written_mean_nothing() {
        let line = |pid: u64| {
            let process = PastProcess {
                job: "web".parse().unwrap(),
                survivor: Survivor { root: Root::parse("5 6").unwrap(), mark: format!("n:{pid}") },
                detach: false,
                once: true,
                grace: Duration::from_millis(1500),
                form: "f".to_owned(),
            };
            format!("{}\n", process.line(Some(ProcessId::new(pid))))
        };
        let head = "{\"node\":\"n\",\"boot\":\"b\"}\n";
        let text = format!("{head}{}{}{{\"gone\":1}}\n{{\"go", line(1), line(2));
        let past = read(text.as_bytes(), "b").past;
        assert_eq!(past.killed, ["n"]);
        assert_eq!(past.processes.len(), 1);
        assert_eq!((past.processes[0].grace, past.processes[0].once), (Duration::from_millis(1500), true));
        assert_eq!(read(text.as_bytes(), "another").past, PastRun::default());
        for text in [&b"\xff\n\n{}\n[1]\n"[..], b"", b"{\"node\":5}"] {
            assert_eq!(read(text, "b").past, PastRun::default());
        }
    }

    #[test]
    fn what_is_out_of_date_does_not_pile_up() {
        let (root, folder) = folder();
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let config = config(|_| {});
        let mut log = ProcessLog::begin(&folder, "node", &[], &[]).unwrap();
        log.write(&[launched(1, child.id(), &config)]);
        for pid in 2..SLACK as u64 {
            log.write(&[launched(pid, child.id(), &config), ProcessRecord::Gone(ProcessId::new(pid))]);
        }
        let lines = fs::read_to_string(root.path().join(FILE)).unwrap().lines().count();
        assert!(lines <= SLACK + 2, "{lines}");
        assert_eq!(past(&folder).processes.len(), 1);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
