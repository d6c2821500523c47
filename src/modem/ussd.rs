//! USSD: one dialogue with the network at a time, a step a request.
//!
//! A step is `+CUSD=1,"<code>"`, its `OK`, and the network's words as an unsolicited `+CUSD`, which some modems give before
//! the `OK`. The line is free in between, so messages go on. Words that leave the dialogue open wait for the next step, and
//! nobody waits for ever: a step without an answer, and a dialogue that nobody continues, are ended with `+CUSD=2`.

use std::fmt;
use std::time::Duration;

use crate::at::command::{USSD_ANSWER, UssdCode};
use crate::at::reply::UssdReply;
use crate::at::{CmeError, Command, Final};
use crate::modem::exchange::{Done, Failure, NotSent, RequestId};
use crate::modem::machine::Turn;
use crate::modem::session::Order;
use crate::modem::timers::Timer;
use crate::pdu::gsm7;

mod text;

pub use text::{Readings, readings, text};

/// The rest of a text with line breaks comes in one piece; a closing quote that is missing by then does not come.
const REST: Duration = Duration::from_secs(1);
/// A dialogue that nobody continues is ended; networks wait no longer than that themselves.
const OPEN_LIMIT: Duration = Duration::from_secs(120);
/// `+CME ERROR` of a modem that does not know what to do with a code in plain characters: not supported, wrong parameters, unknown.
const NOT_UNDERSTOOD: [u16; 3] = [4, 50, 100];

/// `<m>` of `+CUSD`; TS 27.007 7.15.
const FURTHER_ACTION: u8 = 1;
const ENDED_BY_NETWORK: u8 = 2;
const OTHER_CLIENT: u8 = 3;
const NOT_SUPPORTED: u8 = 4;
const NETWORK_TIMEOUT: u8 = 5;

/// What the network said to one step.
#[derive(Clone, PartialEq, Eq)]
pub struct UssdAnswer {
    /// The network waits for a further step.
    pub more: bool,
    /// Its words; empty if it had none.
    pub text: String,
    /// The words as the modem gave them: plain, or hex of whatever alphabet.
    pub raw: String,
}

/// Without the words: they may tell of a subscriber.
impl fmt::Debug for UssdAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UssdAnswer({} characters, more: {})", self.text.chars().count(), self.more)
    }
}

/// Why a step brought no words, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UssdFault {
    /// The network was not asked.
    #[error("the network was not asked: {0}; try again later, or see `modem list`")]
    NotAsked(#[from] NotSent),
    /// An answer, and no question to it.
    #[error("no dialogue is open that this could answer; begin one with a code such as *100#")]
    NoDialogue,
    /// The modem did not take the code.
    #[error("the modem refused the code: {}", refusal(.0))]
    Refused(Final),
    /// No words in time.
    #[error("the network did not answer in time; try again later")]
    NoAnswer,
    /// The dialogue was ended before the words came.
    #[error("the dialogue was cancelled")]
    Cancelled,
    /// The network ended the dialogue without a word.
    #[error("the network ended the dialogue; begin it anew")]
    Terminated,
    /// Something else on the modem answered.
    #[error("another program on this modem has answered; leave the modem to smsotpd alone")]
    OtherClient,
    /// The network does not know the code.
    #[error("the network does not support this code; ask its operator for the right one")]
    NotSupported,
    /// The network's own time ran out.
    #[error("the network gave the dialogue up; begin it anew")]
    NetworkTimeout,
}

/// Cause and remedy.
fn refusal(result: &Final) -> String {
    match result {
        Final::Cme(error) => error.describe(),
        Final::Cms(error) => error.describe(),
        _ => "it gave no reason; ask the operator whether the code is right".to_owned(),
    }
}

/// How a step ended.
pub(super) type Ended = Result<UssdAnswer, UssdFault>;

/// Who wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asker {
    Request(RequestId),
    Balance,
}

/// A step that has no answer yet.
#[derive(Debug)]
struct Step {
    asker: Asker,
    code: UssdCode,
    /// The command has left.
    sent: bool,
    /// The beginning of words whose end is still to come.
    begun: Option<UssdReply>,
}

/// `+CUSD=2`, due or in flight.
#[derive(Debug, Default)]
struct Closing {
    by: Option<RequestId>,
    sent: bool,
}

