//! Stories written down where they happen: into the outbox for hooks and Kannel clients, and aside for those who listen here, to be told
//! after the commit.
//!
//! An appliance writes, carries and gives up only its own stories: what hooks there are is a matter of its configuration. What
//! happens on another appliance is told by that one.

use std::cell::RefCell;
use std::sync::Arc;

use super::read::View;
use super::recovery::PIECE;
use super::{Tx, corrupt, uuid};
use crate::clock;
use crate::queue::callback::{Callback, Report};
use crate::queue::life::{Actor, Move};
use crate::queue::message::{MessageId, NewMessage, State};
use crate::secret::Secret;
use crate::store::feed::Feed;
use crate::store::seal::Place;
use crate::store::{
    Carried, Content, Event, OutboxCount, Parcel, ParcelId, Parcels, StoreError, Story, Turned,
};
use crate::units::UnixMs;

/// Parcels of an appliance that wait at most: a day of a story a second to a hook that does not answer. Beyond it stories are lost, and
/// counted.
const MOST: i64 = 100_000;

const PUT: &str = "INSERT INTO outbox (id, appliance, hook, made, due, body)
    SELECT id, $1, hook, made, made, body FROM unnest($2::bytea[], $3::text[], $4::bigint[], $5::bytea[])
        AS new (id, hook, made, body)";

const DUE: &str = "SELECT id, made, tries, body FROM outbox
    WHERE appliance = $1 AND hook = $2 AND dead IS NULL AND due <= $3 ORDER BY due LIMIT $4";

const TAKE: &str = "UPDATE outbox SET taken = true, tries = tries + 1, due = $2 WHERE id = ANY($1)";

const NEXT: &str =
    "SELECT min(due) FROM outbox WHERE appliance = $1 AND hook = $2 AND dead IS NULL AND due > $3";

const WAITING: &str =
    "SELECT count(*) FROM (SELECT FROM outbox WHERE appliance = $1 AND dead IS NULL LIMIT $2) AS waiting";

const DONE: &str = "DELETE FROM outbox WHERE id = $1";

const AGAIN: &str = "UPDATE outbox SET taken = false, due = $2, cause = $3 WHERE id = $1";

const DEAD: &str = "UPDATE outbox SET taken = false, dead = $2, cause = $3 WHERE id = $1";

const ORPHANS: &str = "UPDATE outbox SET taken = false, dead = $2, cause = 'no hook has this name any more'
    WHERE appliance = $1 AND dead IS NULL AND hook <> ALL($3)";

const RECOVER: &str =
    "UPDATE outbox SET taken = false, due = $2 WHERE appliance = $1 AND taken AND dead IS NULL";

const PURGE: &str = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE dead < $1 LIMIT $2)";

const CALL_BACK: &str = "INSERT INTO callback (message, mask, target) VALUES ($1, $2, $3)";

/// What the transaction in progress has to tell.
#[derive(Debug)]
pub(super) struct News {
    feed: Arc<Feed>,
    stories: RefCell<Vec<Story>>,
    parcels: RefCell<Vec<New>>,
    /// Some were written.
    written: std::cell::Cell<bool>,
}

/// A row to be.
#[derive(Debug)]
struct New {
    id: ParcelId,
    hook: String,
    at: i64,
    body: Vec<u8>,
}

impl News {
    pub(super) fn new(feed: &Arc<Feed>) -> Self {
        let written = std::cell::Cell::new(false);
        Self { feed: Arc::clone(feed), stories: RefCell::default(), parcels: RefCell::default(), written }
    }

    /// The commit is durable.
    pub(super) fn publish(self) {
        let stories = self.stories.into_inner();
        if !stories.is_empty() {
            self.feed.tell(stories);
        }
        if self.written.get() {
            self.feed.wake();
        }
    }
}

/// Whether a change is told at all. Who carries a message at the moment is nobody's business outside: what is leased, and what is
/// given back of which nothing began, is not.
pub(super) fn is_told(to: &Move<'_>) -> bool {
    let given_back = to.state == State::Queued && to.actor == Actor::Dispatcher && to.cause.is_none();
    to.state != State::Leased && !given_back
}

/// A message has come to another state.
pub(super) fn turned(tx: &Tx<'_>, mut turned: Turned, callback: Option<&[u8]>) -> Result<(), StoreError> {
    turned.at = tx.told(turned.at.0);
    if let (Some(callback), Some(report)) = (callback, Report::of(turned.state, turned.left)) {
        call_back(tx, turned.id, callback, report, Story::Message(turned.clone()))?;
    }
    tell(tx, Event::Message(turned.state), || Story::Message(turned))
}

