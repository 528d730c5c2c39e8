//! Which processes run: for the next run of a node that was killed, and for those that are to outlive it.
//!
//! A plain file to which lines are appended, and never waited for: it need outlive the node, and not the machine, which has other
//! processes when it starts again. That is what the number of the boot tells.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use gaffer_core::{
    JobConfig, JobName, ProcessId,
    backend::{Root, Survivor},
    config::KEYS_IN_PLACE,
    manager::ProcessRecord,
};
use nix::fcntl::OFlag;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::Receiver;
use tracing::warn;

use crate::folder::StateFolder;

/// The file in the state folder.
const FILE: &str = "processes";
/// Lines that are appended before the file is written anew without those that are out of date, beyond one for each process that lives.
const SLACK: usize = 10_000;
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
    /// The processes that were not told to be gone, and are there.
    pub processes: Vec<PastProcess>,
}

/// Writes down which processes run.
#[derive(Debug)]
pub struct ProcessLog {
    path: PathBuf,
    head: Value,
    file: BufWriter<File>,
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
    /// When the file is there and cannot be read.
    pub fn past(folder: &StateFolder) -> io::Result<PastRun> {
        let path = folder.path().join(FILE);
        let text = match fs::metadata(&path) {
            Ok(found) if found.len() > MAX_FILE => return Err(io::ErrorKind::FileTooLarge.into()),
            Ok(_) => fs::read(&path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(PastRun::default()),
            Err(error) => return Err(error),
        };
        let mut past = read(&text, &boot()?);
        past.processes.retain(|process| process.survivor.root.is_there());
        Ok(past)
    }

    /// Begins to write for a run of a node, in place of what was there. `survivors` are those of earlier runs that are still to be known.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn begin(folder: &StateFolder, node: &str, survivors: &[PastProcess]) -> io::Result<Self> {
        let path = folder.path().join(FILE);
        let head = json!({"node": node, "boot": boot()?});
        // Until they are taken back under new numbers, which replace their lines by their marks.
        let kept = (u64::MAX / 2..).zip(survivors);
        let lives = kept.map(|(number, process)| (ProcessId::new(number), process.line(None))).collect();
        let file = rewrite(&path, &head, &lives)?;
        Ok(Self { path, head, file, lives, appended: 0, complained: false })
    }

