//! The task of one hook: hears events, has them wait in lanes, and delivers them.
//!
//! It is always ready to hear: nothing that a receiver does, or does not do, keeps it from that, so nothing is lost but by the bound
//! of its own queue. The manager never waits for it in any case.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::SystemTime,
};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use gaffer_core::{JobName, events::Notification};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    WebhookOptions,
    ears::{Ears, Heard},
    lanes::{self, Lanes},
    retry::{Health, Verdict},
    sender::{Outcome, Sender},
    tally::{Tally, Trouble},
};

type Parcel = lanes::Parcel<JobName, Arc<Notification>>;

/// What a courier is made of.
pub(super) struct Courier {
    /// For the log: the hook's name or id, and the origin of its URL.
    name: String,
    node: String,
    options: WebhookOptions,
    ears: Ears,
    /// Whether there may be more to hear.
    hears: bool,
    sender: Arc<Sender>,
    tally: Arc<Tally>,
    lanes: Lanes<JobName, Arc<Notification>>,
    health: Health,
    under_way: FuturesUnordered<BoxFuture<'static, (Parcel, Outcome)>>,
    failing: Trouble,
    overflowing: Trouble,
}

/// When it has to be over; none as long as the node runs.
pub(super) type Deadline = watch::Receiver<Option<Instant>>;

impl Courier {
    pub(super) fn new(
        name: String,
        node: String,
        options: WebhookOptions,
        ears: Ears,
        sender: Arc<Sender>,
        tally: Arc<Tally>,
    ) -> Self {
        Self {
            name,
            node,
            options,
            ears,
            hears: true,
            sender,
            tally,
            lanes: Lanes::new(options.queue),
            health: Health::default(),
            under_way: FuturesUnordered::new(),
            failing: Trouble::default(),
            overflowing: Trouble::default(),
        }
    }

    /// Runs until the hook is removed, or until the end has come and all is delivered that can be in time.
    pub(super) async fn run(mut self, removed: CancellationToken, mut deadline: Deadline) {
        loop {
            let now = Instant::now();
            let end = *deadline.borrow_and_update();
            if end.is_some() && self.hears {
                let heard = self.ears.rest();
                self.heard(heard);
                self.hears = false;
            }
            self.expire(now);
            self.send_due(now);
            let wake = self.next_attempt();
            if let Some(end) = end
                && (self.lanes.len() == 0
                    || end <= now
                    || (self.under_way.is_empty() && wake.is_none_or(|wake| wake >= end)))
            {
                self.leave();
                return;
            }
            let wake = [wake, self.next_expiry(), end].into_iter().flatten().min();
            // Each is cancel safe: dropping it loses nothing.
            tokio::select! {
                biased;
                () = removed.cancelled() => {
                    self.abandon();
                    return;
                }
                Some((parcel, outcome)) = self.under_way.next(), if !self.under_way.is_empty() => self.settle(parcel, outcome),
                heard = self.ears.hear(), if self.hears => match heard {
                    Some(heard) => self.heard(heard),
                    None => self.hears = false,
                },
                changed = deadline.changed() => if changed.is_err() {
                    // All handles are gone: nobody could ever say so.
                    self.leave();
                    return;
                },
                () = sleep_until(wake.unwrap_or(now)), if wake.is_some() => {}
            }
            // To hear has no budget of its own.
            tokio::task::consume_budget().await;
        }
    }

    fn heard(&mut self, heard: Heard) {
        let now = Instant::now();
        let told = heard.notifications.len() as u64;
        let mut dropped = heard.lost;
        for notification in heard.notifications {
            let job = notification.event().job.clone();
            dropped += u64::from(self.lanes.push(now, job, notification).is_some());
        }
        let overflown = dropped - heard.lost;
        self.tally.change(|figures| {
            figures.waiting = (figures.waiting + told).saturating_sub(overflown);
            figures.dropped += dropped;
        });
        if dropped > 0 && self.overflowing.is_news(now) {
            warn!("webhook {}: too many events wait, so the oldest are dropped", self.name);
        }
    }

