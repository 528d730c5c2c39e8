//! The handle through which a manager is asked.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::{
    ManagerError,
    launches::Launched,
    live::View,
    shared::{Leftover, Request, Shared, Stage},
};
use crate::{
    api::{JobInfo, ProcessInfo},
    backend::Survivor,
    config::JobConfig,
    events::{EventStart, EventSubscription, Notification, Pattern, Subscription},
    names::{JobName, ProcessId, SessionId, Signal, StreamLabel},
    streams::{MergedSubscription, Output, ProcessIo, Start, Stdin},
    supervisor::{Answer, Command, OneOff, Refusal, Scale, Standing},
};

/// Maintains live processes and lets anybody act on them. A cheap handle: clone it, send it, share it.
///
/// Methods are named as in the manual. A command resolves once it is done: launches that it asked for have succeeded or
/// failed; ends that it asked for have been asked for, but may take up to `graceful_timeout` to come about.
///
/// # Cancel safety
/// Dropping the future of a command does not take the command back: once it was handed over it is carried out.
#[derive(Clone, Debug)]
pub struct Manager {
    pub(super) shared: Arc<Shared>,
}

/// A job as it stood in an earlier run of the node, or is to stand.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The job.
    pub config: JobConfig,
    /// How it stands.
    pub standing: Standing,
    /// Processes of it that live.
    pub survivors: Vec<Survivor>,
}

type Result<T> = std::result::Result<T, ManagerError>;

impl Manager {
    /// So many of the last events are kept for [`subscribe_from`](Self::subscribe_from): some minutes of a busy node, in less
    /// than 1 MiB, and another MiB at most if they come with long reasons.
    pub const EVENTS_KEPT: usize = 4096;

    /// Takes in a job, and starts it if its configuration says so.
    ///
    /// A command that cannot be launched does not fail this: the job is loaded, and its info tells the cause.
    ///
    /// # Errors
    /// [`Refusal::AlreadyLoaded`], or the manager is stopping.
    pub async fn load(&self, config: JobConfig) -> Result<()> {
        let start = config.spec().start;
        self.command(Command::Load { config: Arc::new(config), start }).await.map(drop)
    }

    /// Takes in many jobs, in this order, without waiting for one's launches before the next; answers for each what
    /// [`load`](Self::load) would.
    pub async fn load_all(&self, configs: impl IntoIterator<Item = JobConfig>) -> Vec<Result<()>> {
        let load = |config: JobConfig| {
            let start = config.spec().start;
            Command::Load { config: Arc::new(config), start }
        };
        self.command_all(configs.into_iter().map(load)).await
    }

    /// Takes in many jobs as they stood, in this order; else as [`load_all`](Self::load_all).
    pub async fn restore_all(&self, jobs: impl IntoIterator<Item = Restored>) -> Vec<Result<()>> {
        let restore = |Restored { config, standing, survivors }| Command::Restore {
            config: Arc::new(config),
            standing,
            survivors,
        };
        self.command_all(jobs.into_iter().map(restore)).await
    }

    /// Has many jobs be as the node's configuration says, in this order: takes in those that are not loaded, and changes those that are
    /// otherwise, whose processes are replaced only if they must be. Those that are so already are not touched. Answers for each
    /// whether that could be done; if a new process does not start, the old configuration and the old processes stay.
    pub async fn reconfigure_all(&self, configs: impl IntoIterator<Item = Arc<JobConfig>>) -> Vec<Result<()>> {
        self.command_all(configs.into_iter().map(Command::Reconfigure)).await
    }

    /// Stops many jobs of the node's configuration and forgets them; answers for each what [`unload`](Self::unload) would. One that a client
    /// has loaded under such a name meanwhile is left alone.
    pub async fn unload_configured(&self, names: impl IntoIterator<Item = JobName>) -> Vec<Result<()>> {
        self.command_all(names.into_iter().map(Command::UnloadConfigured)).await
    }

