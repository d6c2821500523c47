//! Stores with many rows, built once: nine tenths finished with their attempts, one tenth waiting, an idempotency key on every row.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use smsotpd::store::engine::{Settings, Store};
use smsotpd::store::seal::Keyring;
use smsotpd::store::{Operations, Turn};

use crate::load::{self, PRODUCERS};
use crate::{Asked, Ground};

/// Rows written by one call; what the store takes in one commit.
const PIECE: usize = 200;
/// One row in so many waits.
const WAITING: usize = 10;

/// Finished stores of several sizes, and the key they are sealed with.
pub(crate) struct Stock {
    dir: tempfile::TempDir,
    /// Rows, ascending.
    pub(crate) sizes: Vec<usize>,
    /// How long the building took, for people.
    pub(crate) told: String,
}

impl Stock {
    /// Builds them one out of the other, if a scene asks for them.
    pub(crate) fn build(parent: &Path, asked: &Asked) -> Self {
        let dir = tempfile::tempdir_in(parent).expect("a temporary directory");
        Keyring::write_new(&dir.path().join("key")).expect("a key");
        let mut stock = Self { dir, sizes: Vec::new(), told: String::new() };
        if !(asked.wants("flat") || asked.wants("start")) {
            return stock;
        }
        let start = Instant::now();
        let growing = stock.dir.path().join("growing.db");
        for size in if asked.quick { vec![1_000, 100_000] } else { vec![1_000, 100_000, 1_000_000] } {
            crate::scenes::runtime().block_on(grow(&growing, &stock.key(), size));
            fs::copy(&growing, stock.store(size)).expect("room for a copy");
            stock.sizes.push(size);
        }
        let octets = fs::metadata(&growing).map_or(0, |file| file.len());
        fs::remove_file(growing).expect("it was there");
        let (rows, seconds) = (stock.largest(), start.elapsed().as_secs_f64());
        stock.told = format!("{rows} rows, {} MiB, built in {seconds:.0} s", octets >> 20);
        println!("{}", stock.told);
        stock
    }

    /// The key file.
    pub(crate) fn key(&self) -> PathBuf {
        self.dir.path().join("key")
    }

    /// The largest there is; 0 if none was built.
    pub(crate) fn largest(&self) -> usize {
        self.sizes.last().copied().unwrap_or(0)
    }

    fn store(&self, size: usize) -> PathBuf {
        self.dir.path().join(format!("{size}.db"))
    }

    /// A copy of the store of this size at `path`.
    pub(crate) fn copy(&self, size: usize, path: &Path) {
        fs::copy(self.store(size), path).expect("room for a copy");
    }

    /// Opens a store under the stock's key.
    pub(crate) fn open(&self, path: &Path, ground: &Ground) -> Store {
        let mut settings = Settings::new(path, Keyring::read(&self.key()).expect("the key"));
        settings.commit_pause = ground.pause;
        Store::open(settings).expect("the store opens")
    }
}

/// Lets the store at `path` grow to `size` rows; what is closed in order lies whole in one file.
async fn grow(path: &Path, key: &Path, size: usize) {
    let settings = Settings::new(path, Keyring::read(key).expect("the key"));
    let store = Store::open(settings).expect("the store opens");
    let counts = store.counts().await.expect("counts");
    let mut rows: usize = counts.iter().map(|count| count.messages as usize).sum();
    while rows < size {
        let piece = PIECE.min(size - rows);
        store.accept((0..piece).map(|n| load::message(rows + n, true)).collect()).await.expect("accepted");
        rows += piece;
        finish(&store, piece - piece / WAITING).await;
    }
    store.close().await;
    let log = path.with_extension("db-wal");
    assert!(!log.exists(), "a store that is closed has no log left");
}

/// Sends so many of those that wait.
async fn finish(store: &Store, count: usize) {
    let leased = store.lease(load::want(count)).await.expect("leases");
    let begun = leased.iter().enumerate().map(|(n, leased)| load::begin(leased, n % PRODUCERS)).collect();
    store.turn(Turn { ended: Vec::new(), begun }).await.expect("a turn");
    let ended = leased.iter().enumerate().map(|(n, leased)| load::end(leased, (n / PRODUCERS) as u8));
    store.turn(Turn { ended: ended.collect(), begun: Vec::new() }).await.expect("a turn");
}
