//! One port in the daemon's hands, without the port: a machine after the other, what is remembered from one to the next, and the
//! try of the PIN that is noted before it is made. The same as `modem::serve`, without tasks and files.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::at::command::Pin;
use crate::modem::machine::{Cause, Input, Machine, Output, Phase, PinPermission, Settings, Step};
use crate::modem::profile::{Library, Profile};
use crate::units::Iccid;

/// The first pause before a port is opened again, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(30)];

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
    pause: Duration,
    /// The last step from outside since the modem was ready.
    outside: Option<Step>,
}

impl Host {
    pub(super) fn new(pin: Option<Pin>, profile: Option<Arc<Profile>>) -> Self {
        let [pause, _] = PAUSES;
        Self {
            machine: None,
            number: 0,
            profile,
            pin,
            permission: PinPermission::Never,
            tried: Tried::No,
            pause,
            outside: None,
        }
    }

    /// Opens the port.
    pub(super) fn open(&mut self, now: Instant) {
        let settings = Settings {
            pin: self.pin.clone(),
            pin_permission: self.permission.clone(),
            keep_alive: None,
            submit_limit: None,
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
            [self.pause, _] = PAUSES;
            self.outside = None;
        }
        if std::mem::replace(&mut self.permission, PinPermission::Never) != PinPermission::Never {
            self.tried = right;
        }
    }

    /// The SIM wants its PIN: whether it may be tried. The try is noted before it is made.
    pub(super) fn permit(&mut self, iccid: Option<Iccid>) -> bool {
        self.permission = PinPermission::Never;
        if self.pin.is_none() || self.tried == Tried::Made {
            [_, self.pause] = PAUSES;
            return false;
        }
        if self.tried == Tried::No {
            self.tried = Tried::Made;
        }
        self.permission = iccid.map_or(PinPermission::AnyCard, PinPermission::ForCard);
        true
    }

    /// The step that is to be carried out.
    pub(super) fn step(&mut self, wanted: Step, has_hook: bool) -> Step {
        let step = wanted.outside(self.outside, has_hook);
        self.outside = Some(step);
        step
    }

    /// How long the port stays closed now.
    pub(super) fn next_pause(&mut self) -> Duration {
        let [_, longest] = PAUSES;
        let pause = self.pause;
        self.pause = pause.saturating_mul(2).min(longest);
        pause
    }

    /// A person sets the right PIN, and by that allows its try.
    pub(super) fn set_pin(&mut self, pin: Option<Pin>) {
        self.pin = pin;
        self.tried = Tried::No;
        [self.pause, _] = PAUSES;
    }
}
