//! What a message is, what lets it in, and what happens to it next: the queue's rules, all pure.
//!
//! [`admission`] is the only entrance, [`message`] the vocabulary, [`rules`] the verdicts after an attempt, [`life`] the record of
//! all that happened. The rows themselves live in the store; nothing here holds state.

pub mod admission;
pub mod life;
pub mod message;
pub mod rules;
