//! What happens, as it is told to those outside who want to hear of it: a turn of a message, an alarm, a text from a phone.
//!
//! A story is written down where the thing happens, in the same transaction, and told later by whoever carries it: a hook from the
//! outbox, a stream of events from memory. The text of a message is in none of them, so no login body leaves this way.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use crate::queue::callback::{Callback, Report};
use crate::queue::message::{Lane, MessageId, State};
use crate::secret::Secret;
use crate::store::AlarmId;
use crate::units::UnixMs;

/// What a story is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A message has come to this state.
    Message(State),
    /// An alarm that was not open.
    AlarmRaised,
    /// It is over.
    AlarmCleared,
    /// A text from a phone.
    Inbound,
}

impl Event {
    /// All that are told, each with its word: who carries a message at the moment is not.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("message.queued", Self::Message(State::Queued)),
        ("message.submitted", Self::Message(State::Submitted)),
        ("message.delivered", Self::Message(State::Delivered)),
        ("message.failed", Self::Message(State::Failed)),
        ("message.expired", Self::Message(State::Expired)),
        ("message.withdrawn", Self::Message(State::Withdrawn)),
        ("message.uncertain", Self::Message(State::Uncertain)),
        ("alarm.raised", Self::AlarmRaised),
        ("alarm.cleared", Self::AlarmCleared),
        ("inbound", Self::Inbound),
    ];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, event)| *event == self).map_or("message.leased", |(word, _)| word)
    }
}

/// How numbers are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// As they are.
    Full,
    /// Country and end only.
    Masked,
}

/// Something that happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Story {
    /// A message has come to another state.
    Message(Turned),
    /// An alarm was raised or cleared.
    Alarm(Rang),
    /// A text came from a phone.
    Inbound(Arrived),
}

/// A turn of a message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Turned {
    /// Which.
    pub id: MessageId,
    /// Its lane.
    pub lane: Lane,
    /// The state it has come to.
    pub state: State,
    /// Its destination.
    pub to: String,
    /// Who submitted it.
    pub caller: String,
    /// Why, for people.
    pub cause: Option<String>,
    /// The channel of its newest attempt.
    pub channel: Option<String>,
    /// TP-MR of that attempt.
    pub reference: Option<u8>,
    /// Whether the network ever took any of it.
    pub left: bool,
    /// When.
    pub at: UnixMs,
}

/// An alarm, raised or cleared.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rang {
    /// Its number.
    pub id: AlarmId,
    /// The word of its kind.
    pub kind: String,
    /// An IMEI, or the name of a port.
    pub subject: String,
    /// The word of its severity.
    pub severity: String,
    /// Why.
    pub cause: String,
    /// What a person can do.
    pub remedy: String,
    /// It is over.
    pub cleared: bool,
    /// When.
    pub at: UnixMs,
}

/// A text from a phone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Arrived {
    /// Its name in the inbox.
    pub id: String,
    /// Who sent it.
    pub from: String,
    /// The SIM it came to.
    pub channel: String,
    /// What it says.
    #[serde(serialize_with = "exposed", deserialize_with = "hidden")]
    pub text: Secret,
    /// When the service centre took it, if it says.
    pub sent: Option<UnixMs>,
    /// Parts of the whole text.
    pub parts: u8,
    /// Parts that did not come.
    pub missing: u8,
    /// When.
    pub at: UnixMs,
}

fn exposed<S: Serializer>(text: &Secret, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(text.expose_str().unwrap_or_default())
}

fn hidden<'de, D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
    String::deserialize(from).map(Secret::from)
}

impl Story {
    /// What it is of.
    #[must_use]
    pub fn event(&self) -> Event {
        match self {
            Self::Message(turned) => Event::Message(turned.state),
            Self::Alarm(rang) if rang.cleared => Event::AlarmCleared,
            Self::Alarm(_) => Event::AlarmRaised,
            Self::Inbound(_) => Event::Inbound,
        }
    }

    /// When it happened.
    #[must_use]
    pub fn at(&self) -> UnixMs {
        match self {
            Self::Message(turned) => turned.at,
            Self::Alarm(rang) => rang.at,
            Self::Inbound(arrived) => arrived.at,
        }
    }

    /// As those outside read it; the text of a phone only where `texts` says so.
    #[must_use]
    pub fn told(&self, numbers: Numbers, texts: bool) -> Value {
        let number = |number: &str| match numbers {
            Numbers::Full => number.to_owned(),
            Numbers::Masked => masked(number),
        };
        let mut told = json!({"event": self.event().as_str(), "at": utc(self.at())});
        let what = match self {
            Self::Message(turned) => json!({"message": {
                "id": turned.id,
                "lane": turned.lane,
                "state": turned.state,
                "to": number(&turned.to),
                "caller": turned.caller,
                "cause": turned.cause,
                "channel": turned.channel,
            }}),
            Self::Alarm(rang) => json!({"alarm": {
                "id": rang.id,
                "kind": rang.kind,
                "subject": rang.subject,
                "severity": rang.severity,
                "cause": rang.cause,
                "remedy": rang.remedy,
                "cleared": rang.cleared,
            }}),
            Self::Inbound(arrived) => {
                let mut text = json!({
                    "id": arrived.id,
                    "from": number(&arrived.from),
                    "channel": arrived.channel,
                    "sent": arrived.sent.map(utc),
                    "parts": arrived.parts,
                    "missing": arrived.missing,
                });
                if let (Value::Object(text), true) = (&mut text, texts) {
                    text.insert("text".to_owned(), json!(arrived.text.expose_str().unwrap_or_default()));
                }
                json!({"inbound": text})
            }
        };
        if let (Value::Object(told), Value::Object(what)) = (&mut told, what) {
            told.extend(what);
        }
        told
    }
}

