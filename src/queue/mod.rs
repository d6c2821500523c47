//! What a message is, what lets it in, and what happens to it next: the queue's rules, all pure.
//!
//! [`admission`] is the only entrance with its [`budget`]s, [`message`] the vocabulary, [`rules`] the verdicts after an attempt,
//! [`again`] those on what shall be tried once more, [`lanes`] how much each lane may hold, [`life`] the record of all that happened,
//! [`callback`] what a Kannel client hears of it. The rows themselves live in the store.

pub mod admission;
pub mod again;
pub mod budget;
pub mod callback;
pub mod conversion;
pub mod lanes;
pub mod life;
pub mod message;
pub mod prefix;
pub mod rules;
