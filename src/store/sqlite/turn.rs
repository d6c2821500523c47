//! Attempts beginning and ending, and the one place where a message's state follows from its segments.

use rusqlite::{OptionalExtension, params};

use super::life::{and_life, change, change_unread};
use super::{Tx, corrupt, lane_of, spent, state_of};
use crate::provider::Verdict;
use crate::queue::life::{Actor, Move};
use crate::queue::message::{Lane, MessageId, State};
use crate::queue::rules::{self, Ended, Next, Standing};
use crate::store::{AttemptState, Begin, Begun, End, StoreError, Turn};
use crate::units::UnixMs;

/// What is withdrawn, lapsed, late or in the air already gives no row. Kept apart from the insertion: an INSERT that reads its
/// own table goes through a temporary one, at twice the cost.
const MAY_BEGIN: &str = "SELECT (SELECT coalesce(max(n), 0) + 1 FROM attempt WHERE message = ?1 AND seq = ?3)
    FROM message WHERE id = ?1 AND state = 1 AND epoch = ?2 AND deadline > ?4
    AND NOT EXISTS (SELECT 1 FROM attempt WHERE message = ?1 AND seq = ?3 AND state = 0)";

const BEGIN: &str =
    "INSERT INTO attempt (message, seq, n, channel, epoch, state, begun) VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6)";

const OPEN_ATTEMPT: &str =
    "SELECT n, state, channel, begun FROM attempt WHERE message = ?1 AND seq = ?2 AND epoch = ?3
    ORDER BY n DESC LIMIT 1";

const END: &str = "UPDATE attempt SET state = ?4, ended = ?5, reference = ?6, cause = ?7
    WHERE message = ?1 AND seq = ?2 AND n = ?3";

const MOVE: &str = concat!(
    "UPDATE message SET state = ?2, changed = ?3, ",
    and_life!(),
    ", due = coalesce(?7, due), cause = coalesce(?8, cause), refusals = refusals + ?9, uncertain = uncertain + ?10,
    refused_by = coalesce(?11, refused_by), channel = CASE WHEN segments > 1 THEN coalesce(?12, channel) ELSE channel END
    WHERE id = ?1 AND state = 1 AND epoch = ?6 RETURNING lane, segments"
);

/// The next segment follows under the same lease.
const STAY: &str = "UPDATE message SET changed = ?3, cause = coalesce(?4, cause), uncertain = uncertain + ?5,
    channel = CASE WHEN segments > 1 THEN coalesce(?6, channel) ELSE channel END
    WHERE id = ?1 AND state = 1 AND epoch = ?2";

const REST: &str = concat!(
    "UPDATE message SET state = ?2, changed = ?3, ",
    and_life!(),
    ", cause = coalesce(?6, cause) WHERE id = ?1"
);

const REQUEUE: &str = concat!(
    "UPDATE message SET state = ?2, changed = ?3, ",
    and_life!(),
    ", due = ?6 WHERE id = ?1 RETURNING lane"
);

const STATE: &str = "SELECT state, segments, deadline FROM message WHERE id = ?1";

/// Without what a retry overruled.
const SEGMENTS: &str =
    "SELECT seq, state, verdict FROM attempt WHERE message = ?1 AND overruled IS NOT state ORDER BY seq, n";

const CERTAIN: &str = "UPDATE message SET uncertain = max(uncertain - 1, 0) WHERE id = ?1";

/// Why a message is queued again after an attempt that was abandoned.
pub(in crate::store) const NOTHING_LEFT: &str = "the attempt was given up before anything left";

/// What ended, then what begins: the next segment's attempt may follow its predecessor's end in the same turn.
pub(in crate::store) fn turn(tx: &mut Tx<'_>, turn: &Turn) -> Result<Vec<Begun>, StoreError> {
    for ended in &turn.ended {
        end(tx, ended)?;
    }
    turn.begun.iter().map(|begun| begin(tx, begun)).collect()
}

