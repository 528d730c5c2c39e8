//! The sessions that are not over one websocket, by the id that their clients chose.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::http::Extensions;

use super::conversation::Conversation;

/// All sessions. A clone is the same registry.
#[derive(Clone, Debug)]
pub(super) struct Registry {
    sessions: Arc<Mutex<HashMap<Box<str>, Arc<Conversation>>>>,
    most: usize,
}

/// What an id stands for.
pub(super) enum Found {
    /// A session that is there.
    Known(Arc<Conversation>),
    /// A session that has just begun, and is in the registry as long as the second is kept.
    New(Arc<Conversation>, Registered),
    /// None, as there are too many.
    Full,
}

/// Takes a session out when it is dropped.
#[derive(Debug)]
pub(super) struct Registered {
    registry: Registry,
    id: Box<str>,
}

impl Registry {
    pub(super) fn new(most: usize) -> Self {
        Self { sessions: Arc::default(), most }
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Conversation>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner) // Each change is one call.
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Conversation>> {
        self.sessions().get(id).cloned()
    }

    pub(super) fn get_or_begin(&self, id: &str, introduce: impl FnOnce() -> Extensions) -> Found {
        let mut sessions = self.sessions();
        let count = sessions.len();
        match sessions.entry(id.into()) {
            Entry::Occupied(known) => Found::Known(Arc::clone(known.get())),
            Entry::Vacant(_) if count >= self.most => Found::Full,
            Entry::Vacant(place) => {
                let conversation = Arc::clone(place.insert(Conversation::new(introduce())));
                Found::New(conversation, Registered { registry: self.clone(), id: id.into() })
            }
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let gone = self.registry.sessions().remove(&self.id);
        drop(gone); // When the lock is free.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_by_its_id_as_long_as_it_is_registered() {
        let registry = Registry::new(2);
        let Found::New(first, registered) = registry.get_or_begin("a", Extensions::new) else { panic!("it is new") };
        assert!(
            matches!(registry.get_or_begin("a", Extensions::new), Found::Known(known) if Arc::ptr_eq(&known, &first))
        );
        drop(registry.get_or_begin("b", Extensions::new));
        let Found::New(_, kept) = registry.get_or_begin("b", Extensions::new) else {
            panic!("the first `b` was dropped at once")
        };
        assert!(matches!(registry.get_or_begin("c", Extensions::new), Found::Full));
        drop(registered);
        assert!(registry.get("a").is_none());
        assert!(matches!(registry.get_or_begin("c", Extensions::new), Found::New(..)));
        drop(kept);
    }
}
