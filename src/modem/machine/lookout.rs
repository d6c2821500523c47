//! What the machine knows of the network: registration, readiness, and the slow look at an idle modem.

use std::sync::Arc;
use std::time::Instant;

use super::{Cause, Event, Machine, NotSent, Output, Phase, Registration, SEARCH_POLL, State, Turn};
use crate::at::command::Domain;
use crate::at::reply::{self, Cops, Csq};
use crate::at::{Command, Final};
use crate::modem::bringup::{self, IDLE};
use crate::modem::session::Answer;
use crate::modem::timers::Timer;

/// Every so many keep-alives the store is listed, in case a notification was lost.
const LOOK_EVERY: u32 = 12;
/// Every so many looks a modem that does not even search is told to: its radio may have been left off.
const RADIO_ON_EVERY: u32 = 12;

impl Machine {
    pub(super) fn registered(&mut self, now: Instant, registration: Registration) {
        self.status.registration = registration;
        let State::Online(online) = &mut self.state else { return };
        if registration.carries_sms() {
            self.status.phase = Phase::Ready;
            if !self.up {
                online.search_poll = SEARCH_POLL;
                self.timers.clear(Timer::Idle);
                self.go_up();
            }
        } else {
            self.status.phase = Phase::Searching;
            self.outgoing.end_waiting(&mut turn!(self, now), NotSent::NotReady);
            self.ussd.end_waiting(&mut turn!(self, now), NotSent::NotReady);
            if self.up {
                self.timers.clear(Timer::Idle);
            }
            self.go_down(Cause::NoNetwork);
        }
    }

    pub(super) fn go_up(&mut self) {
        self.up = true;
        self.down = None;
        self.outputs.push_back(Output::Event(Event::Up((*self.status.identity).clone())));
        if let State::Online(online) = &mut self.state {
            online.looks.extend([Command::Csq, Command::CopsRead]);
            if self.status.identity.revision.is_none() {
                online.looks.extend([Command::Cgmr, Command::Cimi]);
            }
        }
    }

    /// Told once for each cause.
    pub(super) fn go_down(&mut self, cause: Cause) {
        if self.up || self.down.as_ref() != Some(&cause) {
            self.up = false;
            self.down = Some(cause.clone());
            self.outputs.push_back(Output::Event(Event::Down(cause)));
        }
    }

    /// The slow look at an idle modem is due.
    pub(super) fn look(&mut self) {
        let State::Online(online) = &mut self.state else { return };
        online.rounds = online.rounds.wrapping_add(1);
        online.looks.push_back(Command::RegistrationRead(Domain::Circuit));
        if self.up {
            online.looks.push_back(Command::Csq);
            online.list_due |= !online.notified || online.rounds.is_multiple_of(LOOK_EVERY);
        }
    }

    /// The registration, soon.
    pub(super) fn look_at_registration(&mut self) {
        let State::Online(online) = &mut self.state else { return };
        let look = Command::RegistrationRead(Domain::Circuit);
        if !online.looks.contains(&look) {
            online.looks.push_front(look);
        }
    }

    pub(super) fn looked(&mut self, now: Instant, answer: &Answer) {
        let State::Online(online) = &mut self.state else { return };
        let Some(command) = online.looking.take() else { return };
        let identity_line =
            |name| answer.lines.first().and_then(|line| reply::identity(line, name)).map(str::to_owned);
        match command {
            Command::RegistrationRead(_) => {
                let registration = bringup::registration(answer);
                if online.keeps_settings && registration.is_some() && !bringup::keeps_settings(answer) {
                    // It started anew and nobody heard of it. In whichever store it reads now, it is not the one that was selected.
                    return self.restarted(now);
                }
                if registration == Some(Registration(Some(IDLE)))
                    && online.rounds.is_multiple_of(RADIO_ON_EVERY)
                {
                    online.looks.push_back(Command::Cfun(1));
                }
                if std::mem::take(&mut online.list_due) {
                    self.incoming.look();
                }
                if let Some(registration) = registration {
                    self.registered(now, registration);
                }
            }
            Command::Csq => {
                self.status.signal = answer.info().and_then(|info| Csq::parse(&info)).and_then(|csq| csq.dbm);
            }
            Command::CopsRead => {
                let operator =
                    answer.info().and_then(|info| Cops::parse(&info)).and_then(|cops| cops.operator);
                self.status.operator = operator.map(Arc::from);
            }
            Command::Cgmr => Arc::make_mut(&mut self.status.identity).revision = identity_line("+CGMR"),
            Command::Cimi if answer.result == Final::Ok => {
                Arc::make_mut(&mut self.status.identity).imsi = identity_line("+CIMI");
            }
            _ => {}
        }
    }
}
