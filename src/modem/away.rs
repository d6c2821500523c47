//! Modems whose port went: what they were, how often they had to be helped, and when one that was reset is to be back.
//!
//! They stay in the picture, because a modem that is missing from a list is missed too late. One that goes on at another
//! port, or whose second port is in service, is not away.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tracing::warn;

use super::fleet::{Modem, State};
use super::history::History;
use crate::units::Imei;

/// As many as a daemon serves at most; beyond them the one that went first is forgotten.
const MOST: usize = 64;

/// All that are away, by the name of their port.
#[derive(Debug, Default)]
pub(super) struct Away(BTreeMap<String, One>);

#[derive(Debug)]
struct One {
    modem: Modem,
    history: History,
    since: Instant,
    /// When it is to be back after a reset; `None` once that is past, or if it went by itself.
    back: Option<Instant>,
}

impl Away {
    /// A port went for good. A modem that was reset is to be back within `window`.
    pub(super) fn went(&mut self, now: Instant, mut modem: Modem, history: History, window: Duration) {
        if modem.imei.is_none() && history.is_clean() {
            return;
        }
        let window = history.is_reset().then_some(window);
        modem.go_away(window);
        let oldest = self.0.iter().min_by_key(|(_, one)| one.since).map(|(name, _)| name.clone());
        if let Some(oldest) = oldest.filter(|_| self.0.len() >= MOST) {
            self.0.remove(&oldest);
        }
        let back = window.map(|window| now + window);
        self.0.insert(modem.port.clone(), One { modem, history, since: now, back });
    }

    /// The port came again: what is remembered of its modem.
    pub(super) fn came(&mut self, port: &str) -> History {
        self.0.remove(port).map(|one| one.history).unwrap_or_default()
    }

    /// When the next one is late.
    pub(super) fn next_late(&self) -> Option<Instant> {
        self.0.values().filter_map(|one| one.back).min()
    }

    /// Says of those that are late that they are.
    pub(super) fn tell_late(&mut self, now: Instant) {
        for One { modem, back, .. } in self.0.values_mut() {
            if back.is_some_and(|back| back <= now) {
                *back = None;
                warn!(port = modem.port, "the modem did not come back after its reset");
                modem.cause = Some(
                    "it was reset and did not come back; check its power, its cable and the hub".to_owned(),
                );
            }
        }
    }

    /// Those that are missed, beside those that are `here`.
    pub(super) fn missed(&self, here: &[Modem]) -> Vec<Modem> {
        let here: BTreeSet<&Imei> = here.iter().filter_map(|modem| modem.imei.as_ref()).collect();
        let away = self.0.values().map(|one| &one.modem);
        away.filter(|modem| modem.imei.as_ref().is_none_or(|imei| !here.contains(imei))).cloned().collect()
    }
}

impl Modem {
    /// Its port went; after a reset it is to be back within `window`.
    pub(super) fn go_away(&mut self, window: Option<Duration>) {
        self.state = State::Away;
        self.cause = Some(match window {
            None => {
                "its port went: unplugged, or without power; plug it in, check cable and power".to_owned()
            }
            Some(window) => format!("it was reset and is to come back within {} s", window.as_secs()),
        });
        self.forget_network();
    }

    /// What is known only while the port is open.
    pub(super) fn forget_network(&mut self) {
        (self.signal, self.registration, self.operator) = (None, None, None);
        (self.rsrp, self.rsrq, self.sinr, self.stores_full) = (None, None, None, None);
        self.remarks.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::modem::exchange::Step;

    const WINDOW: Duration = Duration::from_secs(60);

    fn modem(port: &str, imei: Option<&str>) -> Modem {
        let mut modem = Modem::unopened(port.to_owned(), "/dev/ttyUSB0".to_owned());
        modem.imei = imei.and_then(Imei::parse);
        modem
    }

    #[test]
    fn a_reset_modem_is_expected_and_then_missed() {
        let (mut away, now) = (Away::default(), clock::monotonic());
        let mut history = History::default();
        history.step(Step::UsbReauthorise);
        away.went(now, modem("a", Some("490154203237518")), history.clone(), WINDOW);
        let cause = |away: &Away| away.missed(&[])[0].cause.clone().unwrap();
        assert!(cause(&away).contains("within 60 s"));
        assert_eq!(away.next_late(), Some(now + WINDOW));
        away.tell_late(now + WINDOW);
        assert!(cause(&away).contains("did not come back"));
        assert_eq!(away.next_late(), None);
        assert_eq!(away.came("a"), history);
        assert!(away.missed(&[]).is_empty());
    }

    #[test]
    fn who_is_here_is_not_away() {
        let (mut away, now) = (Away::default(), clock::monotonic());
        away.went(now, modem("a", Some("490154203237518")), History::default(), WINDOW);
        assert_eq!(away.missed(&[]).len(), 1);
        assert!(away.missed(&[modem("b", Some("490154203237518"))]).is_empty(), "at another port");
        away.went(now, modem("c", None), History::default(), WINDOW);
        assert_eq!(away.missed(&[]).len(), 1, "nobody knows what it was");
    }

    #[test]
    fn the_list_is_bounded() {
        let (mut away, now) = (Away::default(), clock::monotonic());
        for n in 0..=MOST {
            let since = now + Duration::from_secs(u64::try_from(n).unwrap());
            away.went(since, modem(&n.to_string(), Some("490154203237518")), History::default(), WINDOW);
        }
        assert_eq!(away.0.len(), MOST);
        assert!(!away.0.contains_key("0"), "the one that went first is forgotten");
    }
}