fn begin(tx: &Tx<'_>, begin: &Begin) -> Result<Begun, StoreError> {
    let id = begin.id.as_bytes();
    let n = tx
        .conn
        .prepare_cached(MAY_BEGIN)?
        .query_row(params![id, begin.epoch, begin.seq, begin.at.0], |row| row.get::<_, i64>(0))
        .optional()?;
    let Some(n) = n else { return Ok(Begun::Refused) };
    let row = params![id, begin.seq, n, &*begin.channel.0, begin.epoch, begin.at.0];
    tx.conn.prepare_cached(BEGIN)?.execute(row)?;
    spent::count(tx, &begin.channel.0, begin.whom, begin.at)?;
    Ok(Begun::Durable)
}

fn end(tx: &mut Tx<'_>, end: &End) -> Result<(), StoreError> {
    let id = end.id.as_bytes();
    let attempt = tx
        .conn
        .prepare_cached(OPEN_ATTEMPT)?
        .query_row(params![id, end.seq, end.epoch], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?, UnixMs(row.get(3)?)))
        })
        .optional()?;
    let was = attempt.as_ref().map(|(_, state, ..)| *state);
    // An attempt that is settled stays settled; only an open or a doubtful one learns how it ended.
    let learns = was == Some(AttemptState::Begun as i64) || was == Some(AttemptState::Uncertain as i64);
    if let (Some((n, _, channel, begun)), true) = (&attempt, learns) {
        if matches!(end.result, AttemptState::Refused | AttemptState::Abandoned) {
            spent::take_back(tx, channel, end.whom, *begun)?;
        }
        let reference = end.reference.map(|reference| reference.0);
        tx.conn.prepare_cached(END)?.execute(params![
            id,
            end.seq,
            n,
            end.result as i64,
            end.at.0,
            reference,
            end.cause
        ])?;
    }
    let channel = attempt.as_ref().map(|(_, _, channel, _)| channel.as_str());
    if move_leased(tx, end, channel)? {
        return Ok(());
    }
    if learns { overtaken(tx, end, was == Some(AttemptState::Uncertain as i64)) } else { Ok(()) }
}

/// The usual end: the lease still holds, so the message goes where the rules say. `false` if it does not hold.
fn move_leased(tx: &mut Tx<'_>, end: &End, channel: Option<&str>) -> Result<bool, StoreError> {
    let refused = end.result == AttemptState::Refused;
    let uncertain = end.result == AttemptState::Uncertain;
    let left = channel.filter(|_| uncertain || end.result == AttemptState::Submitted);
    let (state, due) = match end.next {
        Next::Continue => {
            let row = params![end.id.as_bytes(), end.epoch, end.at.0, end.cause, uncertain, left];
            return Ok(tx.conn.prepare_cached(STAY)?.execute(row)? > 0);
        }
        Next::Rest(state) => (state, None),
        Next::Retry(due) => (State::Queued, Some(due)),
    };
    let abandoned = (end.result == AttemptState::Abandoned).then_some(NOTHING_LEFT);
    let to = Move { state, actor: Actor::Dispatcher, at: end.at, cause: end.cause.as_deref().or(abandoned) };
    let values = params![
        end.epoch,
        due.map(|due| due.0),
        end.cause,
        refused,
        uncertain,
        channel.filter(|_| refused),
        left,
    ];
    let moved = change(tx, MOVE, end.id, &to, values, |row| {
        Ok::<_, StoreError>((lane_of(row, 0)?, row.get::<_, u8>(1)?))
    })?;
    let Some((lane, segments)) = moved.transpose()? else { return Ok(false) };
    if let Some(due) = due {
        tx.hints.due(lane, due);
    }
    // Reports for the first segments, or for an earlier round, may have come while the last were leaving.
    let earlier = segments > 1 || end.epoch > 1;
    if earlier && matches!(state, State::Submitted | State::Uncertain) {
        follow(tx, end.id, Actor::Network, end.at)?;
    }
    Ok(true)
}

