//! What comes back: handset reports and late confirmations.

use super::messages::Messages;
use super::time::shifted;
use super::{Tx, id_of, outbox};
use crate::number::Number;
use crate::provider::{ChannelId, Verdict};
use crate::queue::life::{Actor, Move};
use crate::queue::message::{MessageId, State};
use crate::queue::rules::DOUBT_LASTS;
use crate::store::sqlite::report::{TAIL, same_subscriber};
use crate::store::{Report, StoreError};
use crate::units::{MessageRef, UnixMs};

/// A reference wraps after 256 messages; so many wraps back the attempt of a report is still found.
const WRAPS: i64 = 32;

/// For each report the attempts with its reference that may have gone to its recipient, newest first.
const SUBMITTED: &str =
    "SELECT asked.place, tried.message, tried.seq, tried.n, tried.recipient
    FROM unnest($1::text[], $2::smallint[], $3::text[]) WITH ORDINALITY AS asked (channel, reference, tail, place)
    CROSS JOIN LATERAL (
        SELECT attempt.message, attempt.seq, attempt.n, attempt.begun, message.recipient
        FROM attempt JOIN message ON message.id = attempt.message
        WHERE attempt.channel = asked.channel AND attempt.reference = asked.reference
        ORDER BY attempt.begun DESC, attempt.n DESC LIMIT $4) AS tried
    WHERE right(tried.recipient, 6) = asked.tail ORDER BY asked.place, tried.begun DESC, tried.n DESC";

/// The statements that go together with others, to be prepared beforehand.
pub(super) const STATEMENTS: [&str; 1] = [SUBMITTED];

const DOUBTFUL: &str = "SELECT attempt.message, attempt.seq, attempt.n, message.recipient
    FROM attempt JOIN message ON message.id = attempt.message
    WHERE attempt.channel = $1 AND attempt.state = 3 AND attempt.begun >= $2
    ORDER BY attempt.begun DESC, attempt.n DESC";

/// One attempt, as a report finds it.
pub(super) struct Matched {
    message: MessageId,
    seq: i16,
    n: i32,
}

/// Finds for each report the newest attempt that it fits.
pub(super) async fn find(
    tx: &Tx<'_>,
    reports: &[(&Report, i64)],
) -> Result<Vec<Option<Matched>>, StoreError> {
    let mut found = Vec::new();
    found.resize_with(reports.len(), || None);
    if reports.is_empty() {
        return Ok(found);
    }
    let channels: Vec<&str> = reports.iter().map(|(report, _)| &*report.channel.0).collect();
    let references: Vec<i16> = reports.iter().map(|(report, _)| i16::from(report.reference.0)).collect();
    let tails: Vec<String> = reports.iter().map(|(report, _)| tail(&report.recipient)).collect();
    for row in tx.link.query(SUBMITTED, &[&channels, &references, &tails, &WRAPS]).await? {
        let place = usize::try_from(row.try_get::<_, i64>(0)?).unwrap_or(0).saturating_sub(1);
        let (Some(one @ None), Some((report, _))) = (found.get_mut(place), reports.get(place)) else {
            continue;
        };
        if same_subscriber(row.try_get(4)?, &report.recipient) {
            *one = Some(Matched { message: id_of(&row, 1)?, seq: row.try_get(2)?, n: row.try_get(3)? });
        }
    }
    Ok(found)
}

/// The end of a number, by which rows are picked; whether it is the same subscriber is judged by more.
fn tail(number: &str) -> String {
    let digits: Vec<char> = number.chars().filter(char::is_ascii_digit).collect();
    digits.iter().skip(digits.len().saturating_sub(TAIL)).collect()
}

/// Records reports, each with the shift of its times, on the attempts found, or on one in doubt, and lets the messages follow.
pub(super) async fn reports(
    tx: &Tx<'_>,
    reports: &[(&Report, i64)],
    found: Vec<Option<Matched>>,
) -> Result<Vec<Option<MessageId>>, StoreError> {
    let mut messages = Messages::load(tx, found.iter().flatten().map(|one| one.message)).await?;
    for ((report, shift), matched) in reports.iter().zip(&found) {
        if let Some(matched) = matched {
            record(tx, &mut messages, matched, report, shifted(report.at, *shift))?;
        }
    }
    messages.save(tx).await?;
    let mut ids = Vec::with_capacity(reports.len());
    for ((report, shift), matched) in reports.iter().zip(found) {
        ids.push(match matched {
            Some(matched) => Some(matched.message),
            None => doubtful(tx, report, shifted(report.at, *shift)).await?,
        });
    }
    Ok(ids)
}

/// A report for an attempt in doubt settles it first.
async fn doubtful(tx: &Tx<'_>, report: &Report, at: i64) -> Result<Option<MessageId>, StoreError> {
    let fits = |recipient: &str| same_subscriber(recipient, &report.recipient);
    let Some(matched) = in_doubt(tx, &report.channel, at, &fits).await? else { return Ok(None) };
    let mut messages = Messages::load(tx, [matched.message]).await?;
    if let Some(message) = messages.get(matched.message) {
        message.settle(matched.seq, matched.n, report.reference, at);
    }
    record(tx, &mut messages, &matched, report, at)?;
    messages.save(tx).await?;
    Ok(Some(matched.message))
}

fn record(
    tx: &Tx<'_>,
    messages: &mut Messages,
    matched: &Matched,
    report: &Report,
    at: i64,
) -> Result<(), StoreError> {
    let Some(message) = messages.get(matched.message) else { return Ok(()) };
    let recorded = message.report(matched.seq, matched.n, report.status, report.verdict, at);
    if recorded && report.verdict == Verdict::Trying {
        let (state, actor) = (State::Submitted, Actor::Network);
        let turned = message.turned(&Move { state, actor, at: UnixMs(at), cause: None });
        outbox::buffered(tx, turned, message.callback())?;
    }
    Ok(())
}

/// A confirmation that came late: the newest attempt in doubt to this recipient was taken after all.
pub(super) async fn settle(
    tx: &Tx<'_>,
    channel: &ChannelId,
    recipient: &Number,
    reference: MessageRef,
    at: UnixMs,
) -> Result<Option<MessageId>, StoreError> {
    let at = tx.at(at);
    let same = |stored: &str| stored == recipient.as_str();
    let Some(doubtful) = in_doubt(tx, channel, at, &same).await? else { return Ok(None) };
    let mut messages = Messages::load(tx, [doubtful.message]).await?;
    if let Some(message) = messages.get(doubtful.message) {
        message.settle(doubtful.seq, doubtful.n, reference, at);
        message.follow(Actor::Network, at);
    }
    messages.save(tx).await?;
    Ok(Some(doubtful.message))
}

async fn in_doubt(
    tx: &Tx<'_>,
    channel: &ChannelId,
    at: i64,
    fits: &dyn Fn(&str) -> bool,
) -> Result<Option<Matched>, StoreError> {
    let since = UnixMs(at).minus(DOUBT_LASTS).0;
    let rows = tx.link.query(DOUBTFUL, &[&&*channel.0, &since]).await?;
    newest(&rows, fits)
}

fn newest(rows: &[tokio_postgres::Row], fits: &dyn Fn(&str) -> bool) -> Result<Option<Matched>, StoreError> {
    for row in rows {
        if fits(row.try_get(3)?) {
            return Ok(Some(Matched { message: id_of(row, 0)?, seq: row.try_get(1)?, n: row.try_get(2)? }));
        }
    }
    Ok(None)
}