/// A handset report says that the network still tries: no turn of the message, but Kannel's clients may hear of it.
pub(super) fn buffered(tx: &Tx<'_>, mut turned: Turned, callback: Option<&[u8]>) -> Result<(), StoreError> {
    let Some(callback) = callback else { return Ok(()) };
    turned.at = tx.told(turned.at.0);
    call_back(tx, turned.id, callback, Report::Buffered, Story::Message(turned))
}

/// Something happened; the story is made only if somebody wants it. Its time is the caller's.
pub(super) fn tell(tx: &Tx<'_>, event: Event, story: impl FnOnce() -> Story) -> Result<(), StoreError> {
    let (hooks, heard) = (tx.news.feed.hooks(event), tx.news.feed.is_heard());
    if hooks.is_empty() && !heard {
        return Ok(());
    }
    let content = Content { story: story(), callback: None };
    for hook in &hooks {
        put(tx, hook, &content)?;
    }
    if heard {
        tx.news.stories.borrow_mut().push(content.story);
    }
    Ok(())
}

/// A message is accepted: those who want that hear of it, and its client is noted if it wants to hear more.
pub(super) async fn accepted(tx: &Tx<'_>, message: &NewMessage, created: i64) -> Result<(), StoreError> {
    let shift = created.saturating_sub(message.created.0);
    tell(tx, Event::Message(State::Queued), || {
        Story::Message(Turned {
            id: message.id,
            lane: message.lane,
            state: State::Queued,
            to: message.to.as_str().to_owned(),
            caller: message.caller.clone(),
            cause: None,
            channel: None,
            reference: None,
            left: false,
            at: UnixMs(created.saturating_sub(shift)),
        })
    })?;
    let Some(callback) = &message.callback else { return Ok(()) };
    let target = tx.keys.seal(callback_place(&message.id), &sealed_form(callback)?)?;
    tx.link.execute(CALL_BACK, &[&uuid(message.id), &i16::from(callback.mask), &target]).await.map(drop)
}

fn call_back(
    tx: &Tx<'_>,
    id: MessageId,
    sealed: &[u8],
    report: Report,
    story: Story,
) -> Result<(), StoreError> {
    let callback: Callback = opened(&tx.keys.open(callback_place(&id), sealed)?)?;
    if !report.is_in(callback.mask) {
        return Ok(());
    }
    put(tx, "", &Content { story, callback: Some((callback, report)) })
}

fn put(tx: &Tx<'_>, hook: &str, content: &Content) -> Result<(), StoreError> {
    if tx.news.feed.is_full() {
        tx.news.feed.refuse();
        return Ok(());
    }
    let at = content.story.at();
    let [a, b, c, d, e, f, g, h] = at.0.to_be_bytes();
    let [i, j, k, l, m, n, o, p] = clock::entropy::<8>()?;
    let id = ParcelId([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]);
    let body = tx.keys.seal(place(&id), &sealed_form(content)?)?;
    tx.news.parcels.borrow_mut().push(New { id, hook: hook.to_owned(), at: tx.at(at), body });
    Ok(())
}

/// Writes what was put, all of it at once.
pub(super) async fn write(tx: &Tx<'_>) -> Result<(), StoreError> {
    let new = tx.news.parcels.take();
    if new.is_empty() {
        return Ok(());
    }
    let ids: Vec<&[u8]> = new.iter().map(|new| new.id.0.as_slice()).collect();
    let hooks: Vec<&str> = new.iter().map(|new| new.hook.as_str()).collect();
    let made: Vec<i64> = new.iter().map(|new| new.at).collect();
    let bodies: Vec<&[u8]> = new.iter().map(|new| new.body.as_slice()).collect();
    tx.link.execute(PUT, &[&tx.me, &ids, &hooks, &made, &bodies]).await?;
    tx.news.written.set(true);
    Ok(())
}

fn place(id: &ParcelId) -> Place<'_> {
    Place { table: "outbox", column: "body", row: &id.0 }
}

fn callback_place(id: &MessageId) -> Place<'_> {
    Place { table: "callback", column: "target", row: id.as_bytes() }
}

fn sealed_form(value: &impl serde::Serialize) -> Result<Secret, StoreError> {
    let octets = serde_json::to_vec(value);
    octets.map(Secret::new).map_err(|error| StoreError::Engine(format!("a story cannot be written: {error}")))
}

fn opened<T: serde::de::DeserializeOwned>(octets: &Secret) -> Result<T, StoreError> {
    serde_json::from_slice(octets.expose()).map_err(|_| corrupt("story"))
}

