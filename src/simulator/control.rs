//! The hand that pulls the plug: orders to a simulated modem from other threads.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::{EventfdFlags, eventfd};

use super::network::{Arrival, DeliverError, Network};
use super::scenario::Silence;
use crate::clock;

/// What the thread of a modem is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    HangUp,
    PlugIn,
    Silence(Silence),
    Stop,
}

/// Orders that wait, and the descriptor that wakes the modem's thread for them.
#[derive(Debug)]
pub(super) struct Mailbox {
    orders: Mutex<VecDeque<Order>>,
    wake: OwnedFd,
}

impl Mailbox {
    pub(super) fn new() -> io::Result<Arc<Self>> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Arc::new(Self { orders: Mutex::default(), wake }))
    }

    pub(super) fn descriptor(&self) -> &OwnedFd {
        &self.wake
    }

    /// Wakes the modem's thread. A counter that is full wakes it as well, so failure means nothing.
    pub(super) fn ring(&self) {
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    /// Takes the next order.
    pub(super) fn take(&self) -> Option<Order> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Resets the descriptor.
    pub(super) fn hush(&self) {
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
    }

    pub(super) fn give(&self, order: Order) {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).push_back(order);
        self.ring();
    }
}

/// Control of one running modem; clones control the same one. What is ordered happens within a moment, in order.
#[derive(Clone)]
pub struct Control {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) network: Network,
    pub(super) number: String,
}

impl Control {
    /// Takes the modem from the bus: port and link are gone.
    pub fn hang_up(&self) {
        self.mailbox.give(Order::HangUp);
    }

    /// Puts it back: a new port under the same link. Nothing happens to one that is there.
    pub fn plug_in(&self) {
        self.mailbox.give(Order::PlugIn);
    }

    /// Sends a message to its SIM; `from` is a number, a short code or a name.
    ///
    /// # Errors
    /// When there is no such sender or the text is too long.
    pub fn deliver(&self, from: &str, text: &str) -> Result<(), DeliverError> {
        self.deliver_parts(from, text, &Arrival::default())
    }

    /// The same, with parts that arrive as told.
    ///
    /// # Errors
    /// When there is no such sender or part, or the text is too long.
    pub fn deliver_parts(&self, from: &str, text: &str, arrival: &Arrival) -> Result<(), DeliverError> {
        self.network.send_parts(clock::monotonic(), from, &self.number, text, arrival)
    }

    /// Stops answering, or answers again.
    pub fn silence(&self, silence: Silence) {
        self.mailbox.give(Order::Silence(silence));
    }

    /// Ends the modem; its port and link go.
    pub fn stop(&self) {
        self.mailbox.give(Order::Stop);
    }

    /// The number of its SIM.
    #[must_use]
    pub fn number(&self) -> &str {
        &self.number
    }
}
