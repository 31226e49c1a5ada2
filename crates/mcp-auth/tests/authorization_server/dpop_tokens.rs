//! DPoP at the token endpoint (RFC 9449): what is bound to a key, and to which.

use std::{sync::Arc, time::Duration};

use http::Method;
use mcp_auth::{
    DcrShim,
    access_token::{Dpop, SigningKeys},
    authorization_server::clients::{ClientDocuments, PreregisteredClients},
    oauth::ClientId,
    store::{KeyRing, MemoryStore},
    tier::ShimBuilder,
};
use mcp_auth_testkit::{DocumentHost, document_host::document};
use serde_json::json;

use crate::{
    client::{Answer, Client, Parameters, Tokens, answer, basic, get, register, send, token},
    harness::{KEY, Server},
    jwt_access_tokens::{P256, part},
    proofs::{Proof, ProofKey},
};

pub async fn serving(dpop: Dpop) -> Server {
    Server::builder(move |tier| tier.with_dpop(dpop))
        .start()
        .await
}

/// The same, with access tokens that are JWTs.
pub async fn serving_jwts() -> Server {
    let keys = SigningKeys::parse(P256).unwrap();
    Server::builder(|tier| {
        tier.with_dpop(Dpop::accepted())
            .with_signing_keys(keys)
            .with_jwt_access_tokens()
    })
    .start()
    .await
}

/// Redeems a code that is bound to this key: with a proof of it, and not without, nor with another's.
pub async fn only_the_key_redeems(server: &Server, form: &Parameters, key: &ProofKey) {
    token(server, form).await.refuses(400, "invalid_dpop_proof");
    let thief = ProofKey::p256();
    let stolen = thief.sign(&at_token(server, &thief));
    token_with_proof(server, form, &stolen)
        .await
        .refuses(400, "invalid_grant");
    let proof = key.sign(&at_token(server, key));
    let granted = token_with_proof(server, form, &proof).await;
    assert_eq!(granted.json()["token_type"], "DPoP", "{}", granted.body);
}

/// A server whose store and keys outlive a restart.
pub fn kept_in(
    store: &Arc<MemoryStore>,
    dpop: Option<Dpop>,
) -> impl FnOnce(ShimBuilder<DcrShim>) -> ShimBuilder<DcrShim> + use<> {
    let store = Arc::clone(store);
    move |tier| {
        let ring = KeyRing::parse(KEY).unwrap();
        let tier = tier.with_key_ring(ring).with_store(store);
        match dpop {
            Some(dpop) => tier.with_dpop(dpop),
            None => tier,
        }
    }
}

/// `POST /token` with these proof headers.
pub async fn token_with_headers(server: &Server, form: &Parameters, proofs: &[String]) -> Answer {
    crate::client::token_with(server, form, |mut request| {
        for proof in proofs {
            request = request.header("dpop", proof);
        }
        request
    })
    .await
}

pub async fn token_with_proof(server: &Server, form: &Parameters, proof: &str) -> Answer {
    token_with_headers(server, form, &[proof.to_owned()]).await
}

/// A good proof for the token endpoint.
pub fn at_token(server: &Server, key: &ProofKey) -> Proof {
    key.proof(&server.clock, "POST", &server.url("/token"))
}

/// Tokens that are bound to this key.
pub async fn bound_tokens(server: &Server, client: &Client, key: &ProofKey) -> Tokens {
    let code = client.code(server).await;
    let proof = key.sign(&at_token(server, key));
    let answered = token_with_proof(server, &client.redemption(server, &code), &proof).await;
    assert_eq!(answered.json()["token_type"], "DPoP", "{}", answered.body);
    answered.tokens()
}

/// AX-05, ASM-21.
#[tokio::test]
async fn a_proof_under_any_algorithm_that_is_announced_binds_what_is_issued() {
    let clients = json!([{ "client_id": "notes", "client_secret": "a secret for notes",
        "redirect_uris": ["https://notes.example/cb"] }]);
    let clients = PreregisteredClients::parse_json(&clients.to_string()).unwrap();
    let server = Server::builder(|tier| {
        tier.with_dpop(Dpop::accepted())
            .with_preregistered_clients(clients)
            .with_introspection_by([ClientId::parse("notes").unwrap()])
    })
    .start()
    .await;
    let metadata = get(&server, "/.well-known/oauth-authorization-server").await;
    assert_eq!(
        metadata.json()["dpop_signing_alg_values_supported"],
        json!(["ES256", "EdDSA", "RS256", "PS256"])
    );
    let client = Client::public(&server).await;
    for key in [
        ProofKey::p256(),
        ProofKey::ed25519(),
        ProofKey::rsa("RS256"),
        ProofKey::rsa("PS256"),
    ] {
        let tokens = bound_tokens(&server, &client, &key).await;
        let request = send(&server, Method::POST, "/introspect")
            .header("authorization", basic("notes", "a secret for notes"))
            .header("content-type", "application/x-www-form-urlencoded");
        let form = Parameters::default().and("token", &tokens.access).encoded();
        let told = answer(request.body(form)).await.json();
        assert_eq!(told["token_type"], "DPoP", "{}", key.algorithm());
        assert_eq!(told["cnf"], json!({ "jkt": key.thumbprint() }));
    }
}

