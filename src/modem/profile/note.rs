//! The schema of a firmware note: every key that a TOML file in `firmware-notes/` may have, with its unit and default.
//!
//! A key that is not here is an error with its line, so a typing mistake cannot silently leave a modem without its
//! quirk. Each value carries where it is from, and whether that source saw it on a device: a manual promises, a trace shows.

use serde::Deserialize;

use super::check;
use crate::at::command::{self, CcidForm, StoreName};

/// What is known about a family of modems.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Profile {
    /// Its name, as in the file's.
    #[serde(deserialize_with = "check::name")]
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// By what its modems are recognised; any of them suffices.
    #[serde(default, rename = "match", deserialize_with = "check::matches")]
    pub matches: Vec<Match>,
    /// Its USB identities after any mode switch.
    #[serde(default, deserialize_with = "check::usb")]
    pub usb: Vec<Usb>,
    /// What it is before the mode switch: a storage device that will come back as one of `usb`.
    #[serde(default, deserialize_with = "check::devices")]
    pub storage: Vec<Device>,
    /// Devices that look like it and are no modems, or none that may be spoken to.
    #[serde(default, deserialize_with = "check::devices")]
    pub not_a_modem: Vec<Device>,
    /// Quiet time after its port appeared and before the first byte, seconds.
    #[serde(default, deserialize_with = "check::seconds::<_, 0, 600>")]
    pub settle_s: Fact<u32>,
    /// How long it may stay silent after that, seconds.
    #[serde(default = "default_wake", deserialize_with = "check::seconds::<_, 0, 600>")]
    pub wake_s: Fact<u32>,
    /// The first `AT` after an idle time is lost, so silence after it is no fault.
    #[serde(default)]
    pub first_lost: Fact<bool>,
    /// How its commands end.
    #[serde(default)]
    pub line_end: Fact<LineEnd>,
    /// Commands whose answer lacks its final result: the information line is the end.
    #[serde(default, deserialize_with = "check::prefixes")]
    pub final_missing: Fact<Vec<String>>,
    /// Pause after an accepted SIM PIN, seconds.
    #[serde(default = "default_pin_pause", deserialize_with = "check::seconds::<_, 0, 600>")]
    pub pin_pause_s: Fact<u32>,
    /// How long the card may be busy after the start or the PIN, seconds.
    #[serde(default = "default_busy", deserialize_with = "check::seconds::<_, 0, 600>")]
    pub busy_s: Fact<u32>,
    /// Lines that say that the message files of the card are readable; a busy card is asked again at once.
    #[serde(default, deserialize_with = "check::prefixes")]
    pub ready: Fact<Vec<String>>,
    /// How new messages are told.
    #[serde(default)]
    pub delivery: Fact<Delivery>,
    /// Modes of `+CNMI` in the order of preference.
    #[serde(default = "default_cnmi_modes", deserialize_with = "check::choices::<_, 1, 3>")]
    pub cnmi_modes: Fact<Vec<u8>>,
    /// `<ds>` of `+CNMI` in the order of preference; the delivery's own order if empty.
    #[serde(default, deserialize_with = "check::choices::<_, 0, 2>")]
    pub cnmi_reports: Fact<Vec<u8>>,
    /// Stores for received messages, in the order of preference.
    #[serde(default = "default_stores", deserialize_with = "check::stores")]
    pub stores: Fact<Vec<Store>>,
    /// How many stores `+CPMS` takes, 1 to 3: the number tried first, then fewer.
    #[serde(default = "default_places", deserialize_with = "check::places")]
    pub store_places: Fact<u8>,
    /// Stores to be selected one after the other before the one to stay with.
    #[serde(default)]
    pub store_toggle: Fact<Vec<Store>>,
    /// Forms of the command for the ICCID, tried in order.
    #[serde(default = "default_iccid", deserialize_with = "check::iccid")]
    pub iccid: Fact<Vec<IccidForm>>,
    /// Whether `+CMMS` may be used.
    #[serde(default)]
    pub cmms: Fact<bool>,
    /// `<service>` of `+CGSMS` in the order of preference; empty leaves the modem's own choice.
    #[serde(default, deserialize_with = "check::choices::<_, 0, 3>")]
    pub bearer: Fact<Vec<u8>>,
    /// When a direct delivery is acknowledged.
    #[serde(default)]
    pub cnma: Fact<Acknowledge>,
    /// Whether `+CMGL=4` works in PDU mode; else the slots are read one by one.
    #[serde(default = "default_true")]
    pub list: Fact<bool>,
    /// How often an idle modem is asked, seconds.
    #[serde(default = "default_keep_alive", deserialize_with = "check::seconds::<_, 5, 86400>")]
    pub keep_alive_s: Fact<u32>,
    /// Commands that silence its chatter, sent once in each bring-up.
    #[serde(default)]
    pub silence: Fact<Vec<VendorCommand>>,
    /// Prefixes of lines that may come at any moment and mean nothing to us.
    #[serde(default, deserialize_with = "check::prefixes")]
    pub noise: Fact<Vec<String>>,
    /// Prefixes of lines that tell that its radio is jammed.
    #[serde(default, deserialize_with = "check::prefixes")]
    pub jammed: Fact<Vec<String>>,
    /// Prefixes of lines that tell that it is jammed no more.
    #[serde(default, deserialize_with = "check::prefixes")]
    pub jammed_over: Fact<Vec<String>>,
    /// Commands that tell more of the signal than `+CSQ`, tried in order.
    #[serde(default)]
    pub signal: Fact<Vec<SignalForm>>,
    /// Its own command for a restart, in place of `+CFUN=1,1`.
    #[serde(default)]
    pub reset: Fact<Option<VendorCommand>>,
    /// How long it may be away after a restart or as a storage device, seconds.
    #[serde(default = "default_away", deserialize_with = "check::seconds::<_, 1, 3600>")]
    pub away_s: Fact<u32>,
    /// What goes wrong with it, for people.
    #[serde(default)]
    pub fault: Vec<Fault>,
}

