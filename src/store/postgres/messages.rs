//! Messages as a transaction holds them: read and locked in one go, moved in memory by the rules, written back in one go.
//!
//! SQLite asks and writes row by row, since a statement costs it a microsecond. Here every statement is a way to the server and
//! back, so a batch of jobs costs two: one for all rows, one for all changes. What is decided in between is pure.

use std::collections::BTreeMap;

use tokio_postgres::Row;
use uuid::Uuid;

use super::spent::Count;
use super::time::shifted;
use super::{Tx, corrupt, id_of, outbox};
use crate::provider::Verdict;
use crate::queue::again::{self, NotAgain, Rest};
use crate::queue::life::{self, Actor, Move};
use crate::queue::message::{Lane, MessageId, State};
use crate::queue::rules::{self, Ended, Next, Standing};
use crate::store::sqlite::again::FORCED;
use crate::store::sqlite::recovery::{TakenBack, UNUSED};
use crate::store::sqlite::turn::{NOTHING_LEFT, Segments};
use crate::store::{
    AttemptState, Begin, Begun, End, Recovered, Retry, SecondRound, StoreError, Turned, Withdrawn,
};
use crate::units::{MessageRef, UnixMs};

const LOCK: &str =
    "SELECT id, state, lane, due, epoch, channel, refused_by, refusals, uncertain, cause, changed,
    deadline, segments, caller, octet_length(life),
    CASE WHEN octet_length(life) > 0 THEN get_byte(life, octet_length(life) - 1) END, recipient, callback.target, report
    FROM message LEFT JOIN callback ON callback.message = message.id
    WHERE id = ANY($1) ORDER BY id FOR UPDATE OF message";

const ATTEMPTS: &str =
    "SELECT message, seq, n, channel, epoch, state, begun, ended, reference, cause, status, verdict, reported,
    overruled FROM attempt WHERE message = ANY($1) ORDER BY message, seq, n";

const MOVE: &str = "UPDATE message SET state = moved.state, due = moved.due, epoch = moved.epoch, channel = moved.channel,
    refused_by = moved.refused_by, refusals = moved.refusals, uncertain = moved.uncertain, cause = moved.cause,
    changed = moved.changed, body = CASE WHEN moved.erased THEN '' ELSE message.body END, deadline = moved.deadline, life = substr(life, 1, octet_length(life) - moved.cut) || moved.entries
    FROM unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::integer[], $8::integer[],
        $9::text[], $10::bigint[], $11::integer[], $12::bytea[], $13::bigint[], $14::boolean[])
        AS moved (id, state, due, epoch, channel, refused_by, refusals, uncertain, cause, changed, cut, entries, deadline,
            erased)
    WHERE message.id = moved.id";

const WRITE: &str = "INSERT INTO attempt (message, seq, n, channel, epoch, state, begun, ended, reference, cause, status, verdict,
        reported, overruled)
    SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::integer[], $4::text[], $5::bigint[], $6::smallint[], $7::bigint[],
        $8::bigint[], $9::smallint[], $10::text[], $11::smallint[], $12::smallint[], $13::bigint[], $14::smallint[])
    ON CONFLICT (message, seq, n) DO UPDATE SET state = excluded.state, ended = excluded.ended, reference = excluded.reference,
        cause = excluded.cause, status = excluded.status, verdict = excluded.verdict, reported = excluded.reported, overruled = excluded.overruled";

/// The statements that go together with others, to be prepared beforehand.
pub(super) const STATEMENTS: [&str; 4] = [LOCK, ATTEMPTS, MOVE, WRITE];

/// One message. Times are the server's.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) id: MessageId,
    pub(super) state: State,
    pub(super) lane: Lane,
    pub(super) caller: String,
    was: State,
    due: i64,
    epoch: i64,
    channel: Option<String>,
    refused_by: Option<String>,
    refusals: i32,
    uncertain: i32,
    cause: Option<String>,
    changed: i64,
    deadline: i64,
    segments: u8,
    /// Octets of its life that stay.
    kept: usize,
    /// The state that its life has come to, as a code.
    last: Option<u8>,
    /// Octets of its life that are taken away.
    cut: i32,
    /// What is put behind it.
    entries: Vec<u8>,
    /// Changes that others may want to hear of.
    told: Vec<Turned>,
    to: String,
    /// A handset report is wanted.
    report: bool,
    /// Its text goes whatever its state.
    erased: bool,
    /// Where its Kannel client wants to hear of it, sealed.
    callback: Option<Vec<u8>>,
    tries: Vec<Try>,
    dirty: bool,
}

