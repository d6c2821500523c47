//! What a modem of one family is, taken from its firmware note: the personality of a simulated modem.
//!
//! Read afresh from the note and not shared with the driver. A note says what a driver should do, here stands what a modem
//! does that has those quirks: a store that is not named is refused, a mode of `+CNMI` that is not preferred is announced all the
//! same, as the field's modems announce it, and refused. What a note does not say is by the standard.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::scenario::Scenario;
use super::slots::Memory;
use crate::modem::profile::note::{Acknowledge, Fact, IccidForm, LineEnd, SignalForm, Store};
use crate::modem::profile::{Match, Profile};

/// How long a card is busy before the ready line of a family whose note names one and no time.
const READY_AFTER: Duration = Duration::from_secs(2);
/// Lines that tell of the start itself; a modem says them once, as its first words.
const START_LINES: [&str; 4] = ["RDY", "^SYSSTART", "APP RDY", "+AT: READY"];
/// Maker and model of a family whose note recognises its modems by the other of the two.
const SOME_MAKER: &str = "Simulated";
const SOME_MODEL: &str = "Simulated Modem";

/// A family's personality.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Persona {
    /// The note's name.
    name: String,
    manufacturer: String,
    model: String,
    /// On a serial line: a restart does not take the port away.
    pub(super) serial: bool,
    /// From power-on to its first words; what it is told before is lost.
    pub(super) boot: Duration,
    /// From power-on or PIN to readable message files.
    pub(super) busy: Duration,
    /// Said at the end of `boot`.
    pub(super) started: Option<String>,
    /// Said at the end of `busy`.
    pub(super) ready: Option<String>,
    /// The first line after an idle time is lost.
    pub(super) first_lost: bool,
    /// A line ends with LF, and CR does not matter.
    pub(super) ends_in_lf: bool,
    /// Commands whose answer has no final result.
    pub(super) final_missing: Vec<String>,
    /// Modes of `+CNMI` that are taken; more are announced.
    pub(super) modes: Vec<u8>,
    /// `<ds>` of `+CNMI` that are known.
    pub(super) reports: Vec<u8>,
    /// Stores that `+CPMS` knows, besides `SR`.
    pub(super) memories: Vec<Memory>,
    /// How many stores `+CPMS` takes at most.
    pub(super) places: usize,
    /// Stores to be selected one after the other before anything is received.
    pub(super) toggle: Vec<Memory>,
    /// Names of the commands that tell the ICCID.
    pub(super) iccid: Vec<&'static str>,
    /// Names of the commands that tell more of the signal.
    pub(super) signal: Vec<&'static str>,
    /// Whether there is `+CMMS`.
    pub(super) cmms: bool,
    /// Values of `+CGSMS`.
    pub(super) bearers: Vec<u8>,
    /// Whether `+CNMA` is refused.
    pub(super) never_acknowledged: bool,
    /// Whether `+CMGL` works.
    pub(super) list: bool,
    /// Command lines that end the chatter.
    pub(super) silence: Vec<String>,
    /// What the chatter is made of.
    pub(super) noise: Vec<String>,
    /// Its own command for a restart.
    pub(super) reset: Option<String>,
}

/// The note tells of no modem that could be spoken to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is a note of devices that are no modems, so there is nothing to simulate")]
pub struct NoModem(String);

impl Persona {
    /// The personality that `note` describes.
    ///
    /// # Errors
    /// When the note only names devices that are no modems.
    pub fn of(note: &Profile) -> Result<Self, NoModem> {
        if note.matches.is_empty() && note.usb.is_empty() && !note.not_a_modem.is_empty() {
            return Err(NoModem(note.name.clone()));
        }
        let bare = unsaid();
        let seconds =
            |fact: &Fact<u32>, unsaid: &Fact<u32>| said(fact, unsaid).map(|s| Duration::from_secs(s.into()));
        let (starts, readies): (Vec<_>, Vec<_>) =
            note.ready.value.iter().cloned().partition(|line| START_LINES.contains(&line.as_str()));
        let busy = seconds(&note.busy_s, &bare.busy_s);
        let listed = |stores: &[Store]| {
            stores.iter().filter_map(|store| Memory::parse(store.name().as_str())).collect::<Vec<_>>()
        };
        let toggle = listed(&note.store_toggle.value);
        let (manufacturer, model) = identity(&note.matches);
        Ok(Self {
            name: note.name.clone(),
            manufacturer,
            model,
            serial: note.usb.is_empty(),
            boot: seconds(&note.wake_s, &bare.wake_s)
                .or(seconds(&note.settle_s, &bare.settle_s))
                .unwrap_or_default(),
            // A note names the longest time; a modem that needed all of it would be too late by the time of the answer.
            busy: busy
                .map_or(if readies.is_empty() { Duration::ZERO } else { READY_AFTER }, |most| most * 3 / 4),
            started: starts.into_iter().next().or_else(|| {
                note.noise.value.iter().find(|line| START_LINES.contains(&line.as_str())).cloned()
            }),
            ready: readies.into_iter().next(),
            first_lost: note.first_lost.value,
            ends_in_lf: note.line_end.value == LineEnd::CrLf,
            final_missing: note.final_missing.value.clone(),
            modes: note.cnmi_modes.value.clone(),
            reports: said(&note.cnmi_reports, &bare.cnmi_reports).unwrap_or_else(|| vec![0, 1, 2]),
            memories: known_stores(
                listed(&note.stores.value).into_iter().chain(toggle.iter().copied()).collect(),
            ),
            places: note.store_places.value.into(),
            toggle,
            iccid: said(&note.iccid, &bare.iccid)
                .unwrap_or_else(|| vec![IccidForm::Ccid])
                .into_iter()
                .map(iccid_name)
                .collect(),
            signal: note.signal.value.iter().map(|form| signal_name(*form)).collect(),
            cmms: note.cmms.value,
            bearers: said(&note.bearer, &bare.bearer).unwrap_or_else(|| vec![0, 1, 2, 3]),
            never_acknowledged: note.cnma.value == Acknowledge::Never,
            list: note.list.value,
            silence: note.silence.value.iter().map(|command| command.as_str().to_owned()).collect(),
            noise: note
                .noise
                .value
                .iter()
                .filter(|line| !START_LINES.contains(&line.as_str()))
                .cloned()
                .collect(),
            reset: note.reset.value.as_ref().map(|command| command.as_str().to_owned()),
        })
    }

