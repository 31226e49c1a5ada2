//! Clients that registered themselves and bring identity assertions (ID-JAG): nobody logs in, and no
//! code is ever redeemed.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use jsonwebtoken::Algorithm;
use mcp_auth::{
    DcrShim,
    authorization_server::{EnterpriseIssuer, clients::StoredRegistrations},
    oauth::{ClientId, Clock, Issuer},
    store::{
        Capabilities, Cursor, IndexName, IndexPage, Insert, KeyRing, MemoryStore, Record,
        RecordKey, Replace, Store, StoreError, Version, Versioned,
    },
    tier::ShimBuilder,
};
use serde_json::{Value, json};

use crate::{
    client::{Answer, Client, Parameters, opens, register, token},
    harness::{KEY, Server},
    signer::Signer,
};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const IDP: &str = "https://idp.corp.example";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A server that trusts one identity provider.
struct Enterprise {
    server: Server,
    signer: Signer,
}

impl Enterprise {
    async fn with(
        change: impl FnOnce(ShimBuilder<DcrShim>) -> ShimBuilder<DcrShim> + Send + 'static,
    ) -> Self {
        let signer = Signer::generate(Algorithm::ES256, "k1");
        let issuer = EnterpriseIssuer::with_jwks(Issuer::parse(IDP).unwrap(), signer.jwks());
        let server = Server::builder(move |tier| change(tier).with_enterprise_issuers([issuer]));
        Self {
            server: server.start().await,
            signer,
        }
    }

    async fn client(&self) -> Client {
        Client::registered(&self.server, metadata()).await
    }

    /// A fresh assertion for this client, redeemed.
    async fn redeem(&self, client: &Client, jti: &str) -> Answer {
        let now = self.server.clock.now().as_seconds();
        let mut header = self.signer.header();
        header.typ = Some("oauth-id-jag+jwt".into());
        let claims = json!({
            "iss": IDP, "sub": "u-1", "aud": self.server.issuer(), "client_id": client.id,
            "resource": self.server.mcp_url(), "iat": now, "exp": now + 300, "jti": jti,
        });
        let form = Parameters::default()
            .and("grant_type", JWT_BEARER)
            .and("assertion", &self.signer.sign_with(&header, &claims))
            .and("client_id", &client.id);
        let form = match &client.secret {
            Some(secret) => form.and("client_secret", secret),
            None => form,
        };
        token(&self.server, &form).await
    }
}

fn metadata() -> Value {
    json!({
        "redirect_uris": ["https://client.example/cb"],
        "grant_types": ["authorization_code", JWT_BEARER],
        "token_endpoint_auth_method": "client_secret_basic",
    })
}

/// DCR-12.
#[tokio::test]
async fn a_registration_that_brings_assertions_is_in_use_and_lives_on() {
    let settings = StoredRegistrations::new().with_capacity(10);
    let enterprise = Enterprise::with(move |tier| {
        tier.without_rate_limits()
            .with_stored_registrations(settings)
    })
    .await;
    let server = &enterprise.server;
    let client = enterprise.client().await;
    let registrations = server.tier().registrations().unwrap();
    assert!(!registrations.list().await.unwrap()[0].used);
    let first = enterprise.redeem(&client, "first").await.tokens();
    assert!(opens(server, &first.access).await);
    assert!(registrations.list().await.unwrap()[0].used);
    for day in 0..70 {
        server.clock.advance(DAY);
        let answer = enterprise.redeem(&client, &day.to_string()).await;
        assert_eq!(answer.status, 200, "day {day}: {}", answer.body);
    }
    // A flood takes the places of those that nobody uses.
    for _ in 0..30 {
        server.clock.advance(Duration::from_secs(1));
        assert_eq!(register(server, &metadata()).await.status, 201);
    }
    enterprise.redeem(&client, "after").await.tokens();
}

/// DCR-12. What is refused marks nothing as used.
#[tokio::test]
async fn a_refused_assertion_prolongs_nothing() {
    let enterprise =
        Enterprise::with(|tier| tier.with_stored_registrations(StoredRegistrations::new())).await;
    let client = enterprise.client().await;
    let other = enterprise.client().await;
    let stolen = Client {
        id: client.id.clone(),
        ..other
    };
    let refused = enterprise.redeem(&stolen, "1").await;
    refused.refuses(401, "invalid_client");
    let registrations = enterprise.server.tier().registrations().unwrap();
    for one in registrations.list().await.unwrap() {
        assert!(!one.used);
    }
}

/// Ends one registration at the moment a grant is about to be written.
#[derive(Debug, Default)]
struct EndsMeanwhile {
    inner: MemoryStore,
    ends: Mutex<Option<(Arc<DcrShim>, ClientId)>>,
}

#[async_trait]
impl Store for EndsMeanwhile {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn insert(&self, key: &RecordKey, record: Record) -> Result<Insert, StoreError> {
        // Grants alone are found by subject and by client.
        if record.indexes.len() == 2 {
            let ends = self.ends.lock().unwrap().take();
            if let Some((tier, id)) = ends {
                assert!(tier.registrations().unwrap().end(&id).await.unwrap());
            }
        }
        self.inner.insert(key, record).await
    }

    async fn load(&self, key: &RecordKey) -> Result<Option<Versioned>, StoreError> {
        self.inner.load(key).await
    }

    async fn replace(
        &self,
        key: &RecordKey,
        version: Version,
        record: Record,
    ) -> Result<Replace, StoreError> {
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

/// DCR-15, DCR-18.
#[tokio::test]
async fn a_registration_that_ends_during_a_redemption_leaves_no_grant() {
    let store = Arc::new(EndsMeanwhile::default());
    let kept = Arc::clone(&store);
    let enterprise = Enterprise::with(move |tier| {
        tier.with_store(kept)
            .with_key_ring(KeyRing::parse(KEY).unwrap())
            .with_stored_registrations(StoredRegistrations::new())
    })
    .await;
    let client = enterprise.client().await;
    let id = client.client_id();
    let tier = enterprise.server.tier();
    *store.ends.lock().unwrap() = Some((Arc::clone(&tier), id.clone()));
    let refused = enterprise.redeem(&client, "1").await;
    refused.refuses(401, "invalid_client");
    assert!(store.ends.lock().unwrap().is_none(), "it was ended");
    assert_eq!(tier.grants().of_client(&id).await.unwrap(), []);
}
