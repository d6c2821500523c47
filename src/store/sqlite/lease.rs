//! Leasing: the most urgent due rows, read in index order, and the memory that saves the question when the answer is known.

use rusqlite::{Row, params};

use super::life::{and_life, change};
use super::turn::{self, Segments};
use super::{Tx, coding_of, id_of, lane_of, lanes, number_of, recovery, time_of};
use crate::clock;
use crate::provider::ChannelId;
use crate::queue::lanes::PerLane;
use crate::queue::life::{self, Actor, Move};
use crate::queue::message::{Lane, MessageId, State};
use crate::route::budget::Recipient;
use crate::secret::Secret;
use crate::store::seal::{Place, SealError};
use crate::store::{Leased, SecondRound, StoreError, Want};
use crate::units::UnixMs;

/// Index entries looked at for one lane in one batch; overdue rows beyond them are met in the next.
const SCANNED: usize = 512;

const DUE: &str = "SELECT id, due, deadline, channel FROM message INDEXED BY message_queue
    WHERE state = 0 AND lane = ?1 AND due <= ?2 ORDER BY lane, due, id";

/// The same of what began on some SIM, without wading through all that did not.
const DUE_BEGUN: &str = "SELECT id, due, deadline, channel FROM message INDEXED BY message_begun
    WHERE state = 0 AND channel IS NOT NULL AND lane = ?1 AND due <= ?2 ORDER BY lane, due, id";

const NEXT_DUE: &str = "SELECT due FROM message INDEXED BY message_queue
    WHERE state = 0 AND lane = ?1 AND due > ?2 ORDER BY lane, due LIMIT 1";

const TAKE: &str = concat!(
    "UPDATE message SET state = ?2, ",
    and_life!(),
    ", epoch = epoch + 1, lease_until = ?6 WHERE id = ?1 AND state = 0
    RETURNING epoch, lane, recipient, body, flash, report, deadline, segments, channel, refused_by, concat_ref,
    refusals, uncertain, coding"
);

/// Challenges are found by their end: few live at a time, and hardly ever is one asked for by its message.
const AGAIN: &str = concat!(
    "UPDATE message SET state = ?2, ",
    and_life!(),
    ", due = ?3, channel = NULL WHERE id = ?1 AND state = 2 AND lane = 0 AND deadline > ?3
    AND NOT EXISTS (SELECT 1 FROM attempt WHERE message = ?1 AND channel <> ?6 AND state IN (0, 1, 3))
    AND NOT EXISTS (SELECT 1 FROM challenge INDEXED BY challenge_expires
        WHERE expires > ?3 AND message = ?1 AND answered IS NOT NULL)
    RETURNING id"
);

/// A lease of which nothing began is taken out of the life again: what waits for a budget is leased and given back for hours.
const RELEASE: &str = "UPDATE message SET state = ?2, due = coalesce(?7, due),
    life = CASE WHEN substr(life, -1) = x'01' AND NOT EXISTS (SELECT 1 FROM attempt WHERE message = ?1 AND epoch = ?6)
        THEN substr(life, 1, length(life) - ?8)
        WHEN length(life) < ?5 THEN CAST(life || ?4 AS BLOB) ELSE life END
    WHERE id = ?1 AND state = 1 AND epoch = ?6
    AND NOT EXISTS (SELECT 1 FROM attempt WHERE message = ?1 AND state = 0)
    RETURNING lane, due";

/// When each lane may next have something to lease. Early is harmless (a question more), late would lose a wake-up.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Hints {
    next: [UnixMs; Lane::ALL.len()],
    /// Rows were passed over for want of their SIM: another demand may want them.
    passed: [bool; Lane::ALL.len()],
    /// Lanes that an operator paused; `None` until it is asked.
    paused: Option<PerLane<bool>>,
    /// Unsent messages at the beginning of this transaction and those accepted since; `None` until it is asked.
    unsent: Option<PerLane<u64>>,
}

impl Hints {
    /// Nothing is known, so everything is asked.
    pub(in crate::store) fn unknown() -> Self {
        Self { next: [UnixMs(i64::MIN); 3], passed: [false; 3], paused: None, unsent: None }
    }

    /// What is known of paused lanes.
    pub(super) fn paused(&self) -> Option<PerLane<bool>> {
        self.paused
    }

    /// These lanes are paused now.
    pub(super) fn note_paused(&mut self, paused: PerLane<bool>) {
        self.paused = Some(paused);
    }

    /// What is known of unsent messages.
    pub(super) fn unsent(&self) -> Option<PerLane<u64>> {
        self.unsent
    }

    /// So many are unsent now; `None` where a transaction begins.
    pub(super) fn note_unsent(&mut self, unsent: Option<PerLane<u64>>) {
        self.unsent = unsent;
    }

    fn is_paused(&self, lane: Lane) -> bool {
        self.paused.is_some_and(|paused| *paused.of(lane))
    }

