//! What a hook hears: the events of all its patterns, in the order in which they happened, each once.

use std::{collections::BTreeMap, future::poll_fn, sync::Arc, task::Poll};

use gaffer_core::{
    Manager,
    events::{Delivery, Notification, Pattern, Subscription},
};
use tokio::task::unconstrained;

/// Several subscriptions as one.
pub(super) struct Ears {
    subscriptions: Vec<Subscription<Arc<Notification>>>,
    /// What was heard, and not yet told, by its id.
    heard: BTreeMap<u64, Arc<Notification>>,
    lost: u64,
    is_over: bool,
}

/// What was heard at once.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// In the order in which it happened.
    pub(super) notifications: Vec<Arc<Notification>>,
    /// How much was lost, as we were too slow.
    pub(super) lost: u64,
}

impl Ears {
    /// Hears from now on.
    pub(super) fn new(manager: &Manager, patterns: &[Pattern]) -> Self {
        let subscriptions = patterns.iter().map(|pattern| manager.subscribe(pattern)).collect();
        Self { subscriptions, heard: BTreeMap::new(), lost: 0, is_over: false }
    }

    /// What has happened; `None` once the manager is done, and all was told.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn hear(&mut self) -> Option<Heard> {
        // A budget that runs out in the middle would make a subscription seem to have nothing.
        unconstrained(poll_fn(|cx| {
            let mut open = false;
            for subscription in &mut self.subscriptions {
                loop {
                    match subscription.poll_recv(cx) {
                        Poll::Ready(Some(delivery)) => take(delivery, &mut self.heard, &mut self.lost),
                        Poll::Ready(None) => break,
                        Poll::Pending => {
                            open = true;
                            break;
                        }
                    }
                }
            }
            self.is_over = !open;
            match self.take_ordered() {
                Some(heard) => Poll::Ready(Some(heard)),
                None if self.is_over => Poll::Ready(None),
                None => Poll::Pending,
            }
        }))
        .await
    }

    /// What has happened so far, without waiting.
    pub(super) fn rest(&mut self) -> Heard {
        self.sweep();
        self.take_ordered().unwrap_or_default()
    }

    fn sweep(&mut self) {
        for subscription in &mut self.subscriptions {
            while let Some(delivery) = subscription.try_recv() {
                take(delivery, &mut self.heard, &mut self.lost);
            }
        }
    }

    /// What can be told in its order: all that came before the last that is known. Of what came meanwhile, a subscription that was
    /// asked early may have missed what one that was asked late has.
    fn take_ordered(&mut self) -> Option<Heard> {
        let last = self.heard.last_key_value().map(|(id, _)| *id);
        if last.is_none() && self.lost == 0 {
            return None;
        }
        let later = match last {
            Some(last) if self.subscriptions.len() > 1 => {
                // They are told under one lock: what was told before the last one is there by now.
                self.sweep();
                self.heard.split_off(&(last + 1))
            }
            _ => BTreeMap::new(),
        };
        let notifications = std::mem::replace(&mut self.heard, later).into_values().collect();
        Some(Heard { notifications, lost: std::mem::take(&mut self.lost) })
    }
}

fn take(delivery: Delivery<Arc<Notification>>, heard: &mut BTreeMap<u64, Arc<Notification>>, lost: &mut u64) {
    match delivery {
        Delivery::Item(notification) => drop(heard.insert(notification.id(), notification)),
        Delivery::Lagged(count) => *lost += count,
    }
}
