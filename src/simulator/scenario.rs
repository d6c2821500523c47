//! What one simulated modem is and how it misbehaves: plain data with builder-like defaults, readable from TOML or JSON.
//!
//! Identities follow from the seed, so that two runs with one seed are the same modem to whoever looks, and two modems of
//! one process are never the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::habit::{Card, EchoOff, Instead, Speaks, Unknown};
use super::persona::Persona;
use crate::units::{Iccid, Imei};

/// Slots of the SM and ME stores unless told; what common cards have.
const STORE_SLOTS: u16 = 20;
/// `+CMS ERROR` of `error-every` unless told: network out of order.
const ERROR_CODE: u16 = 38;
/// Dark time of `AT+CFUN=1,1`; real sticks need 5 to 40 s, which no test wants to wait for.
const REBOOT: Duration = Duration::from_secs(2);
/// Tries that a SIM gives for its PIN; TS 51.011 11.3.
pub(super) const PIN_TRIES: u8 = 3;
/// The prompt of TS 27.005 3.5.1.
const PROMPT: &str = "\r\n> ";
/// First eight digits of a simulated IMEI; TAC 00 with reporting body 1 is for test equipment (GSMA TS.06).
const TAC: &str = "00101700";
/// First digits of a simulated ICCID (telecom, country 49) and IMSI (test network 001/01).
const ICCID_PREFIX: &str = "8949017";
const IMSI_PREFIX: &str = "00101";

/// Everything that distinguishes one simulated modem from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Scenario {
    /// `+CGMI`.
    pub manufacturer: String,
    /// `+CGMM`.
    pub model: String,
    /// `+CGMR`.
    pub revision: String,
    /// `+CGSN`.
    pub imei: Imei,
    /// `+CCID`.
    pub iccid: Iccid,
    /// `+CIMI`.
    pub imsi: String,
    /// The SIM's own number: what phones see as sender, and under which other SIMs of the network reach it.
    pub number: String,
    /// `+CSCA`.
    pub smsc: String,
    /// `+COPS`.
    pub operator: String,
    /// Answer of the network to any USSD code, unless `ussd` has some.
    pub balance: String,
    /// Answers of the network to USSD codes, and to what is said in a dialogue; one that ends in a question mark leaves it open.
    pub ussd: BTreeMap<String, String>,
    /// SIM PIN; none: the SIM is open.
    pub pin: Option<String>,
    /// Tries left for it at the first power-on; 0: the card wants its PUK.
    pub pin_tries: u8,
    /// The card in its holder.
    pub card: Card,
    /// How long its message files cannot be read after power-on and PIN; none: as long as its family needs.
    #[serde(with = "optional_duration")]
    pub busy: Option<Duration>,
    /// A busy card is told by a plain `ERROR`.
    pub busy_error: bool,
    /// What stands at the other end of the port.
    pub speaks: Speaks,
    /// How unknown commands are refused.
    pub unknown: Unknown,
    /// Commands that are answered late or otherwise; the first that fits counts.
    pub instead: Vec<Instead>,
    /// From power-on (or PIN) to registration.
    #[serde(with = "duration_text")]
    pub registration_delay: Duration,
    /// From Ctrl-Z to `+CMGS`.
    #[serde(with = "duration_text")]
    pub latency: Duration,
    /// From the end of any other command to its answer.
    #[serde(with = "duration_text")]
    pub command_latency: Duration,
    /// Whether TP-SRR leads to a status report.
    pub reports: bool,
    /// After so many messages there are no more reports.
    pub reports_end: Option<u64>,
    /// From `+CMGS` to the status report.
    #[serde(with = "duration_text")]
    pub report_after: Duration,
    /// Octets in one write to the host, 0: whole answers; 1: byte by byte.
    pub chunk: usize,
    /// Pause between two chunks.
    #[serde(with = "duration_text")]
    pub chunk_gap: Duration,
    /// Unsolicited lines a second, at random moments, never within a line.
    pub noise: u32,
    /// Every n-th message is refused.
    pub error_every: Option<ErrorEvery>,
    /// After this many messages the prompt is given, then nothing: the message is lost.
    pub silent_after_prompt: Option<SilentAfter>,
    /// After this many messages Ctrl-Z gets no answer: the message is carried all the same.
    pub silent_after_ctrl_z: Option<SilentAfter>,
    /// Recipients (as in `+49...`) that the network refuses, with their `+CMS ERROR`.
    pub refused: BTreeMap<String, u16>,
    /// Echo at power-on (`ATE1`).
    pub echo: bool,
    /// What becomes of `ATE0`.
    pub echo_off: EchoOff,
    /// What asks for a PDU.
    pub prompt: String,
    /// Slots of each message store.
    pub slots: u16,
    /// Messages in SM and in ME at the first power-on; as many as `slots`: they are full.
    pub stored: u16,
    /// `+CPMS` wants all three stores.
    pub all_stores: bool,
    /// How long `AT+CFUN=1,1` keeps the port away.
    #[serde(with = "duration_text")]
    pub reboot: Duration,
    /// Seed of noise and radio figures.
    pub seed: u64,
    /// What it is by its firmware note; none: a modem that knows all that the simulator knows.
    #[serde(skip)]
    pub persona: Option<Arc<Persona>>,
}

