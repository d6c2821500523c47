//! The shared engine: several appliances over one PostgreSQL, each with one writing connection, two reading ones, and a thread of
//! its own for all three.
//!
//! - The writer takes all waiting jobs into one transaction, as the embedded engine does, and works on sets: a batch costs a few ways
//!   to the server, not a few for each message. Should one job of a batch fail, all of it is run again, job by job.
//! - A lease is a row taken by `FOR UPDATE SKIP LOCKED`, with the server's clock, the appliance's name and a growing epoch. What an
//!   appliance leaves in the queue it tells the others by NOTIFY; a slow poll stands behind that.
//! - An appliance is the holder of a random id in a file and of an advisory lock on it: only the living holder may take back the leases
//!   of that id, and two daemons never share one.

mod accept;
mod again;
mod alarms;
mod allowance;
mod appliance;
pub(super) mod handle;
mod inbox;
mod keep;
mod lanes;
mod lease;
mod link;
mod messages;
mod outbox;
mod read;
mod recovery;
mod rekey;
mod report;
mod schema;
mod spent;
mod time;
mod tokens;
mod turn;
mod writer;

use std::cell::{Cell, RefCell};

use tokio_postgres::Row;
use uuid::Uuid;

use self::link::Link;
use self::outbox::News;
use self::spent::Ledger;
use super::StoreError;
use super::keep::{ErasedNumber, KeptNumber};
use super::seal::Keyring;
use super::sqlite::lanes::Shared as Gate;
use super::sqlite::lease::Hints;
use crate::number::Number;
use crate::queue::lanes::PerLane;
use crate::queue::message::{Lane, MessageId, State};
use crate::telemetry::over_budget::OverBudget;
use crate::units::UnixMs;

/// What a job sees of the transaction it runs in.
pub(super) struct Tx<'a> {
    link: &'a Link,
    keys: &'a Keyring,
    /// This appliance.
    me: Uuid,
    /// The server's clock at the beginning.
    now: UnixMs,
    /// What the times of the job's caller lack to the server's.
    shift: Cell<i64>,
    hints: &'a RefCell<Hints>,
    ledger: RefCell<Ledger>,
    /// Requests over budget.
    over: &'a OverBudget,
    /// Nothing else runs in this transaction.
    alone: bool,
    /// Something came into the queue of which the other appliances do not know.
    queued: Cell<bool>,
    /// Something changed that they must know of at once.
    changed: Cell<bool>,
    /// What is to be told to hooks and listeners.
    news: News,
    /// The bounds of the lanes.
    gate: &'a Gate,
    /// Unsent messages of each lane at the beginning and those accepted since; `None` until it is asked.
    unsent: Cell<Option<PerLane<u64>>>,
}

impl Tx<'_> {
    /// A caller's time as the server's.
    fn at(&self, caller: UnixMs) -> i64 {
        time::shifted(caller, self.shift.get())
    }

    /// A time of the server as the caller's.
    fn told(&self, server: i64) -> UnixMs {
        UnixMs(server.saturating_sub(self.shift.get()))
    }

    /// The server's now, or the caller's if that is later: what is over for either is over.
    fn now_or(&self, caller: UnixMs) -> i64 {
        self.at(caller).max(self.now.0)
    }
}

fn corrupt(what: &str) -> StoreError {
    StoreError::Engine(format!("the database holds an impossible {what}"))
}

fn uuid(id: MessageId) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}

fn id_of(row: &Row, at: usize) -> Result<MessageId, StoreError> {
    let id: Uuid = row.try_get(at)?;
    MessageId::from_slice(id.as_bytes()).ok_or_else(|| corrupt("message id"))
}

fn lane_of(row: &Row, at: usize) -> Result<Lane, StoreError> {
    Lane::from_code(i64::from(row.try_get::<_, i16>(at)?)).ok_or_else(|| corrupt("lane"))
}

fn state_of(row: &Row, at: usize) -> Result<State, StoreError> {
    State::from_code(i64::from(row.try_get::<_, i16>(at)?)).ok_or_else(|| corrupt("state"))
}

fn number_of(row: &Row, at: usize) -> Result<Number, StoreError> {
    Number::parse(row.try_get::<_, &str>(at)?, None).map_err(|_| corrupt("phone number"))
}

fn kept_number(row: &Row, at: usize) -> Result<KeptNumber, StoreError> {
    match ErasedNumber::stored(row.try_get(at)?) {
        Some(erased) => Ok(KeptNumber::Erased(erased)),
        None => Ok(number_of(row, at)?.into()),
    }
}

/// A small number that the column may hold wider.
fn octet_of(row: &Row, at: usize) -> Result<u8, StoreError> {
    u8::try_from(row.try_get::<_, i16>(at)?).map_err(|_| corrupt("small number"))
}

fn count_of(row: &Row, at: usize) -> Result<u32, StoreError> {
    u32::try_from(row.try_get::<_, i32>(at)?).map_err(|_| corrupt("count"))
}

fn small(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
