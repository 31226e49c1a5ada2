//! DPoP at the MCP endpoint (RFC 9449 §7).

use std::{sync::Arc, time::Duration};

use http::Method;
use mcp_auth::{
    access_token::Dpop,
    oauth::{Clock, Scopes},
};
use serde_json::{Value, json};

use crate::{
    client::{Answer, Client, answer, get, opens, send},
    dpop_tokens::{at_token, bound_tokens, kept_in, serving, serving_jwts, token_with_proof},
    harness::Server,
    proofs::{Proof, ProofKey},
};

/// A call of the MCP endpoint at this path, with these credentials and proofs.
async fn call(server: &Server, path: &str, authorization: &str, proofs: &[String]) -> Answer {
    answer(request(server, path, authorization, proofs)).await
}

fn request(
    server: &Server,
    path: &str,
    authorization: &str,
    proofs: &[String],
) -> reqwest::RequestBuilder {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "whoami" } });
    let mut request = send(server, Method::POST, path)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("authorization", authorization);
    for proof in proofs {
        request = request.header("dpop", proof);
    }
    request.body(body.to_string())
}

async fn call_with_proof(server: &Server, token: &str, proof: &str) -> Answer {
    let authorization = format!("DPoP {token}");
    call(server, "/mcp", &authorization, &[proof.to_owned()]).await
}

/// A good proof for the MCP endpoint.
fn at_mcp(server: &Server, key: &ProofKey, token: &str) -> Proof {
    let proof = key.proof(&server.clock, "POST", &server.mcp_url());
    proof.of_token(token)
}

fn challenges(answer: &Answer) -> Vec<String> {
    let all = answer.headers.get_all("www-authenticate").iter();
    all.map(|value| value.to_str().unwrap().to_owned())
        .collect()
}

/// Holds a refusal to RFC 9449 §7.1: both schemes are offered, and the one that was used says why.
#[track_caller]
fn assert_refused(answer: &Answer, scheme: &str, error: &str) {
    assert_eq!(answer.status, 401, "{}", answer.body);
    let all = challenges(answer);
    assert_eq!(all.len(), 2, "{all:?}");
    assert!(all[0].starts_with("Bearer ") && all[1].starts_with("DPoP "));
    let place = format!("error=\"{error}\"");
    for challenge in &all {
        let used = challenge.starts_with(scheme);
        assert_eq!(challenge.contains(&place), used, "{all:?}");
        assert_eq!(challenge.contains("error="), used, "{all:?}");
        assert!(challenge.contains("resource_metadata="), "{all:?}");
    }
    assert!(
        all[1].contains("algs=\"ES256 EdDSA RS256 PS256\""),
        "{all:?}"
    );
}

/// AX-04, AX-05.
#[tokio::test]
async fn a_bound_token_opens_with_a_proof_and_the_tool_sees_neither() {
    let server = serving(Dpop::accepted()).await;
    let client = Client::public(&server).await;
    for key in [
        ProofKey::p256(),
        ProofKey::ed25519(),
        ProofKey::rsa("RS256"),
        ProofKey::rsa("PS256"),
    ] {
        let token = bound_tokens(&server, &client, &key).await.access;
        let proof = key.sign(&at_mcp(&server, &key, &token));
        let called = call_with_proof(&server, &token, &proof).await;
        assert_eq!(called.status, 200, "{}", called.body);
        let text = called.json()["result"]["content"][0]["text"].clone();
        let seen: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
        assert_eq!(seen["host_token_seen"], false);
        assert_eq!(seen["proof_seen"], false);
        assert_eq!(seen["confirmation"], key.thumbprint());
    }
}

