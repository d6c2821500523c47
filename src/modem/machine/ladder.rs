//! The machine's ways down and up again: bring-up and its end, strikes, the steps of the health ladder, the operator's reset.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{
    Cause, Done, Event, Hearing, Identity, Machine, NotSent, Online, Output, Phase, Recovery, Registration,
    SEARCH_POLL, State, Step, Turn, Uncertain,
};
use crate::at::Command;
use crate::modem::bringup::{BringUp, Progress, SetUp};
use crate::modem::health;
use crate::modem::profile::Library;
use crate::modem::session::{Order, Purpose, RESYNC_MAX};
use crate::modem::timers::Timer;

/// A modem that needs a person is looked at again after this, doubling up to [`DOWN_PAUSE_MAX`] while nothing changes.
const DOWN_PAUSE: Duration = Duration::from_secs(60);
/// A card that was put in is not waited for longer.
const DOWN_PAUSE_MAX: Duration = Duration::from_secs(300);
/// After `+CFUN=1,1` the port goes, or the modem is deaf for 5 to 40 s.
const RESTART_PAUSE: Duration = Duration::from_secs(10);
/// After the driver's steps: unplugging, plugging in, start of the firmware.
const DRIVER_STEP_PAUSE: Duration = Duration::from_secs(30);
/// The radio needs a moment between off and on.
const RADIO_PAUSE: Duration = Duration::from_secs(2);
/// After the bring-up messages out have the line for themselves, so long: the driver hands the first one over within that, and a
/// listing of a full store would block it for seconds.
const FIRST_MESSAGE_GRACE: Duration = Duration::from_millis(500);

/// The radio's command, twice in a cycle.
const RADIO_LIMIT: Duration = Duration::from_secs(15);

/// `+CFUN` with the radio off and the card powered, and with nothing but the AT interface; TS 27.007 8.2.
const AIRPLANE: u8 = 4;
const MINIMUM: u8 = 0;

fn radio_off(fun: u8) -> (Recovery, Order) {
    (Recovery::RadioOff(fun), Command::Cfun(fun).into())
}

impl Machine {
    /// How long a modem may be without service, at the most, although nothing but the ladder is needed to help it: each strike up
    /// to the first step from outside with the longest wait for an answer and for a resync behind it, a bring-up that is
    /// refused once, and the pause before the step; then the times of the steps themselves, of the generic
    /// note where notes differ. `answer`: the limit of an answer to a PDU.
    #[must_use]
    pub fn longest_climb(answer: Duration) -> Duration {
        let (pauses, strikes) = health::climb();
        let strike = answer + RESYNC_MAX + DOWN_PAUSE;
        let cycle = RADIO_LIMIT * 2 + RADIO_PAUSE;
        let restart = RADIO_LIMIT + RESTART_PAUSE + Library::compiled_in().generic().away();
        pauses + strike * strikes + cycle + restart + DRIVER_STEP_PAUSE
    }

    /// Begins a bring-up. `patience`: after a restart; otherwise the profile's, and a modem that was down stays so until it is up.
    pub(super) fn begin(&mut self, now: Instant, patience: Option<Duration>) {
        let again = matches!(self.state, State::Down);
        self.timers.clear_all();
        self.session.resync(now, &mut self.timers, true);
        if !again {
            self.status.phase = Phase::Starting;
        }
        if patience.is_some() {
            // Modems start with their detector off, so nobody would say that it is over.
            self.jamming(false);
        }
        let patience = patience.unwrap_or_else(|| self.note.wake());
        let mut bringup = BringUp::new(now, Arc::clone(&self.note), patience);
        if again && matches!(self.down, Some(Cause::Refused(_))) {
            bringup.look_once();
        }
        self.state = State::BringUp(bringup);
        if let Some(hearing) = &mut self.hearing {
            *hearing = Hearing::default();
        }
        self.reset_done(now);
    }

