//! What befalls a life: the messages and faults of each hour, drawn by its seed, and how each fault is done.

use std::time::Duration;

use super::Verdict;
use super::agenda::Happening;
use super::life::Life;
use super::line::Harm;
use crate::simulator::Silence;

const HOUR_MS: u64 = 3_600_000;
/// One in each minute, and the rest in bursts.
const MESSAGES: u64 = 60;
const BURSTS: std::ops::RangeInclusive<u64> = 1..=3;
const BURST: std::ops::RangeInclusive<u64> = 3..=10;
const INBOUND: std::ops::RangeInclusive<u64> = 10..=14;
const FAULTS: std::ops::RangeInclusive<u64> = 5..=9;
/// A silence is two seconds doubled up to so often: seconds as often as minutes.
const SILENCE_DOUBLINGS: f64 = 8.5;
/// A person comes after so many minutes.
const PERSON_MIN: std::ops::Range<u64> = 10..60;

impl Life {
    /// The hour's messages and faults.
    pub(super) fn draw_hour(&mut self) {
        let minute = HOUR_MS / MESSAGES;
        for n in 0..MESSAGES {
            let at = n * minute + self.rng.u64(..minute);
            self.enter_in(at, Happening::Message);
        }
        for _ in 0..self.rng.u64(BURSTS) {
            let at = self.rng.u64(..HOUR_MS);
            for _ in 0..self.rng.u64(BURST) {
                self.enter_in(at, Happening::Message);
            }
        }
        for _ in 0..self.rng.u64(INBOUND) {
            let at = self.rng.u64(..HOUR_MS);
            self.enter_in(at, Happening::Inbound);
        }
        for _ in 0..self.rng.u64(FAULTS) {
            let at = self.rng.u64(..HOUR_MS);
            self.enter_in(at, Happening::Fault);
        }
        if self.rng.u8(..4) == 0 {
            let at = self.rng.u64(..HOUR_MS);
            self.enter_in(at, Happening::Reset);
        }
    }

    fn enter_in(&mut self, ms: u64, what: Happening) {
        self.agenda.enter(self.now + Duration::from_millis(ms), what);
    }

    pub(super) fn send_inbound(&mut self) -> Verdict {
        let text = self.inbox.next();
        self.record.note(self.now, format!("{text} is sent to the modem"));
        let to = &self.plan.scenario.number;
        self.network.send(self.now, "INFO", to, &text).map_err(|error| error.to_string())?;
        self.modem.tick(self.now);
        self.hear_modem()
    }

    /// One fault; without power there is only the line to harm.
    pub(super) fn fault(&mut self) -> Verdict {
        match self.rng.u8(..100) {
            0..20 if self.powered => self.fall_silent(),
            20..30 if self.powered => {
                self.tally.faults.restart += 1;
                self.record.note(self.now, "the modem starts anew");
                let dark = self.dark();
                return self.power_off(dark, false);
            }
            30..40 if self.powered => {
                self.tally.faults.power_loss += 1;
                self.record.note(self.now, "the modem loses its power");
                let dark = self.dark();
                return self.power_off(dark, self.plan.usb);
            }
            _ => self.harm_line(),
        }
        Ok(())
    }

    fn dark(&mut self) -> Duration {
        Duration::from_millis(self.rng.u64(500..40_000))
    }

    fn harm_line(&mut self) {
        let harm = self.rng.choice(Harm::ALL).unwrap_or(Harm::Lost);
        let faults = &mut self.tally.faults;
        *match harm {
            Harm::Lost => &mut faults.lost,
            Harm::Late => &mut faults.late,
            Harm::Doubled => &mut faults.doubled,
            Harm::Cut => &mut faults.cut,
            Harm::Garbled => &mut faults.garbled,
        } += 1;
        if self.rng.bool() { self.to_modem.harm(harm) } else { self.to_host.harm(harm) }
    }

    /// Of a silence that does not end by itself only a restart or a loss of power helps; where nothing can do that, it ends.
    fn fall_silent(&mut self) {
        let kinds = [Silence::All, Silence::Prompt, Silence::Answer];
        let kind = self.rng.choice(kinds).unwrap_or(Silence::All);
        let mended = kind != Silence::All || self.plan.usb || self.plan.hook;
        self.hung = mended && self.rng.u8(..4) == 0;
        self.silent = !self.hung;
        self.silences += 1;
        self.modem.silence(kind);
        if self.hung {
            self.tally.faults.hang += 1;
            self.record.note(self.now, format!("the modem hangs: {kind:?}"));
            return;
        }
        self.tally.faults.silence += 1;
        let ends = Duration::from_secs_f64(2.0 * (self.rng.f64() * SILENCE_DOUBLINGS).exp2());
        self.record.note(self.now, format!("silence ({kind:?}) for {ends:?}"));
        self.agenda.enter(self.now + ends, Happening::SilenceEnds(self.silences));
    }

    pub(super) fn end_silence(&mut self, silence: u64) {
        if silence == self.silences {
            self.record.note(self.now, "the silence ends");
            self.silent = false;
            self.modem.silence(Silence::None);
        }
    }

    /// The modem is without power, or starts anew: with its port, or behind a port that stays.
    pub(super) fn power_off(&mut self, dark: Duration, with_port: bool) -> Verdict {
        self.powered = false;
        self.modem.hang_up(self.now);
        self.hear_modem()?;
        self.agenda.enter(self.now + dark, Happening::PowerOn { ready: !with_port });
        if with_port {
            let pause = self.next_pause();
            self.close(pause)?;
        }
        Ok(())
    }

    pub(super) fn power_on(&mut self, ready: bool) -> Verdict {
        self.record.note(self.now, "the modem has power");
        self.powered = true;
        self.silences += 1;
        (self.silent, self.hung) = (false, false);
        self.modem.silence(Silence::None);
        self.modem.plug_in(self.now);
        if ready {
            self.modem.announce_start(self.now);
        } else {
            // The link has come: whatever the port waited for.
            self.open_in(Duration::ZERO);
        }
        self.hear_modem()
    }

    /// A person is called to the card.
    pub(super) fn call_person(&mut self) {
        if self.person {
            return;
        }
        self.person = true;
        self.record.note(self.now, "a person is called to the card");
        let minutes = if self.calm { 0 } else { self.rng.u64(PERSON_MIN) };
        self.agenda.enter(self.now + Duration::from_secs(minutes * 60), Happening::Person);
    }

    /// The right PIN is set, and the port is opened anew with it.
    pub(super) fn person_comes(&mut self) -> Verdict {
        if !std::mem::take(&mut self.person) {
            return Ok(());
        }
        self.record.note(self.now, "a person sets the right PIN");
        self.plan.wrong_pin = false;
        self.host.set_pin(self.plan.pin());
        self.close(Duration::ZERO)
    }
}
