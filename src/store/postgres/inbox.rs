//! What phones send: stored once however often a channel shows it, and joined when it comes in parts.
//!
//! Parts lie here until the rules of [`reassemble`](crate::pdu::reassemble) give their text out, so a restart between two parts changes nothing. The
//! rules see the parts of all appliances, so one at a time takes parts in.

use data_encoding::HEXLOWER;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::recovery::PIECE;
use super::{Tx, corrupt, octet_of, outbox};
use crate::clock;
use crate::pdu::Concat;
use crate::pdu::reassemble::{Part, Reassembler, Set, Taken};
use crate::store::received::{Digest, Identity, Kept, Text, key};
use crate::store::seal::Place;
use crate::store::{Arrived, Event, Incoming, SHOWN_AGAIN, StoreError, Story};
use crate::units::UnixMs;

/// Names the right to take parts in, among all advisory locks of the database.
const ALONE: &str = "SELECT pg_advisory_xact_lock(7378697629483820647)";

const KNOWN: &str = "SELECT FROM seen WHERE mac = ANY($1) AND received > $2";

const SEEN: &str = "INSERT INTO seen (mac, received) VALUES ($1, $2)
    ON CONFLICT (mac) DO UPDATE SET received = excluded.received";

const STORE: &str = "INSERT INTO incoming (id, channel, sender, body, pdu, received, sent, parts, missing)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

const WAITING: &str =
    "SELECT text, channel, sender, reference, total, seq, sent, received, content FROM part ORDER BY n";

const WAIT: &str =
    "INSERT INTO part (mac, text, channel, sender, reference, total, seq, sent, received, content, pdu)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

const GIVE_OUT: &str = "DELETE FROM part WHERE text = $1 RETURNING seq, mac, channel, sender, pdu";

const PURGE: &str = "DELETE FROM incoming WHERE id IN (SELECT id FROM incoming WHERE received < $1 LIMIT $2)";

const FORGET: &str = "DELETE FROM seen WHERE mac IN (SELECT mac FROM seen WHERE received < $1 LIMIT $2)";

/// Takes in what came, unless it came before.
pub(super) async fn incoming(tx: &Tx<'_>, incoming: &Incoming) -> Result<(), StoreError> {
    let Incoming { segment, at, .. } = incoming;
    let identity = Identity::of(incoming);
    let of = identity.octets();
    let at = tx.at(*at);
    let macs: Vec<Digest> = tx.keys.macs("incoming", &of).collect();
    let macs: Vec<&[u8]> = macs.iter().map(Digest::as_slice).collect();
    if tx.link.first(KNOWN, &[&macs, &UnixMs(at).minus(SHOWN_AGAIN).0]).await?.is_some() {
        return Ok(());
    }
    let mac = tx.keys.mac("incoming", &of);
    tx.link.execute(SEEN, &[&mac.as_slice(), &at]).await?;
    match segment.concat {
        Some(concat) => part(tx, incoming, concat, &mac, at).await,
        None => store(tx, &Text::whole(incoming), at).await,
    }
}

/// Keeps a part, and gives out what the rules say.
async fn part(
    tx: &Tx<'_>,
    incoming: &Incoming,
    concat: Concat,
    mac: &Digest,
    at: i64,
) -> Result<(), StoreError> {
    let Incoming { channel, segment, .. } = incoming;
    tx.link.query(ALONE, &[]).await?;
    let content = tx.keys.mac("part", &[segment.content.expose()]);
    let mut waiting = waiting(tx).await?;
    let from = key(&channel.0, &segment.from);
    let part = Part { from, concat, sent: segment.sent, received: UnixMs(at), content };
    let (taken, given) = waiting.offer(part);
    let Taken::Into(text) = taken else { return Ok(()) };
    let pdu = tx.keys.seal(Place { table: "part", column: "pdu", row: mac }, &segment.pdu)?;
    let row: [&(dyn ToSql + Sync); 11] = [
        &mac.as_slice(),
        &number(text)?,
        &&*channel.0,
        &segment.from,
        &i32::from(concat.reference),
        &i16::from(concat.total),
        &i16::from(concat.seq),
        &segment.sent.map(|sent| sent.0),
        &at,
        &content.as_slice(),
        &pdu,
    ];
    tx.link.execute(WAIT, &row).await?;
    for set in &given {
        give_out(tx, set, at).await?;
    }
    Ok(())
}