/// AX-05.
#[tokio::test]
async fn a_jwt_says_which_key_it_is_bound_to() {
    let server = serving_jwts().await;
    let client = Client::public(&server).await;
    let key = ProofKey::p256();
    let bound = bound_tokens(&server, &client, &key).await;
    assert_eq!(
        part(&bound.access, 1)["cnf"],
        json!({ "jkt": key.thumbprint() })
    );
    let unbound = client.tokens(&server).await;
    assert!(part(&unbound.access, 1).get("cnf").is_none());
}

/// AX-05. Off unless it is turned on: then nobody looks at a proof, and nothing is announced.
#[tokio::test]
async fn it_is_off_by_default() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let code = client.code(&server).await;
    let form = client.redemption(&server, &code);
    let answered = token_with_proof(&server, &form, "not a proof").await;
    assert_eq!(answered.json()["token_type"], "Bearer");
    assert_eq!(answered.header("dpop-nonce"), None);
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-protected-resource/mcp",
    ] {
        let document = get(&server, path).await;
        assert!(!document.body.contains("dpop"), "{path}");
    }
    let body =
        json!({ "redirect_uris": ["http://127.0.0.1/cb"], "dpop_bound_access_tokens": true });
    let registered = register(&server, &body).await.json();
    assert_eq!(registered["dpop_bound_access_tokens"], false);
}

/// ASR-13.
#[tokio::test]
async fn the_refresh_token_of_a_public_client_is_bound_to_its_key() {
    let server = serving(Dpop::accepted()).await;
    let client = Client::public(&server).await;
    let (key, thief) = (ProofKey::p256(), ProofKey::p256());
    let tokens = bound_tokens(&server, &client, &key).await;
    let form = client.refreshing(&tokens.refresh);
    token(&server, &form)
        .await
        .refuses(400, "invalid_dpop_proof");
    let stolen = thief.sign(&at_token(&server, &thief));
    token_with_proof(&server, &form, &stolen)
        .await
        .refuses(400, "invalid_grant");
    let proof = key.sign(&at_token(&server, &key));
    let renewed = token_with_proof(&server, &form, &proof).await;
    assert_eq!(renewed.json()["token_type"], "DPoP");
    // The grace for a lost answer, with a proof of its own.
    let again = key.sign(&at_token(&server, &key));
    let again = token_with_proof(&server, &form, &again).await.tokens();
    assert_eq!(again.refresh, renewed.tokens().refresh);
    // An old token without the key cannot even end the grant.
    server.clock.advance(Duration::from_secs(61));
    let stolen = thief.sign(&at_token(&server, &thief));
    token_with_proof(&server, &form, &stolen)
        .await
        .refuses(400, "invalid_grant");
    let proof = key.sign(&at_token(&server, &key));
    let form = client.refreshing(&again.refresh);
    assert_eq!(token_with_proof(&server, &form, &proof).await.status, 200);
}

/// ASR-13. The refresh tokens of a confidential client are bound to its secret: its keys may change.
#[tokio::test]
async fn a_confidential_client_may_change_its_key() {
    let server = serving(Dpop::accepted()).await;
    let client = Client::confidential(&server).await;
    let mut tokens = bound_tokens(&server, &client, &ProofKey::p256()).await;
    for key in [ProofKey::p256(), ProofKey::ed25519()] {
        let proof = key.sign(&at_token(&server, &key));
        let form = client.refreshing(&tokens.refresh);
        let answered = token_with_proof(&server, &form, &proof).await;
        assert_eq!(answered.json()["token_type"], "DPoP");
        tokens = answered.tokens();
    }
    let plain = token(&server, &client.refreshing(&tokens.refresh)).await;
    assert_eq!(plain.json()["token_type"], "Bearer");
}

