//! What phones send: stored once however often a channel shows it, and joined when it comes in parts.
//!
//! Parts lie here until the rules of [`reassemble`](crate::pdu::reassemble) give their text out, so a restart between two parts changes nothing. The
//! rules judge by what stands in the clear and by HMACs; only what is given out is opened, and read again from its octets.

use data_encoding::HEXLOWER;
use rusqlite::{Row, params};

use super::recovery::PIECE;
use super::{Tx, corrupt, outbox};
use crate::clock;
use crate::pdu::Concat;
use crate::pdu::reassemble::{Part, Reassembler, Set, Taken};
use crate::store::received::{Digest, Identity, Kept, Text, key};
use crate::store::seal::Place;
use crate::store::{Arrived, Incoming, SHOWN_AGAIN, StoreError, Story};
use crate::units::UnixMs;

const KNOWN: &str = "SELECT 1 FROM seen WHERE mac = ?1 AND received > ?2";

const SEEN: &str = "INSERT OR REPLACE INTO seen (mac, received) VALUES (?1, ?2)";

const STORE: &str = "INSERT INTO incoming (id, channel, sender, body, pdu, received, sent, parts, missing)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

const WAITING: &str =
    "SELECT text, channel, sender, reference, total, seq, sent, received, content FROM part ORDER BY n";

const WAIT: &str = "INSERT INTO part
    (mac, text, channel, sender, reference, total, seq, sent, received, content, pdu)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

const GIVE_OUT: &str = "DELETE FROM part WHERE text = ?1 AND seq = ?2 RETURNING mac, channel, sender, pdu";

const PURGE: &str = "DELETE FROM incoming WHERE id IN (SELECT id FROM incoming WHERE received < ?1 LIMIT ?2)";

const FORGET: &str = "DELETE FROM seen WHERE mac IN (SELECT mac FROM seen WHERE received < ?1 LIMIT ?2)";

/// Takes in what came, unless it came before.
pub(in crate::store) fn incoming(tx: &mut Tx<'_>, incoming: &Incoming) -> Result<(), StoreError> {
    let Incoming { segment, at, .. } = incoming;
    let identity = Identity::of(incoming);
    let of = identity.octets();
    let since = at.minus(SHOWN_AGAIN);
    for mac in tx.keys.macs("incoming", &of) {
        if tx.conn.prepare_cached(KNOWN)?.exists(params![mac, since.0])? {
            return Ok(());
        }
    }
    let mac = tx.keys.mac("incoming", &of);
    tx.conn.prepare_cached(SEEN)?.execute(params![mac, at.0])?;
    match segment.concat {
        Some(concat) => part(tx, incoming, concat, &mac),
        None => store(tx, &Text::whole(incoming), *at),
    }
}

/// Keeps a part, and gives out what the rules say.
fn part(tx: &mut Tx<'_>, incoming: &Incoming, concat: Concat, mac: &Digest) -> Result<(), StoreError> {
    let Incoming { channel, segment, at } = incoming;
    let content = tx.keys.mac("part", &[segment.content.expose()]);
    let mut waiting = waiting(tx)?;
    let from = key(&channel.0, &segment.from);
    let part = Part { from, concat, sent: segment.sent, received: *at, content };
    let (taken, given) = waiting.offer(part);
    let Taken::Into(text) = taken else { return Ok(()) };
    let pdu = tx.keys.seal(Place { table: "part", column: "pdu", row: mac }, &segment.pdu)?;
    tx.conn.prepare_cached(WAIT)?.execute(params![
        mac,
        number(text)?,
        &*channel.0,
        segment.from,
        concat.reference,
        concat.total,
        concat.seq,
        segment.sent.map(|sent| sent.0),
        at.0,
        content,
        pdu,
    ])?;
    given.iter().try_for_each(|set| give_out(tx, set, *at))
}

/// Gives out texts that waited too long, a bounded piece of them; `true` if more may be left.
pub(in crate::store) fn expire(tx: &mut Tx<'_>, now: UnixMs) -> Result<bool, StoreError> {
    let mut parts = 0;
    for set in waiting(tx)?.expire(now) {
        if parts >= PIECE as usize {
            return Ok(true);
        }
        give_out(tx, &set, now)?;
        parts += set.parts().len();
    }
    Ok(false)
}

