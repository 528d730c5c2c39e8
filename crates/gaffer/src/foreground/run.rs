//! From the jobs to the exit code.

use std::{
    future::pending, io, num::NonZero, path::Path, pin::pin, process::ExitCode, sync::Arc,
    thread::available_parallelism, time::Duration,
};

use futures_util::{FutureExt, future::Fuse};
use gaffer_cli::{Failure, Output};
use gaffer_core::{
    JobConfig, JobName, Manager, ManagerError, ManagerOptions,
    applications::{ConsoleOutput, ConsoleSettings},
    backend::{Descendants, ExitStatus, RealBackend, end_descendants},
    events::{Delivery, Detail, Event, EventKind, Notification, Pattern, Subscription, Topic},
    names::{OsPid, StreamLabel},
    os,
    procfile::Instance,
    supervisor::{OneOff, Refusal},
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::mpsc,
    task::{JoinError, spawn_blocking},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{
    ending::{Ending, Policy, Step, of_status},
    guardian::{Guardian, Idle, Launching},
    signals::{Caught, Signals, let_early_ones_through},
    terminals::Terminals,
    writers::{Direct, Stderr, is_writable},
};
use crate::log;

/// More than these are of no use: one task an output, and one thread that writes it all.
const MOST_WORKERS: usize = 8;

/// One must be left to heed signals while another is busy.
const FEWEST_WORKERS: usize = 2;

/// How long a stop may take before it is told who is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is run, and how.
pub(crate) struct Run {
    /// The processes. None is a mistake of the caller's.
    pub(crate) instances: Vec<Instance>,
    /// What it comes to an end by.
    pub(crate) policy: Policy,
    /// How long processes may take to end.
    pub(crate) grace: Duration,
    /// Whether each has a terminal.
    pub(crate) terminals: bool,
}

/// Runs the processes until all is over.
pub(crate) fn run(run: Run, mut output: Output) -> ExitCode {
    match attempt(run, &mut output) {
        Ok(code) => code.into(),
        Err(failure) => {
            output.tell(&failure);
            failure.exit().into()
        }
    }
}

fn attempt(run: Run, output: &mut Output) -> Result<u8, Failure> {
    let jobs = run.jobs()?;
    // A shell that has become gaffer may have had children.
    let strangers = Arc::new(Descendants::now());
    os::mark_inherited_descriptors_cloexec()
        .map_err(|error| Failure::Failed(format!("cannot keep inherited descriptors from processes: {error}")))?;
    if let Err(error) = os::raise_nofile_limit() {
        output.say(format_args!("cannot raise the limit of open files, and few processes will do: {error}"));
    }
    let _log = log::install();
    // With the first process of a machine or a container the kernel ends all others.
    let guardian = (std::process::id() != 1).then(Launching::begin);
    let runtime = runtime().map_err(|error| Failure::Failed(format!("cannot start: {error}")))?;
    let guardian = guardian.and_then(|launching| match launching.and_then(Launching::finish) {
        Ok(guardian) => Some(guardian),
        Err(error) => {
            output.say(format_args!("no guardian, so that processes will live on if gaffer is killed: {error}"));
            None
        }
    });
    let code = runtime.block_on(supervise(run, jobs, strangers, guardian, output));
    // What is not over now waits for a reader that stalls, and nobody for it any more.
    runtime.shutdown_background();
    code
}

fn runtime() -> io::Result<Runtime> {
    let workers = available_parallelism().map_or(FEWEST_WORKERS, NonZero::get).clamp(FEWEST_WORKERS, MOST_WORKERS);
    Builder::new_multi_thread().worker_threads(workers).enable_all().build()
}

impl Run {
    fn jobs(&self) -> Result<Vec<JobConfig>, Failure> {
        let labels = ["out", "err"].into_iter().map(str::parse::<StreamLabel>).collect::<Result<Vec<_>, _>>();
        let labels = labels.map_err(|error| Failure::Failed(error.to_string()))?;
        let job = |instance: &Instance| {
            let mut spec = instance.config.spec().clone();
            spec.redirect_output.clone_from(&labels);
            spec.redirect_input = false; // Nobody could write there.
            spec.graceful_timeout = self.grace;
            // All are asked to end at once: one that takes its time must not use up that of the others.
            spec.priority = None;
            if let Some(root) = spec.cwd.as_deref().and_then(Path::to_str) {
                // Inherited, it would be the caller's folder.
                spec.env.entry("PWD".to_owned()).or_insert_with(|| root.to_owned());
            }
            spec.start = !self.policy.is_once(instance.config.name());
            spec.check().map_err(|error| Failure::Failed(error.to_string()))
        };
        self.instances.iter().map(job).collect()
    }

    fn console(&self, output: &Output) -> ConsoleSettings {
        let actions: &[EventKind] = if output.is_quiet() {
            &[EventKind::SpawnError, EventKind::Flap]
        } else {
            &[
                EventKind::Spawn,
                EventKind::Reap,
                EventKind::Exit,
                EventKind::StopPid,
                EventKind::SpawnError,
                EventKind::Flap,
            ]
        };
        let label = |instance: &Instance| (instance.config.name().clone(), instance.label());
        ConsoleSettings {
            colorize: output.has_colour(),
            colorize_errors: output.has_colour_on_stderr(),
            output_streams: true,
            actions: actions.to_vec(),
            labels: self.instances.iter().map(label).collect(),
            aligned: output.is_terminal(),
            lossless: true,
            exit_reasons: true,
        }
    }
}

async fn supervise(
    run: Run,
    jobs: Vec<JobConfig>,
    strangers: Arc<Descendants>,
    guardian: Option<Idle>,
    output: &mut Output,
) -> Result<u8, Failure> {
    let cannot = |what: &str, error: &dyn std::fmt::Display| Failure::Failed(format!("cannot {what}: {error}"));
    // First of all: from here on a signal to stop is kept until it can be heeded.
    let mut signals = Signals::install().map_err(|error| cannot("catch signals", &error))?;
    let_early_ones_through();
    let stdout = Direct::stdout().map_err(|error| cannot("write to stdout", &error))?;
    let stderr = Stderr::new().map_err(|error| cannot("write to stderr", &error))?;
    let console = ConsoleOutput::with_writers(run.console(output), Box::new(stdout), Box::new(stderr));
    let (lost, hurry) = (console.failure(), console.hurry());

    let label = |instance: &Instance| (instance.config.name().clone(), instance.label());
    let labels: Vec<(JobName, String)> = run.instances.iter().map(label).collect();
    let terminals = run.terminals.then(|| Terminals::new(labels.iter().map(|(_, label)| label.as_str())));
    let terminal = terminals.as_ref().map(Terminals::first_size);
    let options = ManagerOptions { terminal, expect_sinks: true, ..ManagerOptions::default() };
    let manager =
        Manager::start(options, RealBackend::start).map_err(|error| cannot("start the process launcher", &error))?;
    let guardian = guardian.and_then(|guardian| match guardian.watch(manager.node(), run.grace) {
        Ok(guardian) => Some(guardian),
        Err(error) => {
            output.say(format_args!("no guardian, so that processes will live on if gaffer is killed: {error}"));
            None
        }
    });
    let events = manager.subscribe(&Pattern::All);
    if let Err((name, error)) = manager.start_applications(vec![Box::new(console)]).await {
        manager.stop_now().await;
        return Err(cannot(&format!("start the {name}"), &error));
    }
    let launches = launch(&manager, jobs);
    let ending = Ending::new(run.policy, run.instances.iter().map(|instance| instance.config.name()));
    let mut supervision = Supervision { manager, ending, guardian, labels, terminals, hurry, output };
    let mut wrong = supervision.run(&mut signals, events, launches, lost).await;
    if let Some(wrong) = &mut wrong {
        match supervision.end_descendants(&mut signals, strangers, run.grace).await {
            Some(more) => wrong.extend(more),
            None => return Ok(supervision.ending.code(false)),
        }
    }
    let Supervision { ending, guardian, output, .. } = supervision;
    let Some(wrong) = wrong else { return Ok(ending.code(false)) };
    for text in &wrong {
        output.say(text);
    }
    match guardian {
        // Else it tries its luck with what is left.
        Some(guardian) if wrong.is_empty() => guardian.dismiss(),
        Some(_) | None => {}
    }
    Ok(ending.code(wrong.is_empty()))
}

/// A job that runs once was not launched: the code that stands for it, and what is to be said if no event says it.
struct NotLaunched {
    job: JobName,
    code: u8,
    error: Option<ManagerError>,
}

/// Loads the jobs, and launches the one process of each that is not started by that.
fn launch(manager: &Manager, jobs: Vec<JobConfig>) -> mpsc::UnboundedReceiver<NotLaunched> {
    // Unbounded, yet bounded: one a job.
    let (told, not_launched) = mpsc::unbounded_channel();
    let manager = manager.clone();
    tokio::spawn(async move {
        let names: Vec<(JobName, bool)> = jobs.iter().map(|job| (job.name().clone(), job.spec().start)).collect();
        let loaded = manager.load_all(jobs).await;
        for ((job, is_started), outcome) in names.into_iter().zip(loaded) {
            let outcome = match outcome {
                Ok(()) if !is_started => manager.commit(&job, OneOff::default()).await.map(drop),
                outcome => outcome,
            };
            let (code, error) = match outcome {
                // A signal to stop may come in the middle of this.
                Ok(()) | Err(ManagerError::Refused(Refusal::ShuttingDown) | ManagerError::Stopped) => continue,
                Err(ManagerError::Refused(Refusal::NotLaunched { error, .. })) => (error.exit_code(), None),
                Err(error) => (1, Some(error)),
            };
            // The run is over: nobody needs to know.
            let _over: Result<(), _> = told.send(NotLaunched { job, code, error });
        }
    });
    not_launched
}

struct Supervision<'a> {
    manager: Manager,
    ending: Ending,
    guardian: Option<Guardian>,
    labels: Vec<(JobName, String)>,
    terminals: Option<Terminals>,
    /// Has the console end, though nobody reads what it has to say.
    hurry: CancellationToken,
    output: &'a mut Output,
}

