//! The modem machine: bytes, time and requests in; bytes, outcomes and events out.

use std::collections::VecDeque;
use std::time::Instant;

pub use super::exchange::{
    Cause, Counters, Done, Event, Failure, Identity, IncomingKind, Input, Kind, Noise, NotSent, Output,
    Phase, PinPermission, Registration, Request, RequestId, Settings, Status, Step, TPDU_MAX, Token,
    Uncertain,
};

/// One modem, seen from its port.
#[derive(Debug)]
pub struct Machine {
    settings: Settings,
    started: Instant,
    outputs: VecDeque<Output>,
}

impl Machine {
    /// A machine for a port that was just opened. It writes nothing before its first input (a [`Input::Tick`]).
    #[must_use]
    pub fn new(settings: Settings, now: Instant) -> Self {
        Self { settings, started: now, outputs: VecDeque::new() }
    }

    /// Takes one input. Afterwards [`poll`](Self::poll) is to be called until it gives `None`.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        let _ = (now, &self.settings, self.started);
        if let Input::Request(Request { id, .. }) = input {
            self.outputs.push_back(Output::Done(id, Err(NotSent::NotReady.into())));
        }
    }

    /// The next thing to do, in order.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Tick`] is due at the latest; `None` if only input can change anything (after `HangUp`).
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        None
    }
}