    /// Asks for all before the first is waited for.
    async fn command_all(&self, commands: impl IntoIterator<Item = Command>) -> Vec<Result<()>> {
        let mut asked = Vec::new();
        for command in commands {
            asked.push(self.ask(command).await);
        }
        let mut outcomes = Vec::with_capacity(asked.len());
        for answered in asked {
            outcomes.push(match answered {
                Ok(answered) => outcome(answered).await.map(drop),
                Err(error) => Err(error),
            });
        }
        outcomes
    }

    /// Stops a job and forgets it.
    ///
    /// # Errors
    /// [`Refusal::UnknownJob`], or the manager is stopping.
    pub async fn unload(&self, name: &JobName) -> Result<()> {
        self.command(Command::Unload(name.clone())).await.map(drop)
    }

    /// Gives a loaded job a new configuration and replaces its processes, new ones first; `start` also starts a stopped job.
    ///
    /// # Errors
    /// [`Refusal::UnknownJob`]; [`Refusal::NotStarted`] when a new process does not start: then the old configuration and
    /// the old processes stay; [`Refusal::Superseded`]; or the manager is stopping.
    pub async fn update(&self, config: JobConfig, start: bool) -> Result<()> {
        self.command(Command::Update { config: Arc::new(config), start }).await.map(drop)
    }

    /// Starts a job: also one that rests or was given up because it flapped.
    ///
    /// # Errors
    /// [`Refusal::UnknownJob`], or the manager is stopping.
    pub async fn start_job(&self, name: &JobName) -> Result<()> {
        self.command(Command::Start(name.clone())).await.map(drop)
    }

    /// Stops a job's processes and does not restart them. The scaled number is kept.
    ///
    /// # Errors
    /// [`Refusal::UnknownJob`], or the manager is stopping.
    pub async fn stop_job(&self, name: &JobName) -> Result<()> {
        self.command(Command::Stop(name.clone())).await.map(drop)
    }

    /// Replaces a job's processes: new ones first, then the old. Starts a stopped job.
    ///
    /// # Errors
    /// [`Refusal::UnknownJob`]; [`Refusal::NotStarted`] when a new process does not start: then its predecessor stays;
    /// [`Refusal::Superseded`]; or the manager is stopping.
    pub async fn restart_job(&self, name: &JobName) -> Result<()> {
        self.command(Command::Restart(name.clone())).await.map(drop)
    }

    /// Sets a job's number back to the configured one and replaces its processes. A stopped job stays stopped.
    ///
    /// # Errors
    /// As [`restart_job`](Self::restart_job).
    pub async fn reload(&self, name: &JobName) -> Result<()> {
        self.command(Command::Reload(name.clone())).await.map(drop)
    }

    /// Changes how many processes a job runs, and answers the new number. Fewer: the oldest go first.
    ///
    /// # Errors
    /// [`Refusal::UnknownJob`], [`Refusal::TooMany`], or the manager is stopping.
    pub async fn scale(&self, name: &JobName, scale: impl Into<Scale>) -> Result<u32> {
        match self.command(Command::Scale(name.clone(), scale.into())).await? {
            Answer::Number(number) => Ok(number),
            Answer::Done | Answer::Launched(_) => Ok(0), // Scaling is always answered with a number.
        }
    }

    /// Launches a one-off process of a job, stopped or not: not kept alive, not counted.
    ///
    /// # Errors
    /// [`Refusal::UnknownJob`], [`Refusal::NotLaunched`], or the manager is stopping.
    pub async fn commit(&self, name: &JobName, once: OneOff) -> Result<ProcessId> {
        match self.command(Command::Commit(name.clone(), once)).await? {
            Answer::Launched(pid) => Ok(pid),
            Answer::Done | Answer::Number(_) => Err(ManagerError::Stopped), // A commit is always answered with a pid.
        }
    }

    /// Sends a signal to one process.
    ///
    /// # Errors
    /// [`Refusal::UnknownProcess`], or the manager has stopped.
    pub async fn kill(&self, pid: ProcessId, signal: Signal) -> Result<()> {
        self.command(Command::Signal(pid, signal)).await.map(drop)
    }

