//! How long what a server began may go on.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::info;

/// The life that a server shares with all it began: the tasks of its connections, and those of websockets, which outlive the
/// connection's own.
///
/// Made before router and server, and given to both. A clone is the same life.
#[derive(Clone, Debug, Default)]
pub struct Lifetime {
    /// No new connections, no next requests, no more of endless answers.
    closing: CancellationToken,
    /// What is left is dropped.
    abort: CancellationToken,
    tasks: TaskTracker,
    /// Those of the life that this one is a part of, and of what that is a part of.
    above: Vec<TaskTracker>,
}

impl Lifetime {
    /// A life that has just begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// A life within this one: it may end before, and ends with it. What it began, this one waits for as well.
    pub(super) fn part(&self) -> Self {
        let above = std::iter::once(&self.tasks).chain(&self.above).cloned().collect();
        Self { closing: self.closing.child_token(), abort: self.abort.child_token(), tasks: TaskTracker::new(), above }
    }

    /// Cancelled when the server closes, or the endpoint whose life it is: endless answers and websockets must end then. Whoever cancels it begins the close.
    pub fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    /// Makes the server wait for a task, and drop it if it does not end in time. `None` is the answer of one that was dropped.
    ///
    /// It counts from this call on, not only from the first poll.
    pub fn track<F: Future>(&self, task: F) -> impl Future<Output = Option<F::Output>> + use<F> {
        let counted: Vec<_> = std::iter::once(&self.tasks).chain(&self.above).map(TaskTracker::token).collect();
        let abort = self.abort.clone();
        async move {
            let _counted = counted;
            abort.run_until_cancelled_owned(task).await
        }
    }

    /// Spawns a [tracked](Self::track) task on the current runtime.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<Option<F::Output>>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        tokio::spawn(self.track(task))
    }

    /// Closes, gives what is under way so long to end, and drops the rest. Answers how many tasks that were.
    ///
    /// # Cancel safety
    /// When the future is dropped, the life is closing all the same, but nothing is dropped.
    pub(super) async fn end(&self, drain: Duration) -> usize {
        self.closing.cancel();
        self.tasks.close();
        if tokio::time::timeout(drain, self.tasks.wait()).await.is_ok() {
            return 0;
        }
        let left = self.tasks.len();
        info!(connections = left, "answers were still under way at the end of the grace; they are cut");
        self.abort.cancel();
        self.tasks.wait().await;
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAIN: Duration = Duration::from_secs(3);

    #[tokio::test(start_paused = true)]
    async fn what_does_not_end_in_time_is_dropped() {
        let lifetime = Lifetime::new();
        let stubborn = lifetime.spawn(std::future::pending::<()>());
        let closing = lifetime.closing().clone();
        let obedient = lifetime.spawn(async move {
            closing.cancelled().await;
            "ended"
        });
        assert_eq!(lifetime.end(DRAIN).await, 1);
        assert_eq!((stubborn.await.unwrap(), obedient.await.unwrap()), (None, Some("ended")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_ends_before_the_whole_or_with_it() {
        let whole = Lifetime::new();
        let [early, late] = [whole.part(), whole.part()];
        let until_closed = |lifetime: &Lifetime| {
            let closing = lifetime.closing().clone();
            lifetime.spawn(async move { closing.cancelled().await })
        };
        let (of_early, of_late, of_whole) = (until_closed(&early), until_closed(&late), until_closed(&whole));
        let stubborn = early.spawn(std::future::pending::<()>());
        assert_eq!(early.end(DRAIN).await, 1);
        assert_eq!((of_early.await.unwrap(), stubborn.await.unwrap()), (Some(()), None));
        assert!(!late.closing().is_cancelled() && !of_late.is_finished() && !of_whole.is_finished());
        let stubborn = late.spawn(std::future::pending::<()>());
        assert_eq!(whole.end(DRAIN).await, 1, "what a part began is waited for");
        assert_eq!(
            (of_late.await.unwrap(), of_whole.await.unwrap(), stubborn.await.unwrap()),
            (Some(()), Some(()), None)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_polled_yet_counts() {
        let lifetime = Lifetime::new();
        let tracked = lifetime.track(std::future::ready(()));
        let ending = tokio::spawn({
            let lifetime = lifetime.clone();
            async move { lifetime.end(DRAIN).await }
        });
        lifetime.closing().cancelled().await;
        assert!(!ending.is_finished());
        assert_eq!(tracked.await, Some(()));
        assert_eq!(ending.await.unwrap(), 0);
    }
}
