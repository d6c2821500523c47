//! What the machine knows of the network: registration, readiness, and the slow look at an idle modem.

use std::sync::Arc;
use std::time::Instant;

use super::{Cause, Event, Machine, NotSent, Output, Phase, Roaming, SEARCH_POLL, State, Turn};
use crate::at::command::Domain;
use crate::at::reply::{self, Cops, Csq, Radio};
use crate::at::{Command, Final};
use crate::modem::bringup;
use crate::modem::profile::Profile;
use crate::modem::session::Answer;
use crate::modem::timers::Timer;

/// Every so many keep-alives the store is listed, in case a notification was lost.
const LOOK_EVERY: u32 = 12;
/// Every so many looks a modem that does not even search is told to: its radio may have been left off.
const RADIO_ON_EVERY: u32 = 12;

impl Machine {
    /// A registration told unasked. What nobody asked for is not looked at: while `+CREG` searches, LTE is no answer yet.
    pub(super) fn registration_changed(&mut self, now: Instant, domain: Domain, code: u8) {
        if domain != Domain::Circuit && self.status.registration.of(domain).is_none() {
            return;
        }
        // Newer than the answer that is just coming in.
        if self.session.has_reply()
            && let State::Online(online) = &mut self.state
            && online.looking == Some(Command::RegistrationRead(domain))
        {
            online.looking = None;
        }
        self.registered(now, domain, code);
    }

    /// Told once for each change; modems repeat it every few seconds.
    pub(super) fn jamming(&mut self, jammed: bool) {
        if std::mem::replace(&mut self.status.jammed, jammed) != jammed {
            self.outputs.push_back(Output::Event(Event::Jamming(jammed)));
        }
    }

    fn registered(&mut self, now: Instant, domain: Domain, code: u8) {
        self.status.registration.told(domain, code);
        self.reconsider(now);
    }

    /// The answer to a look at one registration.
    fn registration_told(&mut self, now: Instant, domain: Domain, answer: &Answer) {
        let State::Online(online) = &mut self.state else { return };
        let told = bringup::stat(answer, domain);
        let mut registration = self.status.registration;
        if let Some(code) = told {
            registration.told(domain, code);
        }
        if domain == Domain::Circuit {
            if online.keeps_settings && told.is_some() && !bringup::keeps_settings(answer) {
                // It started anew and nobody heard of it. In whichever store it reads now, it is not the one that was selected.
                return self.restarted(now);
            }
            if registration.needs_others() {
                online.looks.extend([Domain::Eps, Domain::Packet].map(Command::RegistrationRead));
            }
            if registration.is_idle() && online.rounds.is_multiple_of(RADIO_ON_EVERY) {
                online.looks.push_back(Command::Cfun(1));
            }
            if std::mem::take(&mut online.list_due) {
                self.incoming.look();
            }
        }
        if let Some(code) = told {
            self.registered(now, domain, code);
        }
    }

    /// Whether the network takes messages, and may be used.
    pub(super) fn is_served(&self) -> bool {
        let registration = self.status.registration;
        registration.carries_sms() && !(registration.is_roaming() && self.settings.roaming == Roaming::Refuse)
    }

    /// The registration may have changed: ready or not.
    pub(super) fn reconsider(&mut self, now: Instant) {
        let served = self.is_served();
        let State::Online(online) = &mut self.state else { return };
        if served {
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
            self.go_down(self.status.hindrance());
        }
    }

    pub(super) fn go_up(&mut self) {
        self.up = true;
        self.down = None;
        self.outputs.push_back(Output::Event(Event::Up((*self.status.identity).clone())));
        if let State::Online(online) = &mut self.state {
            online.looks.push_back(Command::Csq);
            online.looks.extend(signal_form(&self.note, online.signal_form));
            online.looks.extend([Command::CopsByName, Command::CopsRead]);
            if self.status.service_centre.is_none() {
                online.looks.push_back(Command::CscaRead);
            }
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
            online.looks.extend(signal_form(&self.note, online.signal_form));
            if self.status.service_centre == Some(false) {
                online.looks.push_back(Command::CscaRead);
            }
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
            Command::RegistrationRead(domain) => self.registration_told(now, domain, answer),
            Command::CscaRead => self.status.service_centre = bringup::has_service_centre(answer),
            Command::Csq => {
                self.status.signal = answer.info().and_then(|info| Csq::parse(&info)).and_then(|csq| csq.dbm);
            }
            Command::Signal(_) if answer.result == Final::Ok => {
                self.status.radio = answer.info().and_then(|info| Radio::parse(&info)).unwrap_or_default();
            }
            Command::Signal(_) => {
                online.signal_form = online.signal_form.saturating_add(1);
                online.looks.extend(signal_form(&self.note, online.signal_form));
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

/// The command of this form, if the note has it.
fn signal_form(note: &Profile, at: usize) -> Option<Command> {
    note.signal.value.get(at).map(|form| Command::Signal(form.form()))
}