    /// Sends a signal to all processes of a job.
    ///
    /// # Errors
    /// [`Refusal::UnknownJob`], or the manager has stopped.
    pub async fn killall(&self, name: &JobName, signal: Signal) -> Result<()> {
        self.command(Command::SignalJob(name.clone(), signal)).await.map(drop)
    }

    /// Stops one process. It is replaced, unless it is a one-off.
    ///
    /// # Errors
    /// [`Refusal::UnknownProcess`], or the manager has stopped.
    pub async fn stop_process(&self, pid: ProcessId) -> Result<()> {
        self.command(Command::StopProcess(pid)).await.map(drop)
    }

    /// Stops all processes of a job; they exit and come back.
    ///
    /// # Errors
    /// [`Refusal::UnknownJob`], or the manager has stopped.
    pub async fn stopall(&self, name: &JobName) -> Result<()> {
        self.command(Command::StopAll(name.clone())).await.map(drop)
    }

    /// A job's configuration.
    ///
    /// # Errors
    /// [`Refusal::UnknownJob`], or the manager has stopped.
    pub async fn get(&self, name: &JobName) -> Result<Arc<JobConfig>> {
        let job = name.clone();
        self.query(move |view| view.supervisor.config(&job).cloned()).await?.ok_or_else(|| unknown_job(name))
    }

    /// All jobs with their configurations and how they stand, in the order of their loading.
    ///
    /// # Errors
    /// The manager has stopped.
    pub async fn standings(&self) -> Result<Vec<(Arc<JobConfig>, Standing)>> {
        self.query(|view| {
            let one = |name| Some((view.supervisor.config(name)?.clone(), view.supervisor.standing(name)?));
            view.supervisor.names().filter_map(one).collect()
        })
        .await
    }

    /// A job as it stands.
    ///
    /// # Errors
    /// [`Refusal::UnknownJob`], or the manager has stopped.
    pub async fn info(&self, name: &JobName) -> Result<JobInfo> {
        let job = name.clone();
        self.query(move |view| view.supervisor.info(&job, view.now)).await?.ok_or_else(|| unknown_job(name))
    }

    /// All jobs as they stand, in the order of their loading.
    ///
    /// # Errors
    /// The manager has stopped.
    pub async fn infos(&self) -> Result<Vec<JobInfo>> {
        self.query(|view| view.supervisor.infos(view.now)).await
    }

    /// Names of the loaded jobs in the order of their loading; of one session if it is given.
    ///
    /// # Errors
    /// [`Refusal::UnknownSession`], or the manager has stopped.
    pub async fn jobs(&self, session: Option<&SessionId>) -> Result<Vec<JobName>> {
        let names: Vec<JobName> = self.query(|view| view.supervisor.names().cloned().collect()).await?;
        let Some(session) = session else { return Ok(names) };
        let names: Vec<JobName> = names.into_iter().filter(|name| name.session() == session).collect();
        if names.is_empty() { Err(Refusal::UnknownSession(session.clone()).into()) } else { Ok(names) }
    }

    /// Sessions that have jobs, in the order of their first job's loading.
    ///
    /// # Errors
    /// The manager has stopped.
    pub async fn sessions(&self) -> Result<Vec<SessionId>> {
        let mut sessions: Vec<SessionId> = Vec::new();
        for name in self.jobs(None).await? {
            if !sessions.contains(name.session()) {
                sessions.push(name.session().clone());
            }
        }
        Ok(sessions)
    }

    /// Pids of a job's kept processes, oldest first; of all processes, one-off ones included, for `None`.
    ///
    /// # Errors
    /// [`Refusal::UnknownJob`], or the manager has stopped.
    pub async fn pids(&self, name: Option<&JobName>) -> Result<Vec<ProcessId>> {
        match name {
            Some(name) => Ok(self.info(name).await?.pids),
            None => {
                self.query(|view| {
                    let mut pids: Vec<ProcessId> = view.live.keys().copied().collect();
                    pids.sort_unstable();
                    pids
                })
                .await
            }
        }
    }

    /// A process as it stands.
    ///
    /// # Errors
    /// [`Refusal::UnknownProcess`], or the manager has stopped.
    pub async fn process(&self, pid: ProcessId) -> Result<ProcessInfo> {
        self.query(move |view| view.process(pid)).await?.ok_or_else(|| Refusal::UnknownProcess(pid).into())
    }

