//! Access tokens as JWTs (RFC 9068), checked by us and by a resource server elsewhere.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Method;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use mcp_auth::{
    access_token::SigningKeys,
    authorization_server::clients::PreregisteredClients,
    oauth::{ClientId, Scopes},
    store::KeyRing,
};
use serde_json::{Value, json};

use crate::{
    client::{Client, Parameters, answer, basic, get, mcp_status, opens, send, token},
    harness::{KEY, Server},
};

pub const P256: &str = include_str!("../signing_keys/p256.pem");
const ED25519: &str = include_str!("../signing_keys/ed25519.pem");
const RSA: &str = include_str!("../signing_keys/rsa-2048.pem");

/// A server that issues JWTs signed with the first of these keys.
pub async fn signing_with(keys: &str) -> Server {
    let keys = SigningKeys::parse(keys).unwrap();
    Server::builder(|tier| tier.with_signing_keys(keys).with_jwt_access_tokens())
        .start()
        .await
}

/// A part of a JWT, read without checking anything.
pub fn part(token: &str, at: usize) -> Value {
    let part = token.split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

async fn key_set(server: &Server) -> JwkSet {
    serde_json::from_value(get(server, "/jwks").await.json()).unwrap()
}

/// What a resource server elsewhere does with a token, by the published keys alone.
async fn claims_elsewhere(server: &Server, token: &str) -> Option<Value> {
    let header = decode_header(token).unwrap();
    let set = key_set(server).await;
    let key = set.find(header.kid.as_deref().unwrap())?;
    let published: Algorithm = key.common.key_algorithm?.try_into().unwrap();
    let mut validation = Validation::new(published);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.set_issuer(&[server.issuer()]);
    validation.set_audience(&[server.mcp_url()]);
    let key = DecodingKey::from_jwk(key).unwrap();
    Some(decode::<Value>(token, &key, &validation).ok()?.claims)
}

/// JWK-01, JWK-02, JWK-04, JWK-06, JWK-13, AST-22, AST-23, AST-24.
#[tokio::test]
async fn a_jwt_has_the_header_and_the_claims_of_the_profile_under_every_algorithm() {
    for (keys, algorithm) in [(P256, "ES256"), (ED25519, "EdDSA"), (RSA, "RS256")] {
        let server = signing_with(keys).await;
        let client = Client::public(&server).await;
        let access = client.tokens(&server).await.access;
        let claims = claims_elsewhere(&server, &access).await.unwrap();
        let kid = &get(&server, "/jwks").await.json()["keys"][0]["kid"];
        assert_eq!(
            part(&access, 0),
            json!({ "alg": algorithm, "typ": "at+jwt", "kid": kid })
        );
        let names: Vec<_> = claims.as_object().unwrap().keys().cloned().collect();
        assert_eq!(
            names.join(" "),
            "aud client_id exp iat iss jti scope sub",
            "nothing more about the user than who it is"
        );
        assert_eq!(claims["iss"], server.issuer());
        assert_eq!(claims["aud"], server.mcp_url());
        assert_eq!(claims["client_id"], client.id);
        assert_eq!(claims["scope"], "mcp:tools");
        assert!(claims["sub"].as_str().unwrap().ends_with("|user-alice"));
        let lifetime = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
        assert_eq!(lifetime, 3600);
        assert!(opens(&server, &access).await, "{algorithm}");
        let again = client.tokens(&server).await.access;
        assert_ne!(
            part(&again, 1)["jti"],
            claims["jti"],
            "a jti names one token"
        );
    }
}

/// JWK-01. The answer of the token endpoint stays what it was, and so does what a tool sees.
#[tokio::test]
async fn a_host_sees_no_difference() {
    let server = signing_with(P256).await;
    let client = Client::public(&server).await;
    let code = client.code(&server).await;
    let answered = token(&server, &client.redemption(&server, &code)).await;
    assert_eq!(answered.json()["token_type"], "Bearer");
    assert_eq!(answered.json()["expires_in"], 3600);
    assert_eq!(answered.json()["scope"], "mcp:tools");
    let mut host = server.host();
    let signed_in = host.sign_in().await.unwrap();
    let seen = host
        .call_tool(&signed_in.tokens.access_token, "whoami")
        .await;
    let seen: Value = serde_json::from_str(&seen.unwrap()).unwrap();
    assert_eq!(seen["issuer"], server.issuer());
    assert_eq!(seen["client"], signed_in.registration.client_id.as_str());
    assert_eq!(seen["host_token_seen"], false);
}

/// JWK-02, ASR-08.
#[tokio::test]
async fn a_narrowed_token_says_so_and_is_so() {
    let keys = SigningKeys::parse(P256).unwrap();
    let scopes = Scopes::parse("notes:read notes:write").unwrap();
    let server = Server::builder(|tier| {
        tier.with_signing_keys(keys)
            .with_jwt_access_tokens()
            .with_scopes(scopes)
    })
    .start()
    .await;
    let client = Client::public(&server).await;
    let request = client
        .request(&server)
        .and("scope", "notes:read notes:write");
    let code = client.code_for(&server, &request).await;
    let whole = token(&server, &client.redemption(&server, &code))
        .await
        .tokens();
    assert_eq!(part(&whole.access, 1)["scope"], "notes:read notes:write");
    let narrower = client
        .refreshing(&whole.refresh)
        .and("scope", "notes:write");
    let narrowed = token(&server, &narrower).await.tokens();
    assert_eq!(part(&narrowed.access, 1)["scope"], "notes:write");
    let status = mcp_status(&server, "/mcp", &narrowed.access).await;
    assert_eq!(status, 403, "notes:read is needed");
}

/// JWK-05. To the second, with no leeway: the clock that set the end looks at it.
#[tokio::test]
async fn a_jwt_ends_with_its_expiry_whether_it_was_seen_before_or_not() {
    let server = signing_with(P256).await;
    let client = Client::public(&server).await;
    let (seen, unseen) = (
        client.tokens(&server).await.access,
        client.tokens(&server).await.access,
    );
    assert!(opens(&server, &seen).await);
    server.clock.advance(Duration::from_secs(3599));
    assert!(opens(&server, &seen).await);
    server.clock.advance(Duration::from_secs(1));
    assert!(!opens(&server, &seen).await);
    assert!(!opens(&server, &unseen).await);
}

/// JWK-05, RS-14.
#[tokio::test]
async fn a_jwt_opens_the_endpoint_it_was_issued_for_and_no_other() {
    let keys = SigningKeys::parse(P256).unwrap();
    let server = Server::builder(|tier| {
        tier.with_signing_keys(keys)
            .with_jwt_access_tokens()
            .with_resource("/other")
    })
    .start()
    .await;
    let client = Client::public(&server).await;
    let access = client.tokens(&server).await.access;
    for _ in 0..2 {
        assert_eq!(mcp_status(&server, "/other", &access).await, 401);
        assert_eq!(mcp_status(&server, "/mcp", &access).await, 200);
    }
}

/// REV-01, REV-05, RS-13.
#[tokio::test]
async fn a_revoked_grant_ends_its_jwts_and_a_jwt_can_be_revoked() {
    let server = signing_with(P256).await;
    let client = Client::public(&server).await;
    let stranger = Client::public(&server).await;
    for given in ["access", "refresh"] {
        let tokens = client.tokens(&server).await;
        assert!(opens(&server, &tokens.access).await);
        let token = if given == "access" {
            &tokens.access
        } else {
            &tokens.refresh
        };
        let revoke = async |by: &Client| {
            let form = Parameters::default()
                .and("token", token)
                .and("client_id", &by.id);
            let request = send(&server, Method::POST, "/revoke")
                .header("content-type", "application/x-www-form-urlencoded");
            answer(request.body(form.encoded())).await
        };
        revoke(&stranger).await.refuses(400, "invalid_grant");
        assert!(opens(&server, &tokens.access).await);
        assert_eq!(revoke(&client).await.status, 200);
        assert!(!opens(&server, &tokens.access).await, "{given}");
        crate::client::token(&server, &client.refreshing(&tokens.refresh))
            .await
            .refuses(400, "invalid_grant");
    }
}

/// INT-02, INT-03.
#[tokio::test]
async fn a_jwt_can_be_asked_about() {
    let clients = json!([{ "client_id": "notes", "client_secret": "a secret for notes",
        "redirect_uris": ["https://notes.example/cb"] }]);
    let clients = PreregisteredClients::parse_json(&clients.to_string()).unwrap();
    let keys = SigningKeys::parse(P256).unwrap();
    let server = Server::builder(|tier| {
        tier.with_signing_keys(keys)
            .with_jwt_access_tokens()
            .with_preregistered_clients(clients)
            .with_introspection_by([ClientId::parse("notes").unwrap()])
    })
    .start()
    .await;
    let client = Client::public(&server).await;
    let ask = async |token: &str| {
        let request = send(&server, Method::POST, "/introspect")
            .header("authorization", basic("notes", "a secret for notes"))
            .header("content-type", "application/x-www-form-urlencoded");
        let form = Parameters::default().and("token", token).encoded();
        answer(request.body(form)).await.json()
    };
    let tokens = client.tokens(&server).await;
    let told = ask(&tokens.access).await;
    let claims = part(&tokens.access, 1);
    for name in ["iss", "aud", "sub", "client_id", "scope", "exp"] {
        assert_eq!(told[name], claims[name], "{name}");
    }
    server.clock.advance(Duration::from_secs(3600));
    assert_eq!(ask(&tokens.access).await, json!({ "active": false }));
}

/// JWK-10, JWK-11, ASM-17.
#[tokio::test]
async fn the_key_set_has_every_key_and_may_be_kept_for_a_while() {
    let server = signing_with(&[P256, RSA].concat()).await;
    let answered = get(&server, "/jwks").await;
    assert_eq!(
        answered.header("cache-control"),
        Some("public, max-age=300")
    );
    assert_eq!(
        answered.header("content-type"),
        Some("application/jwk-set+json")
    );
    let set = answered.json();
    let keys = set["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    for key in keys {
        assert_eq!(key["use"], "sig");
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key.get(private).is_none(), "{private}");
        }
    }
    let metadata = get(&server, "/.well-known/oauth-authorization-server").await;
    assert_eq!(metadata.json()["jwks_uri"], server.url("/jwks").as_str());
    let sealed = get(&Server::start().await, "/jwks").await.json();
    assert_eq!(sealed, json!({ "keys": [] }));
}