/// AX-04, AX-09. Each of the checks of RFC 9449 §4.3 that apply here, broken.
#[tokio::test]
async fn a_broken_proof_is_refused() {
    let server = serving(Dpop::accepted()).await;
    let client = Client::public(&server).await;
    let key = ProofKey::p256();
    let token = bound_tokens(&server, &client, &key).await.access;
    let other = bound_tokens(&server, &client, &key).await.access;
    let good = || at_mcp(&server, &key, &token);
    let now = server.clock.now().as_seconds();
    let private = {
        let mut jwk = key.jwk();
        jwk["d"] = json!("AAAA");
        jwk
    };
    for (what, proof) in [
        ("typ", good().header("typ", "JWT")),
        ("alg none", good().header("alg", "none")),
        ("alg HS256", good().header("alg", "HS256")),
        ("crit", good().header("crit", json!([]))),
        ("no jwk", good().header("jwk", Value::Null)),
        ("private jwk", good().header("jwk", private)),
        (
            "jwk of another",
            good().header("jwk", ProofKey::p256().jwk()),
        ),
        ("no jti", good().claim("jti", Value::Null)),
        ("no htm", good().claim("htm", Value::Null)),
        ("htm", good().claim("htm", "GET")),
        ("no htu", good().claim("htu", Value::Null)),
        (
            "htu of the token endpoint",
            good().claim("htu", server.url("/token")),
        ),
        ("htu with a slash", good().claim("htu", server.url("/mcp/"))),
        ("no iat", good().claim("iat", Value::Null)),
        ("iat too old", good().claim("iat", now - 301)),
        ("iat too new", good().claim("iat", now + 301)),
        ("no ath", good().claim("ath", Value::Null)),
        ("empty ath", good().claim("ath", "")),
        ("ath of another token", good().of_token(&other)),
    ] {
        let refused = call_with_proof(&server, &token, &key.sign(&proof)).await;
        assert_eq!(refused.status, 401, "{what}");
        assert_refused(&refused, "DPoP", "invalid_dpop_proof");
    }
    let signed = key.sign(&good());
    let (unsigned, _) = signed.rsplit_once('.').unwrap();
    for malformed in ["", "a.b.c", unsigned, &format!("{signed}.x")] {
        let refused = call_with_proof(&server, &token, malformed).await;
        assert_refused(&refused, "DPoP", "invalid_dpop_proof");
    }
    let authorization = format!("DPoP {token}");
    let none = call(&server, "/mcp", &authorization, &[]).await;
    assert_refused(&none, "DPoP", "invalid_dpop_proof");
    let two = [key.sign(&good()), key.sign(&good())];
    let two = call(&server, "/mcp", &authorization, &two).await;
    assert_refused(&two, "DPoP", "invalid_dpop_proof");
    let called = call_with_proof(&server, &token, &key.sign(&good())).await;
    assert_eq!(called.status, 200, "{}", called.body);
}

/// AX-04. A stolen token is worth nothing: the thief has another key.
#[tokio::test]
async fn a_token_that_is_bound_to_another_key_is_refused() {
    let server = serving(Dpop::accepted()).await;
    let client = Client::public(&server).await;
    let (key, thief) = (ProofKey::p256(), ProofKey::p256());
    let token = bound_tokens(&server, &client, &key).await.access;
    let proof = thief.sign(&at_mcp(&server, &thief, &token));
    let refused = call_with_proof(&server, &token, &proof).await;
    assert_refused(&refused, "DPoP", "invalid_token");
}

/// AX-06. And the other way round: a bearer token gains nothing from a proof.
#[tokio::test]
async fn a_token_is_presented_as_it_was_issued() {
    let server = serving(Dpop::accepted()).await;
    let client = Client::public(&server).await;
    let key = ProofKey::p256();
    let bound = bound_tokens(&server, &client, &key).await.access;
    let bearer = client.tokens(&server).await.access;
    let proof = || key.sign(&at_mcp(&server, &key, &bound));
    for proofs in [vec![], vec![proof()]] {
        let refused = call(&server, "/mcp", &format!("Bearer {bound}"), &proofs).await;
        assert_refused(&refused, "Bearer", "invalid_token");
    }
    let for_bearer = key.sign(&at_mcp(&server, &key, &bearer));
    let refused = call_with_proof(&server, &bearer, &for_bearer).await;
    assert_refused(&refused, "DPoP", "invalid_token");
    assert!(opens(&server, &bearer).await);
    let garbage = key.sign(&at_mcp(&server, &key, "mcpat_AAAA"));
    let refused = call_with_proof(&server, "mcpat_AAAA", &garbage).await;
    assert_refused(&refused, "DPoP", "invalid_token");
    let called = call_with_proof(&server, &bound, &proof()).await;
    assert_eq!(called.status, 200);
}

