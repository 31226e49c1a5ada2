//! How a store is opened.

use std::{fmt, time::Duration};

use mcp_auth::BuildError;

use crate::{RedisStore, address::Address};

/// Opens a [`RedisStore`] otherwise than by default.
#[must_use]
pub struct RedisStoreBuilder {
    url: String,
    prefix: String,
    deadline: Duration,
    durable: bool,
}

impl RedisStoreBuilder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            prefix: "mcp-auth:".to_owned(),
            deadline: Duration::from_secs(1),
            durable: false,
        }
    }

    /// What all keys begin with, so that others can use the same database; `mcp-auth:` by default.
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long an operation may take before it answers that the store is away; a second by default.
    ///
    /// Keep it below the deadline that the authorization server has for its store, two seconds by
    /// default, so that the answer says what is wrong.
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// States that the server writes to disk before it answers: `appendonly yes` and
    /// `appendfsync always`, or a service that promises as much. Not so by default.
    ///
    /// # Security
    ///
    /// The store cannot check it. Where it is not so, a crash of the server takes back what it had
    /// acknowledged: a code that was redeemed can be redeemed again, a grant that was revoked lives.
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Opens the store and tries, within the deadline, to connect.
    ///
    /// Wants to be called, as the store itself, inside a tokio runtime with I/O and time enabled.
    ///
    /// # Errors
    ///
    /// When the URL or another argument cannot be used, and when the server refuses the credentials or
    /// is not one that the store can work with. Not when it is away: then every operation answers so
    /// until it is there.
    pub async fn open(self) -> Result<RedisStore, BuildError> {
        let address = Address::parse(&self.url)?;
        if self.deadline.is_zero() {
            return Err(BuildError::argument("store deadline", "must not be zero"));
        }
        if self.prefix.contains(['{', '}']) {
            // All keys would lie on one node of a cluster.
            return Err(BuildError::argument(
                "store prefix",
                "must have no `{` and no `}`",
            ));
        }
        let store = RedisStore::new(address, self.prefix, self.deadline, self.durable);
        store.first_try().await?;
        Ok(store)
    }
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder")
            .field("prefix", &self.prefix)
            .field("deadline", &self.deadline)
            .field("durable", &self.durable)
            .finish_non_exhaustive()
    }
}
