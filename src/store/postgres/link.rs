//! One connection: how it is made, the statements it knows, and what its failures mean.
//!
//! Every wait on it is bounded on both sides. A network that goes silent is given up by us after [`PATIENCE`], and the server ends
//! a session that lost us in the middle of a transaction, so that its row locks do not outlive it for long.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::error::Error as _;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Row, Statement};
use uuid::Uuid;

use crate::secret::Secret;
use crate::store::StoreError;

/// A transaction or a question that takes longer is given up together with its connection. A callers' request waits no longer than
/// this for the store, and a commit of a few hundred rows takes a hundredth of it.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What the server does with a session that lost its daemon: limits that any user may set, where the server knows them. A silent
/// session ends as well; the writer speaks at least three times as often ([`super::writer`]).
///
/// Each statement is planned once: it always wants the same index, also while the tables are so small, or so new to the server's statistics,
/// that a scan looks cheaper.
const SESSION: &str = "SELECT set_config(name, value, false) FROM (VALUES
    ('statement_timeout', '5s'), ('lock_timeout', '4s'), ('idle_in_transaction_session_timeout', '5s'),
    ('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3'),
    ('client_min_messages', 'warning'), ('jit', 'off'),
    ('plan_cache_mode', 'force_generic_plan'), ('enable_seqscan', 'off')) AS wanted (name, value)
    WHERE EXISTS (SELECT 1 FROM pg_settings WHERE pg_settings.name = wanted.name)";

/// What was acknowledged must be on the server's disk; a stricter setting than the usual one stays.
const DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// Where the database is.
#[derive(Debug, Clone)]
pub(super) struct Address {
    config: Config,
    /// Without the password, for people.
    pub(super) shown: String,
}

impl Address {
    /// Reads a `postgres://` URL.
    pub(super) fn parse(url: &Secret) -> Result<Self, String> {
        let text = url.expose_str().ok_or("is no text")?;
        // The error of the parser may repeat a part of the text, but never a value.
        let mut config: Config = text.parse().map_err(|error: tokio_postgres::Error| told(&error))?;
        if config.get_hosts().is_empty() {
            return Err("names no host; write postgres://user@host/database".to_owned());
        }
        config.connect_timeout(PATIENCE).tcp_user_timeout(PATIENCE * 2).keepalives_idle(PATIENCE * 2);
        if config.get_application_name().is_none() {
            config.application_name("smsotpd");
        }
        let shown = shown(&config);
        Ok(Self { config, shown })
    }
}

/// The place without user and password.
fn shown(config: &Config) -> String {
    use tokio_postgres::config::Host;
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        Some(Host::Unix(path)) => path.display().to_string(),
        None => String::new(),
    };
    let port = config.get_ports().first().map_or_else(String::new, |port| format!(":{port}"));
    format!("postgres://{host}{port}/{}", config.get_dbname().unwrap_or_default())
}

/// What comes on a connection unasked.
#[derive(Debug, Default)]
pub(super) struct Heard {
    word: Cell<bool>,
    any: Notify,
}

impl Heard {
    /// Waits for a notification of another session, or the end of the connection.
    pub(super) async fn something(&self) {
        self.any.notified().await;
    }

    /// Whether a notification came since it was last asked.
    pub(super) fn take(&self) -> bool {
        self.word.replace(false)
    }
}

/// A connection with its prepared statements.
pub(super) struct Link {
    client: Client,
    /// Statements never change, so each is parsed and planned once a connection.
    statements: RefCell<HashMap<&'static str, Statement>>,
    /// The last failure was a conflict with another session (deadlock, lock timeout): the same work may well succeed now.
    conflict: Cell<bool>,
    pub(super) heard: Rc<Heard>,
    /// The server's process, to be ended should we lose it.
    pub(super) process: i32,
}

