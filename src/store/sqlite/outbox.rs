//! Stories written down where they happen: into the outbox for hooks and Kannel clients, and aside for those who listen, to be
//! told after the commit. Where nobody wants to hear, nothing is read and nothing is written.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use rusqlite::{OptionalExtension, Row, params};

use super::recovery::PIECE;
use super::{Tx, corrupt, lane_of};
use crate::clock;
use crate::queue::callback::{Callback, Report};
use crate::queue::life::{Actor, Move};
use crate::queue::message::{MessageId, State};
use crate::secret::Secret;
use crate::store::feed::Feed;
use crate::store::seal::Place;
use crate::store::{
    AlarmId, Carried, Content, Event, Parcel, ParcelId, Parcels, Rang, StoreError, Story, Turned,
};
use crate::units::UnixMs;

/// Parcels that wait at most: a day of a story a second to a hook that does not answer. Beyond it stories are lost, and counted.
const MOST: i64 = 100_000;

const MESSAGE: &str = "SELECT lane, recipient, caller FROM message WHERE id = ?1";

const NEWEST_ATTEMPT: &str =
    "SELECT channel, reference FROM attempt WHERE message = ?1 ORDER BY begun DESC, n DESC LIMIT 1";

const LEFT: &str = "SELECT 1 FROM attempt WHERE message = ?1 AND state = 1";

const PUT: &str = "INSERT INTO outbox (id, hook, made, due, body) VALUES (?1, ?2, ?3, ?3, ?4)";

const DUE: &str = "SELECT id, hook, made, tries, body FROM outbox INDEXED BY outbox_due
    WHERE hook = ?1 AND dead IS NULL AND due <= ?2 ORDER BY due LIMIT ?3";

const TAKE: &str = "UPDATE outbox SET taken = 1, tries = tries + 1, due = ?2 WHERE id = ?1";

const NEXT: &str =
    "SELECT min(due) FROM outbox INDEXED BY outbox_due WHERE hook = ?1 AND dead IS NULL AND due > ?2";

const WAITING: &str =
    "SELECT count(*) FROM (SELECT 1 FROM outbox INDEXED BY outbox_due WHERE dead IS NULL LIMIT ?1)";

const DONE: &str = "DELETE FROM outbox WHERE id = ?1";

const AGAIN: &str = "UPDATE outbox SET taken = 0, due = ?2, cause = ?3 WHERE id = ?1";

const DEAD: &str = "UPDATE outbox SET taken = 0, dead = ?2, cause = ?3 WHERE id = ?1";

const ORPHANS: &str = "UPDATE outbox SET taken = 0, dead = ?1, cause = 'no hook has this name any more'
    WHERE dead IS NULL AND hook NOT IN (SELECT value FROM json_each(?2))";

const RECOVER: &str = "UPDATE outbox SET taken = 0, due = ?1 WHERE taken = 1 AND dead IS NULL";

const PURGE: &str = "DELETE FROM outbox WHERE id IN
    (SELECT id FROM outbox INDEXED BY outbox_dead WHERE dead IS NOT NULL AND dead < ?1 LIMIT ?2)";

const CALLBACK: &str = "SELECT mask, target FROM callback WHERE message = ?1";

const CALL_BACK: &str = "INSERT INTO callback (message, mask, target) VALUES (?1, ?2, ?3)";

const ANY_CALLBACK: &str = "SELECT 1 FROM callback LIMIT 1";

/// What the transaction in progress has to tell.
#[derive(Debug)]
pub(in crate::store) struct News {
    feed: Arc<Feed>,
    stories: RefCell<Vec<Story>>,
    /// Something was put into the outbox.
    parcels: Cell<bool>,
}

impl News {
    pub(in crate::store) fn new(feed: Arc<Feed>) -> Self {
        Self { feed, stories: RefCell::default(), parcels: Cell::new(false) }
    }

    /// A place to come back to when a job fails.
    pub(in crate::store) fn mark(&self) -> usize {
        self.stories.borrow().len()
    }