    /// Writes down what a manager tells, in a thread of its own, until it has ended. Then it says so in the file: nobody need look for
    /// what was left behind.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn keep(mut self, mut records: Receiver<ProcessRecord>) -> io::Result<thread::JoinHandle<()>> {
        thread::Builder::new().name("processes".to_owned()).spawn(move || {
            let mut batch = Vec::new();
            while records.blocking_recv_many(&mut batch, 1024) > 0 {
                let written = batch.drain(..).try_for_each(|record| self.note(record)).and_then(|()| self.file.flush());
                self.told(written);
            }
            let ended = self.append(&json!({"end": true})).and_then(|()| self.file.flush());
            self.told(ended);
        })
    }

    fn note(&mut self, record: ProcessRecord) -> io::Result<()> {
        match record {
            ProcessRecord::Launched { pid, os_pid, mark, root, config, once } => {
                // None: it is gone already.
                let Some(root) = root.or_else(|| Root::of(os_pid)) else { return Ok(()) };
                self.lives
                    .retain(|_, line| line.get("mark").and_then(Value::as_str) != Some(&mark) || !is_unclaimed(line));
                let process = PastProcess {
                    job: config.name().clone(),
                    survivor: Survivor { root, mark },
                    detach: config.detach(),
                    once,
                    grace: config.graceful_timeout(),
                    form: form(&config),
                };
                let line = process.line(Some(pid));
                self.append(&line)?;
                self.lives.insert(pid, line);
            }
            ProcessRecord::Gone(pid) => {
                if self.lives.remove(&pid).is_some() {
                    self.append(&json!({"gone": pid.get()}))?;
                }
            }
        }
        if self.appended > self.lives.len() + SLACK {
            self.file = rewrite(&self.path, &self.head, &self.lives)?;
            self.appended = 0;
        }
        Ok(())
    }

    fn append(&mut self, line: &Value) -> io::Result<()> {
        self.appended += 1;
        writeln!(self.file, "{line}")
    }

    fn told(&mut self, written: io::Result<()>) {
        match written {
            Ok(()) => self.complained = false,
            Err(error) if !self.complained => {
                self.complained = true;
                warn!(
                    %error,
                    "`{}` cannot be written to: if gafferd is killed, the next one may not know all that it has launched",
                    self.path.display()
                );
            }
            Err(_) => {}
        }
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

/// Reads the lines, of which only those of this boot mean anything.
fn read(text: &[u8], boot: &str) -> PastRun {
    let mut killed = None;
    let mut lives: BTreeMap<Option<u64>, Vec<PastProcess>> = BTreeMap::new();
    let mut is_of_boot = false;
    for line in text.split(|byte| *byte == b'\n') {
        let Ok(Value::Object(line)) = serde_json::from_slice(line) else { continue };
        let number = |key: &str| line.get(key).and_then(Value::as_u64);
        if let Some(node) = line.get("node").and_then(Value::as_str) {
            is_of_boot = line.get("boot").and_then(Value::as_str) == Some(boot);
            killed = is_of_boot.then(|| node.to_owned());
        } else if let Some(gone) = number("gone") {
            lives.remove(&Some(gone));
        } else if line.contains_key("end") {
            killed = None;
        } else if let Some(process) = PastProcess::of(&line).filter(|_| is_of_boot) {
            // One that was taken back has a line of its own since.
            if let Some(unclaimed) = lives.get_mut(&None) {
                unclaimed.retain(|other| other.survivor.mark != process.survivor.mark);
            }
            lives.entry(number("pid")).or_default().push(process);
        }
    }
    PastRun { killed: killed.into_iter().collect(), processes: lives.into_values().flatten().collect() }
}

/// What tells of a configuration whether processes that were launched with it are as another one has them.
fn form(config: &JobConfig) -> String {
    let mut told = match serde_json::to_value(config) {
        Ok(Value::Object(told)) => told,
        Ok(_) | Err(_) => Map::new(),
    };
    told.retain(|key, _| !KEYS_IN_PLACE.contains(&key.as_str()));
    let digest = Sha256::digest(Value::Object(told).to_string());
    digest[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes the file anew, and takes the place of the old one when it is whole.
fn rewrite(path: &Path, head: &Value, lives: &BTreeMap<ProcessId, Value>) -> io::Result<BufWriter<File>> {
    let new = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
    let mut file = BufWriter::new(options.open(&new)?);
    writeln!(file, "{head}")?;
    for line in lives.values() {
        writeln!(file, "{line}")?;
    }
    file.flush()?;
    fs::rename(&new, path)?;
    Ok(file)
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

    fn write(log: ProcessLog, records: Vec<ProcessRecord>) {
        let (sender, receiver) = mpsc::channel(100);
        records.into_iter().for_each(|record| sender.try_send(record).unwrap());
        drop(sender);
        log.keep(receiver).unwrap().join().unwrap();
    }

    #[test]
    fn who_lives_is_known_to_the_next_run_until_it_ends() {
        let (_root, folder) = folder();
        let mut children = [(); 2].map(|()| Command::new("sleep").arg("1000").spawn().unwrap());
        let [detached, other] = [config(|spec| spec.detach = true), config(|_| {})];
        assert_eq!(ProcessLog::past(&folder).unwrap(), PastRun::default());
        let log = ProcessLog::begin(&folder, "node", &[]).unwrap();
        assert_eq!(ProcessLog::past(&folder).unwrap().killed, ["node"], "as if it was killed now");
        let records = vec![
            launched(1, children[0].id(), &detached),
            launched(2, children[1].id(), &other),
            ProcessRecord::Gone(ProcessId::new(2)),
        ];
        write(log, records);

        let past = ProcessLog::past(&folder).unwrap();
        assert_eq!(past.killed, [""; 0], "it has come to its end");
        let [process] = &past.processes[..] else { panic!("{past:?}") };
        assert!(process.detach && process.is_as(&detached) && !process.is_as(&other));
        assert!(process.is_as(&config(|spec| {
            spec.detach = true;
            spec.numprocesses = 9;
        })));
        assert_eq!(process.survivor.root.os_pid().unwrap().as_raw(), children[0].id().cast_signed());

        // It is carried over, and taken back under another number.
        let log = ProcessLog::begin(&folder, "next", &past.processes).unwrap();
        assert_eq!(ProcessLog::past(&folder).unwrap().processes, past.processes);
        let taken_back = ProcessRecord::Launched {
            pid: ProcessId::new(7),
            os_pid: process.survivor.root.os_pid().unwrap(),
            mark: process.survivor.mark.clone(),
            root: Some(process.survivor.root),
            config: Arc::new(detached),
            once: false,
        };
        write(log, vec![taken_back]);
        assert_eq!(ProcessLog::past(&folder).unwrap().processes, past.processes, "once");

        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert_eq!(ProcessLog::past(&folder).unwrap(), PastRun::default(), "it is gone");
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
        let past = read(text.as_bytes(), "b");
        assert_eq!(past.killed, ["n"]);
        assert_eq!(past.processes.len(), 1);
        assert_eq!((past.processes[0].grace, past.processes[0].once), (Duration::from_millis(1500), true));
        assert_eq!(read(text.as_bytes(), "another"), PastRun::default());
        for text in [&b"\xff\n\n{}\n[1]\n"[..], b"", b"{\"node\":5}"] {
            assert_eq!(read(text, "b"), PastRun::default());
        }
    }

    #[test]
    fn what_is_out_of_date_does_not_pile_up() {
        let (root, folder) = folder();
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let config = config(|_| {});
        let mut log = ProcessLog::begin(&folder, "node", &[]).unwrap();
        log.note(launched(1, child.id(), &config)).unwrap();
        for pid in 2..SLACK as u64 {
            log.note(launched(pid, child.id(), &config)).unwrap();
            log.note(ProcessRecord::Gone(ProcessId::new(pid))).unwrap();
        }
        log.file.flush().unwrap();
        let lines = fs::read_to_string(root.path().join(FILE)).unwrap().lines().count();
        assert!(lines <= SLACK + 2, "{lines}");
        assert_eq!(ProcessLog::past(&folder).unwrap().processes.len(), 1);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
