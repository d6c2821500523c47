//! Room kept free on the disk: a store that is accepting takes the last of it, and then can write down neither what became of the
//! messages in the air nor that others expired. So acceptance ends a little earlier than everything else.

use std::path::Path;

use rusqlite::Connection;

use crate::store::StoreError;

/// Pages of the file: rows grow by about a tenth until they rest, and a page that overflows is split.
const SPARE_PAGES: i64 = 32;
/// Of the file system: the log may have to grow, too.
const SPARE_OCTETS: u64 = 1 << 20;

/// Whether something new may be taken in.
pub(super) fn check(conn: &Connection) -> Result<(), StoreError> {
    let pragma = |sql| conn.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0));
    let used = pragma("PRAGMA page_count")?.saturating_sub(pragma("PRAGMA freelist_count")?);
    let full = pragma("PRAGMA max_page_count")?.saturating_sub(used) < SPARE_PAGES
        || conn.path().and_then(free).is_some_and(|octets| octets < SPARE_OCTETS);
    if full {
        let why = "the disk is full but for what accepted messages still need".to_owned();
        return Err(StoreError::Unwritable(why));
    }
    Ok(())
}

/// Octets that the file system has left for us, if it says.
fn free(database: &str) -> Option<u64> {
    let told = rustix::fs::statvfs(Path::new(database)).ok()?;
    Some(told.f_bavail.saturating_mul(told.f_frsize))
}
