//! The modem machine: bytes, time and requests in; bytes, outcomes and events out. No I/O, no clock, no log.
//!
//! States: bring-up -> online (searching or ready) -> recovering -> bring-up ...; down (a person must help, looked at again
//! now and then); closed (the port is gone). In each state `pump` chooses the next command when the line is free:
//! acknowledgements first, then messages out, then messages in (which come after a few messages out at the latest),
//! then the slow look at the registration.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::at::reply::{PinState, Radio};
use crate::at::urc::Ready;
use crate::at::{Command, Disposition, Final, Urc};
use crate::modem::balance::Balance;
use crate::modem::bringup::{BringUp, Card, PinUse};
use crate::modem::health::Health;
use crate::modem::incoming::Incoming;
use crate::modem::outgoing::Outgoing;
use crate::modem::profile::Profile;
use crate::modem::session::{Answer, Heard, Order, Purpose, Session};
use crate::modem::timers::{Timer, Timers};
use crate::modem::ussd::{Dialogue, Ended, UssdFault};
use hearing::Hearing;

pub use crate::modem::exchange::{
    Cause, Counters, Done, Event, Failure, Foreign, Identity, IncomingKind, Input, Kind, Noise, NotSent,
    Output, Phase, PinPermission, Registration, Request, RequestId, Roaming, Settings, Status, Step,
    TPDU_MAX, Token, Uncertain,
};

/// Messages out, at most, while something on its way in waits for the line.
const SENDS_BETWEEN: u8 = 4;
/// Registration is asked for again after this, doubling up to [`SEARCH_POLL_MAX`]: a URC usually comes first.
const SEARCH_POLL: Duration = Duration::from_secs(2);
/// The slowest poll while searching.
const SEARCH_POLL_MAX: Duration = Duration::from_secs(30);
/// After so long without an octet from it a modem that sleeps is asleep.
const DOZE: Duration = Duration::from_secs(5);
/// The shortest keep-alive that settings may ask for.
const KEEP_ALIVE_MIN: Duration = Duration::from_secs(1);

/// One modem, seen from its port.
pub struct Machine {
    settings: Settings,
    state: State,
    session: Session,
    timers: Timers,
    /// The firmware note in force; before the modem has said what it is, the one that it had last.
    note: Arc<Profile>,
    /// When the last octets came.
    heard_at: Instant,
    /// What came from a port that has not answered a command yet; `None` once it has.
    hearing: Option<Hearing>,
    outgoing: Outgoing,
    incoming: Incoming,
    ussd: Dialogue,
    /// When the balance is asked for again, if it is.
    balance_due: Option<Instant>,
    health: Health,
    status: Status,
    told: Status,
    /// Whether the last `Up` or `Down` told was an `Up`, and the cause of the last `Down`.
    up: bool,
    down: Option<Cause>,
    /// How long the last rest of a modem that needs a person was.
    down_pause: Duration,
    pin_use: PinUse,
    /// The operator's reset that waits for the line, or is under way.
    reset: Option<Reset>,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum State {
    BringUp(BringUp),
    Online(Online),
    Recovering(Recovery),
    Down,
    Closed,
}

/// Set up.
#[derive(Debug)]
struct Online {
    /// Commands of the slow look that are still to be sent.
    looks: VecDeque<Command>,
    looking: Option<Command>,
    /// Which of the note's forms for the signal is asked; past the last one if the modem knows none.
    signal_form: usize,
    rounds: u32,
    search_poll: Duration,
    sends: u8,
    notified: bool,
    /// `+CREG?` shows whether the modem still has what was set.
    keeps_settings: bool,
    /// The stores are to be looked into, once it is known that the modem is still set up.
    list_due: bool,
}

/// A step of the ladder under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Recovery {
    /// The pause before the step.
    Pausing(Step),
    /// `+CFUN` with this value is out: 4 leaves the card powered, 0 is for modems that do not know it.
    RadioOff(u8),
    /// Between off and on.
    RadioRest,
    /// `+CFUN=1` is out.
    RadioOn,
    /// The note's own command for a restart is out.
    Rebooting,
    /// `+CFUN=1,1` is out.
    Restarting,
    /// The modem starts anew, or the driver works.
    Waiting(Step),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reset {
    id: RequestId,
    step: Step,
    begun: bool,
}

/// What the parts of the machine share for one input.
pub(super) struct Turn<'a> {
    pub(super) now: Instant,
    pub(super) session: &'a mut Session,
    pub(super) timers: &'a mut Timers,
    pub(super) outputs: &'a mut VecDeque<Output>,
    pub(super) counters: &'a mut Counters,
}