/// ASR-13. A client that begins to send proofs is held to its key from then on.
#[tokio::test]
async fn a_grant_is_bound_from_the_first_proof_on() {
    let server = serving(Dpop::accepted()).await;
    let client = Client::public(&server).await;
    let unbound = client.tokens(&server).await;
    let key = ProofKey::p256();
    let proof = key.sign(&at_token(&server, &key));
    let form = client.refreshing(&unbound.refresh);
    let bound = token_with_proof(&server, &form, &proof).await.tokens();
    token(&server, &client.refreshing(&bound.refresh))
        .await
        .refuses(400, "invalid_dpop_proof");
    let renewed = key.sign(&at_token(&server, &key));
    let renewed = token_with_proof(&server, &client.refreshing(&bound.refresh), &renewed).await;
    assert_eq!(renewed.json()["token_type"], "DPoP", "{}", renewed.body);
}

/// ASR-13. Turned off again: what is bound to a key does not become a bearer token.
#[tokio::test]
async fn turned_off_nothing_bound_becomes_unbound() {
    let store = Arc::default();
    let server = Server::builder(kept_in(&store, Some(Dpop::accepted())));
    let server = server.start().await;
    let client = Client::public(&server).await;
    let key = ProofKey::p256();
    let tokens = bound_tokens(&server, &client, &key).await;
    server.restart(kept_in(&store, None));
    assert!(!crate::client::opens(&server, &tokens.access).await);
    let proof = key.sign(&at_token(&server, &key));
    let form = client.refreshing(&tokens.refresh);
    // The host has to sign in again, and is told so.
    token_with_proof(&server, &form, &proof)
        .await
        .refuses(400, "invalid_grant");
    token(&server, &form).await.refuses(400, "invalid_grant");
}

/// ASZ-42.
#[tokio::test]
async fn a_code_that_was_asked_for_with_a_key_is_redeemed_with_that_key() {
    let server = serving(Dpop::accepted()).await;
    let client = Client::public(&server).await;
    let key = ProofKey::p256();
    let request = client.request(&server).and("dpop_jkt", &key.thumbprint());
    let code = client.code_for(&server, &request).await;
    let form = client.redemption(&server, &code);
    only_the_key_redeems(&server, &form, &key).await;
    for malformed in ["x", &key.thumbprint()[1..], "a b"] {
        let request = client.request(&server).and("dpop_jkt", malformed);
        crate::client::authorize(&server, &request)
            .await
            .sends_error(&server, &client.redirect_uri, "invalid_request");
    }
}

/// AST-18, ASZ-42. A code is not bound by the first proof it is redeemed with: its second use, by
/// whomever, still ends the grant.
#[tokio::test]
async fn a_second_use_of_a_code_ends_the_grant_under_another_key_too() {
    let server = serving(Dpop::accepted()).await;
    let client = Client::public(&server).await;
    let (thief, key) = (ProofKey::p256(), ProofKey::p256());
    let code = client.code(&server).await;
    let form = client.redemption(&server, &code);
    let proof = thief.sign(&at_token(&server, &thief));
    let stolen = token_with_proof(&server, &form, &proof).await.tokens();
    let proof = key.sign(&at_token(&server, &key));
    token_with_proof(&server, &form, &proof)
        .await
        .refuses(400, "invalid_grant");
    let proof = thief.sign(&at_token(&server, &thief));
    token_with_proof(&server, &client.refreshing(&stolen.refresh), &proof)
        .await
        .refuses(400, "invalid_grant");
}

/// AX-07.
#[tokio::test]
async fn a_client_that_registered_for_bound_tokens_gets_no_others() {
    let clients = json!([{ "client_id": "desk", "redirect_uris": ["https://desk.example/cb"],
        "dpop_bound_access_tokens": true }]);
    let clients = PreregisteredClients::parse_json(&clients.to_string()).unwrap();
    let server = Server::builder(|tier| {
        tier.with_dpop(Dpop::accepted())
            .with_preregistered_clients(clients)
    })
    .start()
    .await;
    let body = json!({ "redirect_uris": [crate::client::REDIRECT], "client_name": "Bound",
        "dpop_bound_access_tokens": true });
    let registered = register(&server, &body).await.json();
    assert_eq!(registered["dpop_bound_access_tokens"], true);
    let client = |id: &str, redirect_uri: &str| Client {
        id: id.to_owned(),
        secret: None,
        redirect_uri: redirect_uri.to_owned(),
    };
    for client in [
        client(
            registered["client_id"].as_str().unwrap(),
            crate::client::REDIRECT,
        ),
        client("desk", "https://desk.example/cb"),
    ] {
        let code = client.code(&server).await;
        token(&server, &client.redemption(&server, &code))
            .await
            .refuses(400, "invalid_dpop_proof");
        bound_tokens(&server, &client, &ProofKey::p256()).await;
    }
    let plain = register(
        &server,
        &json!({ "redirect_uris": [crate::client::REDIRECT] }),
    )
    .await;
    assert!(plain.json().get("dpop_bound_access_tokens").is_none());
}