/// A value and where it is from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table with `value` and `source`")]
pub struct Fact<T> {
    /// The value.
    pub value: T,
    /// Manual, thread or measurement.
    pub source: String,
    /// Whether the source saw it on a device.
    #[serde(default)]
    pub seen: bool,
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
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Usb {
    /// Vendor id.
    pub vendor: UsbId,
    /// Product id.
    pub product: UsbId,
    /// `bInterfaceNumber` of the AT ports, the best first.
    #[serde(default)]
    pub at: Vec<u8>,
    /// Class triples (`ff/02/02`) of the AT ports, for modems whose numbers vary.
    #[serde(default)]
    pub at_class: Vec<ClassTriple>,
    /// Interfaces that must not be opened.
    #[serde(default)]
    pub avoid: Vec<u8>,
    /// Class triples that must not be opened.
    #[serde(default)]
    pub avoid_class: Vec<ClassTriple>,
    /// Which modems have it.
    pub what: String,
    /// Manual, thread or measurement.
    pub source: String,
    /// Whether the source saw it on a device.
    #[serde(default)]
    pub seen: bool,
}

/// A USB device that is told apart from modems.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Vendor id.
    pub vendor: UsbId,
    /// Product id.
    pub product: UsbId,
    /// What it is.
    pub what: String,
    /// Manual, thread or measurement.
    pub source: String,
}

/// What goes wrong with a modem, and what helps.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What is seen.
    pub what: String,
    /// What helps.
    pub remedy: String,
    /// Manual, thread or measurement.
    pub source: String,
    /// Whether the source saw it on a device.
    #[serde(default)]
    pub seen: bool,
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

/// How a command line ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineEnd {
    /// With CR; V.250 5.2.1.
    #[default]
    Cr,
    /// With CR LF, for modems that wait for the LF.
    CrLf,
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
    /// `#CCID`, Telit.
    CcidHash,
    /// `^SCID`, Siemens and Cinterion.
    Scid,
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
            Self::CcidHash => CcidForm::TelitCcid,
            Self::Scid => CcidForm::Scid,
        }
    }
}

/// Commands that tell more of the signal than `+CSQ`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignalForm {
    /// `+CESQ`: RSRP, RSRQ; TS 27.007 8.69.
    Cesq,
    /// `^HCSQ?`: Huawei.
    Hcsq,
    /// `+QCSQ`: Quectel.
    Qcsq,
}