    pub(super) fn progress(&mut self, now: Instant, progress: Progress) {
        match progress {
            Progress::Ask => {}
            Progress::Pause(pause) => self.timers.set(Timer::Pause, now, pause),
            Progress::Resync => self.session.resync(now, &mut self.timers, false),
            Progress::Failed(cause) => {
                self.show_identity(now);
                self.lie_down(now, cause);
            }
            Progress::Finished => {
                self.show_identity(now);
                match std::mem::replace(&mut self.state, State::Closed) {
                    State::BringUp(bringup) => {
                        self.online(now, &bringup.finish());
                    }
                    other => self.state = other,
                }
            }
        }
    }

    /// Nothing but a person or time helps: it is looked at again, ever more seldom while it stays so.
    pub(super) fn lie_down(&mut self, now: Instant, cause: Cause) {
        let phase = Phase::Down(cause.clone());
        self.down_pause = if self.status.phase == phase {
            self.down_pause.saturating_mul(2).min(DOWN_PAUSE_MAX)
        } else {
            DOWN_PAUSE
        };
        self.timers.set(Timer::Pause, now, self.down_pause);
        self.status.phase = phase;
        self.state = State::Down;
        self.go_down(cause);
    }

    /// What the bring-up learned; another card than before has other messages in its slots.
    pub(super) fn show_identity(&mut self, now: Instant) {
        let State::BringUp(bringup) = &self.state else { return };
        let fresh = bringup.identity();
        let known = &self.status.identity;
        let same_card = known.iccid == fresh.iccid;
        let other_card = !same_card && known.iccid.is_some();
        if other_card {
            self.incoming = self.incoming.for_other_card();
        }
        if !same_card {
            let remembered = fresh.imei.as_ref().and_then(|imei| self.settings.cards.get(imei));
            let former = remembered.or(known.iccid.as_ref().filter(|_| known.imei == fresh.imei)).cloned();
            let other = former.zip(fresh.iccid.clone()).filter(|(former, card)| former != card);
            self.status.former_card = other.as_ref().map(|(former, _)| former.clone());
            if let Some((former, card)) = other {
                self.outputs.push_back(Output::Event(Event::OtherCard { former, card }));
            }
            self.status.service_centre = None;
        }
        let kept = |field: &Option<String>| field.clone().filter(|_| same_card && known.imei == fresh.imei);
        self.status.identity =
            Arc::new(Identity { imsi: kept(&known.imsi), revision: kept(&known.revision), ..fresh.clone() });
        if other_card {
            self.forget_balance(now);
        }
    }

    pub(super) fn online(&mut self, now: Instant, setup: &SetUp) {
        self.incoming.begin(setup, self.note.list.value);
        self.state = State::Online(Online {
            looks: VecDeque::new(),
            looking: None,
            signal_form: 0,
            rounds: 0,
            search_poll: SEARCH_POLL,
            sends: 0,
            notified: setup.notify.is_some(),
            keeps_settings: setup.keeps_settings,
            list_due: false,
        });
        self.timers.set(Timer::Grace, now, FIRST_MESSAGE_GRACE);
        self.up = false;
        self.status.registration = setup.registration;
        self.status.service_centre = setup.service_centre.or(self.status.service_centre);
        self.reconsider(now);
    }

    pub(super) fn strike(&mut self, now: Instant, submit: bool) {
        let (step, pause) = self.health.struck(submit);
        self.climb(now, step, pause);
    }

    /// Takes a step of the ladder after a pause.
    pub(super) fn climb(&mut self, now: Instant, step: Step, pause: Duration) {
        if let Some(count) = self.status.counters.ladder.get_mut(step as usize) {
            *count = count.saturating_add(1);
        }
        if step == Step::Poke {
            if self.session.is_idle() {
                self.session.resync(now, &mut self.timers, true);
            }
            return;
        }
        self.outgoing.end_all(&mut turn!(self, now), NotSent::Reset, Uncertain::Restart);
        self.ussd.end_all(&mut turn!(self, now), NotSent::Reset);
        self.session.restart(&mut self.timers);
        self.timers.clear_all();
        self.timers.set(Timer::Pause, now, pause);
        self.state = State::Recovering(Recovery::Pausing(step));
        self.status.phase = Phase::Recovering(step);
        self.status.registration = Registration::default();
        self.go_down(Cause::Recovering(step));
    }