    /// The note's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The highest mode of `+CNMI` that `=?` shows, whether all below it are taken or not.
    pub(super) fn announced_modes(&self) -> u8 {
        self.modes.iter().copied().max().unwrap_or(0).max(2)
    }
}

impl Scenario {
    /// The same modem with a personality. Maker and model are the family's, unless the scenario has its own.
    #[must_use]
    pub fn of_family(mut self, persona: Persona) -> Self {
        let plain = Self::of_seed(0, 0);
        if (&self.manufacturer, &self.model) == (&plain.manufacturer, &plain.model) {
            self.manufacturer.clone_from(&persona.manufacturer);
            self.model.clone_from(&persona.model);
        }
        self.persona = Some(Arc::new(persona));
        self
    }
}

/// A note that says nothing at all.
fn unsaid() -> &'static Profile {
    static UNSAID: OnceLock<Profile> = OnceLock::new();
    UNSAID.get_or_init(|| {
        #[expect(clippy::expect_used, reason = "our own text with the two keys that a note must have")]
        Profile::parse("name = 'unsaid'\ndescription = ''").expect("a note needs no more than these")
    })
}

/// The value, if the note itself says it.
fn said<T: Clone + PartialEq>(fact: &Fact<T>, unsaid: &Fact<T>) -> Option<T> {
    (fact != unsaid).then(|| fact.value.clone())
}

/// MT is ME and SM together, so a modem that has it has both.
fn known_stores(mut listed: Vec<Memory>) -> Vec<Memory> {
    if listed.contains(&Memory::Mt) {
        listed.extend([Memory::Me, Memory::Sm]);
    }
    listed
}

/// Maker and model by which the note is recognised.
fn identity(matches: &[Match]) -> (String, String) {
    let first = matches.first();
    let makers = || matches.iter().find_map(|one| one.manufacturer.clone());
    let maker = first.and_then(|one| one.manufacturer.clone()).or_else(makers);
    let model = first.and_then(|one| one.model.clone());
    (maker.unwrap_or_else(|| SOME_MAKER.into()), model.unwrap_or_else(|| SOME_MODEL.into()))
}

fn iccid_name(form: IccidForm) -> &'static str {
    match form {
        IccidForm::Ccid => "+CCID",
        IccidForm::Iccid => "+ICCID",
        IccidForm::Huawei => "^ICCID",
        IccidForm::Qccid => "+QCCID",
        IccidForm::CcidHash => "#CCID",
        IccidForm::Scid => "^SCID",
    }
}

fn signal_name(form: SignalForm) -> &'static str {
    match form {
        SignalForm::Cesq => "+CESQ",
        SignalForm::Hcsq => "^HCSQ",
        SignalForm::Qcsq => "+QCSQ",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modem::profile::Library;

    #[test]
    fn a_family_is_found_by_what_its_modem_says_of_itself() {
        let library = Library::compiled_in();
        for note in library.all() {
            let Ok(persona) = Persona::of(note) else {
                assert!(["ublox-gnss", "qualcomm-qdl"].contains(&note.name.as_str()), "{}", note.name);
                continue;
            };
            let found = library.find(Some(&persona.manufacturer), Some(&persona.model));
            assert_eq!(found.name, persona.name(), "{} {}", persona.manufacturer, persona.model);
        }
    }

    #[test]
    fn what_a_note_does_not_say_is_by_the_standard() {
        let persona = |name: &str| Persona::of(&Library::compiled_in().named(name).unwrap()).unwrap();
        let stick = persona("huawei-stick");
        assert_eq!((stick.modes.as_slice(), stick.announced_modes(), stick.cmms), (&[1][..], 2, false));
        assert_eq!((stick.boot, stick.busy, stick.serial), (Duration::ZERO, Duration::ZERO, false));
        assert_eq!(stick.iccid, ["^ICCID", "+CCID", "+ICCID"]);
        let wavecom = persona("wavecom");
        assert_eq!((wavecom.places, wavecom.busy, wavecom.serial), (2, Duration::from_secs(30), true));
        assert_eq!(wavecom.ready.as_deref(), Some("+WIND: 4"));
        let simcom = persona("simcom-2g");
        assert_eq!((simcom.started.as_deref(), simcom.busy), (Some("RDY"), READY_AFTER));
        assert!(!simcom.noise.iter().any(|line| line == "RDY"));
        assert_eq!(persona("generic").iccid, ["+CCID"]);
    }
}