/// One attempt.
#[derive(Debug, Clone)]
struct Try {
    seq: i16,
    n: i32,
    channel: String,
    epoch: i64,
    state: i16,
    begun: i64,
    ended: Option<i64>,
    reference: Option<i16>,
    cause: Option<String>,
    status: Option<i16>,
    verdict: Option<i16>,
    reported: Option<i64>,
    /// The state that a retry overruled.
    overruled: Option<i16>,
    dirty: bool,
}

/// Messages by id, locked for this transaction.
#[derive(Debug, Default)]
pub(super) struct Messages(BTreeMap<MessageId, Message>);

impl Messages {
    /// Reads and locks these messages; unknown ones are left out.
    pub(super) async fn load(
        tx: &Tx<'_>,
        ids: impl IntoIterator<Item = MessageId>,
    ) -> Result<Self, StoreError> {
        let mut ids: Vec<Uuid> = ids.into_iter().map(|id| Uuid::from_bytes(*id.as_bytes())).collect();
        if ids.is_empty() {
            return Ok(Self::default());
        }
        ids.sort_unstable();
        ids.dedup();
        // The server takes them in this order, so the attempts are read under the lock.
        let which: [&(dyn tokio_postgres::types::ToSql + Sync); 1] = [&ids];
        let (messages, attempts) =
            tokio::try_join!(tx.link.query(LOCK, &which), tx.link.query(ATTEMPTS, &which))?;
        let mut messages = messages
            .iter()
            .map(|row| Message::read(row).map(|message| (message.id, message)))
            .collect::<Result<BTreeMap<_, _>, _>>()?;
        for row in &attempts {
            if let Some(message) = messages.get_mut(&id_of(row, 0)?) {
                message.tries.push(Try::read(row)?);
            }
        }
        Ok(Self(messages))
    }

    pub(super) fn get(&mut self, id: MessageId) -> Option<&mut Message> {
        self.0.get_mut(&id)
    }

    pub(super) fn all(&mut self) -> impl Iterator<Item = &mut Message> {
        self.0.values_mut()
    }

    /// Writes what was moved.
    pub(super) async fn save(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        for message in self.0.values().filter(|message| message.state != message.was) {
            tx.ledger.borrow_mut().moved(message.lane, message.was, message.state);
            if message.state == State::Queued {
                tx.hints.borrow_mut().due(message.lane, UnixMs(message.due));
                tx.queued.set(true);
            }
        }
        for message in self.0.values() {
            message
                .told
                .iter()
                .try_for_each(|turned| outbox::turned(tx, turned.clone(), message.callback()))?;
        }
        tokio::try_join!(self.save_messages(tx), self.save_attempts(tx))?;
        Ok(())
    }

    async fn save_messages(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        let moved: Vec<_> = self.0.values().filter(|message| message.dirty).collect();
        if moved.is_empty() {
            return Ok(());
        }
        macro_rules! column {
            ($of:expr) => {
                &moved.iter().map($of).collect::<Vec<_>>()
            };
        }
        let columns: [&(dyn tokio_postgres::types::ToSql + Sync); 14] = [
            column!(|message| Uuid::from_bytes(*message.id.as_bytes())),
            column!(|message| message.state as i16),
            column!(|message| message.due),
            column!(|message| message.epoch),
            column!(|message| message.channel.as_deref()),
            column!(|message| message.refused_by.as_deref()),
            column!(|message| message.refusals),
            column!(|message| message.uncertain),
            column!(|message| message.cause.as_deref()),
            column!(|message| message.changed),
            column!(|message| message.cut),
            column!(|message| message.entries.as_slice()),
            column!(|message| message.deadline),
            column!(|message| message.erased || message.is_spent()),
        ];
        tx.link.execute(MOVE, &columns).await.map(drop)
    }

