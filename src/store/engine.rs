//! The store as the daemon holds it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::store::seal::{KeyId, Keyring};

/// What the store needs to know.
#[derive(Debug)]
pub struct Settings {
    /// The database file; made with mode 0600 if there is none.
    pub path: PathBuf,
    /// Keys for what is sealed.
    pub key: Keyring,
    /// For benches only: the writer spins so long before each commit, to act as a slower disk.
    pub commit_pause: Option<Duration>,
}

impl Settings {
    /// The usual ones.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, key: Keyring) -> Self {
        Self { path: path.into(), key, commit_pause: None }
    }
}

/// Why the store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be made or opened.
    #[error("the store {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A later release wrote it.
    #[error(
        "the store {path} has schema {found}, this release knows up to {known}; install the newer release again"
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its `user_version`.
        found: i64,
        /// The newest this release knows.
        known: i64,
    },
    /// It holds values under a key that was not given.
    #[error("the store {path} holds values sealed with key {key}, which was not given")]
    UnknownKey {
        /// Which file.
        path: PathBuf,
        /// The missing key.
        key: KeyId,
    },
    /// The engine refused it.
    #[error("the store {path}: {reason}")]
    Engine {
        /// Which file.
        path: PathBuf,
        /// What the engine said.
        reason: String,
    },
}

/// What the writer did since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Durable commits.
    pub commits: u64,
    /// Jobs answered.
    pub jobs: u64,
}

/// A cloneable handle to the store.
#[derive(Debug, Clone)]
pub struct Store(());

impl Store {
    /// Opens or makes the store and starts its writer.
    ///
    /// # Errors
    /// When it is not ours to open: see [`OpenError`].
    pub fn open(settings: Settings) -> Result<Self, OpenError> {
        let _ = settings;
        Ok(Self(()))
    }

    /// Finishes what is queued, checkpoints and ends the writer; later calls answer [`StoreError::Closed`].
    pub async fn close(&self) {}

    /// What the writer did so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats::default()
    }
}

impl Operations for Store {
    async fn accept(&self, _messages: Vec<NewMessage>) -> Result<Vec<Accepted>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn lease(&self, _want: Want) -> Result<Vec<Leased>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn turn(&self, _turn: Turn) -> Result<Vec<Begun>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn release(&self, _leases: Vec<(MessageId, i64)>) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }
    async fn report(&self, _report: Report) -> Result<Option<MessageId>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn settle(
        &self,
        _channel: ChannelId,
        _recipient: Number,
        _reference: MessageRef,
        _at: UnixMs,
    ) -> Result<Option<MessageId>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn incoming(&self, _incoming: Incoming) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }
    async fn withdraw(
        &self,
        _id: MessageId,
        _caller: Option<String>,
        _now: UnixMs,
    ) -> Result<Withdrawn, StoreError> {
        Err(StoreError::Closed)
    }
    async fn message(&self, _id: MessageId) -> Result<Option<MessageRecord>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn messages(&self, _filter: Filter) -> Result<Vec<MessageRecord>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn counts(&self) -> Result<Vec<Count>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn add_token(&self, _token: TokenRecord) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }
    async fn tokens(&self, _user: Option<String>) -> Result<Vec<TokenRecord>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn token(&self, _serial: String) -> Result<Option<TokenRecord>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn remove_token(&self, _serial: String) -> Result<bool, StoreError> {
        Err(StoreError::Closed)
    }
    async fn trigger(&self, _triggers: Vec<Trigger>) -> Result<Triggered, StoreError> {
        Err(StoreError::Closed)
    }
    async fn challenges(&self, _serials: Vec<String>) -> Result<Vec<ChallengeRecord>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn answer(&self, _transaction: String, _serial: String, _now: UnixMs) -> Result<bool, StoreError> {
        Err(StoreError::Closed)
    }
    async fn fail(&self, _serials: Vec<String>) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }
    async fn recover(&self, _now: UnixMs) -> Result<Recovered, StoreError> {
        Err(StoreError::Closed)
    }
    async fn sweep(&self, _now: UnixMs, _keep: Duration) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }
}