    /// All processes as they stand, oldest first.
    ///
    /// # Errors
    /// The manager has stopped.
    pub async fn processes(&self) -> Result<Vec<ProcessInfo>> {
        let mut all: Vec<ProcessInfo> =
            self.query(|view| view.live.keys().filter_map(|pid| view.process(*pid)).collect()).await?;
        all.sort_unstable_by_key(|process| process.pid);
        Ok(all)
    }

    /// Names of the loaded jobs in the order of their loading, with the pids of those of their processes, one-off ones included, that were
    /// launched and whose `exit` is still to come. All of one moment: whoever subscribed to events before can go on from here.
    ///
    /// # Errors
    /// The manager has stopped.
    pub async fn roster(&self) -> Result<Vec<(JobName, Vec<ProcessId>)>> {
        self.query(|view| {
            let mut pids: HashMap<JobName, Vec<ProcessId>> = HashMap::new();
            for pid in view.live.keys() {
                if let Some(process) = view.supervisor.process(*pid).filter(|process| process.leader_alive) {
                    pids.entry(process.config.name().clone()).or_default().push(*pid);
                }
            }
            let mut job = |name: &JobName| {
                let mut pids = pids.remove(name).unwrap_or_default();
                pids.sort_unstable();
                (name.clone(), pids)
            };
            view.supervisor.names().map(&mut job).collect()
        })
        .await
    }

    /// The job of a process that lives, or has lived until a moment ago.
    ///
    /// # Errors
    /// [`Refusal::UnknownProcess`], or the manager has stopped.
    pub async fn job_of(&self, pid: ProcessId) -> Result<JobName> {
        self.query(move |view| view.job_of(pid)).await?.ok_or_else(|| Refusal::UnknownProcess(pid).into())
    }

    /// The streams of a process.
    ///
    /// # Errors
    /// [`Refusal::UnknownProcess`], or the manager has stopped.
    pub async fn streams(&self, pid: ProcessId) -> Result<ProcessIo> {
        self.query(move |view| view.io(pid).cloned()).await?.ok_or_else(|| Refusal::UnknownProcess(pid).into())
    }

    /// The streams of a process that lives, or has lived until a moment ago: for whoever learnt of it from an event.
    ///
    /// # Errors
    /// [`Refusal::UnknownProcess`], or the manager has stopped.
    pub async fn recent_streams(&self, pid: ProcessId) -> Result<ProcessIo> {
        self.query(move |view| view.recent_io(pid).cloned()).await?.ok_or_else(|| Refusal::UnknownProcess(pid).into())
    }

    /// Hands out the streams of all processes that are launched from now on, to one listener.
    pub(crate) fn launches(&self) -> mpsc::UnboundedReceiver<Launched> {
        self.shared.launches.listen()
    }

    /// One labelled output (or extra pipe) of a process.
    ///
    /// # Errors
    /// [`Refusal::UnknownProcess`], [`ManagerError::NotRedirected`], [`ManagerError::UnknownStream`], or the manager has stopped.
    pub async fn output(&self, pid: ProcessId, label: &str) -> Result<Arc<Output>> {
        find_output(&self.streams(pid).await?, pid, label)
    }

    /// As [`output`](Self::output), also of a process that has lived until a moment ago: its last words are kept a while.
    ///
    /// # Errors
    /// As [`output`](Self::output).
    pub async fn recent_output(&self, pid: ProcessId, label: &str) -> Result<Arc<Output>> {
        find_output(&self.recent_streams(pid).await?, pid, label)
    }

    /// Subscribes to one output of a process, or to all of them for the empty label, as the manual has it.
    ///
    /// # Errors
    /// As [`output`](Self::output).
    pub async fn monitor_io(&self, pid: ProcessId, label: &str, start: Start) -> Result<MergedSubscription> {
        if label.is_empty() {
            let io = self.streams(pid).await?;
            if io.labels().next().is_none() {
                return Err(ManagerError::NotRedirected(pid));
            }
            return Ok(MergedSubscription::of_process(&io, start));
        }
        Ok(MergedSubscription::of_output(&self.output(pid, label).await?, start))
    }

