//! `--wait`: until what was asked for has happened, or cannot happen any more.

use std::{collections::BTreeSet, fmt, pin::pin, time::Duration};

use futures_util::StreamExt;
use gaffer_cli::{Exit, Failure, Progress, Target};
use gaffer_client::{Client, Error, Feed, Told};
use gaffer_core::{
    JobName, ProcessId,
    api::{EventMessage, JobState, JobStatus},
};
use tokio::time::{Instant, MissedTickBehavior};

use super::Acts;

/// How a job or process shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// The job is started, and as many processes run as it wants.
    Start(JobName),
    /// Nothing of the job runs.
    Stop(JobName),
    /// The process is gone.
    StopProcess(ProcessId),
    /// As many processes of the job run as it wants, and none of the old ones.
    Restart {
        /// The job.
        job: JobName,
        /// The processes that ran when it was asked for.
        old: Vec<ProcessId>,
    },
}

impl From<&Goal> for Target {
    fn from(goal: &Goal) -> Self {
        match goal {
            Goal::Start(job) | Goal::Stop(job) | Goal::Restart { job, .. } => Self::Job(job.clone()),
            Goal::StopProcess(pid) => Self::Process(*pid),
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Target::from(self).fmt(f)
    }
}

/// How long to wait: for all together, from the first call on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    began: Instant,
    span: Duration,
}

impl Limit {
    /// So long from now on.
    pub(super) fn new(span: Duration) -> Self {
        Self { began: Instant::now(), span }
    }

    fn left(self) -> Duration {
        self.span.saturating_sub(self.began.elapsed())
    }

    /// The outcome of a call, which fails if its time is over first.
    ///
    /// # Errors
    /// As the call, or [`Failure::Unanswered`].
    pub(super) async fn call<T, E: Into<Failure>>(
        self,
        client: &Client,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(self.left(), call).await {
            Ok(outcome) => outcome.map_err(Into::into),
            Err(_) => Err(self.unanswered(client)),
        }
    }

    fn unanswered(self, client: &Client) -> Failure {
        Failure::Unanswered { endpoint: client.endpoint().clone(), within: self.span }
    }
}

/// How far it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Standing {
    /// Processes that are to run, and do.
    run: usize,
    /// Processes that are to run.
    wanted: usize,
    /// Processes that are still to end.
    leaving: usize,
    /// What keeps it from going on at once.
    cause: Option<String>,
}

impl Standing {
    /// One of which so many are still to end.
    fn leaving(leaving: usize) -> Self {
        Self { leaving, ..Self::default() }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, wanted, leaving, cause: _ } = self;
        match (wanted, leaving) {
            (_, 0) => write!(f, "{run} of {wanted} run"),
            (0, _) => write!(f, "{leaving} still to end"),
            (_, _) => write!(f, "{run} of {wanted} run, {leaving} still to end"),
        }
    }
}

/// What a look at a job says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// It has happened.
    Done,
    /// It may happen yet.
    NotYet(Standing),
    /// It cannot happen any more, and why.
    Failed(String),
}

impl Goal {
    /// Asks the node for it.
    ///
    /// # Errors
    /// As every call.
    pub(super) async fn ask_for(&mut self, client: &Client) -> Result<(), Error> {
        match self {
            Self::Start(job) => client.start(job).await,
            Self::Stop(job) => client.stop(job).await,
            Self::StopProcess(pid) => client.stop_process(*pid).await,
            Self::Restart { job, old } => {
                *old = client.pids(job).await?;
                client.restart(job).await
            }
        }
    }

    async fn look(&self, client: &Client) -> Result<Verdict, Error> {
        match self {
            Self::Start(job) | Self::Stop(job) | Self::Restart { job, .. } => {
                Ok(self.judge(there(client.status(job).await)?.as_ref()))
            }
            Self::StopProcess(pid) => Ok(match there(client.process(*pid).await)? {
                Some(_) => Verdict::NotYet(Standing::leaving(1)),
                None => Verdict::Done,
            }),
        }
    }

