//! Messages on their way out: one in flight, one waiting, and the rule that nothing leaves before it is durable.
//!
//! A submit is waiting, then opening (`AT+CMGS` is out), then prompted, then sent (Ctrl-Z is out), then closing (`+CMGS` came, its
//! `OK` did not). Up to "prompted" every end is [`NotSent`]; from "sent" on only an answer or [`Uncertain`] ends it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::at::{Command, Final};
use crate::modem::exchange::{Done, Event, Failure, NotSent, Output, RequestId, TPDU_MAX, Uncertain};
use crate::modem::machine::Turn;
use crate::modem::session::Order;
use crate::modem::timers::Timer;
use crate::units::MessageRef;

/// One in flight and one waiting: the next `AT+CMGS` leaves with the answer to the last, and no more is held than can be
/// told to be unsent at once.
const HELD_MAX: usize = 2;
/// A modem gives up its prompt after a while, and a commit that takes longer than this has met a broken disk.
const DURABLE_LIMIT: Duration = Duration::from_secs(5);
/// With `+CMMS=1` the link is kept 1 to 5 s after the last answer; TS 27.005 3.5.6.
const LINK_KEPT: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Submit {
    id: RequestId,
    tpdu: Zeroizing<Vec<u8>>,
    more: bool,
    durable: bool,
}

#[derive(Debug)]
enum Current {
    None,
    /// `+CMMS=1` is out for the first one waiting.
    Holding,
    Opening(Submit),
    Prompted(Submit),
    Sent(RequestId),
    /// Its end was told, or it was abandoned; the command is still in flight.
    Closing,
}

/// What is on its way out.
#[derive(Debug)]
pub(super) struct Outgoing {
    current: Current,
    waiting: VecDeque<Submit>,
    /// The last submit without an answer: a late `+CMGS` is its.
    unanswered: Option<RequestId>,
    /// `+CMMS=1` was refused once: never again.
    hold_refused: bool,
    link_kept_until: Option<Instant>,
}

impl Outgoing {
    pub(super) fn new() -> Self {
        Self {
            current: Current::None,
            waiting: VecDeque::with_capacity(HELD_MAX),
            unanswered: None,
            hold_refused: false,
            link_kept_until: None,
        }
    }

    /// Whether a command of a submit is in flight.
    pub(super) fn is_busy(&self) -> bool {
        !matches!(self.current, Current::None)
    }

    /// Whether a message waits for the line.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether the command in flight only keeps the link, and says nothing about a message.
    pub(super) fn is_holding(&self) -> bool {
        matches!(self.current, Current::Holding)
    }

    pub(super) fn accept(&mut self, id: RequestId, tpdu: Vec<u8>, more: bool) -> Result<(), NotSent> {
        let length = tpdu.len();
        let tpdu = Zeroizing::new(tpdu);
        if length == 0 || length > TPDU_MAX {
            return Err(NotSent::Length(length));
        }
        let in_flight = usize::from(matches!(
            self.current,
            Current::Opening(_) | Current::Prompted(_) | Current::Sent(_) | Current::Closing
        ));
        if in_flight.saturating_add(self.waiting.len()) >= HELD_MAX {
            return Err(NotSent::Busy);
        }
        self.waiting.push_back(Submit { id, tpdu, more, durable: false });
        Ok(())
    }

    /// The next command, if a message waits.
    pub(super) fn order(&mut self, now: Instant, may_hold: bool) -> Option<Order> {
        let first = self.waiting.front()?;
        let kept = self.link_kept_until.is_some_and(|until| now < until);
        if first.more && may_hold && !self.hold_refused && !kept {
            self.current = Current::Holding;
            return Some(Command::Cmms(1).into());
        }
        let length = u8::try_from(first.tpdu.len()).ok()?;
        let submit = self.waiting.pop_front()?;
        self.current = Current::Opening(submit);
        Some(Command::Cmgs { length }.into())
    }

    pub(super) fn durable(&mut self, id: RequestId) {
        if let Current::Opening(submit) | Current::Prompted(submit) = &mut self.current
            && submit.id == id
        {
            submit.durable = true;
        }
        if let Some(submit) = self.waiting.iter_mut().find(|submit| submit.id == id) {
            submit.durable = true;
        }
    }

    pub(super) fn prompted(&mut self, turn: &mut Turn<'_>) {
        match std::mem::replace(&mut self.current, Current::Closing) {
            Current::Opening(submit) => {
                turn.timers.set(Timer::Durable, turn.now, DURABLE_LIMIT);
                self.current = Current::Prompted(submit);
            }
            other => {
                self.current = other;
                turn.session.cancel(turn.now, turn.timers);
            }
        }
    }

    /// Prompt *and* durable: PDU and Ctrl-Z, once. Only when all that was read has been judged: what stands behind the prompt
    /// was said before the PDU left and is no answer to it.
    pub(super) fn give_if_both(&mut self, turn: &mut Turn<'_>) {
        match std::mem::replace(&mut self.current, Current::Closing) {
            Current::Prompted(submit) if submit.durable => {
                turn.timers.clear(Timer::Durable);
                if turn.session.give_pdu(turn.now, turn.timers, &submit.tpdu) {
                    self.unanswered = None;
                    self.current = Current::Sent(submit.id);
                } else {
                    // The modem has left the prompt by itself; what did not leave must not wait for an answer.
                    turn.done(submit.id, Err(NotSent::PromptTimeout.into()));
                    if turn.session.is_idle() {
                        self.current = Current::None;
                    }
                }
            }
            other => self.current = other,
        }
    }

