//! The health ladder: how hard a step a silent modem has earned, and how long to wait before it.
//!
//! A strike is a command without an answer, or a resync without one. Work that succeeds takes all strikes back; a bring-up
//! that succeeds does not, because a modem that hangs at every message comes up well each time. Messages that hung behind
//! their Ctrl-Z are counted apart, so that keep-alives in between do not excuse them.

use std::time::Duration;

use crate::modem::exchange::Step;

/// The step for the first, second, ... strike in a row, and the pause before it. The last one repeats.
const LADDER: [(Step, Duration); 7] = [
    (Step::Poke, Duration::ZERO),
    (Step::Poke, Duration::ZERO),
    (Step::Reinitialise, Duration::from_secs(1)),
    (Step::CfunCycle, Duration::from_secs(5)),
    (Step::CfunReset, Duration::from_secs(15)),
    (Step::UsbReauthorise, Duration::from_secs(60)),
    (Step::SiteHook, Duration::from_secs(300)),
];
/// The pause of the last step doubles with each repetition, up to this.
const PAUSE_MAX: Duration = Duration::from_secs(3600);

/// Refusals in a row that a reset may help: `+CMS ERROR: 500` of a modem that has lost its card never ends by itself.
const REFUSALS: u32 = 3;
/// Before the step that refusals earn; the dispatcher moves its messages elsewhere meanwhile.
const REFUSED_PAUSE: Duration = Duration::from_secs(5);

/// All pauses up to the first step that no AT command can do, and how many strikes lead there.
pub(super) fn climb() -> (Duration, u32) {
    let outside = |step: Step| matches!(step, Step::UsbReauthorise | Step::SiteHook);
    let first = LADDER.iter().position(|(step, _)| outside(*step)).unwrap_or(LADDER.len());
    let rungs = || LADDER.iter().take(first.saturating_add(1));
    (rungs().map(|(_, pause)| *pause).sum(), rungs().map(|_| 1).sum())
}

/// Strikes in a row.
#[derive(Debug, Default)]
pub(super) struct Health {
    strikes: u32,
    hung: u32,
    refused: u32,
}

impl Health {
    /// One more strike; what to do about it.
    pub(super) fn struck(&mut self, submit: bool) -> (Step, Duration) {
        self.strikes = self.strikes.saturating_add(1);
        if submit {
            self.hung = self.hung.saturating_add(1);
        }
        let level = usize::try_from(self.strikes.max(self.hung)).unwrap_or(usize::MAX).saturating_sub(1);
        let last = LADDER.len().saturating_sub(1);
        let (step, pause) = LADDER.get(level.min(last)).copied().unwrap_or((Step::Poke, Duration::ZERO));
        let doublings = u32::try_from(level.saturating_sub(last)).unwrap_or(u32::MAX).min(8);
        (step, pause.saturating_mul(1 << doublings).min(PAUSE_MAX))
    }

    /// A keep-alive or a received message went well.
    pub(super) fn answered(&mut self) {
        self.strikes = self.hung;
    }

    /// A message was answered, well or by a refusal that says nothing about the modem.
    pub(super) fn submitted(&mut self) {
        *self = Self::default();
    }

    /// A message was refused by a cause that a reset helps, or by none. Every third in a row earns a step.
    pub(super) fn refused(&mut self) -> Option<(Step, Duration)> {
        let refused = self.refused.saturating_add(1);
        *self = Self { refused, ..Self::default() };
        let step = if refused == REFUSALS { Step::CfunCycle } else { Step::CfunReset };
        refused.is_multiple_of(REFUSALS).then_some((step, REFUSED_PAUSE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_grow_harder_and_pauses_longer() {
        let mut health = Health::default();
        let steps: Vec<_> = (0..12).map(|_| health.struck(false)).collect();
        assert_eq!(steps[0].0, Step::Poke);
        assert_eq!(steps[2].0, Step::Reinitialise);
        assert_eq!(steps[6], (Step::SiteHook, Duration::from_secs(300)));
        assert_eq!(steps[7], (Step::SiteHook, Duration::from_secs(600)));
        assert_eq!(steps[11], (Step::SiteHook, PAUSE_MAX));
        assert!(steps.windows(2).all(|w| w[0].0 <= w[1].0 && w[0].1 <= w[1].1));
        health.answered();
        assert_eq!(health.struck(false).0, Step::Poke);
    }

    #[test]
    fn refusals_in_a_row_earn_a_reset() {
        let mut health = Health::default();
        let steps: Vec<_> = (0..6).map(|_| health.refused().map(|(step, _)| step)).collect();
        assert_eq!(steps, [None, None, Some(Step::CfunCycle), None, None, Some(Step::CfunReset)]);
        health.submitted();
        assert_eq!(health.refused(), None);
    }

    #[test]
    fn keep_alives_do_not_excuse_hanging_messages() {
        let mut health = Health::default();
        for step in [Step::Poke, Step::Poke, Step::Reinitialise, Step::CfunCycle] {
            assert_eq!(health.struck(true).0, step);
            health.answered();
        }
        health.submitted();
        assert_eq!(health.struck(true).0, Step::Poke);
    }
}
