//! An account in Redis: the names of its keys, and what is said of a Redis that fails.

use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult, aio::MultiplexedConnection};
use sha2::{Digest, Sha256};
use tokio::time::error::Elapsed;

/// All processes that name the same account share its limit and its quiet.
#[derive(Clone)]
pub struct Account {
    pub(super) client: Client,
    tag: String,
}

impl Account {
    /// Redis gets to see a hash of the name, and nothing else of the account.
    pub fn new(client: Client, name: &str) -> Self {
        let hash = Sha256::digest(format!("revio-status {name}"));
        let tag = hash.iter().take(16).map(|b| format!("{b:02x}")).collect();
        Self { client, tag }
    }

    // The last number of a key is that of its form: what the key holds, and what that means. Copies of
    // these files with another form, as during a rolling update, count by themselves and void nothing
    // of each other. Whoever changes a form changes its number, and the other key keeps its own.

    /// Turns: see `turns.rs`.
    pub fn limit_key(&self) -> String {
        self.key("limit:1")
    }

    /// The quiet, and the channel that tells of it: see `quiet.rs`.
    pub fn quiet_key(&self) -> String {
        self.key("quiet:1")
    }

    /// The braces bring all keys of an account to one slot of a cluster.
    fn key(&self, of: &str) -> String {
        format!("revio:{{{}}}:{of}", self.tag)
    }

    /// Whoever asks says how long an answer may take, not the client's default of half a second.
    pub(super) async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let settings = AsyncConnectionConfig::new().set_response_timeout(None);
        let client = &self.client;
        client
            .get_multiplexed_async_connection_with_config(&settings)
            .await
    }
}

/// Redis' word for what is wrong, such as `OOM` or `READONLY`; never its text, nor an address.
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