impl Turn<'_> {
    pub(super) fn done(&mut self, id: RequestId, result: Result<Done, Failure>) {
        self.outputs.push_back(Output::Done(id, result));
    }

    pub(super) fn noise(&mut self, noise: Noise) {
        self.outputs.push_back(Output::Event(Event::Noise(noise)));
    }

    pub(super) fn bad_pdu(&mut self) {
        self.counters.bad_pdus = self.counters.bad_pdus.saturating_add(1);
        self.noise(Noise::BadPdu);
    }
}

/// Lends the parts; a macro because it borrows fields one by one.
macro_rules! turn {
    ($machine:ident, $now:expr) => {
        Turn {
            now: $now,
            session: &mut $machine.session,
            timers: &mut $machine.timers,
            outputs: &mut $machine.outputs,
            counters: &mut $machine.status.counters,
        }
    };
}

/// The inside holds messages and PINs.
impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Machine {
    /// A machine for a port that was just opened. It writes nothing before its first [`Input::Tick`], which is due at once.
    #[must_use]
    pub fn new(settings: Settings, now: Instant) -> Self {
        let note = settings.first_profile();
        let settle = note.settle().saturating_sub(settings.port_age);
        let status = Status {
            phase: Phase::Starting,
            identity: Arc::default(),
            registration: Registration::default(),
            operator: None,
            former_card: None,
            service_centre: None,
            signal: None,
            balance: if settings.balance.is_some() { Balance::Unknown } else { Balance::Unwatched },
            stores_full: None,
            radio: Radio::default(),
            jammed: false,
            counters: Counters::default(),
        };
        let mut timers = Timers::default();
        timers.set(Timer::Pause, now, settle);
        Self {
            balance_due: settings.balance.as_ref().map(|_| now),
            state: State::BringUp(BringUp::new(now, Arc::clone(&note), settle + note.wake())),
            session: Session::new(settings.submit_limit, Arc::clone(&note)),
            settings,
            timers,
            note,
            heard_at: now,
            hearing: Some(Hearing::default()),
            outgoing: Outgoing::new(),
            incoming: Incoming::new(),
            ussd: Dialogue::default(),
            health: Health::default(),
            told: status.clone(),
            status,
            up: false,
            down: None,
            down_pause: Duration::ZERO,
            pin_use: PinUse::Unused,
            reset: None,
            outputs: VecDeque::new(),
        }
    }

    /// Takes one input. Afterwards [`poll`](Self::poll) is to be called until it gives `None`; that keeps the list of
    /// outputs as short as what one read of the port can bring.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        if matches!(self.state, State::Closed) {
            if let Input::Request(Request { id, .. }) = input {
                self.outputs.push_back(Output::Done(id, Err(NotSent::HangUp.into())));
            }
            return;
        }
        match input {
            Input::Bytes(bytes) => {
                self.heard_at = now;
                if let Some(hearing) = &mut self.hearing {
                    hearing.hear(bytes);
                }
                self.session.push(bytes);
                self.listen(now);
            }
            Input::Tick => {
                while let Some(timer) = self.timers.take_expired(now) {
                    self.expired(now, timer);
                }
            }
            Input::Request(request) => self.requested(now, request),
            Input::Durable(id) => self.outgoing.durable(id),
            Input::Abandon(id) => self.abandoned(now, id),
            Input::Stored(token) => self.incoming.stored(token),
            Input::HangUp => self.hung_up(now),
        }
        self.outgoing.give_if_both(&mut turn!(self, now));
        self.balance_told(now);
        self.pump(now);
        self.tell();
    }

    /// The next thing to do, in order.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Tick`] is due at the latest; `None` if only other input can change anything.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// The picture of the modem as it stands.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.status
    }

    fn tell(&mut self) {
        self.outputs.extend(self.session.take_writes().into_iter().map(Output::Write));
        if self.status != self.told {
            self.told.clone_from(&self.status);
            self.outputs.push_back(Output::Status(self.status.clone()));
        }
    }

    fn is_ready(&self) -> bool {
        matches!(self.state, State::Online(_)) && self.is_served()
    }

    // What comes from outside.

    fn requested(&mut self, now: Instant, Request { id, kind }: Request) {
        let refused = match kind {
            Kind::Submit { .. } if !self.is_ready() => Some(NotSent::NotReady),
            Kind::Submit { tpdu, more } => self.outgoing.accept(id, tpdu, more).err(),
            Kind::Ussd(_) | Kind::UssdCancel => {
                if let Err(fault) = self.ussd_requested(now, id, kind) {
                    turn!(self, now).done(id, Err(fault.into()));
                }
                None
            }
            Kind::Reset(_) if self.reset.is_some() => Some(NotSent::Busy),
            Kind::Reset(step) => {
                self.reset = Some(Reset { id, step, begun: false });
                None
            }
        };
        if let Some(why) = refused {
            turn!(self, now).done(id, Err(why.into()));
        }
    }

    fn abandoned(&mut self, now: Instant, id: RequestId) {
        match self.reset {
            Some(reset) if reset.id == id && !reset.begun => {
                self.reset = None;
                turn!(self, now).done(id, Err(NotSent::Abandoned.into()));
            }
            _ => {
                self.outgoing.abandon(&mut turn!(self, now), id);
                self.ussd.abandon(&mut turn!(self, now), id);
            }
        }
    }

    fn hung_up(&mut self, now: Instant) {
        self.session.close();
        self.outputs.retain(|output| !matches!(output, Output::Write(_) | Output::Ladder(_)));
        self.outgoing.end_all(&mut turn!(self, now), NotSent::HangUp, Uncertain::HangUp);
        self.ussd.end_all(&mut turn!(self, now), NotSent::HangUp);
        if let Some(Reset { id, begun, .. }) = self.reset.take() {
            // A restart takes the port away: that is the step, not its failure.
            let result = if begun { Ok(Done::Reset) } else { Err(NotSent::HangUp.into()) };
            turn!(self, now).done(id, result);
        }
        self.timers.clear_all();
        self.state = State::Closed;
        self.status.phase = Phase::Closed;
    }

    fn expired(&mut self, now: Instant, timer: Timer) {
        match timer {
            Timer::Link => {
                if let Some(heard) = self.session.expired(now, &mut self.timers) {
                    self.heard(now, heard);
                }
            }
            Timer::Durable => self.outgoing.durable_expired(&mut turn!(self, now)),
            Timer::Idle => self.look(),
            Timer::Ussd => self.ussd.expired(&mut turn!(self, now)),
            Timer::Grace | Timer::Retry => {}
            Timer::Pause => match self.state {
                State::Down => self.begin(now, None),
                State::Recovering(recovery) => self.recover(now, recovery),
                State::BringUp(_) | State::Online(_) | State::Closed => {}
            },
        }
    }

    // What is heard.

    fn listen(&mut self, now: Instant) {
        while let Some(heard) = self.session.next(now, &mut self.timers) {
            // All of these bytes are judged before the next command or PDU leaves: none of them can be its answer.
            self.heard(now, heard);
        }
    }

    fn heard(&mut self, now: Instant, heard: Heard) {
        match heard {
            Heard::Prompt => self.outgoing.prompted(&mut turn!(self, now)),
            Heard::Reference(reference) => {
                self.health.submitted();
                self.outgoing.referenced(&mut turn!(self, now), reference);
            }
            Heard::LateReference(reference) => {
                if !self.outgoing.late(&mut turn!(self, now), reference) {
                    self.count_noise();
                }
            }
            Heard::Answer(purpose, answer) => {
                self.hearing = None;
                self.answered(now, purpose, &answer);
            }
            Heard::TimedOut(purpose) => self.timed_out(now, purpose),
            Heard::InStep => {
                self.hearing = None;
                self.incoming.unsure();
                self.status.counters.resyncs = self.status.counters.resyncs.saturating_add(1);
                self.outgoing.in_step();
                if let State::BringUp(bringup) = &mut self.state {
                    bringup.in_step();
                }
                self.poked(now);
            }
            Heard::Silent => self.silent(now),
            Heard::Jamming(jammed) => self.jamming(jammed),
            Heard::Unsolicited(urc) => self.unsolicited(now, urc),
            Heard::Ussd { reply, whole } => self.ussd.heard(&mut turn!(self, now), reply, whole),
            Heard::Direct { report, length, pdu } => {
                self.incoming.direct(&mut turn!(self, now), report, length, &pdu);
            }
            Heard::Noise => self.count_noise(),
        }
    }

    fn count_noise(&mut self) {
        self.status.counters.noise_lines = self.status.counters.noise_lines.saturating_add(1);
    }

    fn answered(&mut self, now: Instant, purpose: Purpose, answer: &Answer) {
        match purpose {
            Purpose::BringUp => {
                if let State::BringUp(bringup) = &mut self.state {
                    let mut card = Card { settings: &self.settings, pin_use: &mut self.pin_use };
                    let progress = bringup.answered(now, &mut card, answer);
                    if !Arc::ptr_eq(&self.note, bringup.note()) {
                        self.note = Arc::clone(bringup.note());
                        self.session.obey(Arc::clone(&self.note));
                    }
                    self.progress(now, progress);
                }
            }
            Purpose::Submit => {
                let holding = self.outgoing.is_holding();
                let disposition = answer.result.disposition();
                let refused = self.outgoing.answered(&mut turn!(self, now), answer.result.clone());
                let helps = matches!(disposition, Some(Disposition::LocalReset | Disposition::Unknown));
                if holding {
                    self.health.answered();
                } else if !(refused && helps) {
                    self.health.submitted();
                } else if let Some((step, pause)) = self.health.refused() {
                    self.climb(now, step, pause);
                }
                // The registration was last told unasked, and may be out of date or a line from before a restart.
                if refused && disposition == Some(Disposition::Transient) {
                    self.look_at_registration();
                }
            }
            Purpose::Incoming => {
                self.health.answered();
                let selected = self.incoming.answered(&mut turn!(self, now), answer);
                self.status.stores_full = self.incoming.is_full().or(self.status.stores_full);
                // A selected store is half of a job: its other half is not left waiting behind messages out.
                if let State::Online(online) = &mut self.state
                    && selected
                {
                    online.sends = SENDS_BETWEEN;
                }
            }
            Purpose::Idle => {
                self.health.answered();
                self.looked(now, answer);
            }
            Purpose::Ussd => {
                self.health.answered();
                self.ussd.answered(&mut turn!(self, now), &answer.result);
            }
            Purpose::Wake => {}
            Purpose::Ladder => self.stepped(now, answer.result == Final::Ok),
        }
    }

    fn timed_out(&mut self, now: Instant, purpose: Purpose) {
        if purpose != Purpose::Wake {
            self.status.counters.timeouts = self.status.counters.timeouts.saturating_add(1);
        }
        let mut submit = false;
        match purpose {
            Purpose::BringUp => {
                if let State::BringUp(bringup) = &mut self.state {
                    if bringup.may_be_silent(now) {
                        return;
                    }
                    bringup.timed_out();
                }
            }
            Purpose::Submit => submit = self.outgoing.timed_out(&mut turn!(self, now)),
            Purpose::Incoming => self.incoming.timed_out(&mut turn!(self, now)),
            Purpose::Idle => {
                if let State::Online(online) = &mut self.state {
                    online.looking = None;
                }
            }
            Purpose::Ussd => self.ussd.timed_out(&mut turn!(self, now)),
            Purpose::Wake => return,
            // A modem that restarts may have no time to say so.
            Purpose::Ladder => return self.stepped(now, true),
        }
        turn!(self, now).noise(Noise::Timeout);
        self.strike(now, submit);
    }

    /// No probe was answered.
    fn silent(&mut self, now: Instant) {
        self.outgoing.in_step();
        match &self.state {
            State::BringUp(bringup) if bringup.may_be_silent(now) => {
                self.session.resync(now, &mut self.timers, true);
            }
            State::BringUp(_) | State::Online(_) => {
                self.poked(now);
                if let Some(foreign) = self.hearing.as_mut().and_then(Hearing::verdict) {
                    return self.lie_down(now, Cause::NoModem(foreign));
                }
                // Not ready until it answers again: the next look at the registration tells.
                self.status.registration = Registration::default();
                if matches!(self.state, State::Online(_)) {
                    self.status.phase = Phase::Searching;
                }
                self.timers.clear(Timer::Idle);
                self.outgoing.end_waiting(&mut turn!(self, now), NotSent::NotReady);
                self.ussd.end_waiting(&mut turn!(self, now), NotSent::NotReady);
                self.go_down(Cause::Silent);
                self.strike(now, false);
            }
            State::Recovering(_) | State::Down | State::Closed => {}
        }
    }

    fn unsolicited(&mut self, now: Instant, urc: Urc) {
        match urc {
            Urc::Cmti { store, index } | Urc::Cdsi { store, index } => self.incoming.stored_in(store, index),
            Urc::Registration(read) => self.registration_changed(now, read.domain, read.code),
            Urc::StoreFull => {
                turn!(self, now).noise(Noise::StoreFull);
                self.incoming.look();
            }
            Urc::Ready(Ready::Started) => self.restarted(now),
            // The card is ready: no need to wait for the end of the pause.
            Urc::Ready(Ready::Sms) if matches!(self.state, State::BringUp(_)) => {
                self.timers.clear(Timer::Pause);
            }
            // Late, or all that was understood of a new start.
            Urc::Pin(PinState::Ready) | Urc::Ready(_) => self.look_at_registration(),
            Urc::Pin(PinState::SimPin2 | PinState::SimPuk2) => {}
            Urc::Pin(_) if matches!(self.state, State::Online(_)) => self.restarted(now),
            Urc::Ring if self.settings.hang_up_calls => self.hang_up_call(),
            Urc::Noise | Urc::Power(_) => self.count_noise(),
            _ => {}
        }
    }

    /// The modem started anew, or its card changed: all settings are gone.
    fn restarted(&mut self, now: Instant) {
        match &self.state {
            State::Online(_) => {
                self.status.counters.restarts = self.status.counters.restarts.saturating_add(1);
                self.outgoing.end_all(&mut turn!(self, now), NotSent::Reset, Uncertain::Restart);
                self.ussd.end_all(&mut turn!(self, now), NotSent::Reset);
                self.go_down(Cause::Restarted);
            }
            State::Recovering(Recovery::Waiting(_)) => {}
            State::BringUp(bringup) if !bringup.may_be_silent(now) => {}
            _ => return,
        }
        self.session.rebooted(&mut self.timers);
        self.begin(now, Some(self.note.away()));
    }

    /// Somebody calls a modem that only sends texts: its line would be busy until he gives up.
    fn hang_up_call(&mut self) {
        if let State::Online(online) = &mut self.state
            && online.looking != Some(Command::Chup)
            && !online.looks.contains(&Command::Chup)
        {
            online.looks.push_front(Command::Chup);
        }
    }

    /// Sends what is next, if the line is free.
    fn pump(&mut self, now: Instant) {
        // An operator does not wait for the end of our patience with a silent modem; a poke is what it gets anyway.
        let hard = self.reset.is_some_and(|reset| reset.step != Step::Poke);
        if hard && matches!(self.state, State::BringUp(_)) && !self.session.is_idle() {
            self.begin_reset(now);
        }
        while self.session.is_idle() {
            if self.begin_reset(now) {
                continue;
            }
            let (purpose, order) = match &mut self.state {
                State::BringUp(bringup) if !self.timers.is_set(Timer::Pause) => {
                    let mut card = Card { settings: &self.settings, pin_use: &mut self.pin_use };
                    match bringup.order(&mut card) {
                        Ok(order) => (Purpose::BringUp, order),
                        Err(progress) => {
                            self.progress(now, progress);
                            continue;
                        }
                    }
                }
                State::Online(_) => match self.online_order(now) {
                    Some(next) => next,
                    None => return self.rest(now),
                },
                State::BringUp(_) | State::Recovering(_) | State::Down | State::Closed => return,
            };
            self.session.send(now, &mut self.timers, purpose, order);
        }
    }

    fn online_order(&mut self, now: Instant) -> Option<(Purpose, Order)> {
        if let Some(order) = self.incoming.acknowledgement() {
            return Some((Purpose::Incoming, order));
        }
        let ready = self.is_ready();
        let State::Online(online) = &mut self.state else { return None };
        let work =
            (ready && self.outgoing.is_waiting()) || self.incoming.has_work() || !online.looks.is_empty();
        if self.note.first_lost.value && work && now >= self.heard_at + DOZE {
            return Some((Purpose::Wake, Command::At.into()));
        }
        // Until the grace is over there is nothing to give way to.
        let grace = self.timers.is_set(Timer::Grace);
        let sends_first = grace || online.sends < SENDS_BETWEEN;
        if sends_first
            && ready
            && let Some(order) = self.outgoing.order(now, self.note.cmms.value)
        {
            online.sends = online.sends.saturating_add(1);
            return Some((Purpose::Submit, order));
        }
        if grace {
            return None;
        }
        online.sends = 0;
        if let Some(order) = self.incoming.order(&turn!(self, now)) {
            return Some((Purpose::Incoming, order));
        }
        if !sends_first
            && ready
            && let Some(order) = self.outgoing.order(now, self.note.cmms.value)
        {
            return Some((Purpose::Submit, order));
        }
        if let Some(order) = self.ussd.order(&mut turn!(self, now)) {
            return Some((Purpose::Ussd, order));
        }
        if let Some(look) = online.looks.pop_front() {
            online.looking = Some(look.clone());
            return Some((Purpose::Idle, look.into()));
        }
        self.balance_order(now).map(|order| (Purpose::Ussd, order))
    }

    /// Nothing to do: the next look is set, unless it is.
    fn rest(&mut self, now: Instant) {
        let State::Online(online) = &mut self.state else { return };
        if self.timers.is_set(Timer::Idle) {
            return;
        }
        let wait = if self.up {
            self.settings.keep_alive.unwrap_or_else(|| self.note.keep_alive()).max(KEEP_ALIVE_MIN)
        } else {
            let poll = online.search_poll;
            online.search_poll = poll.saturating_mul(2).min(SEARCH_POLL_MAX);
            poll
        };
        self.timers.set(Timer::Idle, now, wait);
    }
}

mod hearing;
mod ladder;
mod lookout;
mod money;

#[cfg(test)]
mod bench;
#[cfg(test)]
mod network_tests;
#[cfg(test)]
mod note_tests;
#[cfg(test)]
mod storm;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod ussd_tests;