    /// Forgets what was told since.
    pub(in crate::store) fn forget(&self, mark: usize) {
        self.stories.borrow_mut().truncate(mark);
    }

    /// The commit is durable.
    pub(in crate::store) fn publish(&self) {
        let stories = std::mem::take(&mut *self.stories.borrow_mut());
        if !stories.is_empty() {
            self.feed.tell(stories);
        }
        if self.parcels.take() {
            self.feed.wake();
        }
    }

    /// Whether anybody wants to hear of such an event.
    fn wanted(&self, event: Event) -> Wanted {
        Wanted { hooks: self.feed.hooks(event), heard: self.feed.is_heard() }
    }
}

/// Who wants a story.
struct Wanted {
    hooks: Vec<String>,
    heard: bool,
}

impl Wanted {
    fn is_none(&self) -> bool {
        self.hooks.is_empty() && !self.heard
    }
}

/// A message has come to another state. Who carries it at the moment is nobody's business outside: what is leased, and what is given
/// back of which nothing began, is not told.
pub(super) fn turned(tx: &Tx<'_>, id: MessageId, to: &Move<'_>) -> Result<(), StoreError> {
    let given_back = to.state == State::Queued && to.actor == Actor::Dispatcher && to.cause.is_none();
    if to.state == State::Leased || given_back {
        return Ok(());
    }
    let wanted = tx.news.wanted(Event::Message(to.state));
    let reported = tx.news.feed.has_callbacks() && Report::of(to.state, true).is_some();
    let callback = if reported { callback(tx, id)? } else { None };
    if wanted.is_none() && callback.is_none() {
        return Ok(());
    }
    let turned = turn(tx, id, to.state, to.cause, to.at)?;
    if let Some(callback) = callback
        && let Some(report) = Report::of(to.state, turned.left)
    {
        call_back(tx, callback, report, Story::Message(turned.clone()))?;
    }
    tell(tx, &wanted, Story::Message(turned))
}

/// A handset report says that the network still tries: no turn of the message, but Kannel's clients may hear of it.
pub(super) fn buffered(tx: &Tx<'_>, id: MessageId, at: UnixMs) -> Result<(), StoreError> {
    if !tx.news.feed.has_callbacks() {
        return Ok(());
    }
    let Some(callback) = callback(tx, id)? else { return Ok(()) };
    let story = Story::Message(turn(tx, id, State::Submitted, None, at)?);
    call_back(tx, callback, Report::Buffered, story)
}

/// An alarm was raised or cleared.
pub(super) fn rang(tx: &Tx<'_>, id: AlarmId, cleared: bool, at: UnixMs) -> Result<(), StoreError> {
    let wanted = tx.news.wanted(if cleared { Event::AlarmCleared } else { Event::AlarmRaised });
    if wanted.is_none() {
        return Ok(());
    }
    let rang = tx
        .conn
        .prepare_cached("SELECT kind, subject, severity, cause, remedy FROM alarm WHERE id = ?1")?
        .query_row([id.0], |row| {
            let (kind, subject, severity) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Rang { id, kind, subject, severity, cause: row.get(3)?, remedy: row.get(4)?, cleared, at })
        })?;
    tell(tx, &wanted, Story::Alarm(rang))
}

/// A text came from a phone; it is read only if somebody wants it.
pub(super) fn arrived(tx: &Tx<'_>, story: impl FnOnce() -> Story) -> Result<(), StoreError> {
    let wanted = tx.news.wanted(Event::Inbound);
    if wanted.is_none() { Ok(()) } else { tell(tx, &wanted, story()) }
}

/// A message is accepted whose client wants to hear of it.
pub(super) fn listen(tx: &Tx<'_>, id: MessageId, callback: &Callback) -> Result<(), StoreError> {
    let place = Place { table: "callback", column: "target", row: id.as_bytes() };
    let target = tx.keys.seal(place, &sealed_form(callback)?)?;
    tx.conn.prepare_cached(CALL_BACK)?.execute(params![id.as_bytes(), callback.mask, target])?;
    tx.news.feed.set_callbacks();
    Ok(())
}

