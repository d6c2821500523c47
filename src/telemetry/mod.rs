//! What the daemon tells about itself: the log, the metrics and the alarms. A leaf: it is used, and uses nothing of the daemon but
//! values and the store's contract.
//!
//! Secrets and numbers stay out of both by their types: [`Secret`](crate::secret::Secret) has no text, and
//! [`Number`](crate::number::Number) shows itself shortened. Query strings are never logged, for clients put PINs there.

pub mod alarms;
pub mod log;
pub mod metrics;
pub mod over_budget;