/// The lease was lost meanwhile, but what the attempt came to is a fact: the message moves only where that leads.
fn overtaken(tx: &mut Tx<'_>, end: &End, doubted: bool) -> Result<(), StoreError> {
    let certain =
        matches!(end.result, AttemptState::Submitted | AttemptState::Refused | AttemptState::Abandoned);
    if doubted && certain {
        no_longer_doubtful(tx, end.id)?;
    }
    if end.result == AttemptState::Submitted {
        return follow(tx, end.id, Actor::Dispatcher, end.at);
    }
    let state = tx
        .conn
        .prepare_cached(STATE)?
        .query_row([end.id.as_bytes()], |row| Ok(state_of(row, 0)))
        .optional()?
        .transpose()?;
    if state != Some(State::Uncertain) || !certain || Segments::read(tx, end.id)?.any_in_doubt() {
        return Ok(());
    }
    // It was the only doubt, and it did not leave after all.
    let to = |state| Move { state, actor: Actor::Dispatcher, at: end.at, cause: end.cause.as_deref() };
    match end.next {
        Next::Retry(due) => requeue(tx, end.id, due, &to(State::Queued)),
        Next::Rest(state) => rest(tx, end.id, &to(state)),
        Next::Continue => requeue(tx, end.id, end.at, &to(State::Queued)),
    }
}

/// Moves the message to rest.
pub(super) fn rest(tx: &Tx<'_>, id: MessageId, to: &Move<'_>) -> Result<(), StoreError> {
    change_unread(tx, REST, id, to, params![to.cause])?;
    Ok(())
}

/// Puts the message back into the queue.
pub(super) fn requeue(tx: &mut Tx<'_>, id: MessageId, due: UnixMs, to: &Move<'_>) -> Result<(), StoreError> {
    let lane = change(tx, REQUEUE, id, to, params![due.0], |row| lane_of(row, 0))?;
    if let Some(lane) = lane {
        tx.hints.due(lane?, due);
    }
    Ok(())
}

/// One attempt less is in doubt.
pub(super) fn no_longer_doubtful(tx: &Tx<'_>, id: MessageId) -> Result<(), StoreError> {
    tx.conn.prepare_cached(CERTAIN)?.execute([id.as_bytes()])?;
    Ok(())
}

/// Lets the message's state follow what its segments came to, by the news that `actor` brought. What was withdrawn or refused for
/// good stays so.
pub(super) fn follow(tx: &Tx<'_>, id: MessageId, actor: Actor, now: UnixMs) -> Result<(), StoreError> {
    let found = tx
        .conn
        .prepare_cached(STATE)?
        .query_row([id.as_bytes()], |row| Ok((state_of(row, 0), row.get::<_, u8>(1)?)))
        .optional()?;
    let Some((state, total)) = found else { return Ok(()) };
    let state = state?;
    let segments = Segments::read(tx, id)?;
    let movable = match state {
        State::Submitted | State::Queued | State::Uncertain | State::Expired => segments.all_submitted(total),
        State::Leased => segments.all_submitted(total) && !segments.any_open(),
        State::Delivered | State::Failed | State::Withdrawn => false,
    };
    let to = segments.reported();
    if !movable || to == state {
        return Ok(());
    }
    rest(tx, id, &Move { state: to, actor, at: now, cause: None })
}

/// A message whose segments were all taken in an earlier round rests as its reports have it, whatever became of its second round;
/// `true` if it does.
pub(super) fn rest_if_submitted(
    tx: &Tx<'_>,
    id: MessageId,
    actor: Actor,
    now: UnixMs,
) -> Result<bool, StoreError> {
    let total: Option<u8> =
        tx.conn.prepare_cached(STATE)?.query_row([id.as_bytes()], |row| row.get(1)).optional()?;
    let segments = Segments::read(tx, id)?;
    let submitted = total.is_some_and(|total| segments.all_submitted(total));
    if submitted {
        rest(tx, id, &Move { state: segments.reported(), actor, at: now, cause: None })?;
    }
    Ok(submitted)
}

/// The attempts of one message, as far as its state depends on them.
pub(in crate::store) struct Segments(Vec<Tried>);

struct Tried {
    seq: u8,
    state: i64,
    verdict: Option<i64>,
}

impl Segments {
    pub(super) fn read(tx: &Tx<'_>, id: MessageId) -> Result<Self, StoreError> {
        let mut read = tx.conn.prepare_cached(SEGMENTS)?;
        let rows = read.query_map([id.as_bytes()], |row| {
            Ok(Tried { seq: row.get(0)?, state: row.get(1)?, verdict: row.get(2)? })
        })?;
        Ok(Self(rows.collect::<Result<_, _>>()?))
    }

    /// Of attempts as (segment, state, verdict).
    #[cfg(feature = "postgres")]
    pub(in crate::store) fn of(tried: impl Iterator<Item = (u8, i64, Option<i64>)>) -> Self {
        Self(tried.map(|(seq, state, verdict)| Tried { seq, state, verdict }).collect())
    }