    /// Gives up what has waited for too long.
    fn expire(&mut self, now: Instant) {
        let mut expired = 0;
        while self.lanes.expired(now, self.options.retry.age).is_some() {
            expired += 1;
        }
        if expired > 0 {
            self.tally.change(|figures| {
                figures.failed += expired;
                figures.waiting = figures.waiting.saturating_sub(expired);
            });
        }
    }

    fn next_expiry(&self) -> Option<Instant> {
        // One that is so far away that it cannot be told never comes.
        self.lanes.oldest()?.checked_add(self.options.retry.age)
    }

    /// When the next attempt may be made that is not made now; `None` if that is up to those under way.
    fn next_attempt(&self) -> Option<Instant> {
        let now = Instant::now();
        let most = self.options.parallel.max(1);
        let rest = self.health.rest().unwrap_or(now);
        if !self.health.permits(rest.max(now), self.under_way.len(), most) {
            return None;
        }
        if self.lanes.has_ready() { Some(rest) } else { self.lanes.next_due().map(|due| due.max(rest)) }
    }

    /// Begins as many attempts as may be made now.
    fn send_due(&mut self, now: Instant) {
        while self.health.permits(now, self.under_way.len(), self.options.parallel.max(1)) {
            let Some(parcel) = self.lanes.take(now) else { return };
            if parcel.failures > 0 {
                self.tally.change(|figures| figures.retried += 1);
            }
            let (sender, node) = (self.sender.clone(), self.node.clone());
            self.under_way.push(Box::pin(async move {
                let outcome = sender.send(&node, &parcel.item).await;
                (parcel, outcome)
            }));
        }
    }

    /// An attempt is over.
    fn settle(&mut self, mut parcel: Parcel, outcome: Outcome) {
        let Outcome { verdict, status, problem } = outcome;
        let now = Instant::now();
        let asked = match verdict {
            Verdict::Delivered => {
                self.health.answered();
                self.lanes.done(&parcel.lane);
                self.tally.change(|figures| {
                    figures.delivered += 1;
                    figures.waiting = figures.waiting.saturating_sub(1);
                    figures.last_status = status;
                    figures.last_success = Some(SystemTime::now());
                });
                self.recovered();
                return;
            }
            Verdict::GiveUp => {
                self.health.answered();
                None
            }
            Verdict::Retry(asked) => {
                self.health.failed(now, &self.options.retry, asked, dice());
                Some(asked)
            }
        };
        parcel.failures = parcel.failures.saturating_add(1);
        let policy = &self.options.retry;
        let is_given_up = asked.is_none() || parcel.failures >= policy.attempts;
        let problem = problem.unwrap_or_default();
        if self.failing.is_news(now) {
            let then = if asked.is_some() { "it is tried again, for a while" } else { "that event is given up" };
            warn!("webhook {}: {problem}; {then}", self.name);
        }
        self.tally.change(|figures| {
            figures.last_status = status.or(figures.last_status);
            figures.last_error = Some(problem);
            if is_given_up {
                figures.failed += 1;
                figures.waiting = figures.waiting.saturating_sub(1);
            }
        });
        if is_given_up {
            self.lanes.done(&parcel.lane);
        } else {
            let pause = policy.pause(parcel.failures, asked.flatten(), dice());
            self.lanes.put_back(parcel, now + pause);
        }
    }

    fn recovered(&mut self) {
        if self.failing.is_over() {
            info!("webhook {}: events are delivered again", self.name);
        }
        if self.lanes.len() < self.options.queue / 2 {
            self.overflowing.is_over();
        }
    }

    /// The end has come: what is left is lost.
    fn leave(&mut self) {
        let left = self.lanes.len();
        if left > 0 {
            warn!("webhook {}: {left} events could not be delivered before the end", self.name);
            self.drop_all(left as u64);
        }
    }

    /// The hook was removed, and nobody wants what is left.
    fn abandon(&mut self) {
        self.drop_all(self.lanes.len() as u64);
    }

    fn drop_all(&mut self, left: u64) {
        self.under_way.clear();
        self.tally.change(|figures| {
            figures.dropped += left;
            figures.waiting = 0;
        });
    }
}

/// From 0 to 1. Good enough to spread attempts; the standard library has nothing better.
fn dice() -> f64 {
    RandomState::new().hash_one(()) as f64 / u64::MAX as f64
}
