//! What a reload replaces while requests are under way: all of it at once, so that no request sees half of a change.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::caller::Callers;
use crate::queue::admission::Rules;
use crate::validate::Validate;

/// The part of the configuration that requests go by.
#[derive(Debug)]
pub struct InForce {
    /// Who may do what.
    pub callers: Callers,
    /// What is let into the queue.
    pub rules: Arc<Rules>,
    /// How an address may begin that a Kannel client names to be called.
    pub dlr_allow: Vec<String>,
    /// Who judges logins.
    pub validate: Validate,
}

/// It, replaceable.
#[derive(Debug)]
pub struct Live(ArcSwap<InForce>);

impl Live {
    /// With this in force.
    #[must_use]
    pub fn new(first: InForce) -> Self {
        Self(ArcSwap::from_pointee(first))
    }

    /// What is in force now; a request keeps to it until its end.
    #[must_use]
    pub fn now(&self) -> Arc<InForce> {
        self.0.load_full()
    }

    /// From now on this is in force.
    pub fn replace(&self, next: InForce) {
        self.0.store(Arc::new(next));
    }
}