    async fn save_attempts(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        let all = self.0.values().flat_map(|message| message.tries.iter().map(|tried| (message.id, tried)));
        let written: Vec<_> = all.filter(|(_, tried)| tried.dirty).collect();
        if written.is_empty() {
            return Ok(());
        }
        macro_rules! column {
            ($of:expr) => {
                &written.iter().map($of).collect::<Vec<_>>()
            };
        }
        let columns: [&(dyn tokio_postgres::types::ToSql + Sync); 14] = [
            column!(|(id, _)| Uuid::from_bytes(*id.as_bytes())),
            column!(|(_, tried)| tried.seq),
            column!(|(_, tried)| tried.n),
            column!(|(_, tried)| tried.channel.as_str()),
            column!(|(_, tried)| tried.epoch),
            column!(|(_, tried)| tried.state),
            column!(|(_, tried)| tried.begun),
            column!(|(_, tried)| tried.ended),
            column!(|(_, tried)| tried.reference),
            column!(|(_, tried)| tried.cause.as_deref()),
            column!(|(_, tried)| tried.status),
            column!(|(_, tried)| tried.verdict),
            column!(|(_, tried)| tried.reported),
            column!(|(_, tried)| tried.overruled),
        ];
        tx.link.execute(WRITE, &columns).await.map(drop)
    }
}

