//! Firmware notes: what a family of modems is recognised by and does differently, as data with a source for each fact.
//!
//! The notes are TOML files in `firmware-notes/`, compiled in. A quirk that cannot be said here is a reason to add a key,
//! not an `if` with a vendor's name in the machine. The udev rules are generated from the same files.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Deserialize;

use crate::at::command::{CcidForm, StoreName};

/// The notes that are compiled in; the first is the one for everybody.
const NOTES: [&str; 6] = [
    include_str!("../../firmware-notes/generic.toml"),
    include_str!("../../firmware-notes/simulator.toml"),
    include_str!("../../firmware-notes/huawei.toml"),
    include_str!("../../firmware-notes/simcom.toml"),
    include_str!("../../firmware-notes/quectel.toml"),
    include_str!("../../firmware-notes/zte.toml"),
];

/// What is known about a family of modems.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Profile {
    /// Its name, as in the file's.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// By what its modems are recognised; any of them suffices.
    #[serde(default, rename = "match")]
    pub matches: Vec<Match>,
    /// Its USB identities after any mode switch.
    #[serde(default)]
    pub usb: Vec<Usb>,
    /// How new messages are told.
    #[serde(default)]
    pub delivery: Fact<Delivery>,
    /// Modes of `+CNMI` in the order of preference.
    #[serde(default = "default_cnmi_modes")]
    pub cnmi_modes: Fact<Vec<u8>>,
    /// Stores for received messages, in the order of preference.
    #[serde(default = "default_stores")]
    pub stores: Fact<Vec<Store>>,
    /// Forms of the command for the ICCID, tried in order.
    #[serde(default = "default_iccid")]
    pub iccid: Fact<Vec<IccidForm>>,
    /// Whether `+CMMS` may be used.
    #[serde(default)]
    pub cmms: Fact<bool>,
    /// When a direct delivery is acknowledged.
    #[serde(default)]
    pub cnma: Fact<Acknowledge>,
    /// Whether `+CMGL=4` works in PDU mode; else the slots are read one by one.
    #[serde(default = "default_true")]
    pub list: Fact<bool>,
    /// How often an idle modem is asked, seconds.
    #[serde(default = "default_keep_alive")]
    pub keep_alive_s: Fact<u32>,
    /// How long it may stay silent after its port appeared, seconds.
    #[serde(default = "default_wake")]
    pub wake_s: Fact<u32>,
    /// Commands that silence its chatter, sent once in each bring-up.
    #[serde(default)]
    pub silence: Fact<Vec<VendorCommand>>,
}

/// A value and where it is from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact<T> {
    /// The value.
    pub value: T,
    /// Manual, thread or measurement.
    pub source: String,
}

/// Prefixes of what the modem says of itself, compared without regard to case.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// Prefix of `+CGMI`.
    #[serde(default)]
    pub manufacturer: Option<String>,
    /// Prefix of `+CGMM`.
    #[serde(default)]
    pub model: Option<String>,
}

/// One USB identity.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usb {
    /// Four hex digits.
    pub vendor: String,
    /// Four hex digits.
    pub product: String,
    /// `bInterfaceNumber` of the AT ports, the best first.
    #[serde(default)]
    pub at: Vec<u8>,
    /// Class triples (`ff/02/02`) of the AT ports, for modems whose numbers vary.
    #[serde(default)]
    pub at_class: Vec<String>,
    /// Interfaces that must not be opened.
    #[serde(default)]
    pub avoid: Vec<u8>,
    /// Which modems have it.
    pub what: String,
    /// Manual, thread or measurement.
    pub source: String,
}

/// How new messages are told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// `+CMTI` and `+CDSI`: nothing is lost while nobody listens.
    #[default]
    Store,
    /// `+CMT` and `+CDS` with `+CSMS=1`.
    Direct,
}

/// When `+CNMA` is sent for `+CMT` and `+CDS`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acknowledge {
    /// If `+CSMS=1` is in force, which only direct delivery asks for; TS 27.005 3.4.4.
    #[default]
    IfRequired,
    /// Never: the modem acknowledges by itself or hangs.
    Never,
}