/// AX-06. Where proofs are not served, their scheme is no credential.
#[tokio::test]
async fn the_scheme_means_nothing_where_it_is_off() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let key = ProofKey::p256();
    let token = client.tokens(&server).await.access;
    let proof = key.sign(&at_mcp(&server, &key, &token));
    let refused = call_with_proof(&server, &token, &proof).await;
    assert_eq!(refused.status, 401);
    let all = challenges(&refused);
    assert!(all.len() == 1 && all[0].starts_with("Bearer ") && !all[0].contains("error="));
}

/// AX-10. Of calls that race with one proof, one wins.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_proof_opens_once() {
    let server = serving(Dpop::accepted()).await;
    let client = Client::public(&server).await;
    let key = ProofKey::p256();
    let token = bound_tokens(&server, &client, &key).await.access;
    let proof = at_mcp(&server, &key, &token);
    let signed = key.sign(&proof);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let request = request(
            &server,
            "/mcp",
            &format!("DPoP {token}"),
            std::slice::from_ref(&signed),
        );
        calls.spawn(answer(request));
    }
    let answers = calls.join_all().await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|one| one.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 31));
    for lost in lost {
        assert_refused(lost, "DPoP", "invalid_dpop_proof");
    }
    let again = call_with_proof(&server, &token, &key.sign(&proof)).await;
    assert_refused(&again, "DPoP", "invalid_dpop_proof");
    // To the last second in which it could be taken again.
    let ahead = at_mcp(&server, &key, &token);
    let ahead = ahead.claim("iat", server.clock.now().as_seconds() + 300);
    let ahead = key.sign(&ahead);
    assert_eq!(call_with_proof(&server, &token, &ahead).await.status, 200);
    for _ in 0..2 {
        server.clock.advance(Duration::from_secs(300));
        let again = call_with_proof(&server, &token, &ahead).await;
        assert_refused(&again, "DPoP", "invalid_dpop_proof");
    }
}

/// RS-14, AX-04. Two endpoints on one origin: neither a token nor a proof of one opens the other.
#[tokio::test]
async fn a_proof_is_for_one_endpoint() {
    let server = Server::builder(|tier| tier.with_dpop(Dpop::accepted()).with_resource("/other"))
        .start()
        .await;
    let client = Client::public(&server).await;
    let key = ProofKey::p256();
    let request = client
        .request(&server)
        .with("resource", &server.url("/other"));
    let code = client.code_for(&server, &request).await;
    let form = client
        .redemption(&server, &code)
        .with("resource", &server.url("/other"));
    let proof = key.sign(&at_token(&server, &key));
    let token = token_with_proof(&server, &form, &proof)
        .await
        .tokens()
        .access;
    let authorization = format!("DPoP {token}");
    let proof_for = |path: &str| {
        let proof = key.proof(&server.clock, "POST", &server.url(path));
        key.sign(&proof.of_token(&token))
    };
    let crossed = call(&server, "/other", &authorization, &[proof_for("/mcp")]).await;
    assert_refused(&crossed, "DPoP", "invalid_dpop_proof");
    let elsewhere = call(&server, "/mcp", &authorization, &[proof_for("/mcp")]).await;
    assert_refused(&elsewhere, "DPoP", "invalid_token");
    let called = call(&server, "/other", &authorization, &[proof_for("/other")]).await;
    assert_eq!(called.status, 200, "{}", called.body);
}