impl Message {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let state = super::state_of(row, 1)?;
        Ok(Self {
            id: id_of(row, 0)?,
            state,
            was: state,
            lane: super::lane_of(row, 2)?,
            due: row.try_get(3)?,
            epoch: row.try_get(4)?,
            channel: row.try_get(5)?,
            refused_by: row.try_get(6)?,
            refusals: row.try_get(7)?,
            uncertain: row.try_get(8)?,
            cause: row.try_get(9)?,
            changed: row.try_get(10)?,
            deadline: row.try_get(11)?,
            segments: super::octet_of(row, 12)?,
            caller: row.try_get(13)?,
            kept: usize::try_from(row.try_get::<_, i32>(14)?).unwrap_or(0),
            last: row.try_get::<_, Option<i32>>(15)?.and_then(|last| u8::try_from(last).ok()),
            cut: 0,
            entries: Vec::new(),
            told: Vec::new(),
            to: row.try_get(16)?,
            callback: row.try_get(17)?,
            report: row.try_get(18)?,
            erased: false,
            tries: Vec::new(),
            dirty: false,
        })
    }

    /// An attempt may begin if the lease holds, the message may still leave, and the segment is not in the air.
    pub(super) fn begin(&mut self, begin: &Begin, shift: i64, now: UnixMs) -> Begun {
        let seq = i16::from(begin.seq);
        let at = shifted(begin.at, shift);
        let holds = self.state == State::Leased && self.epoch == begin.epoch;
        let in_time = self.deadline > at.max(now.0);
        let in_the_air = |tried: &Try| tried.seq == seq && tried.state == AttemptState::Begun as i16;
        if !holds || !in_time || self.tries.iter().any(in_the_air) {
            return Begun::Refused;
        }
        let n = self.tries.iter().filter(|tried| tried.seq == seq).map(|tried| tried.n).max().unwrap_or(0);
        self.tries.push(Try {
            seq,
            n: n.saturating_add(1),
            channel: begin.channel.0.to_string(),
            epoch: begin.epoch,
            state: AttemptState::Begun as i16,
            begun: at,
            ended: None,
            reference: None,
            cause: None,
            status: None,
            verdict: None,
            reported: None,
            overruled: None,
            dirty: true,
        });
        Begun::Durable
    }

    /// An attempt ended: the message goes where the rules say, if the lease still holds, and else only where the fact leads. What is
    /// given back to the budget is returned.
    pub(super) fn end(&mut self, end: &End, shift: i64) -> Option<Count> {
        let seq = i16::from(end.seq);
        let tries = self.tries.iter_mut();
        let tried =
            tries.filter(|tried| tried.seq == seq && tried.epoch == end.epoch).max_by_key(|tried| tried.n);
        let was = tried.as_ref().map(|tried| tried.state);
        // An attempt that is settled stays settled; only an open or a doubtful one learns how it ended.
        let doubted = was == Some(AttemptState::Uncertain as i16);
        let learns = doubted || was == Some(AttemptState::Begun as i16);
        let at = shifted(end.at, shift);
        let mut back = None;
        let mut channel = None;
        if let Some(tried) = tried {
            channel = Some(tried.channel.clone());
            if learns {
                if matches!(end.result, AttemptState::Refused | AttemptState::Abandoned) {
                    back = Some(Count {
                        channel: tried.channel.clone(),
                        whom: end.whom,
                        at: UnixMs(tried.begun),
                    });
                }
                tried.state = end.result as i16;
                tried.ended = Some(at);
                tried.reference = end.reference.map(|reference| i16::from(reference.0));
                tried.cause.clone_from(&end.cause);
                tried.dirty = true;
            }
        }
        if self.state == State::Leased && self.epoch == end.epoch {
            self.move_leased(end, channel, at, shift);
        } else if learns {
            self.overtaken(end, doubted, at, shift);
        }
        back
    }

    fn move_leased(&mut self, end: &End, channel: Option<String>, at: i64, shift: i64) {
        (self.dirty, self.changed) = (true, at);
        if end.cause.is_some() {
            self.cause.clone_from(&end.cause);
        }
        let abandoned = (end.result == AttemptState::Abandoned).then_some(NOTHING_LEFT);
        let cause = end.cause.as_deref().or(abandoned);
        let to = |state| Move { state, actor: Actor::Dispatcher, at: UnixMs(at), cause };
        match end.next {
            Next::Continue => {}
            Next::Rest(state) => self.go(&to(state)),
            Next::Retry(due) => self.requeue(shifted(due, shift), &to(State::Queued)),
        }
        let uncertain = end.result == AttemptState::Uncertain;
        if end.result == AttemptState::Refused {
            self.refusals = self.refusals.saturating_add(1);
            self.refused_by.clone_from(&channel);
        }
        self.uncertain = self.uncertain.saturating_add(i32::from(uncertain));
        if self.segments > 1 && channel.is_some() && (uncertain || end.result == AttemptState::Submitted) {
            self.channel = channel;
        }
        // Reports for the first segments, or for an earlier round, may have come while the last were leaving.
        let earlier = self.segments > 1 || end.epoch > 1;
        if earlier && matches!(self.state, State::Submitted | State::Uncertain) {
            self.follow(Actor::Network, at);
        }
    }

    /// The lease was lost meanwhile, but what the attempt came to is a fact: the message moves only where that leads.
    fn overtaken(&mut self, end: &End, doubted: bool, at: i64, shift: i64) {
        let certain =
            matches!(end.result, AttemptState::Submitted | AttemptState::Refused | AttemptState::Abandoned);
        if doubted && certain {
            self.no_longer_doubtful();
        }
        if end.result == AttemptState::Submitted {
            return self.follow(Actor::Dispatcher, at);
        }
        if self.state != State::Uncertain || !certain || self.parts().any_in_doubt() {
            return;
        }
        // It was the only doubt, and it did not leave after all.
        let cause = end.cause.as_deref();
        let to = |state| Move { state, actor: Actor::Dispatcher, at: UnixMs(at), cause };
        match end.next {
            Next::Retry(due) => self.requeue(shifted(due, shift), &to(State::Queued)),
            Next::Rest(state) => self.rest(&to(state)),
            Next::Continue => self.requeue(at, &to(State::Queued)),
        }
    }

    /// The one way by which the state changes.
    fn go(&mut self, to: &Move<'_>) {
        (self.state, self.changed, self.dirty) = (to.state, to.at.0, true);
        self.live(to);
        self.told.extend(outbox::is_told(to).then(|| self.turned(to)));
    }

    /// What is to be told of a change; its time is the server's.
    pub(super) fn turned(&self, to: &Move<'_>) -> Turned {
        let newest = self.tries.iter().max_by_key(|tried| (tried.begun, tried.n));
        Turned {
            id: self.id,
            lane: self.lane,
            state: to.state,
            to: self.to.clone(),
            caller: self.caller.clone(),
            cause: to.cause.map(str::to_owned),
            channel: newest.map(|tried| tried.channel.clone()),
            reference: newest.and_then(|tried| u8::try_from(tried.reference?).ok()),
            left: self.tries.iter().any(|tried| tried.state == AttemptState::Submitted as i16),
            at: to.at,
        }
    }

    /// Whether its text has ended with what it was needed for: it arrived, was taken back, or was submitted where no report can say that
    /// it failed; a login may go another way until its challenge ends. Others may be tried again for a while.
    fn is_spent(&self) -> bool {
        let unreported = self.state == State::Submitted && self.lane != Lane::Login && !self.report;
        self.state != self.was && (unreported || matches!(self.state, State::Delivered | State::Withdrawn))
    }

    /// Its challenge was answered: if it is not waiting to leave, its text goes.
    pub(super) fn answered(&mut self) {
        if !matches!(self.state, State::Queued | State::Leased) {
            (self.erased, self.dirty) = (true, true);
        }
    }

    /// Where its Kannel client wants to hear of it, sealed.
    pub(super) fn callback(&self) -> Option<&[u8]> {
        self.callback.as_deref()
    }

    /// A message whose segments were all taken in an earlier round rests as its reports have it, whatever became of its second round;
    /// `true` if it does.
    fn rest_if_submitted(&mut self, actor: Actor, now: i64) -> bool {
        let parts = self.parts();
        let submitted = parts.all_submitted(self.segments);
        if submitted {
            self.go(&Move { state: parts.reported(), actor, at: UnixMs(now), cause: None });
        }
        submitted
    }

    fn live(&mut self, to: &Move<'_>) {
        if self.kept < life::room(to.state) {
            let entry = to.entry();
            self.kept += entry.len();
            self.last = entry.last().copied();
            self.entries.extend(entry);
        }
    }

    /// Moves the message to rest.
    pub(super) fn rest(&mut self, to: &Move<'_>) {
        self.go(to);
        if let Some(cause) = to.cause {
            self.cause = Some(cause.to_owned());
        }
    }

    fn requeue(&mut self, due: i64, to: &Move<'_>) {
        self.due = due;
        self.go(to);
    }

    fn no_longer_doubtful(&mut self) {
        (self.uncertain, self.dirty) = (self.uncertain.saturating_sub(1).max(0), true);
    }

    /// Lets the message's state follow what its segments came to, by the news that `actor` brought. What was withdrawn or refused for
    /// good stays so.
    pub(super) fn follow(&mut self, actor: Actor, now: i64) {
        let parts = self.parts();
        let movable = match self.state {
            State::Submitted | State::Queued | State::Uncertain | State::Expired => {
                parts.all_submitted(self.segments)
            }
            State::Leased => parts.all_submitted(self.segments) && !parts.any_open(),
            State::Delivered | State::Failed | State::Withdrawn => false,
        };
        let to = parts.reported();
        if movable && to != self.state {
            self.go(&Move { state: to, actor, at: UnixMs(now), cause: None });
        }
    }

    fn parts(&self) -> Segments {
        parts(
            self.tries
                .iter()
                .filter(|tried| tried.counts())
                .map(|tried| (tried.seq, tried.state, tried.verdict)),
        )
    }

    /// Gives a lease back whose attempt has not begun. A lease of which nothing began is taken out of the life again: what waits for a
    /// budget is leased and given back for hours.
    pub(super) fn release(&mut self, epoch: i64, due: Option<i64>, now: UnixMs) {
        if self.state != State::Leased || self.epoch != epoch || self.parts().any_open() {
            return;
        }
        (self.state, self.dirty) = (State::Queued, true);
        self.due = due.unwrap_or(self.due);
        let unused = !self.tries.iter().any(|tried| tried.epoch == epoch);
        if unused && self.last == Some(State::Leased as u8) && self.entries.is_empty() {
            self.cut = i32::try_from(life::BARE).unwrap_or(0);
        } else {
            self.live(&Move { state: State::Queued, actor: Actor::Dispatcher, at: now, cause: None });
        }
        if epoch > 1 {
            self.rest_if_submitted(Actor::Dispatcher, now.0);
        }
    }

    /// An attempt whose beginning was answered as failed, but may be durable: nothing of it left. Says what is given back.
    pub(super) fn never_begun(&mut self, begin: &Begin, now: i64) -> Option<Count> {
        let seq = i16::from(begin.seq);
        let tried = self.tries.iter_mut().find(|tried| {
            tried.seq == seq && tried.epoch == begin.epoch && tried.state == AttemptState::Begun as i16
        })?;
        (tried.state, tried.ended, tried.dirty) = (AttemptState::Abandoned as i16, Some(now), true);
        Some(Count { channel: tried.channel.clone(), whom: begin.whom, at: UnixMs(tried.begun) })
    }

    /// Takes the message back unless something of it is leaving; `actor` asks for it.
    pub(super) fn withdraw(&mut self, actor: Actor, now: i64) -> Withdrawn {
        let left = |tried: &Try| tried.epoch == self.epoch && matches!(tried.state, 0 | 1 | 3);
        let was = self.state;
        let still_here = match self.state {
            State::Queued => true,
            State::Leased => !self.tries.iter().any(left),
            State::Withdrawn => return Withdrawn::Done,
            _ => false,
        };
        // In the second round of a message the first has left.
        if !still_here || (self.state == State::Leased && self.rest_if_submitted(actor, now)) {
            return Withdrawn::TooLate(was);
        }
        self.go(&Move { state: State::Withdrawn, actor, at: UnixMs(now), cause: None });
        Withdrawn::Done
    }

    /// Takes the lease back by the rules of recovery.
    pub(super) fn recover(&mut self, by: TakenBack, now: i64, recovered: &mut Recovered) {
        let TakenBack { actor, cause } = by;
        let to = |state, cause| Move { state, actor, at: UnixMs(now), cause: Some(cause) };
        // A higher epoch fences off whoever may still hold the lease.
        (self.epoch, self.dirty) = (self.epoch.saturating_add(1), true);
        let mut last = None;
        for tried in self.tries.iter_mut().filter(|tried| tried.state == AttemptState::Begun as i16) {
            (tried.state, tried.ended, tried.dirty) = (AttemptState::Uncertain as i16, Some(now), true);
            tried.cause = Some(cause.to_owned());
            self.uncertain = self.uncertain.saturating_add(1);
            last = Some((tried.seq, tried.channel.clone()));
        }
        // A second round was cut off: what the first came to stays.
        if self.rest_if_submitted(actor, now) {
            recovered.uncertain += u64::from(last.is_some());
            return;
        }
        let Some((seq, channel)) = last else {
            recovered.requeued += 1;
            return self.requeue(self.due, &to(State::Queued, UNUSED));
        };
        self.cause = Some(cause.to_owned());
        if self.segments > 1 {
            self.channel = Some(channel);
        }
        let uncertain = u32::try_from(self.uncertain).unwrap_or(0);
        let open = self.parts().open(self.lane, self.segments, uncertain);
        let others = open.iter().filter(|other| i16::from(**other) != seq && seq != 0).count();
        let standing = Standing {
            lane: self.lane,
            deadline: UnixMs(self.deadline),
            refusals: u32::try_from(self.refusals).unwrap_or(0),
            uncertain,
            remaining: u8::try_from(others).unwrap_or(u8::MAX),
        };
        // At the start every channel is new, so nothing is gained by spreading the repeats.
        match rules::after_attempt(Ended::Uncertain, standing, UnixMs(now), 0) {
            Next::Retry(due) => {
                recovered.repeated += 1;
                self.requeue(due.0, &to(State::Queued, cause));
            }
            Next::Continue => {
                recovered.uncertain += 1;
                self.requeue(now, &to(State::Queued, cause));
            }
            Next::Rest(state) => {
                recovered.uncertain += 1;
                self.rest(&to(state, cause));
            }
        }
    }

    /// A confirmation for an attempt in doubt.
    pub(super) fn settle(&mut self, seq: i16, n: i32, reference: MessageRef, at: i64) {
        if let Some(tried) = self.tries.iter_mut().find(|tried| tried.seq == seq && tried.n == n) {
            tried.state = AttemptState::Submitted as i16;
            (tried.reference, tried.ended, tried.dirty) = (Some(i16::from(reference.0)), Some(at), true);
            self.no_longer_doubtful();
        }
    }

    /// A report on one attempt: recorded unless a final one came before; the message follows in any case. Says whether it was recorded.
    pub(super) fn report(&mut self, seq: i16, n: i32, status: u8, verdict: Verdict, at: i64) -> bool {
        let tried = self.tries.iter_mut().find(|tried| tried.seq == seq && tried.n == n);
        let open = tried.filter(|tried| tried.verdict.is_none_or(|said| said == Verdict::Trying as i16));
        let recorded = open.is_some();
        if let Some(tried) = open {
            tried.status = Some(i16::from(status));
            (tried.verdict, tried.reported, tried.dirty) = (Some(verdict as i16), Some(at), true);
        }
        self.follow(Actor::Network, at);
        recorded
    }

    /// Puts a message that rests back into the queue for the segments that are open. Where every segment goes again, none ties it to a
    /// SIM.
    pub(super) fn again(
        &mut self,
        retry: &Retry,
        answered: bool,
        erased: bool,
        now: UnixMs,
    ) -> Result<UnixMs, NotAgain> {
        let deadline = UnixMs(self.deadline);
        let rest = Rest { lane: self.lane, state: self.state, deadline, answered };
        let deadline = again::again(rest, retry.lifetime, retry.force, now)?;
        if erased {
            return Err(NotAgain::Erased);
        }
        let repeat = again::repeats_doubt(self.lane, retry.force);
        for tried in &mut self.tries {
            let failed = tried.state == AttemptState::Submitted as i16
                && tried.verdict == Some(Verdict::Failed as i16);
            if failed || (repeat && tried.state == AttemptState::Uncertain as i16) {
                (tried.overruled, tried.dirty) = (Some(tried.state), true);
            }
        }
        let doubts = if repeat { 0 } else { u32::try_from(self.uncertain).unwrap_or(0) };
        let open = self.parts().open(self.lane, self.segments, doubts);
        if open.is_empty() {
            return Err(NotAgain::Nothing);
        }
        (self.due, self.deadline, self.refusals) = (now.0, deadline.0, 0);
        (self.refused_by, self.cause) = (None, None);
        if repeat {
            self.uncertain = 0;
        }
        if open.len() == usize::from(self.segments) {
            self.channel = None;
        }
        let actor = if retry.caller.is_some() { Actor::Caller } else { Actor::Operator };
        self.go(&Move { state: State::Queued, actor, at: now, cause: retry.force.then_some(FORCED) });
        Ok(deadline)
    }

    /// Takes a submitted login into our hands once more; `false` if there is no reason any more, unless its challenge was answered.
    pub(super) fn second_round(&mut self, round: &SecondRound, at: UnixMs) -> bool {
        let elsewhere = |tried: &Try| tried.channel != *round.first.0 && matches!(tried.state, 0 | 1 | 3);
        let may = self.state == State::Submitted && self.lane == Lane::Login && self.deadline > at.0;
        if !may || self.tries.iter().any(elsewhere) {
            return false;
        }
        let cause = format!("no report came over {}", round.first);
        let by_us = |state, cause| Move { state, actor: Actor::Dispatcher, at, cause };
        let changed = self.changed;
        self.go(&by_us(State::Queued, Some(&cause)));
        self.go(&by_us(State::Leased, None));
        // Only an end changes that.
        (self.changed, self.due, self.channel) = (changed, at.0, None);
        self.epoch = self.epoch.saturating_add(1);
        true
    }

    /// What it came to before its second round stays.
    pub(super) fn no_second_round(&mut self, now: i64) {
        self.rest_if_submitted(Actor::Dispatcher, now);
    }
}