/// A store that received messages may go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Store {
    /// The SIM.
    #[serde(rename = "SM")]
    Sim,
    /// The modem.
    #[serde(rename = "ME")]
    Modem,
    /// Both together.
    #[serde(rename = "MT")]
    Both,
}

impl Store {
    /// Its name in commands.
    #[must_use]
    pub fn name(self) -> StoreName {
        match self {
            Self::Sim => StoreName::sm(),
            Self::Modem => StoreName::me(),
            Self::Both => StoreName::mt(),
        }
    }
}

/// Forms of the command for the ICCID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IccidForm {
    /// `+CCID`.
    Ccid,
    /// `+ICCID`.
    Iccid,
    /// `^ICCID?`.
    Huawei,
    /// `+QCCID`.
    Qccid,
}

impl IccidForm {
    /// As the command has it.
    #[must_use]
    pub fn form(self) -> CcidForm {
        match self {
            Self::Ccid => CcidForm::Ccid,
            Self::Iccid => CcidForm::Iccid,
            Self::Huawei => CcidForm::HuaweiIccid,
            Self::Qccid => CcidForm::Qccid,
        }
    }
}

/// A vendor's switch as it stands behind `AT`: `^CURC=0`. Letters, digits and `^+#*%=,?` only, so it cannot leave its line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct VendorCommand(String);

/// Longest vendor command of a note.
const VENDOR_COMMAND_MAX: usize = 40;

impl VendorCommand {
    /// What stands behind `AT`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that is no [`VendorCommand`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no vendor command: letters, digits and ^+#*%=,? only")]
pub struct NoVendorCommand(String);

impl TryFrom<String> for VendorCommand {
    type Error = NoVendorCommand;

    fn try_from(text: String) -> Result<Self, NoVendorCommand> {
        let known = |b: u8| b.is_ascii_alphanumeric() || b"^+#*%=,?".contains(&b);
        let fits = (1..=VENDOR_COMMAND_MAX).contains(&text.len()) && text.bytes().all(known);
        if fits { Ok(Self(text)) } else { Err(NoVendorCommand(text)) }
    }
}

impl Profile {
    /// Reads one note.
    ///
    /// # Errors
    /// What is wrong with the file, with line and column.
    pub fn parse(note: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(note)
    }

    /// The one for modems that no note knows.
    #[must_use]
    pub fn generic() -> Arc<Self> {
        all().first().cloned().unwrap_or_else(|| Arc::new(Self::bare()))
    }

    /// The one for a modem that says this of itself: the note with the longest matching model, else manufacturer.
    #[must_use]
    pub fn find(manufacturer: Option<&str>, model: Option<&str>) -> Arc<Self> {
        let scored = |profile: &Arc<Self>| {
            profile
                .matches
                .iter()
                .filter_map(|m| m.score(manufacturer, model))
                .max()
                .map(|s| (s, Arc::clone(profile)))
        };
        all()
            .iter()
            .filter_map(scored)
            .max_by_key(|(score, _)| *score)
            .map_or_else(Self::generic, |(_, found)| found)
    }

    /// How often an idle modem is asked.
    #[must_use]
    pub fn keep_alive(&self) -> Duration {
        Duration::from_secs(u64::from(self.keep_alive_s.value))
    }

    /// How long it may stay silent after its port appeared.
    #[must_use]
    pub fn wake(&self) -> Duration {
        Duration::from_secs(u64::from(self.wake_s.value))
    }

    /// A profile without any note.
    fn bare() -> Self {
        Self {
            name: "none".to_owned(),
            description: "a modem that keeps to the specifications".to_owned(),
            matches: Vec::new(),
            usb: Vec::new(),
            delivery: Fact::default(),
            cnmi_modes: default_cnmi_modes(),
            stores: default_stores(),
            iccid: default_iccid(),
            cmms: Fact::default(),
            cnma: Fact::default(),
            list: default_true(),
            keep_alive_s: default_keep_alive(),
            wake_s: default_wake(),
            silence: Fact::default(),
        }
    }
}

/// All notes, the generic one first. One that does not parse is left out; a test sees to it that there is none.
#[must_use]
pub fn all() -> &'static [Arc<Profile>] {
    static ALL: OnceLock<Vec<Arc<Profile>>> = OnceLock::new();
    ALL.get_or_init(|| NOTES.iter().filter_map(|note| Profile::parse(note).ok()).map(Arc::new).collect())
}