/// Gives out texts that waited too long, a bounded piece of them; `true` if more may be left.
pub(super) async fn expire(tx: &Tx<'_>, now: UnixMs) -> Result<bool, StoreError> {
    tx.link.query(ALONE, &[]).await?;
    let mut parts = 0;
    let now = tx.at(now);
    for set in waiting(tx).await?.expire(UnixMs(now)) {
        if parts >= PIECE.unsigned_abs() {
            return Ok(true);
        }
        give_out(tx, &set, now).await?;
        parts += set.parts().len() as u64;
    }
    Ok(false)
}

/// Deletes texts received before `old` and forgets what will not be shown again; `true` if more may be left.
pub(super) async fn purge(tx: &Tx<'_>, old: UnixMs, now: UnixMs) -> Result<bool, StoreError> {
    let texts = tx.link.execute(PURGE, &[&tx.at(old), &PIECE]).await?;
    let shown = UnixMs(tx.at(now)).minus(SHOWN_AGAIN).0;
    let seen = tx.link.execute(FORGET, &[&shown, &PIECE]).await?;
    Ok(texts.max(seen) >= PIECE.unsigned_abs())
}

/// All parts that wait, without their contents.
async fn waiting(tx: &Tx<'_>) -> Result<Reassembler<Digest>, StoreError> {
    let rows = tx.link.query(WAITING, &[]).await?;
    let parts = rows.iter().map(waiting_part).collect::<Result<Vec<_>, StoreError>>()?;
    Ok(Reassembler::resume(parts))
}

fn waiting_part(row: &Row) -> Result<(u64, Part<Digest>), StoreError> {
    let text = u64::try_from(row.try_get::<_, i64>(0)?).map_err(|_| corrupt("text of a part"))?;
    let reference = u16::try_from(row.try_get::<_, i32>(3)?).map_err(|_| corrupt("reference of a part"))?;
    // How wide the reference was is not kept, because no rule looks at it.
    let concat = Concat { reference, wide: false, total: octet_of(row, 4)?, seq: octet_of(row, 5)? };
    let content = row.try_get::<_, &[u8]>(8)?.first_chunk().copied();
    let part = Part {
        from: key(row.try_get(1)?, row.try_get(2)?),
        concat,
        sent: row.try_get::<_, Option<i64>>(6)?.map(UnixMs),
        received: UnixMs(row.try_get(7)?),
        content: content.ok_or_else(|| corrupt("content of a part"))?,
    };
    Ok((text, part))
}

fn number(text: u64) -> Result<i64, StoreError> {
    i64::try_from(text).map_err(|_| corrupt("text of a part"))
}

/// Makes a text of the parts that are there.
async fn give_out(tx: &Tx<'_>, set: &Set<Digest>, at: i64) -> Result<(), StoreError> {
    let rows = tx.link.query(GIVE_OUT, &[&number(set.id())?]).await?;
    let mut kept = rows.iter().map(|row| opened(tx, row)).collect::<Result<Vec<_>, _>>()?;
    kept.sort_by_key(|kept| kept.seq);
    match Text::joined(set, &kept) {
        Some(text) => store(tx, &text, at).await,
        None => Ok(()),
    }
}

fn opened(tx: &Tx<'_>, row: &Row) -> Result<Kept, StoreError> {
    let mac: &[u8] = row.try_get(1)?;
    let pdu = tx.keys.open(Place { table: "part", column: "pdu", row: mac }, row.try_get(4)?)?;
    Ok(Kept { seq: octet_of(row, 0)?, channel: row.try_get(2)?, sender: row.try_get(3)?, pdu })
}

async fn store(tx: &Tx<'_>, text: &Text<'_>, at: i64) -> Result<(), StoreError> {
    let id = clock::entropy::<16>()?;
    let body = tx.keys.seal(Place { table: "incoming", column: "body", row: &id }, &text.body)?;
    let pdu = tx.keys.seal(Place { table: "incoming", column: "pdu", row: &id }, &text.pdu)?;
    let row: [&(dyn ToSql + Sync); 9] = [
        &id.as_slice(),
        &text.channel,
        &text.from,
        &body,
        &pdu,
        &at,
        &text.sent.map(|sent| sent.0),
        &i16::from(text.parts),
        &i16::from(text.missing),
    ];
    tx.link.execute(STORE, &row).await?;
    outbox::tell(tx, Event::Inbound, || {
        Story::Inbound(Arrived {
            id: HEXLOWER.encode(&id),
            from: text.from.to_owned(),
            channel: text.channel.to_owned(),
            text: text.body.clone(),
            sent: text.sent,
            parts: text.parts,
            missing: text.missing,
            at: tx.told(at),
        })
    })
}
