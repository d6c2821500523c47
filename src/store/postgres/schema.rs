//! The schema of the shared store: brought up to date by whichever appliance comes first, while the others wait.
//!
//! Appliances are upgraded one after the other. So a schema may only be added to as long as the release before still runs on it; a
//! release that meets a newer schema than it knows refuses to start, and one that runs already goes on.

use std::path::PathBuf;

use super::link::Link;
use super::rekey::ADOPT;
use crate::store::StoreError;
use crate::store::engine::OpenError;
use crate::store::seal::{KeyId, Keyring};

/// Migrations in order; `schema_version` counts those applied.
const MIGRATIONS: [&str; 1] = [include_str!("../schema/postgres/0001.sql")];

/// Names the right to migrate, among all advisory locks of the database.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7378697629483820646)";

const FOUND: &str = "SELECT version FROM schema_version";

/// Applies what is missing, all of it or nothing, and notes the active key.
pub(super) async fn ready(link: &Link, place: &str, keys: &Keyring) -> Result<(), OpenError> {
    let engine = |error: StoreError| OpenError::Shared { place: place.to_owned(), reason: error.to_string() };
    link.batch("BEGIN").await.map_err(engine)?;
    // The migration may take longer than a session is usually given.
    link.batch("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0").await.map_err(engine)?;
    link.query(LOCK, &[]).await.map_err(engine)?;
    link.batch("CREATE TABLE IF NOT EXISTS schema_version (version bigint NOT NULL)")
        .await
        .map_err(engine)?;
    let row = link.first(FOUND, &[]).await.map_err(engine)?;
    let found: i64 = row.map_or(Ok(0), |row| row.try_get(0)).map_err(|error| engine(error.into()))?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(OpenError::NewerShared { place: place.to_owned(), found, known });
    }
    if found < known {
        for sql in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
            link.batch(sql).await.map_err(engine)?;
        }
        link.batch("DELETE FROM schema_version").await.map_err(engine)?;
        link.execute("INSERT INTO schema_version VALUES ($1)", &[&known]).await.map_err(engine)?;
        tracing::info!(place, from = found, to = known, "the shared store has its schema");
    }
    check_keys(link, place, keys).await?;
    link.batch("COMMIT").await.map_err(engine)
}

/// Refuses a store with values under a key that we lack, and notes the active key.
async fn check_keys(link: &Link, place: &str, keys: &Keyring) -> Result<(), OpenError> {
    let engine = |error: StoreError| OpenError::Shared { place: place.to_owned(), reason: error.to_string() };
    for row in link.query("SELECT id FROM seal_key", &[]).await.map_err(engine)? {
        let id: &[u8] = row.try_get(0).map_err(|error| engine(error.into()))?;
        match KeyId::from_slice(id) {
            Some(key) if keys.knows(key) => {}
            Some(key) => return Err(OpenError::UnknownKey { path: PathBuf::from(place), key }),
            None => return Err(engine(super::corrupt("key id"))),
        }
    }
    let own = keys.active_id();
    link.execute(ADOPT, &[&own.as_bytes().as_slice()]).await.map_err(engine)?;
    Ok(())
}