/// AX-08.
#[tokio::test]
async fn with_nonces_the_endpoint_asks_for_one_and_gives_the_next() {
    let server = serving(Dpop::accepted().with_nonces()).await;
    let client = Client::public(&server).await;
    let key = ProofKey::p256();
    let code = client.code(&server).await;
    let form = client.redemption(&server, &code);
    let asked = token_with_proof(&server, &form, &key.sign(&at_token(&server, &key))).await;
    let for_token = asked.header("dpop-nonce").unwrap().to_owned();
    let proof = at_token(&server, &key).claim("nonce", for_token.as_str());
    let token = token_with_proof(&server, &form, &key.sign(&proof)).await;
    let token = token.tokens().access;
    let good = || at_mcp(&server, &key, &token);
    for proof in [good(), good().claim("nonce", for_token.as_str())] {
        let refused = call_with_proof(&server, &token, &key.sign(&proof)).await;
        assert_refused(&refused, "DPoP", "use_dpop_nonce");
        assert_eq!(refused.headers.get_all("dpop-nonce").iter().count(), 1);
    }
    let refused = call_with_proof(&server, &token, &key.sign(&good())).await;
    let nonce = refused.header("dpop-nonce").unwrap().to_owned();
    for _ in 0..2 {
        let proof = good().claim("nonce", nonce.as_str());
        let called = call_with_proof(&server, &token, &key.sign(&proof)).await;
        assert_eq!(called.status, 200, "{}", called.body);
        assert!(called.header("dpop-nonce").is_some());
    }
    server.clock.advance(Duration::from_secs(300));
    let old = good().claim("nonce", nonce.as_str());
    let refused = call_with_proof(&server, &token, &key.sign(&old)).await;
    assert_refused(&refused, "DPoP", "use_dpop_nonce");
    let plain = serving(Dpop::accepted()).await;
    let nothing = get(&plain, "/mcp").await;
    assert_eq!(nothing.header("dpop-nonce"), None);
}

/// AX-09, RS-45. Nothing was sent: both schemes are offered, and neither has an error.
#[tokio::test]
async fn both_schemes_are_offered_to_whoever_sends_nothing() {
    let server = serving(Dpop::accepted()).await;
    let nothing = answer(send(&server, Method::POST, "/mcp")).await;
    assert_eq!(nothing.status, 401);
    let all = challenges(&nothing);
    assert!(all.len() == 2 && all.iter().all(|challenge| !challenge.contains("error=")));
    let document = get(&server, "/.well-known/oauth-protected-resource/mcp").await;
    let document = document.json();
    assert_eq!(
        document["dpop_signing_alg_values_supported"],
        json!(["ES256", "EdDSA", "RS256", "PS256"])
    );
    assert!(document.get("dpop_bound_access_tokens_required").is_none());
}

/// AX-09.
#[tokio::test]
async fn a_weak_token_is_told_so_under_its_own_scheme() {
    let scopes = Scopes::parse("notes:read notes:write").unwrap();
    let server = Server::builder(|tier| tier.with_dpop(Dpop::accepted()).with_scopes(scopes))
        .start()
        .await;
    let client = Client::public(&server).await;
    let key = ProofKey::p256();
    let request = client.request(&server).and("scope", "notes:write");
    let code = client.code_for(&server, &request).await;
    let proof = key.sign(&at_token(&server, &key));
    let token = token_with_proof(&server, &client.redemption(&server, &code), &proof).await;
    let token = token.tokens().access;
    let proof = key.sign(&at_mcp(&server, &key, &token));
    let refused = call_with_proof(&server, &token, &proof).await;
    assert_eq!(refused.status, 403);
    let all = challenges(&refused);
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(
        all[0].starts_with("DPoP error=\"insufficient_scope\""),
        "{all:?}"
    );
    // What is needed, and what the token has.
    assert!(
        all[0].contains("scope=\"notes:read notes:write\""),
        "{all:?}"
    );
}

/// AX-06. Where proofs are required no bearer is taken, and the documents say so.
#[tokio::test]
async fn where_proofs_are_required_no_bearer_is_taken() {
    let store = Arc::default();
    let server = Server::builder(kept_in(&store, None)).start().await;
    let client = Client::public(&server).await;
    let bearer = client.tokens(&server).await.access;
    server.restart(kept_in(&store, Some(Dpop::required())));
    let refused = call(&server, "/mcp", &format!("Bearer {bearer}"), &[]).await;
    assert_eq!(refused.status, 401);
    let all = challenges(&refused);
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(
        all[0].starts_with("DPoP error=\"invalid_token\""),
        "{all:?}"
    );
    let document = get(&server, "/.well-known/oauth-protected-resource/mcp").await;
    assert_eq!(document.json()["dpop_bound_access_tokens_required"], true);
    let key = ProofKey::p256();
    let token = bound_tokens(&server, &client, &key).await.access;
    let proof = key.sign(&at_mcp(&server, &key, &token));
    assert_eq!(call_with_proof(&server, &token, &proof).await.status, 200);
}

