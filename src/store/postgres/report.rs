//! What comes back: handset reports and late confirmations.

use super::messages::Messages;
use super::{Tx, id_of, outbox};
use crate::number::Number;
use crate::provider::{ChannelId, Verdict};
use crate::queue::life::{Actor, Move};
use crate::queue::message::{MessageId, State};
use crate::queue::rules::DOUBT_LASTS;
use crate::store::sqlite::report::same_subscriber;
use crate::store::{Report, StoreError};
use crate::units::{MessageRef, UnixMs};

/// A reference wraps after 256 messages; so many wraps back the attempt of a report is still found.
const WRAPS: i64 = 32;

const SUBMITTED: &str = "SELECT attempt.message, attempt.seq, attempt.n, message.recipient
    FROM attempt JOIN message ON message.id = attempt.message
    WHERE attempt.channel = $1 AND attempt.reference = $2 ORDER BY attempt.begun DESC, attempt.n DESC LIMIT $3";

const DOUBTFUL: &str = "SELECT attempt.message, attempt.seq, attempt.n, message.recipient
    FROM attempt JOIN message ON message.id = attempt.message
    WHERE attempt.channel = $1 AND attempt.state = 3 AND attempt.begun >= $2
    ORDER BY attempt.begun DESC, attempt.n DESC";

/// One attempt, as a report finds it.
struct Matched {
    message: MessageId,
    seq: i16,
    n: i32,
}

/// Records the report on the newest attempt it fits and lets the message follow.
pub(super) async fn report(tx: &Tx<'_>, report: &Report) -> Result<Option<MessageId>, StoreError> {
    let fits = |recipient: &str| same_subscriber(recipient, &report.recipient);
    let at = tx.at(report.at);
    let (channel, reference) = (&*report.channel.0, i16::from(report.reference.0));
    let rows = tx.link.query(SUBMITTED, &[&channel, &reference, &WRAPS]).await?;
    let (matched, doubtful) = match newest(&rows, &fits)? {
        Some(matched) => (matched, false),
        None => match in_doubt(tx, &report.channel, at, &fits).await? {
            Some(matched) => (matched, true),
            None => return Ok(None),
        },
    };
    let mut messages = Messages::load(tx, [matched.message]).await?;
    if let Some(message) = messages.get(matched.message) {
        if doubtful {
            message.settle(matched.seq, matched.n, report.reference, at);
        }
        let recorded = message.report(matched.seq, matched.n, report.status, report.verdict, at);
        if recorded && report.verdict == Verdict::Trying {
            let (state, actor) = (State::Submitted, Actor::Network);
            let turned = message.turned(&Move { state, actor, at: UnixMs(at), cause: None });
            outbox::buffered(tx, turned, message.callback())?;
        }
    }
    messages.save(tx).await?;
    Ok(Some(matched.message))
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
