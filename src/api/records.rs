//! How stored records look on the wire. The text of a login message is not among what is shown, to nobody.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::queue::life::Transition;
use crate::queue::message::{Lane, MessageId, State};
use crate::queue::rules::{self, Stay};
pub(super) use crate::store::utc;
use crate::store::{AttemptRecord, AttemptState, MessageRecord};
use crate::units::UnixMs;

/// A message.
#[derive(Serialize)]
pub(super) struct Message<'a> {
    id: MessageId,
    lane: Lane,
    state: State,
    to: &'a str,
    /// Left out for the login lane, and once it is erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// The text was erased; left out as long as it is there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    text_erased: bool,
    segments: u8,
    created: String,
    deadline: String,
    changed: String,
    caller: &'a str,
    cause: Option<&'a str>,
    /// Why it is still in the queue, for people; left out in listings.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits: Option<String>,
    /// Who moves it next, and until when at the latest; left out in listings, and where it has come to rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<Pending>,
    /// Left out in listings.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<Vec<Attempt<'a>>>,
    /// All that happened to it, oldest first; left out in listings.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Vec<Event<'a>>>,
}

#[derive(Serialize)]
struct Pending {
    on: &'static str,
    until: String,
}

/// A change of its state.
#[derive(Serialize)]
pub(super) struct Event<'a> {
    at: String,
    state: String,
    actor: String,
    cause: Option<&'a str>,
}

#[derive(Serialize)]
struct Attempt<'a> {
    seq: u8,
    channel: &'a str,
    state: AttemptState,
    begun: String,
    ended: Option<String>,
    reference: Option<u8>,
    cause: Option<&'a str>,
    report: Option<u8>,
    reported: Option<String>,
}

fn text(record: &MessageRecord) -> Option<&str> {
    let body = record.body.as_ref().filter(|_| record.lane != Lane::Login)?;
    Some(body.expose_str().unwrap_or_default())
}

impl<'a> Message<'a> {
    /// With its attempts and its life, why it waits, and who moves it next as it is `now`.
    pub(super) fn whole(record: &'a MessageRecord, waits: Option<String>, now: UnixMs) -> Self {
        let MessageRecord { state, report, changed, deadline, lease_until, .. } = *record;
        let pending = rules::tenure(Stay { state, report, changed, deadline, lease_until }, now)
            .map(|tenure| Pending { on: tenure.owner.as_str(), until: utc(tenure.until) });
        let attempts = Some(record.attempts.iter().map(Attempt::from).collect());
        let events = Some(record.life.iter().map(Event::from).collect());
        Self { waits, pending, attempts, events, ..Self::listed(record) }
    }

    /// Without them.
    pub(super) fn listed(record: &'a MessageRecord) -> Self {
        Self {
            id: record.id,
            lane: record.lane,
            state: record.state,
            to: record.to.as_str(),
            text: text(record),
            text_erased: record.body.is_none(),
            segments: record.segments,
            created: utc(record.created),
            deadline: utc(record.deadline),
            changed: utc(record.changed),
            caller: &record.caller,
            cause: record.cause.as_deref(),
            waits: None,
            pending: None,
            attempts: None,
            events: None,
        }
    }
}

impl<'a> From<&'a AttemptRecord> for Attempt<'a> {
    fn from(record: &'a AttemptRecord) -> Self {
        Self {
            seq: record.seq,
            channel: &record.channel.0,
            state: record.state,
            begun: utc(record.begun),
            ended: record.ended.map(utc),
            reference: record.reference.map(|reference| reference.0),
            cause: record.cause.as_deref(),
            report: record.report,
            reported: record.reported.map(utc),
        }
    }
}

impl<'a> From<&'a Transition> for Event<'a> {
    fn from(one: &'a Transition) -> Self {
        Self {
            at: utc(one.at),
            state: one.state.to_string(),
            actor: one.actor.to_string(),
            cause: one.cause.as_deref(),
        }
    }
}

/// privacyIDEA's `valid_until`: local time without its zone, with microseconds.
pub(super) fn local_time(time: UnixMs) -> String {
    let local = timestamp(time).to_zoned_datetime(TimeZone::system());
    local.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

fn timestamp(time: UnixMs) -> Timestamp {
    Timestamp::from_millisecond(time.0).unwrap_or(if time.0 < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(utc(UnixMs(1_795_475_963_274)), "2026-11-23T23:19:23.274Z");
        assert_eq!(utc(UnixMs(0)), "1970-01-01T00:00:00.000Z");
        assert!(utc(UnixMs(i64::MAX)).starts_with("9999-"));
    }

    #[test]
    fn valid_until_has_no_zone() {
        let text = local_time(UnixMs(1_795_475_963_274));
        assert_eq!(text.len(), "2026-11-23 23:13:14.123456".len());
        assert!(text.ends_with(":23.274000"), "{text}");
    }
}
