//! What comes back: handset reports and late confirmations.

use rusqlite::params;

use super::{Tx, id_of, turn};
use crate::number::Number;
use crate::provider::{ChannelId, Verdict};
use crate::queue::life::Actor;
use crate::queue::message::MessageId;
use crate::queue::rules::DOUBT_LASTS;
use crate::store::{Report, StoreError};
use crate::units::{MessageRef, UnixMs};

/// A reference wraps after 256 messages; so many wraps back the attempt of a report is still found.
const WRAPS: i64 = 32;
/// Digits that must agree at the end; national and international forms of one number share them.
const TAIL: usize = 6;

const SUBMITTED: &str =
    "SELECT a.message, a.seq, a.n, a.verdict, m.recipient FROM attempt a JOIN message m ON m.id = a.message
    WHERE a.channel = ?1 AND a.reference = ?2 ORDER BY a.begun DESC, a.n DESC LIMIT ?3";

const DOUBTFUL: &str =
    "SELECT a.message, a.seq, a.n, a.verdict, m.recipient FROM attempt a INDEXED BY attempt_doubt
    JOIN message m ON m.id = a.message
    WHERE a.channel = ?1 AND a.state = 3 AND a.begun >= ?2 ORDER BY a.begun DESC, a.n DESC";

const RECORD: &str = "UPDATE attempt SET status = ?4, verdict = ?5, reported = ?6
    WHERE message = ?1 AND seq = ?2 AND n = ?3";

const SETTLE: &str = "UPDATE attempt SET state = 1, reference = ?4, ended = ?5
    WHERE message = ?1 AND seq = ?2 AND n = ?3";

/// One attempt, as a report finds it.
struct Matched {
    message: MessageId,
    seq: u8,
    n: i64,
    verdict: Option<i64>,
}

/// Records the report on the newest attempt it fits and lets the message follow.
pub(in crate::store) fn report(tx: &mut Tx<'_>, report: &Report) -> Result<Option<MessageId>, StoreError> {
    let fits = |recipient: &str| same_subscriber(recipient, &report.recipient);
    let by_reference = params![&*report.channel.0, report.reference.0, WRAPS];
    let matched = if let Some(matched) = newest(tx, SUBMITTED, by_reference, &fits)? {
        matched
    } else {
        let since = report.at.minus(DOUBT_LASTS);
        let Some(doubtful) = newest(tx, DOUBTFUL, params![&*report.channel.0, since.0], &fits)? else {
            return Ok(None);
        };
        settled(tx, &doubtful, report.reference, report.at)?;
        doubtful
    };
    let is_final = matched.verdict.is_some_and(|said| said != Verdict::Trying as i64);
    if !is_final {
        tx.conn.prepare_cached(RECORD)?.execute(params![
            matched.message.as_bytes(),
            matched.seq,
            matched.n,
            report.status,
            report.verdict as i64,
            report.at.0,
        ])?;
    }
    turn::follow(tx, matched.message, Actor::Network, report.at)?;
    Ok(Some(matched.message))
}

/// A confirmation that came late: the newest attempt in doubt to this recipient was taken after all.
pub(in crate::store) fn settle(
    tx: &mut Tx<'_>,
    channel: &ChannelId,
    recipient: &Number,
    reference: MessageRef,
    at: UnixMs,
) -> Result<Option<MessageId>, StoreError> {
    let since = at.minus(DOUBT_LASTS);
    let same = |stored: &str| stored == recipient.as_str();
    let Some(doubtful) = newest(tx, DOUBTFUL, params![&*channel.0, since.0], &same)? else {
        return Ok(None);
    };
    settled(tx, &doubtful, reference, at)?;
    turn::follow(tx, doubtful.message, Actor::Network, at)?;
    Ok(Some(doubtful.message))
}

fn newest(
    tx: &Tx<'_>,
    sql: &str,
    of: &[&dyn rusqlite::ToSql],
    fits: &dyn Fn(&str) -> bool,
) -> Result<Option<Matched>, StoreError> {
    let mut find = tx.conn.prepare_cached(sql)?;
    let mut rows = find.query(of)?;
    while let Some(row) = rows.next()? {
        if row.get_ref(4)?.as_str().is_ok_and(fits) {
            let (seq, n, verdict) = (row.get(1)?, row.get(2)?, row.get(3)?);
            return Ok(Some(Matched { message: id_of(row, 0)?, seq, n, verdict }));
        }
    }
    Ok(None)
}

fn settled(tx: &Tx<'_>, doubtful: &Matched, reference: MessageRef, at: UnixMs) -> Result<(), StoreError> {
    tx.conn.prepare_cached(SETTLE)?.execute(params![
        doubtful.message.as_bytes(),
        doubtful.seq,
        doubtful.n,
        reference.0,
        at.0,
    ])?;
    turn::no_longer_doubtful(tx, doubtful.message)
}

/// Whether two ways to write a number may mean one subscriber, given that SIM and reference agree already: at least the last
/// six digits are the same (prefixes differ by trunk zero, country code or routing); a short code must agree whole.
fn same_subscriber(stored: &str, reported: &str) -> bool {
    let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).rev().collect::<Vec<_>>();
    let (stored, reported) = (digits(stored), digits(reported));
    if stored.len() <= TAIL {
        return !stored.is_empty() && stored == reported;
    }
    stored.iter().zip(&reported).take_while(|(a, b)| a == b).count() >= TAIL
}

#[cfg(test)]
mod tests {
    use super::same_subscriber;

    #[test]
    fn subscribers_are_told_by_their_tail() {
        for reported in ["+491701234567", "491701234567", "01701234567", "00491701234567", "234567"] {
            assert!(same_subscriber("+491701234567", reported), "{reported}");
        }
        for reported in ["", "34567", "+491701234568"] {
            assert!(!same_subscriber("+491701234567", reported), "{reported}");
        }
        assert!(same_subscriber("72267", "72267"));
        assert!(!same_subscriber("72267", "+4972267"));
        assert!(!same_subscriber("72267", "2267"));
    }
}
