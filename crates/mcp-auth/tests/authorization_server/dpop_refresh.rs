//! DPoP and refresh tokens (RFC 9449 §5): a grant that is bound late, and clients that change.

use std::{sync::Arc, time::Duration};

use http::Method;
use mcp_auth::{access_token::Dpop, authorization_server::clients::StoredRegistrations};
use serde_json::{Value, json};

use crate::{
    client::{Answer, Client, REDIRECT, answer, register, send, token},
    dpop_tokens::{at_token, bound_tokens, kept_in, serving, token_with_proof},
    harness::Server,
    proofs::ProofKey,
};

/// A refresh with a proof of this key.
async fn refreshed(server: &Server, client: &Client, refresh: &str, key: &ProofKey) -> Answer {
    let proof = key.sign(&at_token(server, key));
    token_with_proof(server, &client.refreshing(refresh), &proof).await
}

/// ASR-13. A thief cannot take a grant for himself by being the first with a key: its owner's next use
/// of the old token ends it, with or without a key, in the grace for lost answers and after it.
#[tokio::test]
async fn a_grant_that_a_thief_bound_ends_when_its_owner_comes() {
    let (owners, thief) = (ProofKey::p256(), ProofKey::p256());
    for after in [0, 61] {
        for proves in [false, true] {
            let server = serving(Dpop::accepted()).await;
            let client = Client::public(&server).await;
            let tokens = client.tokens(&server).await;
            let stolen = refreshed(&server, &client, &tokens.refresh, &thief).await;
            assert_eq!(stolen.json()["token_type"], "DPoP", "{}", stolen.body);
            server.clock.advance(Duration::from_secs(after));
            let refused = match proves {
                true => refreshed(&server, &client, &tokens.refresh, &owners).await,
                false => token(&server, &client.refreshing(&tokens.refresh)).await,
            };
            refused.refuses(400, "invalid_grant");
            let stolen = stolen.tokens().refresh;
            refreshed(&server, &client, &stolen, &thief)
                .await
                .refuses(400, "invalid_grant");
        }
    }
}

/// ASR-13. The same where the operator asked for proofs later on, and everybody has to bring a key.
#[tokio::test]
async fn a_thief_is_found_out_where_proofs_became_required() {
    let store = Arc::default();
    let server = Server::builder(kept_in(&store, None)).start().await;
    let client = Client::public(&server).await;
    let tokens = client.tokens(&server).await;
    server.restart(kept_in(&store, Some(Dpop::required())));
    let (owners, thief) = (ProofKey::p256(), ProofKey::p256());
    let stolen = refreshed(&server, &client, &tokens.refresh, &thief).await;
    server.clock.advance(Duration::from_secs(61));
    refreshed(&server, &client, &tokens.refresh, &owners)
        .await
        .refuses(400, "invalid_grant");
    refreshed(&server, &client, &stolen.tokens().refresh, &thief)
        .await
        .refuses(400, "invalid_grant");
}

/// ASR-13. The answer that bound a grant may get lost as any other: its key is told again.
#[tokio::test]
async fn the_answer_that_bound_a_grant_is_given_again_to_its_key() {
    let server = serving(Dpop::accepted()).await;
    let client = Client::public(&server).await;
    let unbound = client.tokens(&server).await.refresh;
    let key = ProofKey::p256();
    let lost = refreshed(&server, &client, &unbound, &key).await.tokens();
    let again = refreshed(&server, &client, &unbound, &key).await;
    assert_eq!(again.json()["token_type"], "DPoP", "{}", again.body);
    assert_eq!(again.tokens().refresh, lost.refresh);
    let next = refreshed(&server, &client, &lost.refresh, &key).await;
    assert_eq!(next.status, 200, "{}", next.body);
    // Too late it is a reuse, by whomever.
    server.clock.advance(Duration::from_secs(61));
    refreshed(&server, &client, &unbound, &key)
        .await
        .refuses(400, "invalid_grant");
    refreshed(&server, &client, &next.tokens().refresh, &key)
        .await
        .refuses(400, "invalid_grant");
}

