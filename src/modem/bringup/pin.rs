//! The card: what it waits for, who it is, and the one try of its PIN.

use std::time::{Duration, Instant};

use super::{BringUp, Card, Progress, Stage};
use crate::at::reply::{self, PinState};
use crate::at::{Command, Final};
use crate::modem::exchange::{Cause, PinPermission};
use crate::modem::session::{Answer, Order};
use crate::units::Iccid;

/// The last try of a PIN belongs to a person.
const PIN_TRIES_KEPT: u8 = 1;

/// What became of the one try that a machine has.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::modem) enum PinUse {
    Unused,
    /// On this card, which did not take it, or has not answered.
    Tried(Option<Iccid>),
    Right,
}

impl BringUp {
    pub(super) fn may_enter_pin(&self, card: &Card<'_>) -> Result<(), Progress> {
        let iccid = self.identity.iccid.clone();
        match &*card.pin_use {
            PinUse::Unused => {}
            PinUse::Tried(tried) if *tried == iccid => return Err(Progress::Failed(Cause::PinWrong(iccid))),
            // The card was locked anew, or is another: whether its PIN may be tried is not for this machine to say.
            PinUse::Tried(_) | PinUse::Right => return Err(Progress::Failed(Cause::PinWanted(iccid))),
        }
        let allowed = match &card.settings.pin_permission {
            PinPermission::Never => false,
            PinPermission::ForCard(card) => Some(card) == iccid.as_ref(),
            PinPermission::AnyCard => true,
        };
        if allowed && card.settings.pin.is_some() {
            Ok(())
        } else {
            Err(Progress::Failed(Cause::PinWanted(iccid)))
        }
    }

    /// The one try.
    pub(super) fn enter_pin(&self, card: &mut Card<'_>) -> Result<Order, Progress> {
        let Some(pin) = card.settings.pin.clone().filter(|_| *card.pin_use == PinUse::Unused) else {
            return Err(Progress::Failed(Cause::PinWanted(self.identity.iccid.clone())));
        };
        *card.pin_use = PinUse::Tried(self.identity.iccid.clone());
        Ok(Command::CpinEnter(pin).into())
    }

    pub(super) fn pin_tries_told(&mut self, answer: &Answer) -> Progress {
        let left: Option<u8> = answer.info().and_then(|info| info.number(1));
        if answer.result == Final::Ok && left.is_some_and(|left| left <= PIN_TRIES_KEPT) {
            return Progress::Failed(Cause::PinLastTry(self.identity.iccid.clone()));
        }
        self.on(Stage::EnterPin)
    }

    pub(super) fn pin_entered(&mut self, now: Instant, card: &mut Card<'_>, answer: &Answer) -> Progress {
        if answer.result != Final::Ok {
            return Progress::Failed(Cause::PinWrong(self.identity.iccid.clone()));
        }
        *card.pin_use = PinUse::Right;
        self.stage = Stage::Pin;
        self.busy_since = now;
        self.waits = true;
        Progress::Pause(Duration::from_secs(u64::from(self.note.pin_pause_s.value)))
    }

    pub(super) fn pin_told(&mut self, now: Instant, answer: &Answer) -> Progress {
        let state = match (&answer.result, answer.info().and_then(|info| PinState::parse(&info))) {
            (Final::Ok, Some(state)) => state,
            (Final::Cme(error), _) => match error.code() {
                Some(10) => PinState::Absent,
                Some(11) => PinState::SimPin,
                Some(5..=7 | 12 | 17 | 18) => PinState::SimPuk,
                _ => PinState::NotReady,
            },
            (Final::Cms(error), _) => match error.code() {
                Some(310) => PinState::Absent,
                Some(311) => PinState::SimPin,
                Some(316) => PinState::SimPuk,
                _ => PinState::NotReady,
            },
            _ => PinState::NotReady,
        };
        match state {
            PinState::Ready | PinState::SimPin2 | PinState::SimPuk2 => self.next(),
            PinState::SimPin => self.on(Stage::LockedIccid(0)),
            PinState::SimPuk | PinState::Locked(_) => Progress::Failed(Cause::Locked),
            PinState::Absent => Progress::Failed(Cause::NoSim),
            PinState::NotReady | PinState::Other(_) => self.again(now).unwrap_or_else(|| {
                Progress::Failed(match &answer.result {
                    Final::Ok => Cause::NoSim,
                    refused => Cause::Refused(refused.clone()),
                })
            }),
        }
    }

    pub(super) fn iccid_told(&mut self, answer: &Answer) -> Progress {
        match answer.lines.first().and_then(|line| reply::iccid(line)) {
            Some(iccid) => {
                self.identity.iccid = Some(iccid);
                let after = self.after();
                self.on(after)
            }
            None => self.next(),
        }
    }
}