    /// The pause of a recovery is over.
    pub(super) fn recover(&mut self, now: Instant, recovery: Recovery) {
        let (next, order) = match recovery {
            Recovery::Pausing(Step::Poke | Step::Reinitialise)
            | Recovery::RadioOff(_)
            | Recovery::RadioOn
            | Recovery::Rebooting => return self.begin(now, None),
            Recovery::Pausing(Step::CfunCycle) => radio_off(AIRPLANE),
            Recovery::RadioRest => (Recovery::RadioOn, Command::Cfun(1).into()),
            Recovery::Pausing(Step::CfunReset) => self.reboot(),
            Recovery::Pausing(step) => {
                self.outputs.push_back(Output::Ladder(step));
                self.reset_done(now);
                self.timers.set(Timer::Pause, now, DRIVER_STEP_PAUSE);
                self.state = State::Recovering(Recovery::Waiting(step));
                return;
            }
            Recovery::Restarting | Recovery::Waiting(_) => return self.begin(now, Some(self.note.away())),
        };
        self.order_step(now, next, order);
    }

    fn order_step(&mut self, now: Instant, next: Recovery, order: Order) {
        self.state = State::Recovering(next);
        self.session.restart(&mut self.timers);
        self.session.send(now, &mut self.timers, Purpose::Ladder, order);
    }

    /// The restart that the modem's note has, or else everybody's.
    fn reboot(&self) -> (Recovery, Order) {
        let note = self.settings.notes.named(&self.status.identity.profile);
        match note.and_then(|note| note.reset.value.clone()) {
            Some(own) => (Recovery::Rebooting, Order::Vendor(own)),
            None => (Recovery::Restarting, Command::CfunReset.into()),
        }
    }

    /// The command of a step was taken or refused; both lead on, but where there is another way to say it.
    pub(super) fn stepped(&mut self, now: Instant, taken: bool) {
        self.session.restart(&mut self.timers);
        let State::Recovering(recovery) = &mut self.state else { return };
        match recovery {
            Recovery::RadioOff(AIRPLANE) if !taken => {
                let (next, order) = radio_off(MINIMUM);
                self.order_step(now, next, order);
            }
            Recovery::Rebooting if !taken => {
                self.order_step(now, Recovery::Restarting, Command::CfunReset.into());
            }
            Recovery::RadioOff(_) => {
                *recovery = Recovery::RadioRest;
                self.timers.set(Timer::Pause, now, RADIO_PAUSE);
            }
            Recovery::RadioOn => self.begin(now, None),
            Recovery::Restarting | Recovery::Rebooting => {
                *recovery = Recovery::Waiting(Step::CfunReset);
                self.reset_done(now);
                self.timers.set(Timer::Pause, now, RESTART_PAUSE);
            }
            Recovery::Pausing(_) | Recovery::RadioRest | Recovery::Waiting(_) => {}
        }
    }

    /// The operator's reset begins when no message is in flight. Says whether it did.
    pub(super) fn begin_reset(&mut self, now: Instant) -> bool {
        if self.outgoing.is_busy() {
            return false;
        }
        let Some(reset) = self.reset.as_mut().filter(|reset| !reset.begun) else { return false };
        reset.begun = true;
        let step = reset.step;
        self.climb(now, step, Duration::ZERO);
        true
    }

    pub(super) fn poked(&mut self, now: Instant) {
        if self.reset.is_some_and(|reset| reset.step == Step::Poke) {
            self.reset_done(now);
        }
    }

    pub(super) fn reset_done(&mut self, now: Instant) {
        if self.reset.is_some_and(|reset| reset.begun)
            && let Some(reset) = self.reset.take()
        {
            turn!(self, now).done(reset.id, Ok(Done::Reset));
        }
    }
}