    /// A row of this lane is due then.
    pub(super) fn due(&mut self, lane: Lane, due: UnixMs) {
        if let Some(next) = self.next.get_mut(lane as usize) {
            *next = due.min(*next);
        }
    }

    /// When a demand for lanes up to this one may first be met.
    pub(super) fn next(&self, lanes: Lane) -> UnixMs {
        let mut known = Lane::ALL.into_iter().zip(self.next);
        let first = known.by_ref().take(lanes as usize + 1).filter(|(lane, _)| !self.is_paused(*lane));
        first.map(|(_, next)| next).min().unwrap_or(UnixMs(i64::MAX))
    }

    /// Whether a demand for lanes up to this one is worth asking the index.
    pub(super) fn worth_any(&self, lanes: Lane, now: UnixMs, fresh: bool) -> bool {
        Lane::ALL.into_iter().filter(|lane| *lane <= lanes).any(|lane| self.worth(lane, now, fresh))
    }

    fn worth(&self, lane: Lane, now: UnixMs, fresh: bool) -> bool {
        let at = lane as usize;
        let may = self.next.get(at).is_none_or(|next| *next <= now)
            || (fresh && self.passed.get(at).copied().unwrap_or(true));
        may && !self.is_paused(lane)
    }

    fn set(&mut self, lane: Lane, next: UnixMs, passed: bool) {
        let at = lane as usize;
        if let (Some(n), Some(p)) = (self.next.get_mut(at), self.passed.get_mut(at)) {
            (*n, *p) = (next, passed);
        }
    }
}

/// Leases what is due. `before` tells which lanes are worth asking, `fresh` that this demand was not tried before.
pub(super) fn lease(
    tx: &mut Tx<'_>,
    want: &Want,
    now: UnixMs,
    before: &Hints,
    fresh: bool,
) -> Result<Vec<Leased>, StoreError> {
    let most = want.most.max(1);
    let mut leased = Vec::new();
    let paused = lanes::paused(tx)?;
    for lane in Lane::ALL.into_iter().filter(|lane| *lane <= want.lanes && !*paused.of(*lane)) {
        if leased.len() >= most {
            break;
        }
        if before.worth(lane, now, fresh) {
            lease_lane(tx, want, lane, now, &mut leased)?;
        }
    }
    Ok(leased)
}

/// What the index says of one lane.
#[derive(Default)]
struct Found {
    ready: Vec<MessageId>,
    overdue: Vec<MessageId>,
    passed: bool,
    /// All due entries were seen.
    complete: bool,
}

fn lease_lane(
    tx: &mut Tx<'_>,
    want: &Want,
    lane: Lane,
    now: UnixMs,
    leased: &mut Vec<Leased>,
) -> Result<(), StoreError> {
    let found = scan(tx, want, lane, now, want.most.max(1).saturating_sub(leased.len()))?;
    recovery::expire(tx, &found.overdue, now)?;
    for id in &found.ready {
        leased.extend(take(tx, *id, want, now)?);
    }
    let next = if found.complete { next_due(tx, lane, now)? } else { UnixMs(i64::MIN) };
    tx.hints.set(lane, next, found.passed);
    Ok(())
}

fn scan(tx: &Tx<'_>, want: &Want, lane: Lane, now: UnixMs, most: usize) -> Result<Found, StoreError> {
    let mut found = Found::default();
    let mut due = tx.conn.prepare_cached(if want.begun_only { DUE_BEGUN } else { DUE })?;
    found.passed = want.begun_only;
    let mut rows = due.query(params![lane as i64, now.0])?;
    let mut judged = 0;
    while found.ready.len() < most && judged < SCANNED {
        let Some(row) = rows.next()? else {
            found.complete = true;
            break;
        };
        let id = id_of(row, 0)?;
        let bound = row.get_ref(3)?.as_str_or_null().unwrap_or(None);
        if time_of(row, 2)? <= now {
            found.overdue.push(id);
        } else if bound.is_some_and(|bound| !want.channels.iter().any(|ready| &*ready.0 == bound)) {
            // Not counted: what waits for an absent SIM is little and must not hide what stands behind it.
            found.passed = true;
            continue;
        } else {
            found.ready.push(id);
        }
        judged += 1;
    }
    Ok(found)
}

fn next_due(tx: &Tx<'_>, lane: Lane, now: UnixMs) -> Result<UnixMs, StoreError> {
    let mut next = tx.conn.prepare_cached(NEXT_DUE)?;
    let mut rows = next.query(params![lane as i64, now.0])?;
    rows.next()?.map_or(Ok(UnixMs(i64::MAX)), |row| time_of(row, 0))
}