    /// Judges by how the job stands after it was asked for; it has no status if it is not loaded any more.
    fn judge(&self, status: Option<&JobStatus>) -> Verdict {
        let failed = |why: &str| Verdict::Failed(format!("{self} {why}"));
        let Some(status) = status else { return failed("was unloaded meanwhile") };
        let old: &[ProcessId] = match self {
            Self::Stop(_) | Self::StopProcess(_) => {
                return match (status.state, status.running) {
                    (JobState::Stopped, 0) => Verdict::Done,
                    (JobState::Stopped, leaving) => Verdict::NotYet(Standing::leaving(leaving)),
                    (JobState::Started | JobState::Flapping | JobState::GivenUp, _) => {
                        failed("was started again meanwhile")
                    }
                };
            }
            Self::Start(_) => &[],
            Self::Restart { old, .. } => old,
        };
        let because = |what: &str| match &status.cause {
            Some(cause) => format!("{what}: {cause}"),
            None => what.to_owned(),
        };
        let cause = match status.state {
            JobState::Stopped => return failed("was stopped meanwhile"),
            JobState::GivenUp => return failed(&because("was given up")),
            JobState::Started if status.cause.is_some() => return failed(&because("does not start")),
            JobState::Started => None,
            // It is tried again.
            JobState::Flapping => Some(because("crashes too often, and rests")),
        };
        let wanted = status.max_processes as usize;
        let leaving = status.pids.iter().filter(|pid| old.contains(pid)).count();
        // There may be one too many for a moment.
        let run = status.pids.len() - leaving;
        if run == wanted && leaving == 0 {
            Verdict::Done
        } else {
            Verdict::NotYet(Standing { run, wanted, leaving, cause })
        }
    }

    fn concerns(&self, event: &EventMessage) -> bool {
        match self {
            Self::Start(job) | Self::Stop(job) | Self::Restart { job, .. } => *job == event.name,
            Self::StopProcess(pid) => event.pid == Some(*pid),
        }
    }
}

/// Nothing, if the node says that it is not there.
fn there<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// A goal that is waited for.
#[derive(Debug)]
struct Awaited {
    /// Its position among all targets.
    position: usize,
    goal: Goal,
    /// How far it is, once it was looked at.
    standing: Option<Standing>,
}

/// Goals that are waited for together.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    goals: Vec<Awaited>,
}

impl Waiting {
    /// Waits for this as well.
    pub(super) fn add(&mut self, position: usize, goal: Goal) {
        self.goals.push(Awaited { position, goal, standing: None });
    }

    /// Tells the outcome of each as it is known; when the time is over, what has not happened yet.
    ///
    /// # Errors
    /// When the node goes away, or the outcomes cannot be told.
    pub(super) async fn until_done(
        mut self,
        client: &Client,
        mut events: Feed<EventMessage>,
        limit: Limit,
        acts: &mut Acts<'_>,
    ) -> Result<(), Failure> {
        let mut progress = Progress::new(acts.output().is_quiet());
        let mut end = pin!(tokio::time::sleep(limit.left()));
        let mut clock = tokio::time::interval(Duration::from_secs(1));
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The clock ticks at once: so each is looked at first.
        let mut due = BTreeSet::new();
        while !self.goals.is_empty() {
            tokio::select! {
                biased;
                () = &mut end => return self.give_up(client, limit, acts),
                event = events.next() => match event {
                    Some(Ok(Told::Item(event))) => {
                        due.extend(self.goals.iter().filter(|it| it.goal.concerns(&event)).map(|it| it.position));
                        // Events come in crowds; one look after all of them does.
                        continue;
                    }
                    Some(Ok(Told::Lost(_) | Told::Reconnected { .. })) => clock.reset_immediately(),
                    Some(Ok(Told::Disconnected(error)) | Err(error)) => return Err(gone(client, acts, Some(error))),
                    None => return Err(gone(client, acts, None)),
                },
                () = std::future::ready(()), if !due.is_empty() => {}
                _ = clock.tick() => due.extend(self.goals.iter().map(|it| it.position)),
            }
            let mut index = 0;
            while let Some(it) = self.goals.get_mut(index) {
                if !due.contains(&it.position) {
                    index += 1;
                    continue;
                }
                let Ok(verdict) = tokio::time::timeout(limit.left(), it.goal.look(client)).await else {
                    progress.clear();
                    return self.give_up(client, limit, acts);
                };
                let outcome = match verdict {
                    Ok(Verdict::NotYet(standing)) => {
                        it.standing = Some(standing);
                        index += 1;
                        continue;
                    }
                    Ok(Verdict::Done) => Ok(()),
                    Ok(Verdict::Failed(why)) => Err(Failure::Failed(why)),
                    Err(error @ (Error::Interrupted { .. } | Error::Unreachable { .. })) => {
                        return Err(gone(client, acts, Some(error)));
                    }
                    Err(error) => Err(Failure::Call(error)),
                };
                progress.clear();
                let it = self.goals.remove(index);
                acts.done_at(it.position, &it.goal, outcome)?;
            }
            due.clear();
            if let Some(text) = self.progress(limit.began.elapsed()) {
                progress.show(&text);
            }
        }
        Ok(())
    }

