//! The sample users, in memory.

use std::collections::HashMap;
use std::sync::Arc;

use super::User;
use crate::data::sample::SAMPLES;

/// Users that are always there.
#[derive(Debug, Clone)]
pub(super) struct MemoryUsers(Arc<HashMap<i64, User>>);

impl MemoryUsers {
    pub(super) fn new() -> Self {
        let user = |s: &crate::data::sample::Sample| User { id: s.id, name: s.name.to_owned(), email: s.email.to_owned() };
        Self(Arc::new(SAMPLES.iter().map(|s| (s.id, user(s))).collect()))
    }

    pub(super) fn get(&self, id: i64) -> Option<User> {
        self.0.get(&id).cloned()
    }
}