type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Link {
    /// Connects; must be called within a `LocalSet`. What the appliance `me` tells itself is not heard.
    pub(super) async fn open(address: &Address, me: Uuid) -> Result<Self, StoreError> {
        let connected = tokio::time::timeout(PATIENCE, address.config.connect(NoTls)).await;
        let (client, mut connection) =
            connected.map_err(|_| silent())?.map_err(|error| StoreError::Unreachable(told(&error)))?;
        let heard = Rc::new(Heard::default());
        let ears = Rc::clone(&heard);
        let own = me.to_string();
        tokio::task::spawn_local(async move {
            while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
                if matches!(&message, AsyncMessage::Notification(word) if word.payload() != own) {
                    ears.word.set(true);
                    ears.any.notify_one();
                }
            }
            ears.any.notify_one();
        });
        let statements = RefCell::default();
        let mut link = Self { client, statements, conflict: Cell::new(false), heard, process: 0 };
        let set = async {
            link.query(SESSION, &[]).await?;
            link.query(DURABLE, &[]).await?;
            link.query("SELECT pg_backend_pid()", &[]).await
        };
        let rows = tokio::time::timeout(PATIENCE, set).await.map_err(|_| silent())??;
        link.process = rows.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(0);
        Ok(link)
    }

    /// The rows of a statement.
    pub(super) async fn query(&self, sql: &'static str, values: Values<'_>) -> Result<Vec<Row>, StoreError> {
        let statement = self.statement(sql).await?;
        self.client.query(&statement, values).await.map_err(|error| self.failed(&error))
    }

    /// The first row of a statement, if there is one.
    pub(super) async fn first(
        &self,
        sql: &'static str,
        values: Values<'_>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, values).await?.into_iter().next())
    }

    /// How many rows a statement touched.
    pub(super) async fn execute(&self, sql: &'static str, values: Values<'_>) -> Result<u64, StoreError> {
        let statement = self.statement(sql).await?;
        self.client.execute(&statement, values).await.map_err(|error| self.failed(&error))
    }

    /// A few statements without values, in one message.
    pub(super) async fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.client.batch_execute(sql).await.map_err(|error| self.failed(&error))
    }

    /// Prepares statements, so that they are sent in the order in which they are asked when several go at once.
    pub(super) async fn learn(&self, all: &[&'static str]) -> Result<(), StoreError> {
        for sql in all {
            self.statement(sql).await?;
        }
        Ok(())
    }

    /// Whether the server is gone.
    pub(super) fn is_lost(&self) -> bool {
        self.client.is_closed()
    }

    /// Whether the last failure was a conflict with another session, since this was last asked.
    pub(super) fn take_conflict(&self) -> bool {
        self.conflict.replace(false)
    }

    async fn statement(&self, sql: &'static str) -> Result<Statement, StoreError> {
        let known = self.statements.borrow().get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await.map_err(|error| self.failed(&error))?;
        self.statements.borrow_mut().insert(sql, statement.clone());
        Ok(statement)
    }

    fn failed(&self, error: &tokio_postgres::Error) -> StoreError {
        const CONFLICTS: [SqlState; 3] = [
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::LOCK_NOT_AVAILABLE,
        ];
        if error.code().is_some_and(|code| CONFLICTS.contains(code)) {
            self.conflict.set(true);
        }
        fault(error)
    }
}

/// What a failure means for whoever asked. Values never get into it: only the server's first line is told, not its detail.
fn fault(error: &tokio_postgres::Error) -> StoreError {
    let Some(db) = error.as_db_error() else {
        let io = error.source().is_some_and(<dyn std::error::Error>::is::<io::Error>);
        let text = told(error);
        return if io || error.is_closed() {
            StoreError::Unreachable(text)
        } else {
            StoreError::Engine(text)
        };
    };
    let text = format!("{} (SQLSTATE {})", db.message(), db.code().code());
    match db.code().code().get(..2) {
        // Connection exceptions, operator intervention (shutdown), a session that was ended.
        Some("08" | "57" | "25") if db.code() != &SqlState::READ_ONLY_SQL_TRANSACTION => {
            StoreError::Unreachable(text)
        }
        // Out of disk or memory, a standby that only reads, a file system that fails.
        Some("53" | "58" | "25") => StoreError::Unwritable(text),
        _ => StoreError::Engine(text),
    }
}

/// An error with its cause, without values.
fn told(error: &tokio_postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        return db.message().to_owned();
    }
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

fn silent() -> StoreError {
    StoreError::Unreachable(format!("no answer within {} seconds", PATIENCE.as_secs()))
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        fault(&error)
    }
}