/// The dialogue of one modem.
#[derive(Debug, Default)]
pub(super) struct Dialogue {
    step: Option<Step>,
    /// The network waits for a further step.
    open: bool,
    closing: Option<Closing>,
    /// This modem wants codes as packed septets in hex.
    packed: bool,
    /// What became of the question for the balance.
    balance: Option<Ended>,
}

impl Dialogue {
    /// Takes a step that a request wants.
    pub(super) fn accept(
        &mut self,
        turn: &mut Turn<'_>,
        id: RequestId,
        code: UssdCode,
    ) -> Result<(), UssdFault> {
        // What has neither asterisk nor hash chooses from a menu, and would come to nothing but a bill without one.
        if !self.open && self.step.is_none() && !code.as_str().contains(['*', '#']) {
            return Err(UssdFault::NoDialogue);
        }
        Ok(self.begin(turn, Asker::Request(id), code)?)
    }

    /// Asks for the balance, if no dialogue is under way.
    pub(super) fn ask_balance(&mut self, turn: &mut Turn<'_>, code: &UssdCode) -> bool {
        !self.open && self.begin(turn, Asker::Balance, code.clone()).is_ok()
    }

    fn begin(&mut self, turn: &mut Turn<'_>, asker: Asker, code: UssdCode) -> Result<(), NotSent> {
        if self.step.is_some() || self.closing.is_some() {
            return Err(NotSent::Busy);
        }
        self.step = Some(Step { asker, code, sent: false, begun: None });
        turn.timers.set(Timer::Ussd, turn.now, USSD_ANSWER);
        Ok(())
    }

    /// Ends whatever dialogue there is, also one that only the modem knows of.
    pub(super) fn cancel(&mut self, turn: &mut Turn<'_>, id: RequestId) -> Result<(), NotSent> {
        if self.closing.as_ref().is_some_and(|closing| closing.by.is_some()) {
            return Err(NotSent::Busy);
        }
        self.end_step(turn, NotSent::Abandoned, UssdFault::Cancelled);
        self.close(turn);
        if let Some(closing) = &mut self.closing {
            closing.by = Some(id);
        }
        Ok(())
    }

    /// The request is not wanted any more.
    pub(super) fn abandon(&mut self, turn: &mut Turn<'_>, id: RequestId) {
        if let Some(step) = self.step.as_ref().filter(|step| step.asker == Asker::Request(id)) {
            let sent = step.sent;
            self.end_step(turn, NotSent::Abandoned, UssdFault::Cancelled);
            if sent {
                self.close(turn);
            }
        }
        if let Some(closing) = self.closing.as_mut().filter(|closing| closing.by == Some(id)) {
            closing.by = None;
            turn.done(id, Err(UssdFault::Cancelled.into()));
        }
    }

    /// The next command, if there is one.
    pub(super) fn order(&mut self, turn: &mut Turn<'_>) -> Option<Order> {
        if let Some(closing) = &mut self.closing {
            return (!std::mem::replace(&mut closing.sent, true)).then(|| Command::CusdCancel.into());
        }
        let packed = self.packed;
        let step = self.step.as_mut().filter(|step| !step.sent)?;
        step.sent = true;
        turn.timers.set(Timer::Ussd, turn.now, USSD_ANSWER);
        // Digits, asterisks and hashes are the same in ASCII and in the default alphabet.
        let septets = step.code.as_str().as_bytes();
        let command = if packed {
            Command::CusdOctets(gsm7::pack_ussd(septets))
        } else {
            Command::Cusd(step.code.clone())
        };
        Some(command.into())
    }

    /// The final result of a command of ours.
    pub(super) fn answered(&mut self, turn: &mut Turn<'_>, result: &Final) {
        if self.closed(turn) || *result == Final::Ok {
            return;
        }
        let Some(step) = self.step.as_mut().filter(|step| step.sent) else { return };
        if not_understood(result) && !std::mem::replace(&mut self.packed, true) {
            step.sent = false;
            return;
        }
        // Neither way: then it is not the form of the code.
        self.packed &= !not_understood(result);
        self.end(turn, Err(UssdFault::Refused(result.clone())));
    }

    /// No result of a command of ours.
    pub(super) fn timed_out(&mut self, turn: &mut Turn<'_>) {
        if !self.closed(turn) && self.step.as_ref().is_some_and(|step| step.sent) {
            self.expired(turn);
        }
    }

    /// `+CUSD=2` has done what it can: a modem that refuses it has nothing to end.
    fn closed(&mut self, turn: &mut Turn<'_>) -> bool {
        let Some(closing) = self.closing.take_if(|closing| closing.sent) else { return false };
        if let Some(id) = closing.by {
            turn.done(id, Ok(Done::UssdEnded));
        }
        true
    }

