//! What is wrong with a store: said once in the log when it begins and when it is over, and told to who asks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is wrong with one store.
pub(super) struct Trouble {
    store: Arc<str>,
    /// Whether the last query failed; beside the lock, since it is looked at after each query.
    refuses: AtomicBool,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    /// Of the last query.
    query: Option<Arc<str>>,
    /// Of connections that cannot be had, by their numbers: that others can does not end their trouble.
    connections: BTreeMap<usize, Arc<str>>,
}

impl Noted {
    fn any(&self) -> Option<&Arc<str>> {
        self.query.as_ref().or_else(|| self.connections.values().next())
    }

    fn knows(&self, error: &str) -> bool {
        self.query.iter().chain(self.connections.values()).any(|known| **known == *error)
    }
}

impl Trouble {
    pub(super) fn new(store: &str) -> Self {
        Self { store: store.into(), refuses: AtomicBool::new(false), noted: Mutex::default() }
    }

    /// The store's kind and address.
    pub(super) fn store(&self) -> &Arc<str> {
        &self.store
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        // No code that can panic runs under the lock.
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begins(&self, error: &str, note: impl FnOnce(&mut Noted, Arc<str>)) {
        let mut noted = self.noted();
        let known = noted.knows(error);
        note(&mut noted, error.into());
        drop(noted);
        if !known {
            tracing::warn!(store = &*self.store, error, "store failed");
        }
    }

    fn ends(&self, forget: impl FnOnce(&mut Noted)) {
        let mut noted = self.noted();
        let before = noted.any().is_some();
        forget(&mut noted);
        let over = before && noted.any().is_none();
        drop(noted);
        if over {
            tracing::info!(store = &*self.store, "store answers again");
        }
    }

    /// A query failed.
    pub(super) fn query_failed(&self, error: &str) {
        self.begins(error, |noted, error| noted.query = Some(error));
        self.refuses.store(true, Ordering::Release);
    }

    /// A query succeeded.
    pub(super) fn answered(&self) {
        if self.refuses.load(Ordering::Acquire) {
            self.refuses.store(false, Ordering::Release);
            self.ends(|noted| noted.query = None);
        }
    }

    /// The connection number `connection` cannot be had.
    pub(super) fn unconnected(&self, connection: usize, error: &str) {
        self.begins(error, |noted, error| drop(noted.connections.insert(connection, error)));
    }

    /// The connection number `connection` is open, which takes a query.
    pub(super) fn connected(&self, connection: usize) {
        self.refuses.store(false, Ordering::Release);
        self.ends(|noted| {
            noted.query = None;
            noted.connections.remove(&connection);
        });
    }

    /// What is wrong now, if anything is.
    pub(super) fn now(&self) -> Option<Arc<str>> {
        self.noted().any().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d9_what_ails_one_connection_lasts_until_that_one_is_open() {
        let trouble = Trouble::new("fake");
        assert_eq!(trouble.now(), None);
        trouble.unconnected(1, "access denied");
        trouble.query_failed("too many joins");
        trouble.answered();
        trouble.connected(0);
        assert_eq!(trouble.now().as_deref(), Some("access denied"));
        trouble.connected(1);
        assert_eq!(trouble.now(), None);
        trouble.query_failed("too many joins");
        assert_eq!(trouble.now().as_deref(), Some("too many joins"));
        trouble.answered();
        assert_eq!(trouble.now(), None);
    }
}