/// Digits that are shown at the beginning and at the end of a masked number: the country, and enough to tell two apart.
const SHOWN: usize = 2;

/// The middle digits as stars. A name (of an alphanumeric sender) stays, and so does a number with no middle.
fn masked(number: &str) -> String {
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    if number.chars().any(char::is_alphabetic) || digits <= 2 * SHOWN {
        return number.to_owned();
    }
    let mut place = 0;
    let hide = |c: char| {
        place += usize::from(c.is_ascii_digit());
        if c.is_ascii_digit() && place > SHOWN && place + SHOWN <= digits { '*' } else { c }
    };
    number.chars().map(hide).collect()
}

/// RFC 3339 in UTC with milliseconds; times outside jiff's range are shown as its ends.
#[must_use]
pub fn utc(time: UnixMs) -> String {
    let end = if time.0 < 0 { Timestamp::MIN } else { Timestamp::MAX };
    format!("{:.3}", Timestamp::from_millisecond(time.0).unwrap_or(end))
}

/// Which events a hook wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The hook's name.
    pub hook: String,
    /// What it wants to hear of.
    pub events: Vec<Event>,
}

/// What a parcel of the outbox carries.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Content {
    /// What happened.
    pub story: Story,
    /// To a Kannel client instead of a hook, and what is reported to it.
    pub callback: Option<(Callback, Report)>,
}

/// The name of a parcel: the time it was made and chance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParcelId(pub [u8; 16]);

impl fmt::Display for ParcelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for ParcelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParcelId({self})")
    }
}

/// One story on its way to one hook.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// Its name; the same in every try.
    pub id: ParcelId,
    /// The hook; empty for a Kannel client.
    pub hook: String,
    /// When it was made.
    pub made: UnixMs,
    /// Tries so far, this one included.
    pub tries: u32,
    /// What it carries.
    pub content: Content,
}

/// Parcels that were taken out to be carried.
#[derive(Debug, Clone, Default)]
pub struct Parcels {
    /// They; nobody else gets them before they are due again.
    pub taken: Vec<Parcel>,
    /// When the next one is due.
    pub next: Option<UnixMs>,
}

/// What became of a parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carried {
    /// It arrived.
    Done,
    /// It is tried again then.
    Again(UnixMs, String),
    /// It is given up.
    Dead(String),
}

/// What the outbox holds for a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxCount {
    /// The hook; empty for all Kannel clients.
    pub hook: String,
    /// Parcels that wait or are under way.
    pub waiting: u64,
    /// When the oldest of them was made.
    pub oldest: Option<UnixMs>,
    /// Parcels that were given up and are still kept.
    pub dead: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lose_their_middle() {
        for (number, told) in [
            ("+491701234567", "+49********67"),
            ("72267", "72*67"),
            ("110", "110"),
            ("1100", "1100"),
            ("INFO4you", "INFO4you"),
            ("", ""),
        ] {
            assert_eq!(masked(number), told);
        }
    }

    #[test]
    fn a_text_is_told_only_where_it_may_be() {
        let arrived = Arrived {
            id: "00".into(),
            from: "+491701234567".into(),
            channel: "gsm:1".into(),
            text: Secret::from("STOP"),
            sent: None,
            parts: 1,
            missing: 0,
            at: UnixMs(0),
        };
        assert!(!format!("{arrived:?}").contains("STOP"));
        let story = Story::Inbound(arrived);
        assert!(!story.told(Numbers::Full, false).to_string().contains("STOP"));
        let told = story.told(Numbers::Masked, true);
        assert_eq!(told["inbound"]["text"], "STOP");
        assert_eq!(told["inbound"]["from"], "+49********67");
        assert_eq!((&told["event"], &told["at"]), (&json!("inbound"), &json!("1970-01-01T00:00:00.000Z")));
        let kept: Story = serde_json::from_str(&serde_json::to_string(&story).unwrap()).unwrap();
        assert_eq!(kept.told(Numbers::Full, true), story.told(Numbers::Full, true));
    }

    #[test]
    fn every_event_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<_> = Event::WORDS.iter().map(|(word, _)| word).collect();
        assert_eq!(words.len(), Event::WORDS.len());
        for state in State::ALL {
            assert_eq!(Event::Message(state).as_str(), format!("message.{state}"));
        }
    }
}
