//! Why a run in the foreground ends, how, and with which exit code.
//!
//! ```text
//! running ──► stopping ──► killing ──► left
//! ```
//!
//! A signal goes one step further. What the run itself comes to (a process that failed, all that have ended) stops it, and then
//! nothing changes its outcome any more. Who wants to stop what has just begun to by itself does not mean to kill: that takes a
//! second signal there, too.

use std::collections::BTreeSet;

use gaffer_core::{JobName, backend::ExitStatus, names::Signal};
use nix::libc::SIGPIPE;

/// What a run comes to an end by, beside signals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// By nothing: whatever ends is launched again.
    Supervise,
    /// By the first process that fails, or the end of all.
    FirstFailure {
        /// The end of one of these ends the run too, however they end.
        with: BTreeSet<JobName>,
    },
    /// By the first end of one of these. All others are launched again.
    FirstEnd(BTreeSet<JobName>),
    /// By the end of all. The worst of them is the run's.
    LastEnd,
}

impl Policy {
    /// Whether a process of this job is launched once only.
    pub(super) fn is_once(&self, job: &JobName) -> bool {
        match self {
            Self::Supervise => false,
            Self::FirstFailure { .. } | Self::LastEnd => true,
            Self::FirstEnd(jobs) => jobs.contains(job),
        }
    }

    /// Whether the run stands for what it runs, and so ends with the code of that, not with its own.
    fn stands_for_others(&self) -> bool {
        *self != Self::Supervise
    }
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Go on.
    Nothing,
    /// Have all processes end.
    Stop,
    /// Kill what is left of them.
    Kill,
    /// Wait for nothing any more.
    Leave,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Running,
    Stopping {
        /// Whether a signal has asked for it.
        is_asked_for: bool,
    },
    Killing,
    Left(Signal),
}

/// How a run ends.
#[derive(Debug)]
pub(super) struct Ending {
    policy: Policy,
    /// Jobs whose one process has not ended yet.
    awaited: BTreeSet<JobName>,
    /// The highest code so far, for a run that ends with its last process.
    worst: u8,
    stage: Stage,
    code: u8,
}

impl Ending {
    /// Of a run of these jobs.
    pub(super) fn new<'a>(policy: Policy, jobs: impl IntoIterator<Item = &'a JobName>) -> Self {
        let awaited = jobs.into_iter().filter(|job| policy.is_once(job)).cloned().collect();
        Self { policy, awaited, worst: 0, stage: Stage::Running, code: 0 }
    }

    /// Somebody wants it to end.
    pub(super) fn signalled(&mut self, signal: Signal) -> Step {
        match self.stage {
            Stage::Running => {
                self.code = if self.policy.stands_for_others() { of_signal(signal.as_raw()) } else { 0 };
                self.stage = Stage::Stopping { is_asked_for: true };
                Step::Stop
            }
            Stage::Stopping { is_asked_for: false } => {
                self.stage = Stage::Stopping { is_asked_for: true };
                Step::Nothing
            }
            Stage::Stopping { is_asked_for: true } => {
                self.stage = Stage::Killing;
                Step::Kill
            }
            Stage::Killing | Stage::Left(_) => {
                self.stage = Stage::Left(signal);
                Step::Leave
            }
        }
    }

    /// A process that was launched once has ended, or was not launched at all: then with what a shell ends with.
    pub(super) fn ended(&mut self, job: &JobName, code: u8) -> Step {
        if !self.awaited.remove(job) {
            return Step::Nothing;
        }
        self.worst = self.worst.max(code);
        match &self.policy {
            Policy::FirstFailure { with } if code != 0 || with.contains(job) || self.awaited.is_empty() => {
                self.stop(code)
            }
            Policy::FirstEnd(_) => self.stop(code),
            Policy::LastEnd if self.awaited.is_empty() => self.stop(self.worst),
            Policy::Supervise | Policy::FirstFailure { .. } | Policy::LastEnd => Step::Nothing,
        }
    }

    /// Whoever read its stdout has seen enough. That says nothing of what it stands for.
    pub(super) fn unread(&mut self) -> Step {
        let is_other_s = self.policy.stands_for_others();
        self.stop(if is_other_s { of_signal(SIGPIPE) } else { 0 })
    }

    /// It cannot go on for a reason of its own.
    pub(super) fn given_up(&mut self, code: u8) -> Step {
        self.stop(code)
    }

    /// Whether what is left is to be killed.
    pub(super) fn is_killing(&self) -> bool {
        self.stage == Stage::Killing
    }

    /// Jobs whose one process has not ended, as far as is known.
    pub(super) fn awaited(&self) -> impl Iterator<Item = &JobName> {
        self.awaited.iter()
    }

    /// The exit code, once all is over. What could not be ended is a failure, but not one that hides another.
    pub(super) fn code(&self, all_is_well: bool) -> u8 {
        match self.stage {
            Stage::Left(signal) => of_signal(signal.as_raw()),
            Stage::Running | Stage::Stopping { .. } | Stage::Killing if all_is_well => self.code,
            Stage::Running | Stage::Stopping { .. } | Stage::Killing => self.code.max(1),
        }
    }

    fn stop(&mut self, code: u8) -> Step {
        if self.stage != Stage::Running {
            return Step::Nothing;
        }
        self.stage = Stage::Stopping { is_asked_for: false };
        self.code = code;
        Step::Stop
    }
}

/// The exit code that stands for how a process ended, as shells have it.
pub(super) fn of_status(status: ExitStatus) -> u8 {
    match status {
        ExitStatus::Code(code) => u8::try_from(code).unwrap_or(1),
        ExitStatus::Signal(number) => of_signal(number),
    }
}