/// Deletes texts received before `old` and forgets what will not be shown again; `true` if more may be left.
pub(in crate::store) fn purge(tx: &mut Tx<'_>, old: UnixMs, now: UnixMs) -> Result<bool, StoreError> {
    let texts = tx.conn.prepare_cached(PURGE)?.execute(params![old.0, PIECE])?;
    let seen = tx.conn.prepare_cached(FORGET)?.execute(params![now.minus(SHOWN_AGAIN).0, PIECE])?;
    Ok(texts == PIECE as usize || seen == PIECE as usize)
}

/// All parts that wait, without their contents.
fn waiting(tx: &Tx<'_>) -> Result<Reassembler<Digest>, StoreError> {
    let mut find = tx.conn.prepare_cached(WAITING)?;
    let rows = find.query_map([], |row| Ok(waiting_part(row)))?;
    let parts = rows.map(|row| row?).collect::<Result<Vec<_>, StoreError>>()?;
    Ok(Reassembler::resume(parts))
}

fn waiting_part(row: &Row<'_>) -> Result<(u64, Part<Digest>), StoreError> {
    let text = u64::try_from(row.get::<_, i64>(0)?).map_err(|_| corrupt("text of a part"))?;
    let channel = row.get_ref(1)?.as_str().map_err(|_| corrupt("channel"))?;
    let sender = row.get_ref(2)?.as_str().map_err(|_| corrupt("sender"))?;
    // How wide the reference was is not kept, because no rule looks at it.
    let concat = Concat { reference: row.get(3)?, wide: false, total: row.get(4)?, seq: row.get(5)? };
    let part = Part {
        from: key(channel, sender),
        concat,
        sent: row.get::<_, Option<i64>>(6)?.map(UnixMs),
        received: UnixMs(row.get(7)?),
        content: row.get(8)?,
    };
    Ok((text, part))
}

fn number(text: u64) -> Result<i64, StoreError> {
    i64::try_from(text).map_err(|_| corrupt("text of a part"))
}

/// Makes a text of the parts that are there.
fn give_out(tx: &mut Tx<'_>, set: &Set<Digest>, at: UnixMs) -> Result<(), StoreError> {
    let kept = set.parts().iter().map(|part| take(tx, set.id(), part.concat.seq));
    let kept = kept.collect::<Result<Vec<_>, _>>()?;
    Text::joined(set, &kept).map_or(Ok(()), |text| store(tx, &text, at))
}

fn take(tx: &Tx<'_>, text: u64, seq: u8) -> Result<Kept, StoreError> {
    let mut give_out = tx.conn.prepare_cached(GIVE_OUT)?;
    let mut rows = give_out.query(params![number(text)?, seq])?;
    let row = rows.next()?.ok_or_else(|| corrupt("part"))?;
    let (mac, sealed): (Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(3)?);
    let pdu = tx.keys.open(Place { table: "part", column: "pdu", row: &mac }, &sealed)?;
    let kept = Kept { seq, channel: row.get(1)?, sender: row.get(2)?, pdu };
    // Only a statement that has ended has deleted.
    while rows.next()?.is_some() {}
    Ok(kept)
}

fn store(tx: &mut Tx<'_>, text: &Text<'_>, at: UnixMs) -> Result<(), StoreError> {
    let id = clock::entropy::<16>()?;
    let body = tx.keys.seal(Place { table: "incoming", column: "body", row: &id }, &text.body)?;
    let pdu = tx.keys.seal(Place { table: "incoming", column: "pdu", row: &id }, &text.pdu)?;
    tx.conn.prepare_cached(STORE)?.execute(params![
        id,
        text.channel,
        text.from,
        body,
        pdu,
        at.0,
        text.sent.map(|sent| sent.0),
        text.parts,
        text.missing,
    ])?;
    outbox::arrived(tx, || {
        Story::Inbound(Arrived {
            id: HEXLOWER.encode(&id),
            from: text.from.to_owned(),
            channel: text.channel.to_owned(),
            text: text.body.clone(),
            sent: text.sent,
            parts: text.parts,
            missing: text.missing,
            at,
        })
    })
}