/// Leases a submitted login for a round over another channel.
pub(in crate::store) fn second_round(tx: &Tx<'_>, round: &SecondRound) -> Result<Option<Leased>, StoreError> {
    let (id, until) = (round.id, round.at.plus(round.lease));
    let cause = format!("no report came over {}", round.first);
    let by_us = |state, cause| Move { state, actor: Actor::Dispatcher, at: round.at, cause };
    let again = by_us(State::Queued, Some(&*cause));
    if change(tx, AGAIN, id, &again, params![&*round.first.0], |_| ())?.is_none() {
        return Ok(None);
    }
    let leased = by_us(State::Leased, None);
    let taken = change(tx, TAKE, id, &leased, params![until.0], |row| taken(tx, id, until, row))?;
    let Some((mut leased, Ok(body))) = taken.transpose()? else {
        turn::rest_if_submitted(tx, id, Actor::Dispatcher, round.at)?;
        return Ok(None);
    };
    leased.body = body;
    leased.open = (1..=leased.segments).collect();
    leased.first_round = Some(round.first.clone());
    Ok(Some(leased))
}

/// Moves one row into the dispatcher's hands; `None` if nothing of it is left to send.
fn take(tx: &Tx<'_>, id: MessageId, want: &Want, now: UnixMs) -> Result<Option<Leased>, StoreError> {
    let until = now.plus(want.lease);
    let by_us = |state, cause| Move { state, actor: Actor::Dispatcher, at: now, cause };
    let taken =
        change(tx, TAKE, id, &by_us(State::Leased, None), params![until.0], |row| taken(tx, id, until, row))?;
    let Some((mut leased, opened)) = taken.transpose()? else { return Ok(None) };
    match opened {
        Ok(body) => leased.body = body,
        // One row that was tampered with must not hold up all behind it.
        Err(error) => {
            let cause = format!("its text cannot be opened: {error}");
            turn::rest(tx, id, &by_us(State::Failed, Some(&cause)))?;
            return Ok(None);
        }
    }
    leased.open = if leased.epoch == 1 {
        (1..=leased.segments).collect()
    } else {
        Segments::read(tx, id)?.open(leased.lane, leased.segments, leased.uncertain)
    };
    if leased.open.is_empty() {
        let submitted = Segments::read(tx, id)?.all_submitted(leased.segments);
        let state = if submitted { State::Submitted } else { State::Uncertain };
        turn::rest(tx, id, &by_us(state, None))?;
        // Their reports may all be there.
        turn::follow(tx, id, Actor::Network, now)?;
        return Ok(None);
    }
    Ok(Some(leased))
}

/// The row as it was taken, without its open segments; its text apart, which may not open.
fn taken(
    tx: &Tx<'_>,
    id: MessageId,
    until: UnixMs,
    row: &Row<'_>,
) -> Result<(Leased, Result<Secret, SealError>), StoreError> {
    let sealed = row.get_ref(3)?.as_blob().map_err(|_| super::corrupt("body"))?;
    let opened = tx.keys.open(Place { table: "message", column: "body", row: id.as_bytes() }, sealed);
    let leased = Leased {
        id,
        epoch: row.get(0)?,
        until,
        lane: lane_of(row, 1)?,
        to: number_of(row, 2)?,
        recipient: recipient(tx, row.get_ref(2)?.as_bytes().map_err(|_| super::corrupt("phone number"))?),
        body: Secret::new(Vec::new()),
        flash: row.get(4)?,
        report: row.get(5)?,
        deadline: time_of(row, 6)?,
        segments: row.get(7)?,
        bound: row.get::<_, Option<_>>(8)?.map(ChannelId),
        refused_by: row.get::<_, Option<_>>(9)?.map(ChannelId),
        concat_ref: row.get(10)?,
        coding: coding_of(row, 13)?,
        open: Vec::new(),
        refusals: row.get(11)?,
        uncertain: row.get(12)?,
        first_round: None,
    };
    Ok((leased, opened))
}

/// A number as budgets know it.
fn recipient(tx: &Tx<'_>, number: &[u8]) -> Recipient {
    let mac = tx.keys.mac("recipient", &[number]);
    Recipient(mac.first_chunk().copied().unwrap_or_default())
}

/// Gives leases back whose attempt has not begun.
pub(in crate::store) fn release(
    tx: &mut Tx<'_>,
    leases: &[(MessageId, i64)],
    due: Option<UnixMs>,
) -> Result<(), StoreError> {
    let to = Move { state: State::Queued, actor: Actor::Dispatcher, at: clock::wall(), cause: None };
    let bare = i64::try_from(life::BARE).unwrap_or(0);
    for (id, epoch) in leases {
        let values = params![epoch, due.map(|due| due.0), bare];
        let released = change(tx, RELEASE, *id, &to, values, |row| {
            Ok::<_, StoreError>((lane_of(row, 0)?, time_of(row, 1)?))
        })?;
        if let Some((lane, due)) = released.transpose()? {
            tx.hints.due(lane, due);
            if *epoch > 1 {
                turn::rest_if_submitted(tx, *id, to.actor, to.at)?;
            }
        }
    }
    Ok(())
}