/// Refusal of every n-th message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ErrorEvery {
    /// Every how many messages; 0 never.
    pub n: u64,
    /// `+CMS ERROR` code.
    #[serde(default = "error_code")]
    pub code: u16,
    /// From Ctrl-Z to the error, if it takes longer than the usual answer: 135 s were seen on LTE.
    #[serde(default, with = "duration_text")]
    pub after: Duration,
}

impl ErrorEvery {
    /// Every `n`-th, network out of order.
    #[must_use]
    pub fn new(n: u64) -> Self {
        Self { n, code: ERROR_CODE, after: Duration::ZERO }
    }

    pub(super) fn strikes(self, n: u64) -> bool {
        n.checked_rem(self.n) == Some(0)
    }
}

fn error_code() -> u16 {
    ERROR_CODE
}

/// From which message on a modem falls silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SilentAfter {
    /// The message, counted from 1.
    pub n: u64,
    /// Also all that follow.
    #[serde(default)]
    pub always: bool,
}

impl SilentAfter {
    /// At the `n`-th message only.
    #[must_use]
    pub fn once(n: u64) -> Self {
        Self { n, always: false }
    }

    pub(super) fn strikes(self, n: u64) -> bool {
        n == self.n || (self.always && n > self.n)
    }
}

/// What a modem stops doing when told by [`super::Control::silence`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Silence {
    /// It answers.
    #[default]
    None,
    /// `AT+CMGS` gets no prompt; other commands are answered.
    Prompt,
    /// Ctrl-Z gets no answer; the message is carried.
    Answer,
    /// Nothing leaves the modem.
    All,
}

impl Default for Scenario {
    fn default() -> Self {
        Self::of_seed(0, 0)
    }
}

impl Scenario {
    /// The well-behaved modem number `index` of a run with `seed`.
    #[must_use]
    pub fn of_seed(seed: u64, index: u32) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let serial = (rng.u32(..1_000_000) + index) % 1_000_000;
        let subscriber = u64::from(serial) * 1000 + u64::from(index % 1000);
        let imei = with_luhn(&format!("{TAC}{serial:06}"));
        let iccid = with_luhn(&format!("{ICCID_PREFIX}{subscriber:011}"));
        Self {
            manufacturer: "smsotpd".into(),
            model: "Simulated Modem".into(),
            revision: concat!("SIMULATOR ", env!("CARGO_PKG_VERSION")).into(),
            imei: Imei::parse(&imei).unwrap_or_else(|| unreachable!("15 digits")),
            iccid: Iccid::parse(&iccid).unwrap_or_else(|| unreachable!("19 digits")),
            imsi: format!("{IMSI_PREFIX}{subscriber:010}"),
            number: format!("+4915555{serial:06}"),
            smsc: "+491710760000".into(),
            operator: "Simulated Network".into(),
            balance: "Your balance is 12.34 EUR".into(),
            ussd: BTreeMap::new(),
            pin: None,
            pin_tries: PIN_TRIES,
            card: Card::Good,
            busy: None,
            busy_error: false,
            speaks: Speaks::Modem,
            unknown: Unknown::ByCmee,
            instead: Vec::new(),
            registration_delay: Duration::ZERO,
            latency: Duration::ZERO,
            command_latency: Duration::ZERO,
            reports: true,
            reports_end: None,
            report_after: Duration::ZERO,
            chunk: 0,
            chunk_gap: Duration::from_micros(200),
            noise: 0,
            error_every: None,
            silent_after_prompt: None,
            silent_after_ctrl_z: None,
            refused: BTreeMap::new(),
            echo: true,
            echo_off: EchoOff::Obeyed,
            prompt: PROMPT.into(),
            slots: STORE_SLOTS,
            stored: 0,
            all_stores: false,
            reboot: REBOOT,
            seed: seed.wrapping_add(u64::from(index)),
            persona: None,
        }
    }
}

