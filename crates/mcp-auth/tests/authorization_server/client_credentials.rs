//! `grant_type=client_credentials`: clients that act for themselves.

use jsonwebtoken::Algorithm;
use mcp_auth::{authorization_server::clients::PreregisteredClients, oauth::Clock, oauth::Scopes};
use serde_json::{Value, json};

use crate::{
    client::{Client, Parameters, mcp_status, opens, register, token, token_with},
    harness::Server,
    signer::Signer,
};

const SECRET: &str = "a-long-secret-of-the-batch-job";

fn clients(entries: &Value) -> PreregisteredClients {
    PreregisteredClients::parse_json(&entries.to_string()).unwrap()
}

fn batch() -> Value {
    json!({
        "client_id": "batch",
        "client_secret": SECRET,
        "grant_types": ["client_credentials"],
    })
}

async fn server_with(entries: Value) -> Server {
    Server::builder(move |tier| {
        tier.with_preregistered_clients(clients(&entries))
            .with_client_credentials()
            .with_scopes(Scopes::parse("mcp:tools files:read files:write").unwrap())
            .with_resource("/mcp-b")
    })
    .start()
    .await
}

fn request(server: &Server) -> Parameters {
    Parameters::default()
        .and("grant_type", "client_credentials")
        .and("client_id", "batch")
        .and("client_secret", SECRET)
        .and("resource", &server.mcp_url())
}

/// CCR-01, CCR-04, AST-28, ASR-15, JWK-12.
#[tokio::test]
async fn a_registered_client_gets_a_token_of_its_own() {
    let server = server_with(json!([batch()])).await;
    let answer = token(&server, &request(&server)).await;
    let tokens = answer.tokens();
    assert!(opens(&server, &tokens.access).await);
    assert_eq!(answer.json().get("refresh_token"), None);
    assert_eq!(answer.json()["scope"], "mcp:tools");
    let said = crate::client::whoami(&server, &tokens.access).await;
    // No user can have this subject: theirs begin with a namespace.
    assert_eq!(said["subject"], "|batch");
    assert_eq!(said["client"], "batch");
    let shown = crate::client::call(&server, &tokens.access, "upstream-token").await;
    assert!(shown.contains("holds no upstream tokens"), "{shown}");
}

/// CCR-03.
#[tokio::test]
async fn the_token_is_for_the_resource_that_was_asked_for() {
    let server = server_with(json!([batch()])).await;
    let other = request(&server).with("resource", &server.url("/mcp-b"));
    let tokens = token(&server, &other).await.tokens();
    assert_eq!(mcp_status(&server, "/mcp-b", &tokens.access).await, 200);
    assert_eq!(mcp_status(&server, "/mcp", &tokens.access).await, 401);
    for resource in ["https://other.example/mcp", "x"] {
        token(&server, &request(&server).with("resource", resource))
            .await
            .refuses(400, "invalid_target");
    }
    // Of two endpoints one has to be named.
    token(&server, &request(&server).without("resource"))
        .await
        .refuses(400, "invalid_target");
}

/// CCR-01, AST-05.
#[tokio::test]
async fn scopes_are_those_offered_and_those_of_the_client() {
    let mut limited = batch();
    limited["scope"] = json!("mcp:tools files:read");
    let server = server_with(json!([limited])).await;
    let scope = |asked: &str| {
        let request = request(&server).and("scope", asked);
        let server = &server;
        async move { token(server, &request).await }
    };
    let granted = scope("mcp:tools files:read files:write bogus").await;
    assert_eq!(granted.json()["scope"], "mcp:tools files:read");
    scope("files:write").await.refuses(400, "invalid_scope");
    scope("bogus").await.refuses(400, "invalid_scope");
    scope("a\"b").await.refuses(400, "invalid_scope");
}

