//! rmcp's sessions in our store, so that a host of a 2025 revision survives a move to another process.

use std::{sync::Arc, time::Duration};

use ::rmcp::transport::streamable_http_server::session::store::{
    SessionState, SessionStore, SessionStoreError,
};
use async_trait::async_trait;

use crate::{
    oauth::{Random, SystemClock, SystemRandom, Timestamp},
    resource_server::SessionRecords,
    store::{Insert, KeyRing, Purpose, RecordKey, Records, Replace, Sealer, Store},
};

/// What hosts said when they initialized their sessions, kept in a [`Store`]: another process answers
/// for a session by replaying it.
///
/// [`server_config`](super::server_config) sets it for a tier whose store is shared. Who may use a
/// session is not said here: the layer's MAC on the session id binds it to its principal, in every
/// process that has the same key ring. A session that nobody used for a day is forgotten.
#[derive(Debug, Clone)]
pub struct StoredSessions(SessionRecords);

impl StoredSessions {
    /// Keeps the sessions of one MCP endpoint, sealed under this ring; all processes that serve the
    /// endpoint share both.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, ring: &KeyRing, resource: &str) -> Self {
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let sealer = Sealer::new(ring, Purpose::Record, resource, random);
        let records = Records::new(store, sealer, Arc::new(SystemClock));
        Self::of(SessionRecords::new(records))
    }

    pub(crate) const fn of(records: SessionRecords) -> Self {
        Self(records)
    }

    fn end(&self) -> Timestamp {
        self.0.records().now().plus(LIFETIME)
    }
}

#[async_trait]
impl SessionStore for StoredSessions {
    async fn load(&self, session_id: &str) -> Result<Option<SessionState>, SessionStoreError> {
        let key = key(session_id);
        let loaded = self.0.records().load::<SessionState>(&key).await;
        self.0.note(loaded.is_err());
        let Some(loaded) = loaded? else {
            return Ok(None);
        };
        // Once an hour is often enough to say that it is in use.
        if loaded.expires_at <= self.end().minus(EXTENDED_EVERY) {
            // Whoever swapped it meanwhile extended it, too; and what was read is good, whether it
            // could be extended or not.
            let extended = self.0.records().replace(
                &key,
                loaded.version,
                &loaded.value,
                self.end(),
                Vec::new(),
            );
            drop(extended.await);
        }
        Ok(Some(loaded.value))
    }

    async fn store(&self, session_id: &str, state: &SessionState) -> Result<(), SessionStoreError> {
        let key = key(session_id);
        loop {
            let end = self.end();
            if self
                .0
                .records()
                .insert(&key, state, end, Vec::new())
                .await?
                == Insert::Inserted
            {
                return Ok(());
            }
            match self.0.records().load::<SessionState>(&key).await? {
                // What is there cannot be read, or has expired, and is in the way.
                None => self.0.records().remove(&key).await?,
                Some(loaded) => {
                    let version = loaded.version;
                    let replacing = self
                        .0
                        .records()
                        .replace(&key, version, state, end, Vec::new());
                    if replacing.await? == Replace::Replaced {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn delete(&self, session_id: &str) -> Result<(), SessionStoreError> {
        Ok(self.0.records().remove(&key(session_id)).await?)
    }
}

fn key(session_id: &str) -> RecordKey {
    RecordKey::new("mcp session", session_id.as_bytes())
}

const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
const EXTENDED_EVERY: Duration = Duration::from_secs(60 * 60);

#[cfg(test)]
mod tests {
    use ::rmcp::model::InitializeRequestParams;

    use super::*;
    use crate::store::MemoryStore;

    const RING: &str = "k:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn sessions(store: &Arc<MemoryStore>, resource: &str) -> StoredSessions {
        StoredSessions::new(store.clone(), &KeyRing::parse(RING).unwrap(), resource)
    }

    fn state(host: &str) -> SessionState {
        let params = serde_json::json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": { "name": host, "version": "1" },
        });
        let params: InitializeRequestParams = serde_json::from_value(params).unwrap();
        SessionState::new(params)
    }

    fn host(state: Option<SessionState>) -> Option<String> {
        state.map(|state| state.initialize_params.client_info.name.clone())
    }

    #[tokio::test]
    async fn another_process_answers_for_a_session_until_it_is_deleted() {
        let store = Arc::new(MemoryStore::new());
        let (here, there) = (sessions(&store, "r"), sessions(&store, "r"));
        here.store("s", &state("first")).await.unwrap();
        assert_eq!(
            host(there.load("s").await.unwrap()).as_deref(),
            Some("first")
        );
        there.store("s", &state("second")).await.unwrap();
        assert_eq!(
            host(here.load("s").await.unwrap()).as_deref(),
            Some("second")
        );
        assert_eq!(host(here.load("other").await.unwrap()), None);
        here.delete("s").await.unwrap();
        assert_eq!(host(there.load("s").await.unwrap()), None);
    }

    #[tokio::test]
    async fn a_session_of_another_endpoint_cannot_be_read() {
        let store = Arc::new(MemoryStore::new());
        sessions(&store, "a")
            .store("s", &state("host"))
            .await
            .unwrap();
        let other = sessions(&store, "b");
        assert_eq!(host(other.load("s").await.unwrap()), None);
        // And what cannot be read is no obstacle.
        other.store("s", &state("mine")).await.unwrap();
        assert_eq!(
            host(other.load("s").await.unwrap()).as_deref(),
            Some("mine")
        );
    }
}