fn turn(
    tx: &Tx<'_>,
    id: MessageId,
    state: State,
    cause: Option<&str>,
    at: UnixMs,
) -> Result<Turned, StoreError> {
    let (lane, to, caller) = tx
        .conn
        .prepare_cached(MESSAGE)?
        .query_row([id.as_bytes()], |row| Ok((lane_of(row, 0), row.get(1)?, row.get(2)?)))?;
    let attempt = tx
        .conn
        .prepare_cached(NEWEST_ATTEMPT)?
        .query_row([id.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (channel, reference) = attempt.unwrap_or_default();
    let left = tx.conn.prepare_cached(LEFT)?.exists([id.as_bytes()])?;
    let cause = cause.map(str::to_owned);
    Ok(Turned { id, lane: lane?, state, to, caller, cause, channel, reference, left, at })
}

fn callback(tx: &Tx<'_>, id: MessageId) -> Result<Option<Callback>, StoreError> {
    let found = tx
        .conn
        .prepare_cached(CALLBACK)?
        .query_row([id.as_bytes()], |row| Ok((row.get::<_, u8>(0)?, row.get::<_, Vec<u8>>(1)?)))
        .optional()?;
    let Some((_, target)) = found else { return Ok(None) };
    let place = Place { table: "callback", column: "target", row: id.as_bytes() };
    opened(&tx.keys.open(place, &target)?).map(Some)
}

fn call_back(tx: &Tx<'_>, callback: Callback, report: Report, story: Story) -> Result<(), StoreError> {
    if !report.is_in(callback.mask) {
        return Ok(());
    }
    let at = story.at();
    put(tx, "", &Content { story, callback: Some((callback, report)) }, at)
}

fn tell(tx: &Tx<'_>, wanted: &Wanted, story: Story) -> Result<(), StoreError> {
    let at = story.at();
    let content = Content { story, callback: None };
    for hook in &wanted.hooks {
        put(tx, hook, &content, at)?;
    }
    if wanted.heard {
        tx.news.stories.borrow_mut().push(content.story);
    }
    Ok(())
}

fn put(tx: &Tx<'_>, hook: &str, content: &Content, at: UnixMs) -> Result<(), StoreError> {
    if tx.news.feed.is_full() {
        tx.news.feed.refuse();
        return Ok(());
    }
    let id = parcel_id(at)?;
    let body = tx.keys.seal(place(&id), &sealed_form(content)?)?;
    tx.conn.prepare_cached(PUT)?.execute(params![id.0, hook, at.0, body])?;
    tx.news.parcels.set(true);
    Ok(())
}

fn parcel_id(at: UnixMs) -> Result<ParcelId, StoreError> {
    let [a, b, c, d, e, f, g, h] = at.0.to_be_bytes();
    let [i, j, k, l, m, n, o, p] = clock::entropy::<8>()?;
    Ok(ParcelId([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]))
}

fn place(id: &ParcelId) -> Place<'_> {
    Place { table: "outbox", column: "body", row: &id.0 }
}

fn sealed_form(value: &impl serde::Serialize) -> Result<Secret, StoreError> {
    let octets = serde_json::to_vec(value);
    octets.map(Secret::new).map_err(|error| StoreError::Engine(format!("a story cannot be written: {error}")))
}

fn opened<T: serde::de::DeserializeOwned>(octets: &Secret) -> Result<T, StoreError> {
    serde_json::from_slice(octets.expose()).map_err(|_| corrupt("story"))
}

/// Takes out what is due for hooks with room for more, to be carried until `until`; what cannot be opened is given up.
pub(in crate::store) fn take(
    tx: &Tx<'_>,
    now: UnixMs,
    until: UnixMs,
    rooms: &[(String, usize)],
) -> Result<Parcels, StoreError> {
    let mut parcels = Parcels::default();
    for (hook, room) in rooms {
        for (id, parcel) in due(tx, hook, now, *room)? {
            match parcel {
                Ok(parcel) => {
                    tx.conn.prepare_cached(TAKE)?.execute(params![id.0, until.0])?;
                    parcels.taken.push(parcel);
                }
                Err(error) => ended(tx, &id, &Carried::Dead(error.to_string()), now)?,
            }
        }
        let next: Option<i64> =
            tx.conn.prepare_cached(NEXT)?.query_row(params![hook, now.0], |row| row.get(0))?;
        parcels.next = parcels.next.into_iter().chain(next.map(UnixMs)).min();
    }
    let waiting: i64 = tx.conn.prepare_cached(WAITING)?.query_row([MOST], |row| row.get(0))?;
    tx.news.feed.set_full(waiting >= MOST);
    Ok(parcels)
}

fn due(tx: &Tx<'_>, hook: &str, now: UnixMs, room: usize) -> Result<Vec<Opened>, StoreError> {
    let mut due = tx.conn.prepare_cached(DUE)?;
    let room = i64::try_from(room).unwrap_or(i64::MAX);
    let rows = due.query_map(params![hook, now.0, room], |row| Ok(parcel(tx, row)))?;
    rows.map(|row| row?).collect()
}

/// Gives up what is on its way to hooks that are not among `known` any more.
pub(in crate::store) fn keep_hooks(tx: &Tx<'_>, known: &[String], now: UnixMs) -> Result<(), StoreError> {
    let known = serde_json::to_string(known).unwrap_or_default();
    tx.conn.prepare_cached(ORPHANS)?.execute(params![now.0, known])?;
    Ok(())
}

type Opened = (ParcelId, Result<Parcel, StoreError>);

fn parcel(tx: &Tx<'_>, row: &Row<'_>) -> Result<Opened, StoreError> {
    let id = ParcelId(row.get(0)?);
    let (hook, made, tries) = (row.get(1)?, UnixMs(row.get(2)?), row.get::<_, u32>(3)?.saturating_add(1));
    let body = row.get_ref(4)?.as_blob().map_err(|_| corrupt("story"))?;
    let content = tx.keys.open(place(&id), body).map_err(StoreError::from).and_then(|body| opened(&body));
    Ok((id, content.map(|content| Parcel { id, hook, made, tries, content })))
}

/// Writes what became of parcels.
pub(in crate::store) fn carried(
    tx: &Tx<'_>,
    ends: &[(ParcelId, Carried)],
    now: UnixMs,
) -> Result<(), StoreError> {
    ends.iter().try_for_each(|(id, end)| ended(tx, id, end, now))
}

fn ended(tx: &Tx<'_>, id: &ParcelId, end: &Carried, now: UnixMs) -> Result<(), StoreError> {
    match end {
        Carried::Done => tx.conn.prepare_cached(DONE)?.execute([id.0])?,
        Carried::Again(due, cause) => tx.conn.prepare_cached(AGAIN)?.execute(params![id.0, due.0, cause])?,
        Carried::Dead(cause) => tx.conn.prepare_cached(DEAD)?.execute(params![id.0, now.0, cause])?,
    };
    Ok(())
}

/// At the start: what was being carried when the daemon ended is due again.
pub(in crate::store) fn recover(tx: &Tx<'_>, now: UnixMs) -> Result<(), StoreError> {
    tx.conn.prepare_cached(RECOVER)?.execute([now.0])?;
    if tx.conn.prepare_cached(ANY_CALLBACK)?.exists([])? {
        tx.news.feed.set_callbacks();
    }
    Ok(())
}

/// Deletes what was given up before `old`; `true` if more may be left.
pub(in crate::store) fn purge(tx: &Tx<'_>, old: UnixMs) -> Result<bool, StoreError> {
    Ok(tx.conn.prepare_cached(PURGE)?.execute(params![old.0, PIECE])? == PIECE as usize)
}
