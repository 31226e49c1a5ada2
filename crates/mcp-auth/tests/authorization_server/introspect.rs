//! `POST /introspect`: a resource server in another process asks about a token.

use std::time::Duration;

use http::Method;
use jsonwebtoken::Algorithm;
use mcp_auth::{
    authorization_server::{IntrospectionClient, clients::PreregisteredClients},
    oauth::{ClientId, Clock},
};
use serde_json::{Value, json};

use crate::{
    client::{Answer, Client, Parameters, answer, basic, get, send, token},
    harness::Server,
    signer::Signer,
};

const SECRET: &str = "a secret of the resource server";

/// A server that the resource server `notes` may ask; `other` has a secret too and may not.
async fn asked_by_notes() -> Server {
    let clients = json!([
        { "client_id": "notes", "client_secret": SECRET, "redirect_uris": ["https://notes.example/cb"] },
        { "client_id": "other", "client_secret": SECRET, "redirect_uris": ["https://other.example/cb"] },
    ]);
    let clients = PreregisteredClients::parse_json(&clients.to_string()).unwrap();
    let notes = ClientId::parse("notes").unwrap();
    Server::builder(|tier| {
        tier.with_preregistered_clients(clients)
            .with_introspection_by([notes])
    })
    .start()
    .await
}

async fn ask_as(server: &Server, id: &str, secret: &str, token: &str) -> Answer {
    let request = send(server, Method::POST, "/introspect")
        .header("authorization", basic(id, secret))
        .header("content-type", "application/x-www-form-urlencoded");
    answer(request.body(Parameters::default().and("token", token).encoded())).await
}

async fn ask(server: &Server, token: &str) -> Value {
    let told = ask_as(server, "notes", SECRET, token).await;
    assert_eq!(told.status, 200);
    assert_eq!(told.header("cache-control"), Some("no-store"));
    told.json()
}

/// INT-01, INT-08.
#[tokio::test]
async fn only_those_who_were_named_and_prove_themselves_are_told() {
    let server = asked_by_notes().await;
    let client = Client::public(&server).await;
    let good = client.tokens(&server).await.access;
    for (id, secret) in [
        ("notes", "guess"),
        ("nobody", SECRET),
        (client.id.as_str(), ""),
    ] {
        let refused = ask_as(&server, id, secret, &good).await;
        assert_ne!(refused.status, 200, "{id}");
        assert!(!refused.body.contains("active"), "{}", refused.body);
    }
    ask_as(&server, "other", SECRET, &good)
        .await
        .refuses(400, "unauthorized_client");
    let unproved = send(&server, Method::POST, "/introspect")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Parameters::default().and("token", &good).encoded());
    answer(unproved).await.refuses(401, "invalid_client");
    assert_eq!(get(&server, "/introspect").await.status, 405);
}

/// INT-02, INT-04.
#[tokio::test]
async fn a_good_token_is_told_with_whom_it_speaks_for() {
    let server = asked_by_notes().await;
    let client = Client::public(&server).await;
    let told = ask(&server, &client.tokens(&server).await.access).await;
    assert_eq!(told["active"], true);
    assert_eq!(told["iss"], server.issuer());
    assert_eq!(told["aud"], server.mcp_url());
    assert_eq!(told["client_id"], client.id);
    assert_eq!(told["scope"], "mcp:tools");
    assert_eq!(told["token_type"], "Bearer");
    assert!(told["sub"].as_str().unwrap().ends_with("|user-alice"));
    assert!(told["exp"].is_u64());
}

/// INT-03.
#[tokio::test]
async fn of_anything_else_nothing_is_told() {
    let server = asked_by_notes().await;
    let client = Client::public(&server).await;
    let expired = client.tokens(&server).await;
    server.clock.advance(Duration::from_secs(3600));
    let revoked = client.tokens(&server).await;
    let form = Parameters::default()
        .and("token", &revoked.refresh)
        .and("client_id", &client.id);
    let request = send(&server, Method::POST, "/revoke")
        .header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(answer(request.body(form.encoded())).await.status, 200);
    let fresh = client.tokens(&server).await;
    let refreshed = token(&server, &client.refreshing(&fresh.refresh))
        .await
        .tokens();
    for nothing in [
        &expired.access,
        &revoked.access,
        &refreshed.refresh,
        "garbage",
        "mcpat_AAAA",
    ] {
        assert_eq!(ask(&server, nothing).await, json!({ "active": false }));
    }
    assert_eq!(ask(&server, &refreshed.access).await["active"], true);
}