    /// How far all of them are; nothing, as long as that is not known of each.
    fn progress(&self, elapsed: Duration) -> Option<String> {
        /// Most that are named.
        const NAMED: usize = 2;
        let standings: Vec<&Standing> = self.goals.iter().map(|it| it.standing.as_ref()).collect::<Option<_>>()?;
        let sum = |of: fn(&Standing) -> usize| standings.iter().map(|standing| of(standing)).sum::<usize>();
        let (wanted, missing) = (sum(|it| it.wanted), sum(|it| it.wanted.saturating_sub(it.run)));
        // One too many for a moment ends as well.
        let leaving = sum(|it| it.leaving + it.run.saturating_sub(it.wanted));
        let processes = |count: usize| if count == 1 { "process" } else { "processes" };
        let mut counts = Vec::new();
        if missing > 0 {
            counts.push(format!("{missing} of {wanted} {} to run", processes(wanted)));
        }
        if leaving > 0 {
            counts.push(format!("{leaving} {} to end", processes(leaving)));
        }
        if counts.is_empty() {
            return None;
        }
        let mut names: Vec<String> = self.goals.iter().take(NAMED).map(|it| it.goal.to_string()).collect();
        if self.goals.len() > NAMED {
            names.push("…".to_owned());
        }
        let cause =
            self.goals.iter().find_map(|it| Some(format!("; {} {}", it.goal, it.standing.as_ref()?.cause.as_ref()?)));
        let (counts, names) = (counts.join(" and "), names.join(", "));
        Some(format!("waiting for {counts}: {names} ({} s){}", elapsed.as_secs(), cause.unwrap_or_default()))
    }

    fn give_up(self, client: &Client, limit: Limit, acts: &mut Acts<'_>) -> Result<(), Failure> {
        for Awaited { position, goal, standing } in self.goals {
            let Some(standing) = standing else { return Err(acts.abort(limit.unanswered(client))) };
            let cause = standing.cause.as_ref().map(|cause| format!("; it {cause}")).unwrap_or_default();
            let missing = format!("{goal}: {standing} after {} s{cause}", limit.span.as_secs_f64());
            acts.done_at(position, &goal, Err(Failure::Failed(missing)))?;
        }
        Ok(())
    }
}

