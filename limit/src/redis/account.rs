//! The account in Redis: one connection, and the names of the keys.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use redis::{AsyncConnectionConfig, Client, RedisError, aio::MultiplexedConnection};
use sha2::{Digest, Sha256};
use tokio::{
    task::AbortHandle,
    time::{error::Elapsed, timeout},
};

/// How long a connection may take.
pub(super) const CONNECT: Duration = Duration::from_secs(1);

/// An account whose limit and cool-down many processes share over Redis.
///
/// All processes that give the same name to the same Redis share the account. Redis sees only a hash of
/// the name. Clones share one connection.
///
/// Needs Redis 5 or later.
///
/// ```
/// use revio_status_limit::{Account, LimitLayer, Quota};
///
/// # fn main() -> Result<(), redis::RedisError> {
/// let account = Account::new(redis::Client::open("redis://127.0.0.1/")?, "acme");
/// let limit = LimitLayer::new(Quota::per_minute(500)).shared(&account, 10);
/// assert!(!limit.is_shared(), "nothing was asked of Redis so far");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Account(Arc<Inner>);

struct Inner {
    client: Client,
    tag: String,
    connection: Mutex<Option<Connection>>,
}

struct Connection {
    commands: MultiplexedConnection,
    /// A task that ends with the runtime, as the connection's own does.
    runtime: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.runtime.abort();
    }
}

impl Account {
    /// Creates an account of this name. No connection is made yet.
    #[must_use]
    pub fn new(client: Client, name: &str) -> Self {
        let hash = Sha256::digest(format!("revio-status {name}"));
        let tag = hash.iter().take(16).map(|byte| format!("{byte:02x}"));
        Self(Arc::new(Inner {
            client,
            tag: tag.collect(),
            connection: Mutex::new(None),
        }))
    }

    // The last number of a key is the version of what it holds. Processes with another version, as
    // during a rolling update, use another key, and void nothing of each other. A change of the form
    // changes the number.

    /// Turns: see `remote.rs`.
    pub(super) fn limit_key(&self) -> String {
        self.key("limit:2")
    }

    /// The cool-down, and the channel that announces it: see `sync.rs`.
    pub(super) fn cooldown_key(&self) -> String {
        self.key("cooldown:2")
    }

    /// The braces keep all keys of an account in one slot of a cluster.
    fn key(&self, of: &str) -> String {
        format!("revio:{{{}}}:{of}", self.0.tag)
    }

    pub(super) fn client(&self) -> &Client {
        &self.0.client
    }

    /// Returns the account's connection, if it still has a runtime.
    fn current(&self) -> Option<MultiplexedConnection> {
        let mut connection = self.lock();
        if connection.as_ref()?.runtime.is_finished() {
            *connection = None;
        }
        Some(connection.as_ref()?.commands.clone())
    }

    /// Returns the account's connection. A connection whose runtime has ended is replaced.
    pub(super) async fn connection(&self) -> Result<MultiplexedConnection, Cause> {
        if let Some(connection) = self.current() {
            return Ok(connection);
        }
        // The caller says how long a response may take, not the client's default of half a second.
        let settings = AsyncConnectionConfig::new().set_response_timeout(None);
        let client = &self.0.client;
        let connect = client.get_multiplexed_async_connection_with_config(&settings);
        let commands = timeout(CONNECT, connect).await??;
        let runtime = tokio::spawn(std::future::pending::<()>()).abort_handle();
        *self.lock() = Some(Connection {
            commands: commands.clone(),
            runtime,
        });
        Ok(commands)
    }

    /// Forgets a connection that failed.
    pub(super) fn disconnect(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Connection>> {
        let connection = &self.0.connection;
        connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows no name, no address and no credential.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").finish_non_exhaustive()
    }
}

/// Redis' word for what is wrong, such as `OOM` or `READONLY`; never its text, and no address.
#[derive(Debug)]
pub(super) struct Cause(pub(super) String);

impl From<Elapsed> for Cause {
    fn from(_: Elapsed) -> Self {
        Self("timed out".into())
    }
}

impl From<RedisError> for Cause {
    fn from(error: RedisError) -> Self {
        Self(error.code().unwrap_or(error.category()).to_owned())
    }
}