    /// The network's words; `whole`: no line of them is missing.
    pub(super) fn heard(&mut self, turn: &mut Turn<'_>, reply: UssdReply, whole: bool) {
        match self.step.as_mut().filter(|step| step.sent) {
            Some(step) if !whole => {
                step.begun = Some(reply);
                turn.timers.set(Timer::Ussd, turn.now, REST);
            }
            Some(_) => self.conclude(turn, &reply),
            None => self.leave_open(turn, reply.m == FURTHER_ACTION),
        }
    }

    fn conclude(&mut self, turn: &mut Turn<'_>, reply: &UssdReply) {
        let more = reply.m == FURTHER_ACTION;
        let raw = reply.text.clone().unwrap_or_default();
        let answer = UssdAnswer { more, text: text(&raw, reply.dcs), raw };
        let ended = match reply.m {
            OTHER_CLIENT => Err(UssdFault::OtherClient),
            NOT_SUPPORTED => Err(UssdFault::NotSupported),
            NETWORK_TIMEOUT => Err(UssdFault::NetworkTimeout),
            ENDED_BY_NETWORK if reply.text.is_none() => Err(UssdFault::Terminated),
            _ => Ok(answer),
        };
        let for_balance = self.step.as_ref().is_some_and(|step| step.asker == Asker::Balance);
        self.end(turn, ended);
        if for_balance && more {
            self.close(turn);
        } else {
            self.leave_open(turn, more);
        }
    }

    /// The wait is over: for the line, for the words, for the rest of them, or for the next step.
    pub(super) fn expired(&mut self, turn: &mut Turn<'_>) {
        match self.step.as_mut().map(|step| step.begun.take()) {
            Some(Some(begun)) => self.conclude(turn, &begun),
            Some(None) => {
                let sent = self.step.as_ref().is_some_and(|step| step.sent);
                self.end_step(turn, NotSent::Busy, UssdFault::NoAnswer);
                if sent {
                    self.close(turn);
                }
            }
            None if self.open => self.close(turn),
            None => {}
        }
    }

    fn leave_open(&mut self, turn: &mut Turn<'_>, open: bool) {
        self.open = open;
        if open && self.step.is_none() {
            turn.timers.set(Timer::Ussd, turn.now, OPEN_LIMIT);
        }
    }

    fn close(&mut self, turn: &mut Turn<'_>) {
        self.open = false;
        turn.timers.clear(Timer::Ussd);
        self.closing.get_or_insert_default();
    }

    /// The modem takes no step now; what is with the network may come yet.
    pub(super) fn end_waiting(&mut self, turn: &mut Turn<'_>, why: NotSent) {
        if self.step.as_ref().is_some_and(|step| !step.sent) {
            self.end_step(turn, why, UssdFault::NoAnswer);
        }
    }

    /// The modem starts anew, or is gone: so is the dialogue.
    pub(super) fn end_all(&mut self, turn: &mut Turn<'_>, why: NotSent) {
        self.end_step(turn, why, UssdFault::NoAnswer);
        if let Some(id) = self.closing.take().and_then(|closing| closing.by) {
            turn.done(id, Err(UssdFault::NotAsked(why).into()));
        }
        self.open = false;
        turn.timers.clear(Timer::Ussd);
    }

    fn end_step(&mut self, turn: &mut Turn<'_>, unsent: NotSent, sent: UssdFault) {
        if let Some(step) = &self.step {
            let fault = if step.sent { sent } else { unsent.into() };
            self.end(turn, Err(fault));
        }
    }

    fn end(&mut self, turn: &mut Turn<'_>, ended: Ended) {
        turn.timers.clear(Timer::Ussd);
        match self.step.take().map(|step| step.asker) {
            Some(Asker::Request(id)) => turn.done(id, ended.map(Done::Ussd).map_err(Failure::Ussd)),
            Some(Asker::Balance) => self.balance = Some(ended),
            None => {}
        }
    }

    /// What became of the question for the balance, once.
    pub(super) fn take_balance(&mut self) -> Option<Ended> {
        self.balance.take()
    }
}

fn not_understood(result: &Final) -> bool {
    match result {
        Final::Error => true,
        Final::Cme(CmeError::Code(code)) => NOT_UNDERSTOOD.contains(code),
        _ => false,
    }
}