    /// Segments still to go: neither submitted nor in a doubt that the lane may not resolve by repeating.
    pub(in crate::store) fn open(&self, lane: Lane, total: u8, uncertain: u32) -> Vec<u8> {
        let repeat = repeats(lane, uncertain);
        (1..=total)
            .filter(|seq| {
                !self.has(*seq, AttemptState::Submitted)
                    && (repeat || !self.has(*seq, AttemptState::Uncertain))
            })
            .collect()
    }

    pub(in crate::store) fn all_submitted(&self, total: u8) -> bool {
        (1..=total).all(|seq| self.has(seq, AttemptState::Submitted))
    }

    pub(in crate::store) fn any_in_doubt(&self) -> bool {
        (0..=u8::MAX).any(|seq| self.exactly(seq, AttemptState::Uncertain))
    }

    pub(in crate::store) fn any_open(&self) -> bool {
        self.0.iter().any(|tried| tried.state == AttemptState::Begun as i64)
    }

    /// An attempt of the whole text (segment 0) counts for every segment.
    fn has(&self, seq: u8, state: AttemptState) -> bool {
        self.0.iter().any(|tried| (tried.seq == seq || tried.seq == 0) && tried.state == state as i64)
    }

    /// In `state` and never submitted.
    fn exactly(&self, seq: u8, state: AttemptState) -> bool {
        self.0.iter().any(|tried| tried.seq == seq && tried.state == state as i64)
            && !self.has(seq, AttemptState::Submitted)
    }

    /// What the reports make of a message whose segments were all taken.
    pub(in crate::store) fn reported(&self) -> State {
        let submitted = || self.0.iter().filter(|tried| tried.state == AttemptState::Submitted as i64);
        let said = |seq: u8, verdict: Verdict| {
            submitted().filter(move |t| t.seq == seq && t.verdict == Some(verdict as i64)).count()
        };
        let copies = |seq: u8| submitted().filter(move |tried| tried.seq == seq).count();
        if submitted().any(|t| said(t.seq, Verdict::Failed) == copies(t.seq)) {
            State::Failed
        } else if submitted().all(|t| said(t.seq, Verdict::Delivered) > 0) {
            State::Delivered
        } else {
            State::Submitted
        }
    }
}

/// Whether the rules let a segment in doubt go again.
fn repeats(lane: Lane, uncertain: u32) -> bool {
    let standing = Standing { lane, deadline: UnixMs(i64::MAX), refusals: 0, uncertain, remaining: 0 };
    matches!(rules::after_attempt(Ended::Uncertain, standing, UnixMs(0), 0), Next::Retry(_))
}

/// The lane, deadline, counters and segments that the rules want to know of a message.
pub(super) fn standing(tx: &Tx<'_>, id: MessageId) -> Result<(Standing, u8), StoreError> {
    tx.conn
        .prepare_cached("SELECT lane, deadline, refusals, uncertain, segments FROM message WHERE id = ?1")?
        .query_row([id.as_bytes()], |row| {
            let (deadline, refusals, uncertain) = (UnixMs(row.get(1)?), row.get(2)?, row.get(3)?);
            let total = row.get(4)?;
            Ok(lane_of(row, 0)
                .map(|lane| (Standing { lane, deadline, refusals, uncertain, remaining: 0 }, total)))
        })
        .optional()?
        .ok_or_else(|| corrupt("attempt without message"))?
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::store::seal::Keyring;

    #[test]
    fn statements_of_a_turn_are_planned_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        let conn = crate::store::sqlite::open(&path, &Keyring::generate().unwrap(), None).unwrap();
        let id: &[u8] = &[0; 16];
        for sql in [MAY_BEGIN, OPEN_ATTEMPT] {
            let mut statement = conn.prepare(sql).unwrap();
            let values = statement.parameter_count() - 1;
            for n in [1, 2, 0, 7, 1] {
                statement.raw_bind_parameter(1, id).unwrap();
                (0..values).for_each(|at| statement.raw_bind_parameter(at + 2, n).unwrap());
                assert!(statement.raw_query().next().unwrap().is_none());
            }
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "{sql}");
        }
    }
}