/// `digits` with the check digit of ISO/IEC 7812-1 behind them.
fn with_luhn(digits: &str) -> String {
    format!("{digits}{}", (10 - luhn_sum(digits, true) % 10) % 10)
}

/// Luhn sum; `double_last` when the check digit is still to come.
fn luhn_sum(digits: &str, double_last: bool) -> u32 {
    let values = digits.chars().rev().filter_map(|c| c.to_digit(10));
    values
        .enumerate()
        .map(|(at, digit)| if (at % 2 == 0) == double_last { digit * 2 / 10 + digit * 2 % 10 } else { digit })
        .sum()
}

/// A duration as people write it: `50ms`, `2s`, `1m 30s`, or `0`.
///
/// # Errors
/// What is wrong with the text.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    let signed: jiff::SignedDuration = text.trim().parse().map_err(|error| format!("{error}"))?;
    Duration::try_from(signed).map_err(|_| "a duration is not negative".to_owned())
}

pub(super) mod duration_text {
    use super::{Deserialize, Deserializer, Duration, Serializer};

    pub(in crate::simulator) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{}us", duration.as_micros()))
    }

    pub(in crate::simulator) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        super::parse_duration(&text).map_err(serde::de::Error::custom)
    }
}

mod optional_duration {
    use super::{Deserialize, Deserializer, Duration, Serializer};

    pub(super) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::duration_text::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| super::parse_duration(&text).map_err(serde::de::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_valid_and_differ() {
        let modems: Vec<_> = (0..64).map(|index| Scenario::of_seed(7, index)).collect();
        for (at, modem) in modems.iter().enumerate() {
            assert_eq!(luhn_sum(modem.imei.as_str(), false) % 10, 0, "{}", modem.imei);
            assert_eq!(luhn_sum(modem.iccid.as_str(), false) % 10, 0, "{}", modem.iccid);
            assert_eq!((modem.imei.as_str().len(), modem.imsi.len()), (15, 15));
            for other in &modems[..at] {
                assert_ne!(modem.imei, other.imei);
                assert_ne!(modem.iccid, other.iccid);
                assert_ne!(modem.number, other.number);
            }
        }
        assert_eq!(modems[3], Scenario::of_seed(7, 3));
        assert_eq!(luhn_sum("490154203237518", false) % 10, 0, "the well-known example");
    }

    #[test]
    fn durations_are_written_as_people_do() {
        assert_eq!(parse_duration("50ms"), Ok(Duration::from_millis(50)));
        assert_eq!(parse_duration("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(parse_duration("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(parse_duration("0"), Ok(Duration::ZERO));
        for wrong in ["", "soon", "-1s", "50"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_scenario_is_text_and_back() {
        let mut scenario = Scenario { latency: Duration::from_millis(50), ..Scenario::of_seed(1, 2) };
        scenario.refused.insert("+491701".into(), 28);
        scenario.error_every = Some(ErrorEvery::new(5));
        let text = toml::to_string(&scenario).unwrap();
        assert_eq!(toml::from_str::<Scenario>(&text).unwrap(), scenario);
        let short: Scenario =
            toml::from_str("latency = '1s'\n[error-every]\nn = 3\n[silent-after-prompt]\nn = 2").unwrap();
        assert_eq!(short.latency, Duration::from_secs(1));
        assert_eq!(short.error_every, Some(ErrorEvery::new(3)));
        assert_eq!(short.silent_after_prompt, Some(SilentAfter::once(2)));
        let habits: Scenario = toml::from_str(
            "card = 'absent'\nspeaks = 'nmea'\nbusy = '4s'\n[error-every]\nn = 1\ncode = 350\nafter = '135s'\n\
             [[instead]]\ncommand = '+CNMI=2'\nsay = 'ERROR'\n[[instead]]\ncommand = '+CPMS'\nafter = '12s'\ntimes = 2",
        )
        .unwrap();
        assert_eq!((habits.card, habits.speaks), (Card::Absent, Speaks::Nmea));
        assert_eq!(habits.error_every.unwrap().after, Duration::from_secs(135));
        assert_eq!(habits.instead.len(), 2);
        let readme = include_str!("../../README.md").split_once("## The simulated modem").unwrap().1;
        let example = readme.split_once("```toml").unwrap().1.split_once("```").unwrap().0;
        let example: Scenario = toml::from_str(example).unwrap();
        assert_eq!((example.pin_tries, example.prompt.as_str(), example.instead.len()), (1, "\n>", 2));
        let wrong = toml::from_str::<Scenario>("seed = 1\nlatancy = '1s'").unwrap_err().to_string();
        assert!(wrong.contains("line 2") && wrong.contains("latancy"), "{wrong}");
    }
}
