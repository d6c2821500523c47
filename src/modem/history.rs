//! What is remembered of a modem from one driver to the next, and from one plug to the next: how often it had to be helped.
//!
//! A modem that a reset takes off its bus comes back as a new port, often under another tty number and sometimes by way of a
//! storage device. The link's name, which follows the socket it is plugged into, is what stays; so the memory goes by it. Without
//! that, each return would begin the health ladder anew, and a dead modem would be reset for ever.

use std::time::Duration;

use crate::modem::exchange::Step;

/// The first pause before a port is opened again: a node that comes before its permissions needs about as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Pauses double up to this, so that a dead port costs next to nothing and a live one waits at most half a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Ladders without success after which a modem is left alone: the second proves that the first was no accident.
const LADDERS: u32 = 2;
/// How long it is left alone at first; doubled with each further ladder.
const FIRST_PARKING: Duration = Duration::from_secs(600);
/// A network that was down overnight must find its modem back by itself in the morning.
const LONGEST_PARKING: Duration = Duration::from_secs(4 * 3600);

/// The memory of one port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct History {
    pause: Duration,
    /// The last step from outside since the modem was ready.
    outside: Option<Step>,
    /// Whole ladders without success since then.
    ladders: u32,
}

impl Default for History {
    fn default() -> Self {
        Self { pause: FIRST_PAUSE, outside: None, ladders: 0 }
    }
}

impl History {
    /// The modem works: everything is forgiven.
    pub(crate) fn well(&mut self) {
        *self = Self::default();
    }

    /// Whether a working modem would have anything to be forgiven.
    pub(crate) fn is_clean(&self) -> bool {
        *self == Self::default()
    }

    /// The pause before the port is opened again, growing; `spread` in 0..1 lengthens it by up to a quarter, so that the
    /// ports of one hub do not come all at once.
    pub(crate) fn next_pause(&mut self, spread: f64) -> Duration {
        let pause = self.pause;
        self.pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        pause.mul_f64(1.0 + spread.clamp(0.0, 1.0) / 4.0)
    }

    /// Nothing will change soon.
    pub(crate) fn slow(&mut self) {
        self.pause = LONGEST_PAUSE;
    }

    /// Which step from outside is to be carried out when the machine asks for `wanted`: what was no use is not done again.
    pub(crate) fn step(&mut self, wanted: Step) -> Step {
        let step = if self.outside == Some(Step::UsbReauthorise) { Step::SiteHook } else { wanted };
        self.outside = Some(step);
        step
    }

    /// Whether the modem was reset from outside and has not been ready since.
    pub(crate) fn is_reset(&self) -> bool {
        self.outside.is_some()
    }

    /// The last rung was taken. Gives how long the modem is to be left alone, if this was not the first time.
    pub(crate) fn ladder_ended(&mut self) -> Option<Duration> {
        self.ladders = self.ladders.saturating_add(1);
        self.outside = None;
        let further = self.ladders.checked_sub(LADDERS)?;
        Some(FIRST_PARKING.saturating_mul(1 << further.min(8)).min(LONGEST_PARKING))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_ladder_parks_and_each_further_one_for_longer() {
        let mut history = History::default();
        assert_eq!(history.ladder_ended(), None);
        let parkings: Vec<_> = (0..6).map(|_| history.ladder_ended().unwrap() / 60).collect();
        assert_eq!(parkings, [10, 20, 40, 80, 160, 240].map(Duration::from_secs));
        history.well();
        assert!(history.is_clean());
    }

    #[test]
    fn each_ladder_has_both_steps_from_outside() {
        let mut history = History::default();
        let mut ladder = || {
            let steps = [history.step(Step::UsbReauthorise), history.step(Step::UsbReauthorise)];
            history.ladder_ended();
            steps
        };
        assert_eq!(ladder(), [Step::UsbReauthorise, Step::SiteHook]);
        assert_eq!(ladder(), [Step::UsbReauthorise, Step::SiteHook]);
    }

    #[test]
    fn pauses_grow_to_half_a_minute() {
        let mut history = History::default();
        let pauses: Vec<_> = (0..10).map(|_| history.next_pause(0.0)).collect();
        assert_eq!((pauses[0], pauses[1], pauses[9]), (FIRST_PAUSE, FIRST_PAUSE * 2, LONGEST_PAUSE));
        assert_eq!(History::default().next_pause(1.0), Duration::from_millis(250));
    }
}