fn of_signal(number: i32) -> u8 {
    u8::try_from(number.saturating_add(128)).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str) -> JobName {
        name.parse().unwrap()
    }

    fn run(policy: Policy) -> Ending {
        Ending::new(policy, &[job("app.db"), job("app.web@1"), job("app.web@2")])
    }

    fn web() -> BTreeSet<JobName> {
        [job("app.web@1"), job("app.web@2")].into()
    }

    fn first_failure() -> Policy {
        Policy::FirstFailure { with: BTreeSet::new() }
    }

    #[test]
    fn each_signal_goes_one_step_further() {
        let mut ending = run(Policy::Supervise);
        assert_eq!(ending.signalled(Signal::INT), Step::Stop);
        assert_eq!(ending.code(true), 0, "a stop that was asked for");
        assert_eq!(ending.signalled(Signal::TERM), Step::Kill);
        assert_eq!(ending.code(true), 0);
        assert_eq!(ending.signalled(Signal::INT), Step::Leave);
        assert_eq!(ending.code(true), 130, "it left before its time");
        assert_eq!(ending.signalled(Signal::TERM), Step::Leave);
    }

    #[test]
    fn what_a_signal_cuts_short_has_not_succeeded() {
        for policy in [first_failure(), Policy::FirstEnd(web()), Policy::LastEnd] {
            let mut ending = run(policy);
            assert_eq!(ending.signalled(Signal::TERM), Step::Stop);
            assert_eq!(ending.ended(&job("app.web@1"), 0), Step::Nothing);
            assert_eq!(ending.code(true), 143);
        }
    }

    #[test]
    fn a_second_signal_hurries_a_stop_that_is_under_way() {
        let mut ending = run(first_failure());
        assert_eq!(ending.ended(&job("app.db"), 3), Step::Stop);
        assert_eq!(ending.signalled(Signal::INT), Step::Nothing, "it stops already");
        assert_eq!(ending.signalled(Signal::INT), Step::Kill);
        assert_eq!(ending.code(true), 3);
    }

    #[test]
    fn the_first_failure_counts_and_no_later_one() {
        let mut ending = run(first_failure());
        assert_eq!(ending.ended(&job("app.db"), 0), Step::Nothing);
        assert_eq!(ending.ended(&job("app.web@2"), 3), Step::Stop);
        assert_eq!(ending.ended(&job("app.web@1"), 143), Step::Nothing);
        assert_eq!(ending.code(true), 3);
    }

    #[test]
    fn without_a_failure_the_end_of_all_is_the_end() {
        let mut ending = run(first_failure());
        assert_eq!(ending.ended(&job("app.web@1"), 0), Step::Nothing);
        assert_eq!(ending.ended(&job("app.db"), 0), Step::Nothing);
        assert_eq!(ending.ended(&job("app.db"), 0), Step::Nothing, "told twice");
        assert_eq!(ending.ended(&job("app.web@2"), 0), Step::Stop);
        assert_eq!(ending.code(true), 0);
    }

    #[test]
    fn the_end_of_one_that_is_named_ends_all_with_its_code() {
        for code in [0, 7] {
            let mut ending = run(Policy::FirstEnd(web()));
            assert_eq!(ending.ended(&job("app.db"), 1), Step::Nothing, "it is launched again");
            assert_eq!(ending.ended(&job("app.web@2"), code), Step::Stop);
            assert_eq!(ending.code(true), code);
        }
        let mut both = run(Policy::FirstFailure { with: web() });
        assert_eq!(both.ended(&job("app.db"), 0), Step::Nothing);
        assert_eq!(both.ended(&job("app.web@1"), 0), Step::Stop);
        assert_eq!(both.code(true), 0);
    }

    #[test]
    fn of_copies_the_worst_counts() {
        let mut ending = run(Policy::LastEnd);
        for (name, code, step) in
            [("app.db", 1, Step::Nothing), ("app.web@2", 9, Step::Nothing), ("app.web@1", 0, Step::Stop)]
        {
            assert_eq!(ending.ended(&job(name), code), step);
        }
        assert_eq!(ending.code(true), 9);
    }

    #[test]
    fn what_nobody_reads_to_its_end_has_not_succeeded() {
        for (policy, code) in
            [(Policy::Supervise, 0), (first_failure(), 141), (Policy::FirstEnd(web()), 141), (Policy::LastEnd, 141)]
        {
            let mut ending = run(policy);
            assert_eq!(ending.unread(), Step::Stop);
            assert_eq!(ending.ended(&job("app.web@1"), 0), Step::Nothing);
            assert_eq!(ending.code(true), code);
        }
        let mut ending = run(first_failure());
        assert_eq!(ending.ended(&job("app.db"), 3), Step::Stop);
        assert_eq!(ending.unread(), Step::Nothing);
        assert_eq!(ending.code(true), 3);
    }

    #[test]
    fn what_is_left_behind_is_a_failure() {
        let mut ending = run(Policy::Supervise);
        assert_eq!(ending.unread(), Step::Stop);
        assert_eq!(ending.code(false), 1);
        let mut ending = run(first_failure());
        ending.ended(&job("app.db"), 42);
        assert_eq!(ending.code(false), 42);
    }

    #[test]
    fn jobs_are_awaited_as_far_as_they_run_once() {
        let awaited = |policy| run(policy).awaited().map(|job| job.name().to_owned()).collect::<Vec<_>>();
        assert_eq!(awaited(Policy::Supervise), [""; 0]);
        assert_eq!(awaited(Policy::FirstEnd(web())), ["web@1", "web@2"]);
        assert_eq!(awaited(first_failure()), ["db", "web@1", "web@2"]);
    }

    #[test]
    fn codes_are_those_of_shells() {
        assert_eq!(of_status(ExitStatus::Code(7)), 7);
        assert_eq!(of_status(ExitStatus::Signal(9)), 137);
    }
}