    /// The way into a process: its stdin, or the extra pipe of this label.
    ///
    /// # Errors
    /// [`Refusal::UnknownProcess`], [`ManagerError::NoStdin`], [`ManagerError::NotWritable`], or the manager has stopped.
    pub async fn input(&self, pid: ProcessId, stream: Option<&StreamLabel>) -> Result<Stdin> {
        let io = self.streams(pid).await?;
        if let Some(input) = io.input(stream) {
            return Ok(input.clone());
        }
        let Some(label) = stream else { return Err(ManagerError::NoStdin(pid)) };
        let stdin = io.input(None).map(|_| "stdin".to_owned());
        let writable = stdin.into_iter().chain(io.custom.iter().map(|pipe| pipe.output.label().to_string()));
        Err(ManagerError::NotWritable { pid, label: label.to_string(), writable: writable.collect() })
    }

    /// Writes to a process's stdin, or to one of its extra pipes. Resolves once all was written.
    ///
    /// # Errors
    /// As [`input`](Self::input), and [`ManagerError::Write`].
    pub async fn send(&self, pid: ProcessId, data: impl Into<Bytes>, stream: Option<&StreamLabel>) -> Result<()> {
        let input = self.input(pid, stream).await?;
        input.write(data.into()).await.map_err(|source| ManagerError::Write { pid, source })
    }

    /// Subscribes to events. Events that happen after this call are not missed.
    pub fn subscribe(&self, pattern: &Pattern) -> Subscription<Arc<Notification>> {
        self.shared.journal.subscribe(pattern)
    }

    /// Subscribes to the first event only.
    pub fn subscribe_once(&self, pattern: &Pattern) -> Subscription<Arc<Notification>> {
        self.shared.journal.subscribe_once(pattern)
    }

    /// Subscribes to events, beginning with some that have happened already, as far as they are among the last
    /// [`EVENTS_KEPT`](Self::EVENTS_KEPT). Where the past meets what comes, no event is lost and none is told twice.
    pub fn subscribe_from(&self, pattern: &Pattern, start: EventStart) -> EventSubscription {
        self.shared.journal.subscribe_from(pattern, start)
    }

    /// How many subscriptions to events are open, those of gaffer's own parts included.
    pub fn subscriptions(&self) -> usize {
        self.shared.journal.subscriptions()
    }

    /// What tells this run of the node from another: random, new at each start.
    pub fn node(&self) -> &str {
        &self.shared.node
    }

    /// Stops all jobs in reverse order of priority, then the applications. Resolves when all is over.
    ///
    /// A second call waits for the same end.
    pub async fn stop(&self) {
        // A refusal says that the end is under way already, or over.
        drop(self.command(Command::Shutdown).await);
        self.stopped().await;
    }

    /// Kills all processes, then stops the applications. Also ends a stop that is under way.
    pub async fn stop_now(&self) {
        drop(self.command(Command::ShutdownNow).await);
        self.stopped().await;
    }

    /// Resolves once the manager has stopped, and answers what went wrong, as texts: a failure of the manager itself, and
    /// each process that could not be ended.
    pub async fn stopped(&self) -> Vec<String> {
        let mut stage = self.shared.stage.clone();
        let Ok(stage) = stage.wait_for(|stage| matches!(stage, Stage::Stopped(_))).await else {
            // Its task is gone without a word, as when its runtime is torn down.
            return vec!["the manager was torn down before it had stopped".to_owned()];
        };
        let Stage::Stopped(end) = &*stage else { return Vec::new() }; // Not reached: it was waited for.
        end.failure.iter().cloned().chain(end.left.iter().map(Leftover::to_string)).collect()
    }

