//! What a server says about itself, as far as it may be asked.

use redis::{Value, aio::MultiplexedConnection};

/// An answer to `INFO`.
pub(crate) struct Inspection(String);

impl Inspection {
    /// None where the user may not ask.
    pub(crate) async fn of(connection: &mut MultiplexedConnection) -> Option<Self> {
        let answer = redis::cmd("INFO").query_async::<Value>(connection).await;
        redis::from_redis_value(answer.ok()?).ok().map(Self)
    }

    pub(crate) fn is_cluster(&self) -> bool {
        self.says("redis_mode", "cluster") || self.says("server_mode", "cluster")
    }

    /// Warns of settings that sign users out.
    pub(crate) fn warn(&self, store: &str) {
        if let Some(policy) = self
            .value("maxmemory_policy")
            .filter(|p| *p != "noeviction")
        {
            tracing::warn!(
                fault = "server",
                reason = "evicts records",
                store,
                policy,
                "evicted sessions are signed out: set maxmemory-policy noeviction"
            );
        }
        if self.says("aof_enabled", "0") {
            tracing::warn!(
                fault = "server",
                reason = "persistence is off",
                store,
                "a crash of the server signs users out: set appendonly yes"
            );
        }
    }

    fn says(&self, name: &str, wanted: &str) -> bool {
        self.value(name) == Some(wanted)
    }

    fn value(&self, name: &str) -> Option<&str> {
        let lines = self.0.lines().filter_map(|line| line.split_once(':'));
        let mut found = lines.filter(|(key, _)| *key == name);
        found.next().map(|(_, value)| value.trim())
    }
}
