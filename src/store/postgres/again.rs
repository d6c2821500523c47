//! A message that rests goes back into the queue because somebody asked for it.

use super::messages::Messages;
use super::{Tx, lanes, uuid};
use crate::queue::lanes::PerLane;
use crate::store::{Retried, Retry, StoreError};
use crate::units::UnixMs;

/// Whether its text is gone, and whether a challenge of it that lives was answered.
const FACTS: &str = "SELECT octet_length(body) = 0, EXISTS (SELECT FROM challenge
    WHERE expires > $2 AND challenge.message = message.id AND answered IS NOT NULL) FROM message WHERE id = $1";

/// Puts it back for the segments that are open, or tells why not; then nothing has changed.
pub(super) async fn retry(tx: &Tx<'_>, retry: &Retry) -> Result<Retried, StoreError> {
    let mut messages = Messages::load(tx, [retry.id]).await?;
    let own = |caller: &str| retry.caller.as_deref().is_none_or(|asks| asks == caller);
    let Some(message) = messages.get(retry.id).filter(|message| own(&message.caller)) else {
        return Ok(Retried::Unknown);
    };
    let now = UnixMs(tx.at(retry.now));
    let facts = tx.link.first(FACTS, &[&uuid(retry.id), &now.0]).await?;
    let facts = facts.map(|row| Ok::<_, StoreError>((row.try_get(0)?, row.try_get(1)?))).transpose()?;
    let Some((erased, answered)) = facts else { return Ok(Retried::Unknown) };
    let deadline = match message.again(retry, answered, erased, now) {
        Ok(deadline) => deadline,
        Err(why) => return Ok(Retried::Refused(why)),
    };
    let new = PerLane::count([message.lane]);
    lanes::enter(tx, &new, now).await?;
    messages.save(tx).await?;
    Ok(Retried::Queued { deadline: tx.told(deadline.0) })
}
