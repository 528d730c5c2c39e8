//! A key in use.

use std::time::Duration;

use gaffer_core::{
    access::{KeyId, Permissions, Resource, Right},
    api::access::KeyInfo,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{KeyRecord, clock::Clock};

/// A key that is known. Whoever goes on for long with one asks [`gone`](Self::gone).
#[derive(Debug)]
pub struct Key {
    record: KeyRecord,
    revoked: CancellationToken,
    clock: Clock,
}

/// How long the clock is trusted to go on as it does: it may be set meanwhile, or the machine sleep.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

impl Key {
    pub(crate) fn new(record: KeyRecord, clock: Clock) -> Self {
        Self { record, revoked: CancellationToken::new(), clock }
    }

    pub(crate) fn record(&self) -> &KeyRecord {
        &self.record
    }

    /// What it is called.
    pub fn id(&self) -> &KeyId {
        &self.record.id
    }

    /// The user who got it by logging in.
    pub fn user(&self) -> Option<&str> {
        self.record.user.as_deref()
    }

    /// Who has it, for people: the user, and its id.
    pub fn holder(&self) -> String {
        match self.user() {
            Some(user) => format!("{user} (key {})", self.id()),
            None => format!("key {}", self.id()),
        }
    }

    /// Who acts: the key itself; or, if it came of a log-in, the key whose rights the user has.
    pub fn identity(&self) -> &KeyId {
        let of_user = self.record.user.as_ref().and(self.record.parent.as_ref());
        of_user.unwrap_or(&self.record.id)
    }

    /// What it permits.
    pub fn permissions(&self) -> &Permissions {
        &self.record.permissions
    }

    /// Whether it permits this.
    pub fn allow(&self, right: Right, resource: Resource<'_>) -> bool {
        self.record.permissions.allow(right, resource)
    }

    pub(crate) fn is_expired(&self) -> bool {
        self.record.expires.is_some_and(|expires| self.clock.now() >= expires)
    }

    pub(crate) fn is_revoked(&self) -> bool {
        self.revoked.is_cancelled()
    }

    /// Whether it is good no more.
    pub fn is_gone(&self) -> bool {
        self.is_revoked() || self.is_expired()
    }

    pub(crate) fn revoke(&self) {
        self.revoked.cancel();
    }

    /// Resolves when it is revoked, or its time is over.
    ///
    /// # Cancel safety
    /// Nothing happens if this is dropped.
    pub async fn gone(&self) {
        let expired = async {
            let Some(expires) = self.record.expires else { return std::future::pending().await };
            while let Some(left @ 1..) = expires.checked_sub(self.clock.now()) {
                sleep(Duration::from_secs(left).min(LOOK_AGAIN)).await;
            }
        };
        tokio::select! {
            () = self.revoked.cancelled() => {}
            () = expired => {}
        }
    }

    /// What others may know of it.
    pub fn info(&self) -> KeyInfo {
        let KeyRecord { id, digest: _, label, permissions, parent, user, created, expires } = self.record.clone();
        KeyInfo { key: id, label, permissions, parent, user, created, expires }
    }
}