/// AX-05, AX-07, AX-10.
#[tokio::test]
async fn a_client_that_acts_for_itself_gets_bound_tokens_too() {
    let clients = json!([{ "client_id": "batch", "client_secret": "a secret of the batch job",
        "grant_types": ["client_credentials"], "dpop_bound_access_tokens": true }]);
    let clients = PreregisteredClients::parse_json(&clients.to_string()).unwrap();
    let server = Server::builder(|tier| {
        tier.with_dpop(Dpop::accepted())
            .with_preregistered_clients(clients)
            .with_client_credentials()
    })
    .start()
    .await;
    let form = Parameters::default()
        .and("grant_type", "client_credentials")
        .and("client_id", "batch")
        .and("client_secret", "a secret of the batch job");
    token(&server, &form)
        .await
        .refuses(400, "invalid_dpop_proof");
    let key = ProofKey::p256();
    let proof = key.sign(&at_token(&server, &key));
    let answered = token_with_proof(&server, &form, &proof).await;
    assert_eq!(answered.json()["token_type"], "DPoP", "{}", answered.body);
    let access = answered.tokens().access;
    assert!(!crate::client::opens(&server, &access).await, "no bearer");
    token_with_proof(&server, &form, &proof)
        .await
        .refuses(400, "invalid_dpop_proof");
}

/// AX-07.
#[tokio::test]
async fn a_document_that_asks_for_bound_tokens_is_heard() {
    let host = DocumentHost::start().await.unwrap();
    let documents = ClientDocuments::new().with_development_ca(host.ca_pem());
    let server = Server::builder(|tier| {
        tier.with_dpop(Dpop::accepted())
            .with_client_documents(documents)
    })
    .start()
    .await;
    let path = "/bound.json";
    let mut described = document(&host.url(path), &[crate::client::REDIRECT]);
    described["dpop_bound_access_tokens"] = json!(true);
    host.serve(path, &described);
    let client = Client {
        id: host.url(path),
        secret: None,
        redirect_uri: crate::client::REDIRECT.to_owned(),
    };
    let code = client.code(&server).await;
    token(&server, &client.redemption(&server, &code))
        .await
        .refuses(400, "invalid_dpop_proof");
    bound_tokens(&server, &client, &ProofKey::p256()).await;
}

/// AX-07.
#[tokio::test]
async fn where_proofs_are_required_nobody_gets_tokens_without() {
    let server = serving(Dpop::required()).await;
    let client = Client::public(&server).await;
    let code = client.code(&server).await;
    token(&server, &client.redemption(&server, &code))
        .await
        .refuses(400, "invalid_dpop_proof");
    bound_tokens(&server, &client, &ProofKey::p256()).await;
}

/// AX-07. Where no bound tokens are issued, a client that wants no others gets none: one that is
/// described by a document, and one that registered while they were.
#[tokio::test]
async fn a_client_that_wants_bound_tokens_gets_none_where_they_are_off() {
    let host = DocumentHost::start().await.unwrap();
    let path = "/bound.json";
    let mut described = document(&host.url(path), &[crate::client::REDIRECT]);
    described["dpop_bound_access_tokens"] = json!(true);
    host.serve(path, &described);
    let store = Arc::default();
    let server = Server::builder(kept_in(&store, Some(Dpop::accepted())));
    let server = server.start().await;
    let body = json!({ "redirect_uris": [crate::client::REDIRECT], "client_name": "Bound",
        "dpop_bound_access_tokens": true });
    let registered = register(&server, &body).await.json();
    let documents = ClientDocuments::new().with_development_ca(host.ca_pem());
    server.restart(|tier| kept_in(&store, None)(tier).with_client_documents(documents));
    let key = ProofKey::p256();
    for id in [&host.url(path), registered["client_id"].as_str().unwrap()] {
        let client = Client {
            id: id.to_owned(),
            secret: None,
            redirect_uri: crate::client::REDIRECT.to_owned(),
        };
        let code = client.code(&server).await;
        let form = client.redemption(&server, &code);
        token(&server, &form).await.refuses(400, "invalid_request");
        let proof = key.sign(&at_token(&server, &key));
        token_with_proof(&server, &form, &proof)
            .await
            .refuses(400, "invalid_request");
    }
}