/// JWK-11. From sealed tokens to JWTs and back, with tokens of both forms in use.
#[tokio::test]
async fn a_change_of_the_form_refuses_no_token() {
    let store = std::sync::Arc::new(mcp_auth::store::MemoryStore::default());
    let configured = |jwt: bool| {
        let store = store.clone();
        move |tier: mcp_auth::tier::ShimBuilder<mcp_auth::DcrShim>| {
            let tier = tier
                .with_key_ring(KeyRing::parse(KEY).unwrap())
                .with_store(store)
                .with_signing_keys(SigningKeys::parse(P256).unwrap());
            if jwt {
                tier.with_jwt_access_tokens()
            } else {
                tier
            }
        }
    };
    let server = Server::builder(configured(false)).start().await;
    let client = Client::public(&server).await;
    let sealed = client.tokens(&server).await;
    assert!(sealed.access.starts_with("mcpat_"));
    server.restart(configured(true));
    assert!(opens(&server, &sealed.access).await);
    let signed = token(&server, &client.refreshing(&sealed.refresh))
        .await
        .tokens();
    assert_eq!(part(&signed.access, 0)["typ"], "at+jwt");
    assert!(opens(&server, &signed.access).await);
    server.restart(configured(false));
    for access in [&sealed.access, &signed.access] {
        assert!(opens(&server, access).await);
    }
    let again = token(&server, &client.refreshing(&signed.refresh))
        .await
        .tokens();
    assert!(again.access.starts_with("mcpat_"));
}