impl SignalForm {
    /// As the command has it.
    #[must_use]
    pub fn form(self) -> command::SignalForm {
        match self {
            Self::Cesq => command::SignalForm::Cesq,
            Self::Hcsq => command::SignalForm::Hcsq,
            Self::Qcsq => command::SignalForm::Qcsq,
        }
    }
}

/// Four hex digits of a USB vendor or product, in lower case as udev shows them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct UsbId(String);

/// `bInterfaceClass/SubClass/Protocol` in hex: `ff/02/02`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ClassTriple(String);

/// A vendor's switch as it stands behind `AT`: `^CURC=0`. Letters, digits and `^+#*%=,?!` only, so it cannot leave its line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct VendorCommand(String);

/// A text that is not what its key wants.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadText {
    /// See [`UsbId`].
    #[error("{0:?} is no USB id: four hex digits in lower case")]
    UsbId(String),
    /// See [`ClassTriple`].
    #[error("{0:?} is no interface class: three pairs of hex digits in lower case, as in \"ff/02/02\"")]
    Class(String),
    /// See [`VendorCommand`].
    #[error("{0:?} is no vendor command: at most 40 letters, digits and ^+#*%=,?! only, without AT")]
    Command(String),
}

/// Longest vendor command of a note.
const VENDOR_COMMAND_MAX: usize = 40;

fn is_lower_hex(b: u8) -> bool {
    b.is_ascii_digit() || (b'a'..=b'f').contains(&b)
}

impl TryFrom<String> for UsbId {
    type Error = BadText;

    fn try_from(text: String) -> Result<Self, BadText> {
        let fits = text.len() == 4 && text.bytes().all(is_lower_hex);
        if fits { Ok(Self(text)) } else { Err(BadText::UsbId(text)) }
    }
}

impl TryFrom<String> for ClassTriple {
    type Error = BadText;

    fn try_from(text: String) -> Result<Self, BadText> {
        let mut parts = 0;
        let hex = text
            .split('/')
            .inspect(|_| parts += 1)
            .all(|part| part.len() == 2 && part.bytes().all(is_lower_hex));
        if hex && parts == 3 { Ok(Self(text)) } else { Err(BadText::Class(text)) }
    }
}

impl TryFrom<String> for VendorCommand {
    type Error = BadText;

    fn try_from(text: String) -> Result<Self, BadText> {
        let known = |b: u8| b.is_ascii_alphanumeric() || b"^+#*%=,?!".contains(&b);
        let fits = (1..=VENDOR_COMMAND_MAX).contains(&text.len()) && text.bytes().all(known);
        if fits { Ok(Self(text)) } else { Err(BadText::Command(text)) }
    }
}

impl UsbId {
    /// The four digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ClassTriple {
    /// As udev rules compare it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl VendorCommand {
    /// What stands behind `AT`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn by_specification<T>(value: T, source: &str) -> Fact<T> {
    Fact { value, source: source.to_owned(), seen: false }
}

fn default_cnmi_modes() -> Fact<Vec<u8>> {
    by_specification(vec![2, 1], "TS 27.005 3.4.1")
}

fn default_stores() -> Fact<Vec<Store>> {
    by_specification(vec![Store::Modem, Store::Sim, Store::Both], "TS 27.005 3.2.2")
}

fn default_places() -> Fact<u8> {
    by_specification(3, "TS 27.005 3.2.2")
}

fn default_iccid() -> Fact<Vec<IccidForm>> {
    let all = vec![
        IccidForm::Ccid,
        IccidForm::Iccid,
        IccidForm::Qccid,
        IccidForm::Huawei,
        IccidForm::CcidHash,
        IccidForm::Scid,
    ];
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

fn default_pin_pause() -> Fact<u32> {
    by_specification(3, "Huawei and Novatel want 3 s after the PIN; ModemManager")
}

fn default_busy() -> Fact<u32> {
    by_specification(
        30,
        "+CPIN: READY comes 3 to 20 s before the card's files are readable; ofono, ModemManager",
    )
}

fn default_away() -> Fact<u32> {
    by_specification(60, "a port is gone 5 to 40 s after a reset, and 10 s more for a mode switch")
}
