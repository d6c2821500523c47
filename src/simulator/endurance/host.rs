//! One port in the daemon's hands, without the port: a machine after the other, what is remembered from one to the next, and the
//! try of the PIN that is noted before it is made. The same as `modem::serve`, without tasks and files.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::at::command::Pin;
use crate::modem::history::History;
use crate::modem::machine::{Cause, Input, Machine, Output, Phase, PinPermission, Roaming, Settings, Step};
use crate::modem::profile::{Library, Profile};
use crate::units::Iccid;

/// What is known of the tries of the PIN that is set, on the one card of a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tried {
    No,
    /// And how it went is not known, or it was wrong.
    Made,
    Right,
}

/// Why a machine is to be given up.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Exit {
    PinWanted(Option<Iccid>),
    Ladder(Step),
}

/// One port.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) machine: Option<Machine>,
    /// Counts the machines, so that what belongs to an old one is not given to a new one.
    pub(super) number: u64,
    profile: Option<Arc<Profile>>,
    pin: Option<Pin>,
    permission: PinPermission,
    tried: Tried,
    history: History,
}

impl Host {
    pub(super) fn new(pin: Option<Pin>, profile: Option<Arc<Profile>>) -> Self {
        Self {
            machine: None,
            number: 0,
            profile,
            pin,
            permission: PinPermission::Never,
            tried: Tried::No,
            history: History::default(),
        }
    }

    /// Opens the port.
    pub(super) fn open(&mut self, now: Instant) {
        let settings = Settings {
            pin: self.pin.clone(),
            pin_permission: self.permission.clone(),
            keep_alive: None,
            submit_limit: None,
            hang_up_calls: true,
            balance: None,
            roaming: Roaming::Allow,
            service_centre: None,
            cards: Arc::default(),
            likely: None,
            port_age: Duration::ZERO,
            notes: Arc::clone(Library::compiled_in()),
            profile: self.profile.clone(),
        };
        self.number += 1;
        self.machine = Some(Machine::new(settings, now));
    }

    /// Closes it; what the machine still has to say.
    pub(super) fn close(&mut self, now: Instant) -> Vec<Output> {
        let Some(mut machine) = self.machine.take() else { return Vec::new() };
        machine.handle(now, Input::HangUp);
        std::iter::from_fn(|| machine.poll()).collect()
    }

    pub(super) fn phase(&self) -> Option<&Phase> {
        self.machine.as_ref().map(|machine| &machine.status().phase)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.phase() == Some(&Phase::Ready)
    }

    /// What a phase teaches.
    pub(super) fn learn(&mut self, phase: &Phase) {
        let right = match phase {
            Phase::Ready | Phase::Searching => Tried::Right,
            Phase::Down(Cause::PinWrong(_)) => Tried::Made,
            _ => return,
        };
        if *phase == Phase::Ready {
            self.history.well();
        }
        if std::mem::replace(&mut self.permission, PinPermission::Never) != PinPermission::Never {
            self.tried = right;
        }
    }

    /// The SIM wants its PIN: whether it may be tried. The try is noted before it is made.
    pub(super) fn permit(&mut self, iccid: Option<Iccid>) -> bool {
        self.permission = PinPermission::Never;
        if self.pin.is_none() || self.tried == Tried::Made {
            self.history.slow();
            return false;
        }
        if self.tried == Tried::No {
            self.tried = Tried::Made;
        }
        self.permission = iccid.map_or(PinPermission::AnyCard, PinPermission::ForCard);
        true
    }

    /// The step that is to be carried out, and how long the port is left alone afterwards, if it is.
    pub(super) fn step(&mut self, wanted: Step, usb: bool) -> (Step, Option<Duration>) {
        let mut step = self.history.step(wanted);
        if step == Step::UsbReauthorise && !usb {
            step = self.history.step(Step::SiteHook);
        }
        (step, if step == Step::SiteHook { self.history.ladder_ended() } else { None })
    }

    /// How long the port stays closed now; `spread` in 0..1.
    pub(super) fn next_pause(&mut self, spread: f64) -> Duration {
        self.history.next_pause(spread)
    }

    /// A person sets the right PIN, and by that allows its try.
    pub(super) fn set_pin(&mut self, pin: Option<Pin>) {
        self.pin = pin;
        self.tried = Tried::No;
        self.history.well();
    }
}