    pub(super) fn abandon(&mut self, turn: &mut Turn<'_>, id: RequestId) {
        if let Some(at) = self.waiting.iter().position(|submit| submit.id == id) {
            self.waiting.remove(at);
            turn.done(id, Err(NotSent::Abandoned.into()));
            return;
        }
        if let Current::Opening(submit) | Current::Prompted(submit) = &self.current
            && submit.id == id
        {
            self.leave_prompt(turn, NotSent::Abandoned);
        }
    }

    /// `Durable` did not come.
    pub(super) fn durable_expired(&mut self, turn: &mut Turn<'_>) {
        if matches!(self.current, Current::Prompted(_)) {
            self.leave_prompt(turn, NotSent::DurableTimeout);
        }
    }

    fn leave_prompt(&mut self, turn: &mut Turn<'_>, why: NotSent) {
        turn.timers.clear(Timer::Durable);
        match std::mem::replace(&mut self.current, Current::Closing) {
            // The command is still in flight: its prompt will be answered by ESC.
            Current::Opening(submit) => turn.done(submit.id, Err(why.into())),
            Current::Prompted(submit) => {
                turn.done(submit.id, Err(why.into()));
                self.current = Current::None;
            }
            other => self.current = other,
        }
        turn.session.cancel(turn.now, turn.timers);
    }

    /// `+CMGS: <mr>` of the PDU in flight: taken. The `OK` behind it says nothing more.
    pub(super) fn referenced(&mut self, turn: &mut Turn<'_>, reference: MessageRef) {
        if let Current::Sent(id) = self.current {
            self.current = Current::Closing;
            self.link_kept_until = self.link_kept_until.map(|_| turn.now + LINK_KEPT);
            turn.counters.submitted = turn.counters.submitted.saturating_add(1);
            turn.done(id, Ok(Done::Submitted { reference }));
        }
    }

    /// The final result of a command of ours. Says whether it refused a message.
    pub(super) fn answered(&mut self, turn: &mut Turn<'_>, result: Final) -> bool {
        match std::mem::replace(&mut self.current, Current::None) {
            Current::None | Current::Closing => false,
            Current::Holding => {
                self.hold_refused = result != Final::Ok;
                self.link_kept_until = (result == Final::Ok).then(|| turn.now + LINK_KEPT);
                false
            }
            Current::Opening(Submit { id, .. }) | Current::Prompted(Submit { id, .. }) => {
                turn.timers.clear(Timer::Durable);
                turn.counters.rejected = turn.counters.rejected.saturating_add(1);
                turn.done(id, Err(Failure::Rejected(result)));
                true
            }
            Current::Sent(id) if result == Final::Ok => {
                // The result may belong to an older command: be in step before the next one.
                self.unanswered = Some(id);
                turn.session.resync(turn.now, turn.timers, false);
                self.uncertain(turn, id, Uncertain::NoReference);
                false
            }
            Current::Sent(id) => {
                turn.counters.rejected = turn.counters.rejected.saturating_add(1);
                turn.done(id, Err(Failure::Rejected(result)));
                true
            }
        }
    }

    /// No answer to a command of ours. Says whether a message hung behind its Ctrl-Z.
    pub(super) fn timed_out(&mut self, turn: &mut Turn<'_>) -> bool {
        match std::mem::replace(&mut self.current, Current::None) {
            Current::None | Current::Closing => false,
            Current::Holding => {
                self.hold_refused = true;
                false
            }
            Current::Opening(submit) | Current::Prompted(submit) => {
                turn.timers.clear(Timer::Durable);
                turn.done(submit.id, Err(NotSent::PromptTimeout.into()));
                true
            }
            Current::Sent(id) => {
                self.unanswered = Some(id);
                self.uncertain(turn, id, Uncertain::Timeout);
                true
            }
        }
    }

    /// `+CMGS: <mr>` that belongs to no PDU in flight. Says whether it settled anything.
    pub(super) fn late(&mut self, turn: &mut Turn<'_>, reference: MessageRef) -> bool {
        let Some(id) = self.unanswered.take() else { return false };
        turn.outputs.push_back(Output::Event(Event::Settled { id, reference }));
        true
    }

    /// The line is in step: no command of ours is in flight.
    pub(super) fn in_step(&mut self) {
        if matches!(self.current, Current::Closing | Current::Holding) {
            self.current = Current::None;
        }
    }

    /// All that waits ends; what is in flight goes on.
    pub(super) fn end_waiting(&mut self, turn: &mut Turn<'_>, why: NotSent) {
        for submit in self.waiting.drain(..) {
            turn.done(submit.id, Err(why.into()));
        }
    }

    /// Everything ends.
    pub(super) fn end_all(&mut self, turn: &mut Turn<'_>, unsent: NotSent, sent: Uncertain) {
        turn.timers.clear(Timer::Durable);
        match std::mem::replace(&mut self.current, Current::None) {
            Current::None | Current::Holding | Current::Closing => {}
            Current::Opening(submit) | Current::Prompted(submit) => turn.done(submit.id, Err(unsent.into())),
            Current::Sent(id) => self.uncertain(turn, id, sent),
        }
        self.end_waiting(turn, unsent);
        self.link_kept_until = None;
    }

    fn uncertain(&mut self, turn: &mut Turn<'_>, id: RequestId, why: Uncertain) {
        turn.counters.uncertain = turn.counters.uncertain.saturating_add(1);
        turn.done(id, Err(why.into()));
    }
}