/// The feed of events breaks where the node goes away.
fn gone(client: &Client, acts: &mut Acts<'_>, error: Option<Error>) -> Failure {
    let why = error.map(|error| format!(": {error}")).unwrap_or_default();
    acts.output().say(format_args!("gafferd at {} went away while it was waited for{why}", client.endpoint()));
    acts.abort(Failure::Told(Exit::Unreachable))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: JobState, wanted: u32, pids: &[u64]) -> JobStatus {
        JobStatus {
            name: "web".parse().unwrap(),
            active: !pids.is_empty(),
            running: pids.len(),
            max_processes: wanted,
            state,
            pids: pids.iter().copied().map(ProcessId::new).collect(),
            uptime: None,
            restarts: 0,
            last_exit: None,
            cause: None,
            cpu: None,
            rss: None,
        }
    }

    fn start() -> Goal {
        Goal::Start("web".parse().unwrap())
    }

    fn stop() -> Goal {
        Goal::Stop("web".parse().unwrap())
    }

    fn restart(old: &[u64]) -> Goal {
        Goal::Restart { job: "web".parse().unwrap(), old: old.iter().copied().map(ProcessId::new).collect() }
    }

    fn judged(goal: &Goal, status: &JobStatus) -> String {
        match goal.judge(Some(status)) {
            Verdict::Done => "done".to_owned(),
            Verdict::NotYet(standing) => match &standing.cause {
                Some(cause) => format!("{standing}; {cause}"),
                None => standing.to_string(),
            },
            Verdict::Failed(why) => format!("failed: {why}"),
        }
    }

    #[test]
    fn a_start_is_done_when_all_processes_run() {
        let judged = |wanted, pids: &[u64]| judged(&start(), &status(JobState::Started, wanted, pids));
        assert_eq!(judged(3, &[4]), "1 of 3 run");
        assert_eq!(judged(3, &[4, 5, 6]), "done");
        assert_eq!(judged(1, &[4, 5]), "2 of 1 run");
        assert_eq!(judged(0, &[]), "done");
    }

    #[test]
    fn a_stop_is_done_when_nothing_runs() {
        let mut job = status(JobState::Stopped, 2, &[4]);
        job.running = 2;
        assert_eq!(judged(&stop(), &job), "2 still to end");
        assert_eq!(judged(&stop(), &status(JobState::Stopped, 2, &[])), "done");
    }

    #[test]
    fn a_restart_is_done_when_all_processes_run_and_are_others() {
        let judged = |pids: &[u64]| judged(&restart(&[1, 2]), &status(JobState::Started, 2, pids));
        assert_eq!(judged(&[1, 2, 3, 4]), "2 of 2 run, 2 still to end");
        assert_eq!(judged(&[2, 3, 4]), "2 of 2 run, 1 still to end");
        assert_eq!(judged(&[1, 2]), "0 of 2 run, 2 still to end");
        assert_eq!(judged(&[3]), "1 of 2 run");
        assert_eq!(judged(&[3, 4]), "done");
    }

    #[test]
    fn what_cannot_happen_any_more_fails_with_its_cause() {
        let job = |state, cause: Option<&str>| JobStatus { cause: cause.map(str::to_owned), ..status(state, 1, &[]) };
        for goal in [start(), restart(&[1])] {
            for (state, cause, expected) in [
                (JobState::Stopped, None, "failed: web was stopped meanwhile"),
                (JobState::GivenUp, None, "failed: web was given up"),
                (JobState::GivenUp, Some("2 exits"), "failed: web was given up: 2 exits"),
                (JobState::Started, Some("no such program"), "failed: web does not start: no such program"),
            ] {
                assert_eq!(judged(&goal, &job(state, cause)), expected);
            }
        }
        for state in [JobState::Started, JobState::Flapping, JobState::GivenUp] {
            assert_eq!(judged(&stop(), &job(state, None)), "failed: web was started again meanwhile");
        }
        for goal in [start(), stop(), restart(&[])] {
            assert_eq!(goal.judge(None), Verdict::Failed("web was unloaded meanwhile".to_owned()));
        }
    }

    #[test]
    fn one_that_rests_before_it_is_tried_again_may_run_yet() {
        let mut job = status(JobState::Flapping, 1, &[]);
        assert_eq!(judged(&start(), &job), "0 of 1 run; crashes too often, and rests");
        job.cause = Some("2 exits in 1 s".to_owned());
        assert_eq!(judged(&restart(&[1]), &job), "0 of 1 run; crashes too often, and rests: 2 exits in 1 s");
    }

    fn shown(goals: &[(&str, Option<Standing>)]) -> Option<String> {
        let goals = goals.iter().enumerate().map(|(position, (name, standing))| Awaited {
            position,
            goal: Goal::Start(name.parse().unwrap()),
            standing: standing.clone(),
        });
        Waiting { goals: goals.collect() }.progress(Duration::from_millis(3_900))
    }

    #[test]
    fn progress_tells_what_is_missing_of_all_that_is_waited_for() {
        let starting = |run, wanted| Some(Standing { run, wanted, ..Standing::default() });
        let leaving = |count| Some(Standing::leaving(count));
        for (goals, expected) in [
            (
                &[("web", starting(1, 3)), ("shop.api", starting(1, 2))][..],
                "waiting for 3 of 5 processes to run: web, shop.api (3 s)",
            ),
            (&[("web", starting(0, 1))], "waiting for 1 of 1 process to run: web (3 s)"),
            (&[("web", leaving(1))], "waiting for 1 process to end: web (3 s)"),
            (
                &[("a", leaving(1)), ("b", leaving(2)), ("c", starting(1, 2))],
                "waiting for 1 of 2 processes to run and 3 processes to end: a, b, … (3 s)",
            ),
            (&[("web", starting(2, 1))], "waiting for 1 process to end: web (3 s)"),
        ] {
            assert_eq!(shown(goals).as_deref(), Some(expected));
        }
        let resting = Standing { wanted: 1, cause: Some("crashes".to_owned()), ..Standing::default() };
        let text = shown(&[("a", starting(0, 1)), ("web", Some(resting))]).unwrap();
        assert!(text.ends_with(" (3 s); web crashes"), "{text}");
    }

    #[test]
    fn progress_tells_nothing_before_each_was_looked_at() {
        assert_eq!(shown(&[("web", Some(Standing::leaving(1))), ("worker", None)]), None);
        assert_eq!(shown(&[]), None);
    }
}