/// INT-03. A resource server is told of what is meant for it, and of nothing that is for its neighbours.
#[tokio::test]
async fn a_token_of_another_resource_is_nothing_to_the_caller() {
    const RESOURCES: [&str; 3] = ["/mcp", "/notes", "/mail"];
    let clients = ["of-notes", "of-both"].map(|id| {
        json!({ "client_id": id, "client_secret": SECRET, "redirect_uris": ["https://rs.example/cb"] })
    });
    let clients = PreregisteredClients::parse_json(&json!(clients).to_string()).unwrap();
    let serving = |id, paths: &[&str]| {
        IntrospectionClient::serving(ClientId::parse(id).unwrap(), paths.iter().copied())
    };
    let server = Server::builder(move |tier| {
        tier.with_resource("/notes")
            .with_resource("/mail")
            .with_preregistered_clients(clients)
            .with_introspection_by([
                serving("of-notes", &["/notes"]),
                serving("of-both", &["/notes"]),
                serving("of-both", &["/mail"]),
            ])
    })
    .start()
    .await;
    let client = Client::public(&server).await;
    for resource in RESOURCES {
        let url = server.url(resource);
        let request = client.request(&server).with("resource", &url);
        let code = client.code_for(&server, &request).await;
        let redemption = client.redemption(&server, &code).with("resource", &url);
        let tokens = token(&server, &redemption).await.tokens();
        for (asking, served) in [
            ("of-notes", ["/notes"].as_slice()),
            ("of-both", &["/notes", "/mail"]),
        ] {
            let told = ask_as(&server, asking, SECRET, &tokens.access).await.json();
            if served.contains(&resource) {
                assert_eq!(told["active"], true, "{asking} {resource}");
                assert_eq!(told["aud"], url);
            } else {
                assert_eq!(told, json!({ "active": false }), "{asking} {resource}");
            }
        }
    }
}

/// INT-01.
#[tokio::test]
async fn a_resource_server_may_prove_itself_with_a_signature() {
    let signer = Signer::generate(Algorithm::ES256, "k1");
    let clients = json!([{ "client_id": "signing", "jwks": signer.jwks(),
        "redirect_uris": ["https://rs.example/cb"] }]);
    let clients = PreregisteredClients::parse_json(&clients.to_string()).unwrap();
    let signing = ClientId::parse("signing").unwrap();
    let server = Server::builder(|tier| {
        tier.with_preregistered_clients(clients)
            .with_introspection_by([signing])
    })
    .start()
    .await;
    let metadata = get(&server, "/.well-known/oauth-authorization-server")
        .await
        .json();
    assert_eq!(
        metadata["introspection_endpoint_auth_methods_supported"],
        json!([
            "client_secret_post",
            "client_secret_basic",
            "private_key_jwt"
        ])
    );
    let algorithms = &metadata["introspection_endpoint_auth_signing_alg_values_supported"];
    assert_eq!(
        algorithms,
        &metadata["token_endpoint_auth_signing_alg_values_supported"]
    );
    assert!(algorithms.as_array().unwrap().contains(&json!("ES256")));

    let client = Client::public(&server).await;
    let access = client.tokens(&server).await.access;
    let now = server.clock.now().as_seconds();
    let assertion = signer.sign(&json!({ "iss": "signing", "sub": "signing",
        "aud": server.issuer(), "iat": now, "exp": now + 60, "jti": "asked once" }));
    let form = Parameters::default()
        .and("token", &access)
        .and(
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        )
        .and("client_assertion", &assertion);
    let request = send(&server, Method::POST, "/introspect")
        .header("content-type", "application/x-www-form-urlencoded");
    let told = answer(request.body(form.encoded())).await;
    assert_eq!(told.status, 200, "{}", told.body);
    assert_eq!(told.json()["active"], true);
}

/// INT-01.
#[tokio::test]
async fn it_is_there_only_where_somebody_may_ask() {
    let plain = Server::start().await;
    assert_eq!(get(&plain, "/introspect").await.status, 404);
    let metadata = get(&plain, "/.well-known/oauth-authorization-server")
        .await
        .json();
    assert!(metadata.get("introspection_endpoint").is_none());
    let server = asked_by_notes().await;
    let metadata = get(&server, "/.well-known/oauth-authorization-server")
        .await
        .json();
    assert_eq!(
        metadata["introspection_endpoint"],
        json!(server.url("/introspect"))
    );
    // No page of a browser has any business here.
    let preflight =
        send(&server, Method::OPTIONS, "/introspect").header("origin", "https://app.example");
    let preflight = answer(preflight.header("access-control-request-method", "POST")).await;
    assert_eq!(preflight.header("access-control-allow-origin"), None);
}