impl Supervision<'_> {
    /// Goes on until all is over: then with what went wrong. Without it, if it was left before its time.
    async fn run(
        &mut self,
        signals: &mut Signals,
        mut events: Subscription<Arc<Notification>>,
        mut launches: mpsc::UnboundedReceiver<NotLaunched>,
        lost: impl Future<Output = Arc<io::Error>>,
    ) -> Option<Vec<String>> {
        let manager = self.manager.clone();
        let mut stopped = pin!(manager.stopped());
        let mut lost = pin!(lost);
        let mut is_stdout_lost = false;
        let mut is_guarded = self.guardian.is_some();
        let mut overdue = pin!(Fuse::terminated());
        loop {
            // Cancel safe: a branch that is not taken has taken nothing out.
            let step = tokio::select! {
                biased;
                caught = signals.next() => self.on_signal(caught).await,
                wrong = &mut stopped => {
                    if !is_stdout_lost && let Some(error) = lost.as_mut().now_or_never() {
                        self.on_stdout_lost(&error);
                    }
                    return Some(wrong);
                }
                error = &mut lost, if !is_stdout_lost => {
                    is_stdout_lost = true;
                    self.on_stdout_lost(&error)
                }
                () = gone(self.guardian.as_ref()), if is_guarded => {
                    is_guarded = false;
                    self.output.say("the guardian is gone, so that processes will live on if gaffer is killed");
                    Step::Nothing
                }
                () = &mut overdue => self.tell_who_is_waited_for().await,
                Some(NotLaunched { job, code, error }) = launches.recv() => {
                    if let Some(error) = error {
                        self.output.say(format_args!("{}: {error}", job.name()));
                    }
                    self.ending.ended(&job, code)
                }
                Some(delivery) = events.recv() => self.on_event(delivery).await,
            };
            match step {
                Step::Nothing => {}
                Step::Stop => {
                    overdue.set(sleep(PATIENCE).fuse());
                    let manager = self.manager.clone();
                    tokio::spawn(async move { manager.stop().await });
                }
                Step::Kill => {
                    self.hurry.cancel();
                    let manager = self.manager.clone();
                    tokio::spawn(async move { manager.stop_now().await });
                }
                Step::Leave => return None,
            }
        }
    }

    async fn tell_who_is_waited_for(&mut self) -> Step {
        let waiting = self.manager.processes().await.unwrap_or_default();
        let is_waiting = |job: &JobName| waiting.iter().any(|process| process.name == *job);
        let labels = self.labels.iter().filter(|(job, _)| is_waiting(job)).map(|(_, label)| label.as_str());
        let labels: Vec<&str> = labels.collect();
        if !labels.is_empty() && !self.ending.is_killing() {
            self.output.say(format_args!("waiting for {} to end; Ctrl-C again kills", labels.join(", ")));
        }
        Step::Nothing
    }

    /// Ends what has got away from its process so far that nothing tells whose it is: below gaffer all is the application's, but for
    /// these strangers. Answers what went wrong; nothing, if it was left before its time.
    async fn end_descendants(
        &mut self,
        signals: &mut Signals,
        strangers: Arc<Descendants>,
        grace: Duration,
    ) -> Option<Vec<String>> {
        let begin = |grace| {
            let strangers = Arc::clone(&strangers);
            spawn_blocking(move || end_descendants(&strangers, grace))
        };
        let mut end = begin(if self.ending.is_killing() { Duration::ZERO } else { grace });
        loop {
            tokio::select! {
                biased;
                caught = signals.next() => if let Caught::End(signal) = caught {
                    match self.ending.signalled(signal) {
                        Step::Nothing | Step::Stop => {}
                        // Beside the one that has patience, which is over with it.
                        Step::Kill => drop(begin(Duration::ZERO)),
                        Step::Leave => return None,
                    }
                },
                ended = &mut end => return Some(undone(ended)),
            }
        }
    }

    async fn on_signal(&mut self, caught: Caught) -> Step {
        match caught {
            Caught::End(signal) => return self.ending.signalled(signal),
            Caught::Forward(signal) => {
                for pid in self.manager.pids(None).await.unwrap_or_default() {
                    // It may have ended meanwhile.
                    let _gone: Result<(), ManagerError> = self.manager.kill(pid, signal).await;
                }
            }
            Caught::Resize => {
                if let Some(terminals) = &mut self.terminals {
                    terminals.follow(&self.manager).await;
                }
            }
        }
        Step::Nothing
    }

    fn on_stdout_lost(&mut self, error: &io::Error) -> Step {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return self.ending.unread();
        }
        if error.kind() == io::ErrorKind::TimedOut {
            // It may be stderr itself that nobody reads.
            if is_writable(io::stderr()) {
                self.output.say(error);
            }
            return Step::Nothing; // It ends already.
        }
        self.output.say(format_args!("cannot write to stdout: {error}"));
        self.ending.given_up(1)
    }

    async fn on_event(&mut self, delivery: Delivery<Arc<Notification>>) -> Step {
        match delivery {
            // Every event comes once more under the topics of its job and process.
            Delivery::Item(notification) if matches!(notification.topic(), Topic::Kind(_)) => {
                self.on(notification.event()).await
            }
            Delivery::Item(_) => Step::Nothing,
            Delivery::Lagged(_) => self.catch_up().await,
        }
    }

    async fn on(&mut self, event: &Event) -> Step {
        match (event.kind, &event.detail, event.process) {
            (EventKind::Exit, Detail::Exit { exit_code, term_signal, once: true }, _) => {
                self.ending.ended(&event.job, code(*exit_code, *term_signal))
            }
            (EventKind::Spawn, _, Some(process)) => {
                if let (Some(guardian), Some(os_pid)) = (&self.guardian, process.os_pid) {
                    guardian.launched(os_pid);
                }
                if let Some(terminals) = &self.terminals {
                    terminals.launched(&self.manager, process.pid).await;
                }
                Step::Nothing
            }
            _ => Step::Nothing,
        }
    }

    /// Events were lost.
    async fn catch_up(&mut self) -> Step {
        if let Some(terminals) = &mut self.terminals {
            terminals.follow(&self.manager).await;
        }
        if let Some(guardian) = &self.guardian {
            for process in self.manager.processes().await.unwrap_or_default() {
                guardian.launched(process.os_pid);
            }
        }
        let awaited: Vec<JobName> = self.ending.awaited().cloned().collect();
        for job in awaited {
            if let Some(exit) = self.manager.info(&job).await.ok().and_then(|info| info.last_exit) {
                let step = self.ending.ended(&job, code(exit.exit_code, exit.term_signal));
                if step != Step::Nothing {
                    return step;
                }
            }
        }
        Step::Nothing
    }
}

async fn gone(guardian: Option<&Guardian>) {
    match guardian {
        Some(guardian) => guardian.gone().await,
        None => pending().await,
    }
}

/// What could not be ended, in words.
fn undone(ended: Result<io::Result<Vec<OsPid>>, JoinError>) -> Vec<String> {
    match ended.map_err(io::Error::from).flatten() {
        Ok(left) => left.into_iter().map(|pid| format!("process {pid} of the system cannot be ended")).collect(),
        Err(error) => vec![format!("cannot look for what processes have left behind: {error}")],
    }
}

fn code(exit_code: i32, term_signal: i32) -> u8 {
    of_status(if term_signal == 0 { ExitStatus::Code(exit_code) } else { ExitStatus::Signal(term_signal) })
}
