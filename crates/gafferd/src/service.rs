//! What a service manager is told of the node.

use std::{convert::Infallible, time::Duration};

use gaffer_core::{Manager, applications::SignalHandler};
use gaffer_daemon::systemd::Notifier;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::warn;

/// Time between two looks at what there is to tell, where no sign of life is expected more often.
const USUAL: Duration = Duration::from_secs(30);

/// Time to find out how long a stop may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a stop takes beyond the time that jobs are given: what is killed then, answers that finish, the state that is written.
const MARGIN: Duration = Duration::from_secs(15);

/// How the node is, in a sentence.
pub(crate) fn status(jobs: usize, processes: usize) -> String {
    let plural = |number: usize, one: &str, more: &str| format!("{number} {}", if number == 1 { one } else { more });
    format!("{}, {}", plural(jobs, "job", "jobs"), plural(processes, "process", "processes"))
}

/// Tells how the node is again and again; and that it works, within the time that `watchdog` says, but only if the manager really answers.
pub(crate) async fn attend(notifier: &Notifier, manager: &Manager, watchdog: Option<Duration>) -> Infallible {
    if !notifier.is_heard() {
        return std::future::pending().await;
    }
    let period = watchdog.map_or(USUAL, |within| within / 2).max(Duration::from_millis(1));
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = String::new();
    loop {
        ticks.tick().await;
        match timeout(period, manager.roster()).await {
            // One that has stopped has answered.
            Ok(answer) => {
                if watchdog.is_some() {
                    notifier.alive();
                }
                let Ok(jobs) = answer else { continue };
                let status = status(jobs.len(), jobs.iter().map(|(_, processes)| processes.len()).sum());
                if told != status {
                    notifier.status(&status);
                    told = status;
                }
            }
            Err(_) => warn!(
                "the manager has not answered for {} s; the service manager is not told that it works",
                period.as_secs()
            ),
        }
    }
}

/// Tells of the stop when it begins, and how long it may take.
pub(crate) fn at_stop(signals: SignalHandler, notifier: Notifier) -> SignalHandler {
    if !notifier.is_heard() {
        return signals;
    }
    signals.on_stop(move |manager| {
        Box::pin(async move {
            notifier.stopping("stopping its jobs");
            if let Ok(Some(longest)) = timeout(PATIENCE, longest_graceful_timeout(&manager)).await {
                notifier.extend(longest.saturating_add(MARGIN));
            }
        })
    })
}

async fn longest_graceful_timeout(manager: &Manager) -> Option<Duration> {
    let mut longest = None;
    for name in manager.jobs(None).await.ok()? {
        // One that is gone meanwhile takes no time.
        longest = longest.max(manager.get(&name).await.ok().map(|job| job.graceful_timeout()));
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_counts() {
        assert_eq!(status(0, 2), "0 jobs, 2 processes");
        assert_eq!(status(1, 1), "1 job, 1 process");
    }
}