/// AX-05, JWK-06. The binding of a JWT is what was sealed, whatever `cnf` says.
#[tokio::test]
async fn a_bound_jwt_opens_with_a_proof_alone() {
    let server = serving_jwts().await;
    let client = Client::public(&server).await;
    let (key, thief) = (ProofKey::p256(), ProofKey::p256());
    let token = bound_tokens(&server, &client, &key).await.access;
    let bare = call(&server, "/mcp", &format!("Bearer {token}"), &[]).await;
    assert_refused(&bare, "Bearer", "invalid_token");
    let proof = key.sign(&at_mcp(&server, &key, &token));
    assert_eq!(call_with_proof(&server, &token, &proof).await.status, 200);
    let unbound = crate::jwt_forgeries::with_claim(&token, "cnf", Value::Null);
    let bare = call(&server, "/mcp", &format!("Bearer {unbound}"), &[]).await;
    assert_refused(&bare, "Bearer", "invalid_token");
    let bent = json!({ "jkt": thief.thumbprint() });
    let bent = crate::jwt_forgeries::with_claim(&token, "cnf", bent);
    let proof = thief.sign(&at_mcp(&server, &thief, &bent));
    let refused = call_with_proof(&server, &bent, &proof).await;
    assert_refused(&refused, "DPoP", "invalid_token");
}

/// AX-10. A store that is away refuses nobody for good.
#[tokio::test]
async fn while_the_store_is_away_the_answer_is_try_again() {
    let store = Arc::new(crate::storage::Witness::default());
    let kept = store.clone();
    let server = Server::builder(move |tier| tier.with_dpop(Dpop::accepted()).with_store(kept))
        .start()
        .await;
    let client = Client::public(&server).await;
    let key = ProofKey::p256();
    let token = bound_tokens(&server, &client, &key).await.access;
    let proof = key.sign(&at_mcp(&server, &key, &token));
    assert_eq!(call_with_proof(&server, &token, &proof).await.status, 200);
    store.go_away();
    let proof = key.sign(&at_mcp(&server, &key, &token));
    let away = call_with_proof(&server, &token, &proof).await;
    assert_eq!(away.status, 503);
    assert!(away.header("retry-after").is_some());
    store.come_back();
    assert_eq!(call_with_proof(&server, &token, &proof).await.status, 200);
}

/// AX-10, RS-25. A proof is used up when everything else is right: neither somebody else's session nor
/// too few scopes costs one, or writes anything.
#[tokio::test]
async fn a_request_that_is_refused_for_something_else_leaves_its_proof_unused() {
    let witness = Arc::new(crate::storage::Witness::default());
    let store = Arc::clone(&witness);
    let scopes = Scopes::parse("notes:read notes:write").unwrap();
    let server = Server::builder(move |tier| {
        tier.with_dpop(Dpop::accepted())
            .with_scopes(scopes)
            .with_store(store)
    })
    .start()
    .await;
    let client = Client::public(&server).await;
    let key = ProofKey::p256();
    let token = bound_tokens(&server, &client, &key).await.access;
    let request_for = client.request(&server).and("scope", "notes:write");
    let code = client.code_for(&server, &request_for).await;
    let weak = key.sign(&at_token(&server, &key));
    let weak = token_with_proof(&server, &client.redemption(&server, &code), &weak).await;
    let weak = weak.tokens().access;
    let written = witness.writes();

    let proof = [key.sign(&at_mcp(&server, &key, &token))];
    let authorization = format!("DPoP {token}");
    let foreign = request(&server, "/mcp", &authorization, &proof)
        .header("mcp-session-id", "of-somebody-else");
    assert_eq!(answer(foreign).await.status, 404);
    let weak_proof = key.sign(&at_mcp(&server, &key, &weak));
    for _ in 0..2 {
        let refused = call_with_proof(&server, &weak, &weak_proof).await;
        assert_eq!(refused.status, 403, "{}", refused.body);
    }
    assert_eq!(witness.writes(), written);

    let called = call(&server, "/mcp", &authorization, &proof).await;
    assert_eq!(called.status, 200, "{}", called.body);
    assert!(witness.writes() > written);
    let again = call(&server, "/mcp", &authorization, &proof).await;
    assert_refused(&again, "DPoP", "invalid_dpop_proof");
}