/// CCR-01, AST-28, AST-02.
#[tokio::test]
async fn nobody_else_can_have_it() {
    let desk = json!({
        "client_id": "desk", "client_secret": SECRET,
        "redirect_uris": ["https://desk.example/cb"],
    });
    let server = server_with(json!([batch(), desk])).await;
    // One that the operator did not register for it.
    token(&server, &request(&server).with("client_id", "desk"))
        .await
        .refuses(400, "unauthorized_client");
    // One that registered itself, with a secret and for this grant.
    let registered = register(
        &server,
        &json!({
            "redirect_uris": ["https://client.example/cb"],
            "token_endpoint_auth_method": "client_secret_post",
            "grant_types": ["authorization_code", "client_credentials"],
        }),
    )
    .await
    .json();
    let own = request(&server)
        .with("client_id", registered["client_id"].as_str().unwrap())
        .with(
            "client_secret",
            registered["client_secret"].as_str().unwrap(),
        );
    token(&server, &own)
        .await
        .refuses(400, "unauthorized_client");
    // A public one.
    let public = Client::public(&server).await;
    let own = request(&server)
        .with("client_id", &public.id)
        .without("client_secret");
    token(&server, &own)
        .await
        .refuses(400, "unauthorized_client");
    // Without its secret, or with another.
    token(&server, &request(&server).without("client_secret"))
        .await
        .refuses(401, "invalid_client");
    token(&server, &request(&server).with("client_secret", "x"))
        .await
        .refuses(401, "invalid_client");
    // It has no users, so no browser is sent anywhere for it.
    let asked = public.request(&server).with("client_id", "batch");
    let page = crate::client::authorize(&server, &asked);
    assert_eq!(page.await.status, 400);
}

/// CCR-02, AST-02, ASM-12. Off unless it is turned on, and announced only then.
#[tokio::test]
async fn it_is_a_switch() {
    let on = server_with(json!([batch()])).await;
    let grants = |metadata: Value| metadata["grant_types_supported"].to_string();
    let path = "/.well-known/oauth-authorization-server";
    let metadata = crate::client::get(&on, path).await.json();
    assert!(grants(metadata).contains("client_credentials"));
    let entries = json!([batch()]);
    let off = Server::builder(move |tier| tier.with_preregistered_clients(clients(&entries)))
        .start()
        .await;
    let metadata = crate::client::get(&off, path).await.json();
    assert!(!grants(metadata).contains("client_credentials"));
    token(&off, &request(&off))
        .await
        .refuses(400, "unsupported_grant_type");
}

/// CCR-02, AST-08. By signature, by header, by form.
#[tokio::test]
async fn every_way_to_prove_itself_is_good() {
    let signer = Signer::generate(Algorithm::ES256, "k1");
    let signed = json!({
        "client_id": "signed", "grant_types": ["client_credentials"], "jwks": signer.jwks(),
    });
    let server = server_with(json!([batch(), signed])).await;
    let claims = json!({
        "iss": "signed", "sub": "signed", "aud": server.issuer(), "jti": "1",
        "exp": server.clock.now().as_seconds() + 60,
    });
    let by_signature = request(&server)
        .without("client_secret")
        .with("client_id", "signed")
        .and(
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        )
        .and("client_assertion", &signer.sign(&claims));
    token(&server, &by_signature).await.tokens();
    let bare = request(&server)
        .without("client_secret")
        .without("client_id");
    let header = crate::client::basic("batch", SECRET);
    token_with(&server, &bare, |request| {
        request.header("authorization", header)
    })
    .await
    .tokens();
}

/// REV-01. The client gives its token up, and it is worth nothing.
#[tokio::test]
async fn a_token_of_a_client_can_be_revoked() {
    let server = server_with(json!([batch()])).await;
    let tokens = token(&server, &request(&server)).await.tokens();
    let form = Parameters::default()
        .and("token", &tokens.access)
        .and("client_id", "batch")
        .and("client_secret", SECRET);
    let revoke = crate::client::send(&server, http::Method::POST, "/revoke")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.encoded());
    assert_eq!(crate::client::answer(revoke).await.status, 200);
    assert!(!opens(&server, &tokens.access).await);
}
