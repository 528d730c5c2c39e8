//! Keys and users, in memory: who is there, and what goes with what.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use gaffer_core::access::KeyId;

use crate::{Change, Key, KeyDigest, KeyRecord, Records, UserRecord, clock::Clock};

/// All that is known, as it stands in the file.
#[derive(Debug, Default)]
pub(crate) struct Register {
    keys: HashMap<KeyId, Arc<Key>>,
    children: HashMap<KeyId, Vec<KeyId>>,
    users: BTreeMap<String, Arc<UserRecord>>,
}

/// Session keys that a user has at once; the oldest goes when one more is wanted.
const SESSIONS: usize = 64;

impl Register {
    /// Takes in what stands in the file. Keys that it has already are the same afterwards, and those that are gone are revoked.
    pub(crate) fn take(&mut self, records: Records, clock: &Clock) {
        let known: HashSet<&KeyId> = records.keys.iter().map(|key| &key.id).collect();
        self.keys.retain(|id, key| {
            let stays = known.contains(id);
            if !stays {
                key.revoke();
            }
            stays
        });
        self.children.clear();
        self.users = records.users.into_iter().map(|user| (user.name.clone(), Arc::new(user))).collect();
        for record in records.keys {
            match self.keys.get(&record.id) {
                Some(key) => self.link(&Arc::clone(key)),
                None => self.add(record, clock),
            }
        }
    }

    fn link(&mut self, key: &Key) {
        if let Some(parent) = &key.record().parent {
            self.children.entry(parent.clone()).or_default().push(key.id().clone());
        }
    }

    /// Adds a key.
    pub(crate) fn add(&mut self, record: KeyRecord, clock: &Clock) {
        let key = Arc::new(Key::new(record, clock.clone()));
        self.link(&key);
        self.keys.insert(key.id().clone(), key);
    }

    /// The key that a text is; `None` if it is none. How long that takes tells at most whether there is a key of this id.
    pub(crate) fn find(&self, text: &str) -> Option<&Arc<Key>> {
        let key = self.keys.get(&KeyId::of(text).ok()?)?;
        key.record().digest.matches(&KeyDigest::of(text)).then_some(key)
    }

    pub(crate) fn key(&self, id: &KeyId) -> Option<&Arc<Key>> {
        self.keys.get(id)
    }

    /// All keys, in the order of their making.
    pub(crate) fn keys(&self) -> Vec<&Arc<Key>> {
        in_order(self.keys.values())
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn children(&self, id: &KeyId) -> &[KeyId] {
        self.children.get(id).map_or(&[], Vec::as_slice)
    }

    /// Whether a key is this one, or goes with it.
    pub(crate) fn is_within(&self, id: &KeyId, ancestor: &KeyId) -> bool {
        let parent = |id: &KeyId| self.keys.get(id).and_then(|key| key.record().parent.clone());
        // Parents are older than their children; but a file that somebody has written by hand may hold a circle.
        std::iter::successors(Some(id.clone()), parent).take(self.keys.len() + 1).any(|id| id == *ancestor)
    }

    pub(crate) fn user(&self, name: &str) -> Option<&Arc<UserRecord>> {
        self.users.get(name)
    }

    pub(crate) fn users(&self) -> impl Iterator<Item = &Arc<UserRecord>> {
        self.users.values()
    }

    /// The keys that a user got by logging in, the oldest first.
    pub(crate) fn sessions_of(&self, user: &str) -> Vec<KeyId> {
        let sessions = in_order(self.keys.values().filter(|key| key.user() == Some(user)));
        sessions.into_iter().map(|key| key.id().clone()).collect()
    }

    /// The sessions that must go for one more to be there.
    pub(crate) fn too_many_sessions_of(&self, user: &str) -> Vec<KeyId> {
        let mut sessions = self.sessions_of(user);
        sessions.truncate((sessions.len() + 1).saturating_sub(SESSIONS));
        sessions
    }

    pub(crate) fn expired(&self) -> Vec<KeyId> {
        let expired = self.keys.values().filter(|key| key.is_expired());
        expired.map(|key| key.id().clone()).collect()
    }

    /// What changes if keys are revoked: those that go with them go as well, and users who had their rights have none.
    pub(crate) fn revocation(&self, keys: impl IntoIterator<Item = KeyId>) -> Vec<Change> {
        let mut going: Vec<KeyId> = Vec::new();
        let mut seen: HashSet<KeyId> = HashSet::new();
        let mut waiting: Vec<KeyId> = keys.into_iter().collect();
        while let Some(id) = waiting.pop() {
            if self.keys.contains_key(&id) && seen.insert(id.clone()) {
                waiting.extend(self.children(&id).iter().cloned());
                going.push(id);
            }
        }
        let bereft = self.users.values().filter(|user| user.key.as_ref().is_some_and(|key| seen.contains(key)));
        let bereft = bereft.map(|user| Change::PutUser(UserRecord { key: None, ..UserRecord::clone(user) }));
        bereft.chain(going.into_iter().map(Change::DeleteKey)).collect()
    }

    /// Does what stands in the file by now.
    pub(crate) fn apply(&mut self, changes: Vec<Change>, clock: &Clock) {
        for change in changes {
            match change {
                Change::PutKey(record) => self.add(record, clock),
                Change::DeleteKey(id) => self.remove(&id),
                Change::PutUser(user) => drop(self.users.insert(user.name.clone(), Arc::new(user))),
                Change::DeleteUser(name) => drop(self.users.remove(&name)),
                // They are not kept here.
                Change::PutJob(_) | Change::DeleteJob(_) => {}
                Change::PutWebhook(_) | Change::DeleteWebhook(_) => {} // Nothing that keys and users have to do with.
            }
        }
    }

    fn remove(&mut self, id: &KeyId) {
        let Some(key) = self.keys.remove(id) else { return };
        key.revoke();
        self.children.remove(id);
        if let Some(siblings) = key.record().parent.as_ref().and_then(|parent| self.children.get_mut(parent)) {
            siblings.retain(|sibling| sibling != id);
        }
    }

    /// Keys that go with one that is not there: of a file that somebody else has written.
    pub(crate) fn orphans(&self) -> Vec<KeyId> {
        let is_orphan = |key: &&Arc<Key>| key.record().parent.as_ref().is_some_and(|id| !self.keys.contains_key(id));
        self.keys.values().filter(is_orphan).map(|key| key.id().clone()).collect()
    }
}

/// In the order of their making.
fn in_order<'a>(keys: impl Iterator<Item = &'a Arc<Key>>) -> Vec<&'a Arc<Key>> {
    let mut keys: Vec<&Arc<Key>> = keys.collect();
    keys.sort_by_key(|key| (key.record().created, key.id()));
    keys
}