/// ASR-13. A lost answer that was unbound, and is asked for again with a proof: nothing bound comes
/// with a refresh token that is not.
#[tokio::test]
async fn an_answer_with_a_proof_never_brings_an_unbound_refresh_token() {
    let server = serving(Dpop::accepted()).await;
    let client = Client::public(&server).await;
    let first = client.tokens(&server).await.refresh;
    let lost = token(&server, &client.refreshing(&first)).await.tokens();
    let key = ProofKey::p256();
    let again = refreshed(&server, &client, &first, &key).await;
    assert_eq!(again.json()["token_type"], "DPoP", "{}", again.body);
    let bound = again.tokens().refresh;
    assert_ne!(bound, lost.refresh);
    token(&server, &client.refreshing(&bound))
        .await
        .refuses(400, "invalid_dpop_proof");
    let next = refreshed(&server, &client, &bound, &key).await;
    assert_eq!(next.status, 200, "{}", next.body);
    // Whoever has the answer that was not lost after all is a second holder.
    token(&server, &client.refreshing(&lost.refresh))
        .await
        .refuses(400, "invalid_grant");
    refreshed(&server, &client, &next.tokens().refresh, &key)
        .await
        .refuses(400, "invalid_grant");
}

/// A client that can replace its own registration.
struct Registered {
    client: Client,
    path: String,
    access: String,
}

impl Registered {
    async fn new(server: &Server, method: &str) -> Self {
        let body = json!({ "redirect_uris": [REDIRECT], "client_name": "Changing",
            "token_endpoint_auth_method": method });
        let told = register(server, &body).await.json();
        let text = |name: &str| told[name].as_str().map(str::to_owned);
        let uri = text("registration_client_uri").unwrap();
        Self {
            client: client(&told),
            path: uri.strip_prefix(server.issuer()).unwrap().to_owned(),
            access: text("registration_access_token").unwrap(),
        }
    }

    async fn proves_itself_by(&mut self, server: &Server, method: &str) {
        let body = json!({ "client_id": self.client.id, "redirect_uris": [REDIRECT],
            "client_name": "Changing", "token_endpoint_auth_method": method });
        let put = send(server, Method::PUT, &self.path)
            .bearer_auth(&self.access)
            .header("content-type", "application/json")
            .body(body.to_string());
        let told = answer(put).await;
        assert_eq!(told.status, 200, "{}", told.body);
        let told = told.json();
        self.client = client(&told);
        // A replacement may bring a new one (RFC 7592 §3).
        if let Some(access) = told["registration_access_token"].as_str() {
            self.access = access.to_owned();
        }
    }
}

fn client(told: &Value) -> Client {
    Client {
        id: told["client_id"].as_str().unwrap().to_owned(),
        secret: told["client_secret"].as_str().map(str::to_owned),
        redirect_uri: REDIRECT.to_owned(),
    }
}

async fn storing() -> Server {
    Server::builder(|tier| {
        tier.with_stored_registrations(StoredRegistrations::new())
            .with_dpop(Dpop::accepted())
    })
    .start()
    .await
}

/// ASR-13. Whether a client is held to a key follows what it proved itself with now, not what it had
/// when it signed in.
#[tokio::test]
async fn a_client_that_became_public_is_held_to_its_key() {
    let server = storing().await;
    let mut registered = Registered::new(&server, "client_secret_post").await;
    let tokens = registered.client.tokens(&server).await;
    registered.proves_itself_by(&server, "none").await;
    let client = &registered.client;
    let (key, thief) = (ProofKey::p256(), ProofKey::p256());
    let bound = refreshed(&server, client, &tokens.refresh, &key).await;
    assert_eq!(bound.json()["token_type"], "DPoP", "{}", bound.body);
    let bound = bound.tokens().refresh;
    token(&server, &client.refreshing(&bound))
        .await
        .refuses(400, "invalid_dpop_proof");
    refreshed(&server, client, &bound, &thief)
        .await
        .refuses(400, "invalid_grant");
    let next = refreshed(&server, client, &bound, &key).await;
    assert_eq!(next.status, 200, "{}", next.body);
}

/// ASR-13. And the other way round: from then on its refresh tokens are bound to what it proves itself
/// with, and its key may change.
#[tokio::test]
async fn a_client_that_became_confidential_may_change_its_key() {
    let server = storing().await;
    let mut registered = Registered::new(&server, "none").await;
    let tokens = bound_tokens(&server, &registered.client, &ProofKey::p256()).await;
    registered
        .proves_itself_by(&server, "client_secret_post")
        .await;
    let client = &registered.client;
    assert!(client.secret.is_some());
    let mut refresh = tokens.refresh;
    for key in [ProofKey::p256(), ProofKey::ed25519()] {
        let renewed = refreshed(&server, client, &refresh, &key).await;
        assert_eq!(renewed.json()["token_type"], "DPoP", "{}", renewed.body);
        refresh = renewed.tokens().refresh;
    }
    let without_secret = Client {
        secret: None,
        ..registered.client.clone()
    };
    let refused = refreshed(&server, &without_secret, &refresh, &ProofKey::p256()).await;
    refused.refuses(401, "invalid_client");
}