    /// Restarts every job that is not stopped, then every application. Jobs that [belong to one](JobConfig::owned) are left to it.
    ///
    /// # Errors
    /// The first job that could not be restarted keeps its processes; the others are restarted all the same.
    pub async fn restart(&self) -> Result<()> {
        let mut outcome = Ok(());
        for info in self.infos().await? {
            let is_owned = self.get(&info.name).await.is_ok_and(|config| config.is_owned());
            if info.state != crate::api::JobState::Stopped && !is_owned {
                let restarted = self.restart_job(&info.name).await;
                // A job that was unloaded meanwhile needs no restart.
                if !matches!(restarted, Err(ManagerError::Refused(Refusal::UnknownJob(_)))) {
                    outcome = outcome.and(restarted);
                }
            }
        }
        self.restart_applications().await;
        outcome
    }

    /// Starts all jobs of a session. All are asked before the first is waited for, here and in the three that follow, and
    /// the failure of one keeps no other from it. A job that is unloaded meanwhile is none.
    ///
    /// # Errors
    /// [`Refusal::UnknownSession`], else the first of what [`start_job`](Self::start_job) says.
    pub async fn start_session(&self, session: &SessionId) -> Result<()> {
        self.command_session(session, Command::Start).await
    }

    /// Stops all jobs of a session.
    ///
    /// # Errors
    /// [`Refusal::UnknownSession`], else the first of what [`stop_job`](Self::stop_job) says.
    pub async fn stop_session(&self, session: &SessionId) -> Result<()> {
        self.command_session(session, Command::Stop).await
    }

    /// Restarts all jobs of a session.
    ///
    /// # Errors
    /// [`Refusal::UnknownSession`], else the first of what [`restart_job`](Self::restart_job) says.
    pub async fn restart_session(&self, session: &SessionId) -> Result<()> {
        self.command_session(session, Command::Restart).await
    }

    /// Unloads all jobs of a session, which is gone then.
    ///
    /// # Errors
    /// [`Refusal::UnknownSession`], else the first of what [`unload`](Self::unload) says.
    pub async fn unload_session(&self, session: &SessionId) -> Result<()> {
        self.command_session(session, Command::Unload).await
    }

    async fn command_session(&self, session: &SessionId, command: fn(JobName) -> Command) -> Result<()> {
        let mut asked = Vec::new();
        for name in self.jobs(Some(session)).await? {
            asked.push(self.ask(command(name)).await?);
        }
        let mut all = Ok(());
        for answered in asked {
            let one = outcome(answered).await.map(drop);
            if !matches!(one, Err(ManagerError::Refused(Refusal::UnknownJob(_)))) {
                all = all.and(one);
            }
        }
        all
    }

    async fn command(&self, command: Command) -> Result<Answer> {
        outcome(self.ask(command).await?).await
    }

    /// Hands a command over; the answer comes later.
    async fn ask(&self, command: Command) -> Result<Answered> {
        let (answer, answered) = oneshot::channel();
        let request = Request::Command(command, answer);
        self.shared.requests.send(request).await.map_err(|_| ManagerError::Stopped)?;
        Ok(answered)
    }

    pub(super) async fn query<T: Send + 'static>(
        &self,
        look: impl FnOnce(&View<'_>) -> T + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let query = Box::new(move |view: &View<'_>| {
            drop(answer.send(look(view))); // Nobody waits any more: nothing to tell.
        });
        self.shared.requests.send(Request::Query(query)).await.map_err(|_| ManagerError::Stopped)?;
        answered.await.map_err(|_| ManagerError::Stopped)
    }
}

type Answered = oneshot::Receiver<std::result::Result<Answer, Refusal>>;

async fn outcome(answered: Answered) -> Result<Answer> {
    Ok(answered.await.map_err(|_| ManagerError::Stopped)??)
}

fn find_output(io: &ProcessIo, pid: ProcessId, label: &str) -> Result<Arc<Output>> {
    if let Some(output) = io.output(label) {
        return Ok(output.clone());
    }
    let known: Vec<String> = io.labels().map(ToString::to_string).collect();
    if known.is_empty() {
        return Err(ManagerError::NotRedirected(pid));
    }
    Err(ManagerError::UnknownStream { pid, label: label.to_owned(), known })
}

fn unknown_job(name: &JobName) -> ManagerError {
    Refusal::UnknownJob(name.clone()).into()
}