impl Match {
    /// How many characters agree, models counting more than manufacturers; `None` if anything disagrees.
    fn score(&self, manufacturer: Option<&str>, model: Option<&str>) -> Option<(usize, usize)> {
        Some((agreeing(self.model.as_deref(), model)?, agreeing(self.manufacturer.as_deref(), manufacturer)?))
            .filter(|score| *score != (0, 0))
    }
}

/// Characters of the wanted prefix; 0 if nothing is wanted, `None` if it is wanted and not there.
fn agreeing(wanted: Option<&str>, is: Option<&str>) -> Option<usize> {
    let Some(wanted) = wanted else { return Some(0) };
    let start = is?.get(..wanted.len())?;
    start.eq_ignore_ascii_case(wanted).then_some(wanted.len())
}

fn by_specification<T>(value: T, source: &str) -> Fact<T> {
    Fact { value, source: source.to_owned() }
}

fn default_cnmi_modes() -> Fact<Vec<u8>> {
    by_specification(vec![2, 1], "TS 27.005 3.4.1")
}

fn default_stores() -> Fact<Vec<Store>> {
    by_specification(vec![Store::Modem, Store::Sim, Store::Both], "TS 27.005 3.2.2")
}

fn default_iccid() -> Fact<Vec<IccidForm>> {
    let all = vec![IccidForm::Ccid, IccidForm::Iccid, IccidForm::Qccid, IccidForm::Huawei];
    by_specification(all, "TS 27.007 8.63 and the vendors' manuals")
}

fn default_true() -> Fact<bool> {
    by_specification(true, "TS 27.005 4.1")
}

fn default_keep_alive() -> Fact<u32> {
    by_specification(300, "no event is missed longer than five minutes")
}

fn default_wake() -> Fact<u32> {
    by_specification(20, "u-blox TOBY-L4 takes 20 s after plug-in; ModemManager")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_note_parses_and_tells_its_sources() {
        for note in NOTES {
            let profile = Profile::parse(note).unwrap();
            assert!(profile.usb.iter().all(|usb| !usb.source.is_empty()), "{}", profile.name);
            assert!(!profile.stores.value.is_empty() && !profile.iccid.value.is_empty(), "{}", profile.name);
            assert!(profile.keep_alive() >= Duration::from_secs(1), "{}", profile.name);
        }
        assert_eq!(all().len(), NOTES.len());
        assert_eq!(Profile::generic().name, "generic");
    }

    #[test]
    fn a_modem_finds_its_note() {
        let name = |manufacturer, model| Profile::find(Some(manufacturer), Some(model)).name.clone();
        assert_eq!(name("huawei", "E3131"), "huawei");
        assert_eq!(name("SIMCOM_Ltd", "SIMCOM_SIM800L"), "simcom");
        assert_eq!(name("Quectel", "EC25"), "quectel");
        assert_eq!(name("ZTE INCORPORATED", "MF190"), "zte");
        assert_eq!(name("Nobody", "X1"), "generic");
        assert_eq!(Profile::find(None, None).name, "generic");
    }

    #[test]
    fn unknown_keys_and_dangerous_commands_are_refused() {
        assert!(Profile::parse("name = 'x'\ndescription = 'y'\ncolour = 'red'").is_err());
        let command =
            |text: &str| format!("name='x'\ndescription='y'\nsilence={{ value=[{text:?}], source='z' }}");
        assert!(Profile::parse(&command("^CURC=0")).is_ok());
        for bad in ["^CURC=0\r", "\u{1a}", "A;B", "A\"", ""] {
            assert!(Profile::parse(&command(bad)).is_err(), "{bad:?}");
        }
    }
}
