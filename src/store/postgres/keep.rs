//! Retention: texts and numbers are erased when their time is over, in bounded pieces.

use uuid::Uuid;

use super::recovery::PIECE;
use super::{Tx, id_of, state_of, uuid};
use crate::queue::message::{MessageId, State};
use crate::store::StoreError;
use crate::store::keep::{ErasedNumber, TEXT_KEPT};
use crate::units::UnixMs;

/// A login's text is over at its deadline, which is the end of its challenge.
const ERASE: &str =
    "UPDATE message SET body = '' WHERE id IN (SELECT id FROM message WHERE state > 1 AND body <> ''
    AND ((lane = 0 AND deadline <= $1) OR (lane > 0 AND changed <= $2)) LIMIT $3 FOR UPDATE SKIP LOCKED)";

const OLD: &str = "SELECT id, state, recipient FROM message WHERE ($1::uuid IS NULL OR id > $1) AND id < $2
    ORDER BY id LIMIT $3 FOR UPDATE";

const FORGET_NUMBERS: &str = "UPDATE message SET recipient = forgotten.sign
    FROM unnest($1::uuid[], $2::text[]) AS forgotten (id, sign) WHERE message.id = forgotten.id";

const OLD_TEXTS: &str = "SELECT id, sender FROM incoming WHERE received < $1 AND left(sender, 7) <> 'erased:'
    ORDER BY received LIMIT $2 FOR UPDATE SKIP LOCKED";

/// The octets name the sender, too.
const FORGET_SENDERS: &str = "UPDATE incoming SET sender = forgotten.sign, pdu = ''
    FROM unnest($1::bytea[], $2::text[]) AS forgotten (id, sign) WHERE incoming.id = forgotten.id";

/// What numbers are compared for once they are erased.
const PURPOSE: &str = "number";

/// Erases texts that nobody needs any more; `true` if more may be left.
pub(super) async fn erase(tx: &Tx<'_>, now: UnixMs) -> Result<bool, StoreError> {
    let now = UnixMs(tx.at(now));
    let erased = tx.link.execute(ERASE, &[&now.0, &now.minus(TEXT_KEPT).0, &PIECE]).await?;
    Ok(erased >= PIECE.unsigned_abs())
}

/// Puts HMACs in the place of the numbers of finished messages behind `after` that were accepted before `before`. Tells how far it
/// came, and whether more may be left.
pub(super) async fn forget_numbers(
    tx: &Tx<'_>,
    before: UnixMs,
    after: Option<MessageId>,
) -> Result<(Option<MessageId>, bool), StoreError> {
    let end = MessageId::new(before, 0, [0; 8]);
    let (mut upto, mut ids, mut signs) = (after, Vec::new(), Vec::new());
    let rows = tx.link.query(OLD, &[&after.map(uuid), &uuid(end), &PIECE]).await?;
    let mut more = rows.len() >= usize::try_from(PIECE).unwrap_or(usize::MAX);
    for row in &rows {
        if matches!(state_of(row, 1)?, State::Queued | State::Leased) {
            // No message lives for longer than a week, so it holds the others up for no longer.
            more = false;
            break;
        }
        upto = Some(id_of(row, 0)?);
        if let Some(sign) = sign(tx, row.try_get(2)?) {
            ids.push(row.try_get::<_, Uuid>(0)?);
            signs.push(sign);
        }
    }
    if !ids.is_empty() {
        tx.link.execute(FORGET_NUMBERS, &[&ids, &signs]).await?;
    }
    Ok((upto, more))
}

/// Puts HMACs in the place of the senders of texts that came before `before`; `true` if more may be left.
pub(super) async fn forget_senders(tx: &Tx<'_>, before: UnixMs) -> Result<bool, StoreError> {
    let rows = tx.link.query(OLD_TEXTS, &[&tx.at(before), &PIECE]).await?;
    let (mut ids, mut signs) = (Vec::new(), Vec::new());
    for row in &rows {
        if let Some(sign) = sign(tx, row.try_get(1)?) {
            ids.push(row.try_get::<_, &[u8]>(0)?);
            signs.push(sign);
        }
    }
    if !ids.is_empty() {
        tx.link.execute(FORGET_SENDERS, &[&ids, &signs]).await?;
    }
    Ok(rows.len() >= usize::try_from(PIECE).unwrap_or(usize::MAX))
}

/// What stands for a number; `None` if it is erased already.
fn sign(tx: &Tx<'_>, number: &str) -> Option<String> {
    let mac = || tx.keys.mac(PURPOSE, &[number.as_bytes()]);
    ErasedNumber::stored(number).is_none().then(|| ErasedNumber::of(&mac()).as_str().to_owned())
}
