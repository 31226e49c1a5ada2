//! What a store is given to keep.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use mcp_auth::{
    DcrShim,
    oauth::ClientId,
    store::{
        Capabilities, Cursor, IndexName, IndexPage, Insert, MemoryStore, Record, RecordKey,
        Replace, Store, StoreError, Version, Versioned,
    },
};

use crate::{
    client::{Client, VERIFIER, approve, register, token},
    harness::Server,
};

/// A memory store that remembers every byte it was ever given.
#[derive(Debug, Default)]
pub struct Witness {
    inner: MemoryStore,
    promises: Option<Capabilities>,
    away: AtomicBool,
    seen: Mutex<Vec<Vec<u8>>>,
    reads: AtomicUsize,
    ends: Mutex<Option<(Arc<DcrShim>, ClientId)>>,
}

impl Witness {
    /// One that says it can do this, whatever it can.
    pub fn promising(promises: Capabilities) -> Self {
        Self {
            promises: Some(promises),
            ..Self::default()
        }
    }

    /// From now on it takes nothing.
    pub fn go_away(&self) {
        self.away.store(true, Ordering::SeqCst);
    }

    pub fn come_back(&self) {
        self.away.store(false, Ordering::SeqCst);
    }

    /// Ends this registration when the next grant is about to be inserted.
    pub fn end_before_next_grant(&self, tier: Arc<DcrShim>, client: ClientId) {
        *self.ends.lock().unwrap() = Some((tier, client));
    }

    /// How many records were asked for.
    pub fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }

    fn saw(&self, key: &RecordKey, record: &Record) {
        let mut seen = self.seen.lock().unwrap();
        seen.push(key.as_bytes().to_vec());
        seen.push(record.sealed.clone());
        seen.extend(record.indexes.iter().map(|name| name.as_bytes().to_vec()));
    }

    pub fn writes(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub fn contains(&self, text: &str) -> bool {
        let seen = self.seen.lock().unwrap();
        seen.iter().any(|bytes| {
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        })
    }
}

#[async_trait]
impl Store for Witness {
    fn capabilities(&self) -> Capabilities {
        self.promises.unwrap_or_else(|| self.inner.capabilities())
    }

    async fn insert(&self, key: &RecordKey, record: Record) -> Result<Insert, StoreError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable(None));
        }
        self.saw(key, &record);
        // Grants alone are found by subject and by client.
        if record.indexes.len() == 2 {
            let ends = self.ends.lock().unwrap().take();
            if let Some((tier, client)) = ends {
                assert!(tier.registrations().unwrap().end(&client).await.unwrap());
            }
        }
        self.inner.insert(key, record).await
    }

    async fn load(&self, key: &RecordKey) -> Result<Option<Versioned>, StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.inner.load(key).await
    }

    async fn replace(
        &self,
        key: &RecordKey,
        version: Version,
        record: Record,
    ) -> Result<Replace, StoreError> {
        self.saw(key, &record);
        self.inner.replace(key, version, record).await
    }

    async fn remove(&self, key: &RecordKey) -> Result<(), StoreError> {
        self.inner.remove(key).await
    }

    async fn list(
        &self,
        index: &IndexName,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError> {
        self.inner.list(index, cursor, limit).await
    }

    async fn purge_expired(&self, limit: usize) -> Result<usize, StoreError> {
        self.inner.purge_expired(limit).await
    }
}

async fn witnessed() -> (Server, Arc<Witness>) {
    let witness = Arc::new(Witness::default());
    let store = Arc::clone(&witness);
    let server = Server::builder(move |tier| tier.with_store(store))
        .start()
        .await;
    (server, witness)
}

/// AST-13, AST-25, ASZ-25.
#[tokio::test]
async fn no_secret_reaches_the_store_in_clear() {
    let (server, witness) = witnessed().await;
    let client = Client::confidential(&server).await;
    let request = client.request(&server);
    let callback = approve(&server, &mut server.browser(), &client, &request).await;
    let code = callback.code().unwrap();
    let ours = callback
        .hops
        .iter()
        .find(|hop| hop.url.path() == "/callback")
        .unwrap();
    let upstream = crate::client::Redirect::read(ours.url.as_str());
    let first = token(&server, &client.redemption(&server, code))
        .await
        .tokens();
    server.clock.advance(std::time::Duration::from_secs(301));
    let second = token(&server, &client.refreshing(&first.refresh))
        .await
        .tokens();
    let host = server.host();
    let access = mcp_auth::oauth::AccessToken::new(second.access.clone());
    let upstream_token = host.call_tool(&access, "upstream-token").await.unwrap();
    assert!(server.upstream.is_live_access_token(&upstream_token));
    let challenge = mcp_auth::oauth::CodeVerifier::parse(VERIFIER)
        .unwrap()
        .challenge();
    assert!(witness.writes() > 0);
    for secret in [
        code,
        VERIFIER,
        challenge.as_str(),
        client.secret.as_deref().unwrap(),
        &first.access,
        &first.refresh,
        &second.access,
        &second.refresh,
        &upstream_token,
        &upstream.all("code")[0],
        &upstream.all("state")[0],
        "user-alice",
        &client.id,
    ] {
        assert!(!witness.contains(secret), "{secret}");
    }
}