/// Takes out what is due for hooks with room for more, to be carried until `until`; what cannot be opened is given up.
pub(super) async fn take(
    tx: &Tx<'_>,
    now: UnixMs,
    until: UnixMs,
    rooms: &[(String, usize)],
) -> Result<Parcels, StoreError> {
    let (at, until) = (tx.at(now), tx.at(until));
    let mut parcels = Parcels::default();
    for (hook, room) in rooms {
        let room = i64::try_from(*room).unwrap_or(i64::MAX);
        for row in tx.link.query(DUE, &[&tx.me, hook, &at, &room]).await? {
            let id = row.try_get::<_, &[u8]>(0)?.first_chunk().copied();
            let id = ParcelId(id.ok_or_else(|| corrupt("parcel"))?);
            let body = tx.keys.open(place(&id), row.try_get(3)?).map_err(StoreError::from);
            match body.and_then(|body| opened(&body)) {
                Ok(content) => {
                    let (made, tries) =
                        (tx.told(row.try_get(1)?), super::count_of(&row, 2)?.saturating_add(1));
                    parcels.taken.push(Parcel { id, hook: hook.clone(), made, tries, content });
                }
                Err(error) => ended(tx, &id, &Carried::Dead(error.to_string()), at).await?,
            }
        }
    }
    let ids: Vec<&[u8]> = parcels.taken.iter().map(|parcel| parcel.id.0.as_slice()).collect();
    if !ids.is_empty() {
        tx.link.execute(TAKE, &[&ids, &until]).await?;
    }
    for (hook, _) in rooms {
        let next = tx.link.first(NEXT, &[&tx.me, hook, &at]).await?;
        let next: Option<i64> = next.map_or(Ok(None), |row| row.try_get(0))?;
        parcels.next = parcels.next.into_iter().chain(next.map(|next| tx.told(next))).min();
    }
    let waiting = tx.link.first(WAITING, &[&tx.me, &MOST]).await?;
    let waiting: i64 = waiting.map_or(Ok(0), |row| row.try_get(0))?;
    tx.news.feed.set_full(waiting >= MOST);
    Ok(parcels)
}

/// Gives up what is on its way to hooks that are not among `known` any more.
pub(super) async fn keep_hooks(tx: &Tx<'_>, known: &[String], now: UnixMs) -> Result<(), StoreError> {
    tx.link.execute(ORPHANS, &[&tx.me, &tx.at(now), &known]).await.map(drop)
}

/// Writes what became of parcels.
pub(super) async fn carried(
    tx: &Tx<'_>,
    ends: &[(ParcelId, Carried)],
    now: UnixMs,
) -> Result<(), StoreError> {
    for (id, end) in ends {
        ended(tx, id, end, tx.at(now)).await?;
    }
    Ok(())
}

async fn ended(tx: &Tx<'_>, id: &ParcelId, end: &Carried, now: i64) -> Result<(), StoreError> {
    let id = id.0.as_slice();
    match end {
        Carried::Done => tx.link.execute(DONE, &[&id]).await?,
        Carried::Again(due, cause) => tx.link.execute(AGAIN, &[&id, &tx.at(*due), cause]).await?,
        Carried::Dead(cause) => tx.link.execute(DEAD, &[&id, &now, cause]).await?,
    };
    Ok(())
}

/// At the start: what was being carried when the daemon ended is due again.
pub(super) async fn recover(tx: &Tx<'_>, now: UnixMs) -> Result<(), StoreError> {
    tx.link.execute(RECOVER, &[&tx.me, &tx.at(now)]).await.map(drop)
}

/// Deletes what was given up before `old`; `true` if more may be left.
pub(super) async fn purge(tx: &Tx<'_>, old: UnixMs) -> Result<bool, StoreError> {
    Ok(tx.link.execute(PURGE, &[&tx.at(old), &PIECE]).await? >= PIECE.unsigned_abs())
}

impl View<'_> {
    /// What waits for each hook of this appliance and what was given up.
    pub(super) async fn outbox(&self) -> Result<Vec<OutboxCount>, StoreError> {
        let sql = "SELECT hook, count(*) FILTER (WHERE dead IS NULL), min(made) FILTER (WHERE dead IS NULL),
            count(*) FILTER (WHERE dead IS NOT NULL) FROM outbox WHERE appliance = $1 GROUP BY hook ORDER BY hook";
        let rows = self.link.query(sql, &[&self.me]).await?;
        rows.iter()
            .map(|row| {
                let count = |at| Ok::<_, StoreError>(u64::try_from(row.try_get::<_, i64>(at)?).unwrap_or(0));
                Ok(OutboxCount {
                    hook: row.try_get(0)?,
                    waiting: count(1)?,
                    oldest: self.time_if(row, 2)?,
                    dead: count(3)?,
                })
            })
            .collect()
    }
}
