//! What is told when.
//!
//! What a process writes comes after its spawn and before its exit. So an exit may have to wait, and with it what happens to the
//! same job afterwards; what happens to others goes on.

use std::collections::{HashMap, HashSet, VecDeque};

use tokio::sync::oneshot;

use crate::{
    names::{JobName, ProcessId},
    voice::Voice,
};

/// A line about an event.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) voice: Voice,
    pub(super) text: String,
}

/// One event, as far as it matters here.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) job: JobName,
    /// If it is to be shown.
    pub(super) line: Option<Line>,
    /// Lets the output of the process that was spawned be shown from then on.
    pub(super) begin: Option<oneshot::Sender<()>>,
    /// Which process has exited.
    pub(super) exited: Option<ProcessId>,
}

/// Puts steps in order.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Processes whose exit was not told yet, and of which there is output.
    followed: HashMap<ProcessId, Followed>,
    /// What waits for the last output of a process: its exit, and what happened to its job since.
    held: HashMap<JobName, Held>,
    /// What comes next. Never begins with a [`Next::Begin`].
    outbox: VecDeque<Next>,
}

#[derive(Debug)]
struct Followed {
    is_shown: bool,
    exited: oneshot::Sender<()>,
}

#[derive(Debug)]
struct Held {
    until_shown: ProcessId,
    steps: VecDeque<Step>,
}

#[derive(Debug)]
enum Next {
    Line(Line),
    Begin(oneshot::Sender<()>),
}

impl Order {
    /// How many steps wait.
    pub(super) fn len(&self) -> usize {
        self.outbox.len() + self.held.values().map(|held| held.steps.len()).sum::<usize>()
    }

    /// A process is followed; `exited` will tell who does so.
    pub(super) fn follow(&mut self, pid: ProcessId, exited: oneshot::Sender<()>) {
        self.followed.insert(pid, Followed { is_shown: false, exited });
    }

    /// Whether a process is followed, or was to its end and has not exited.
    pub(super) fn follows(&self, pid: ProcessId) -> bool {
        self.followed.contains_key(&pid)
    }

    /// Forgets what was shown to its end, except these.
    pub(super) fn forget_shown(&mut self, except: &HashSet<ProcessId>) {
        self.followed.retain(|pid, followed| except.contains(pid) || !followed.is_shown);
    }

    /// Something happened.
    pub(super) fn tell(&mut self, step: Step) {
        if let Some(held) = self.held.get_mut(&step.job) {
            held.steps.push_back(step);
            return;
        }
        if let Some(pid) = step.exited
            && let Some(followed) = self.followed.remove(&pid)
            && !followed.is_shown
        {
            let _it_has_just_ended = followed.exited.send(());
            let job = step.job.clone();
            self.held.insert(job, Held { until_shown: pid, steps: VecDeque::from([step]) });
            return;
        }
        if let Some(line) = step.line {
            self.say(line);
        }
        if let Some(begin) = step.begin {
            self.begin(begin);
        }
    }

    /// Has a line told after all that is known so far.
    pub(super) fn say(&mut self, line: Line) {
        self.outbox.push_back(Next::Line(line));
    }

    /// Has the output of a process begin after all that is known so far.
    pub(super) fn begin(&mut self, begin: oneshot::Sender<()>) {
        self.outbox.push_back(Next::Begin(begin));
        self.let_begin();
    }

    /// A process was shown to its end.
    pub(super) fn shown(&mut self, pid: ProcessId) {
        if let Some(followed) = self.followed.get_mut(&pid) {
            followed.is_shown = true;
        }
        let job = self.held.iter().find(|(_, held)| held.until_shown == pid).map(|(job, _)| job.clone());
        if let Some(held) = job.and_then(|job| self.held.remove(&job)) {
            held.steps.into_iter().for_each(|step| self.tell(step));
        }
    }

    /// Whether there is a line to be shown now.
    pub(super) fn has_line(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// The line to be shown now. What may begin after it begins: show it first.
    pub(super) fn next_line(&mut self, show: impl FnOnce(Line)) {
        if let Some(Next::Line(line)) = self.outbox.pop_front() {
            show(line);
        }
        self.let_begin();
    }

    fn let_begin(&mut self) {
        while let Some(Next::Begin(begin)) = self.outbox.pop_front_if(|next| matches!(next, Next::Begin(_))) {
            let _its_follower_is_gone = begin.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(number: u64) -> ProcessId {
        ProcessId::new(number)
    }

    fn step(job: &str, text: &str) -> Step {
        let line = Line { voice: Voice::called(job, None), text: text.to_owned() };
        Step { job: job.parse().unwrap(), line: Some(line), begin: None, exited: None }
    }

    /// Takes what is to be shown now.
    fn lines(order: &mut Order) -> Vec<String> {
        let mut lines = Vec::new();
        while order.has_line() {
            order.next_line(|line| lines.push(line.text));
        }
        lines
    }

    #[test]
    fn an_exit_waits_for_the_last_output_and_its_job_with_it_but_no_other() {
        let mut order = Order::default();
        let (exited, mut is_told) = oneshot::channel();
        order.follow(pid(1), exited);
        order.tell(Step { exited: Some(pid(1)), ..step("web", "exit 1") });
        order.tell(step("web", "spawn 2"));
        order.tell(step("db", "spawn 3"));
        assert_eq!(is_told.try_recv(), Ok(()));
        assert_eq!((lines(&mut order), order.len()), (vec!["spawn 3".to_owned()], 2));
        order.shown(pid(9));
        assert!(!order.has_line());
        order.shown(pid(1));
        assert_eq!((lines(&mut order), order.len()), (vec!["exit 1".to_owned(), "spawn 2".to_owned()], 0));
    }

    #[test]
    fn exits_of_one_job_wait_one_after_the_other() {
        let mut order = Order::default();
        for number in [1, 2] {
            order.follow(pid(number), oneshot::channel().0);
            order.tell(Step { exited: Some(pid(number)), ..step("web", &format!("exit {number}")) });
        }
        order.shown(pid(2));
        assert!(!order.has_line());
        order.shown(pid(1));
        assert_eq!((lines(&mut order), order.len()), (vec!["exit 1".to_owned(), "exit 2".to_owned()], 0));
    }

    #[test]
    fn the_exit_of_what_was_shown_to_its_end_or_never_followed_waits_for_nothing() {
        let mut order = Order::default();
        order.follow(pid(1), oneshot::channel().0);
        order.shown(pid(1));
        for number in [1, 2] {
            order.tell(Step { exited: Some(pid(number)), ..step("web", "exit") });
        }
        assert_eq!(lines(&mut order).len(), 2);
        assert!(!order.follows(pid(1)));
    }

    #[test]
    fn output_begins_once_all_before_it_is_told() {
        let mut order = Order::default();
        let (begin, mut may_begin) = oneshot::channel();
        order.tell(Step { begin: Some(begin), ..step("web", "spawn") });
        order.tell(step("web", "more"));
        assert!(may_begin.try_recv().is_err());
        order.next_line(|line| assert_eq!(line.text, "spawn"));
        assert_eq!(may_begin.try_recv(), Ok(()));
        // With nothing to be told before, it begins at once.
        let (mut order, (begin, mut may_begin)) = (Order::default(), oneshot::channel());
        order.begin(begin);
        assert_eq!((may_begin.try_recv(), order.len()), (Ok(()), 0));
    }
}