/// DCR-12, DCR-13, ASC-01.
#[tokio::test]
async fn strangers_write_nothing_into_the_store() {
    let (server, witness) = witnessed().await;
    for _ in 0..20 {
        let client = Client::confidential(&server).await;
        let page = crate::client::authorize(&server, &client.request(&server)).await;
        assert_eq!(page.status, 200);
        token(&server, &client.redemption(&server, "x"))
            .await
            .refuses(400, "invalid_grant");
        token(&server, &client.refreshing("x"))
            .await
            .refuses(400, "invalid_grant");
        crate::client::get(&server, "/callback?state=x&code=y").await;
    }
    register(&server, &serde_json::json!({})).await;
    assert_eq!(witness.writes(), 0);
}

/// DCR-13. Coming back without a code leaves nothing behind either.
#[tokio::test]
async fn a_login_that_ends_without_a_code_writes_nothing() {
    let (server, witness) = witnessed().await;
    let client = Client::public(&server).await;
    for error in ["access_denied", "server_error"] {
        server
            .upstream
            .change_faults(|faults| faults.error_on_authorize = Some(error.to_owned()));
        for _ in 0..3 {
            let request = client.request(&server);
            let back = approve(&server, &mut server.browser(), &client, &request).await;
            assert_eq!(back.error(), Some(error));
        }
    }
    server.upstream.change_faults(|faults| {
        faults.error_on_authorize = None;
        faults.wrong_iss = true;
    });
    let back = approve(
        &server,
        &mut server.browser(),
        &client,
        &client.request(&server),
    )
    .await;
    assert_eq!(back.error(), Some("server_error"));
    assert_eq!(witness.writes(), 0);
}

/// STO-17.
#[tokio::test]
async fn whatever_must_not_be_guessed_is_long_and_new_each_time() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use std::collections::HashSet;

    let server = Server::start().await;
    let mut seen = HashSet::new();
    for _ in 0..20 {
        let client = Client::confidential(&server).await;
        let mut browser = server.browser();
        let back = crate::client::pending(&server, &mut browser, &client.request(&server)).await;
        let csrf = browser.cookie(&server.url("/consent"), "mcp-auth-browser");
        let state = back.state().unwrap().to_owned();
        let done = crate::client::finish(&mut browser, back.url.as_str(), &client).await;
        let code = done.code().unwrap().to_owned();
        let tokens = token(&server, &client.redemption(&server, &code))
            .await
            .tokens();
        let bits = |text: &str| {
            let text = text
                .rsplit('_')
                .next()
                .filter(|_| text.starts_with("mcp"))
                .unwrap_or(text);
            URL_SAFE_NO_PAD
                .decode(text)
                .map_or(0, |bytes| bytes.len() * 8)
        };
        for (what, value) in [("csrf", &csrf.unwrap()), ("state", &state), ("code", &code)] {
            assert!(bits(value) >= 256, "{what}: {value}");
            assert!(seen.insert(value.clone()), "{what} twice");
        }
        let secret = client.secret.clone().unwrap();
        assert!(secret.len() >= 43);
        for value in [secret, tokens.access, tokens.refresh] {
            assert!(value.len() >= 43 && seen.insert(value));
        }
    }
}

/// GRW-01. A code that is none of the upstream's leaves nothing behind.
#[tokio::test]
async fn an_invented_code_of_the_upstream_leaves_no_record() {
    let store = Arc::new(MemoryStore::new());
    let kept = store.clone();
    let ring = || mcp_auth::store::KeyRing::parse(crate::harness::KEY).unwrap();
    let server = Server::builder(move |tier| tier.with_store(kept).with_key_ring(ring()))
        .start()
        .await;
    let client = Client::public(&server).await;
    let before = store.len();
    for _ in 0..3 {
        let mut browser = server.browser();
        let pending = crate::client::pending(&server, &mut browser, &client.request(&server)).await;
        let state = crate::client::Redirect::of(&pending).all("state")[0].clone();
        let url = server.url(&format!("/callback?code=invented&state={state}"));
        crate::client::finish(&mut browser, &url, &client).await;
    }
    assert_eq!(store.len(), before);
}