impl Try {
    /// Unless a retry overruled it in the state that it still has.
    fn counts(&self) -> bool {
        self.overruled != Some(self.state)
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            seq: row.try_get(1)?,
            n: row.try_get(2)?,
            channel: row.try_get(3)?,
            epoch: row.try_get(4)?,
            state: row.try_get(5)?,
            begun: row.try_get(6)?,
            ended: row.try_get(7)?,
            reference: row.try_get(8)?,
            cause: row.try_get(9)?,
            status: row.try_get(10)?,
            verdict: row.try_get(11)?,
            reported: row.try_get(12)?,
            overruled: row.try_get(13)?,
            dirty: false,
        })
    }
}

/// Attempts (segment, state, verdict) as the rules of a message's state see them.
pub(super) fn parts(of: impl IntoIterator<Item = (i16, i16, Option<i16>)>) -> Segments {
    Segments::of(of.into_iter().filter_map(|(seq, state, verdict)| {
        Some((u8::try_from(seq).ok()?, i64::from(state), verdict.map(i64::from)))
    }))
}

/// What the rules see of attempts, by message, for messages that this transaction has locked already.
pub(super) async fn parts_of(
    tx: &Tx<'_>,
    ids: &[Uuid],
) -> Result<BTreeMap<MessageId, Vec<(i16, i16, Option<i16>)>>, StoreError> {
    let mut all: BTreeMap<MessageId, Vec<_>> = BTreeMap::new();
    if ids.is_empty() {
        return Ok(all);
    }
    for row in &tx.link.query(ATTEMPTS, &[&ids]).await? {
        let tried = Try::read(row)?;
        let counts = tried.counts().then_some((tried.seq, tried.state, tried.verdict));
        all.entry(id_of(row, 0)?).or_default().extend(counts);
    }
    let known = |state: i16| (0..=4).contains(&state);
    if all.values().flatten().any(|(_, state, _)| !known(*state)) {
        return Err(corrupt("attempt state"));
    }
    Ok(all)
}
