//! `POST /register` over HTTP; the many bodies it refuses are beside its code.

use http::Method;
use mcp_auth::{
    authorization_server::{clients::PreregisteredClients, pages::ErrorPageKind},
    oauth::Clock,
    store::KeyRing,
};
use mcp_auth_testkit::registrations;
use serde_json::{Value, json};

use crate::{
    client::{Client, REDIRECT, answer, authorize, register, send, token},
    harness::{KEY, OTHER_KEY, Server},
};

/// DCR-01, DCR-02, DCR-03, DCR-08.
#[tokio::test]
async fn a_client_is_told_everything_that_was_registered() {
    let server = Server::start().await;
    let metadata = json!({
        "redirect_uris": ["https://client.example/cb", "https://client.example/other"],
        "client_name": "A client",
        "scope": "mcp:tools",
    });
    let registered = register(&server, &metadata).await;
    assert_eq!(registered.status, 201);
    assert_eq!(registered.header("content-type"), Some("application/json"));
    assert_eq!(registered.header("cache-control"), Some("no-store"));
    let body = registered.json();
    for (name, value) in metadata.as_object().unwrap() {
        assert_eq!(body[name], *value, "{name}");
    }
    assert_eq!(body["token_endpoint_auth_method"], "client_secret_basic");
    assert_eq!(
        body["grant_types"],
        json!(["authorization_code", "refresh_token"])
    );
    assert_eq!(body["response_types"], json!(["code"]));
    assert!(body["client_secret"].is_string());
    assert_eq!(body["client_secret_expires_at"], 0);
    assert_eq!(body["client_id_issued_at"], server.clock.now().as_seconds());
    let again = register(&server, &metadata).await.json();
    assert_ne!(again["client_id"], body["client_id"]);
    assert_ne!(again["client_secret"], body["client_secret"]);
}

/// DCR-02, DCR-16.
#[tokio::test]
async fn every_live_host_registers_and_can_begin_a_login() {
    let server = Server::start().await;
    for (host, body) in registrations::ALL {
        let metadata: Value = serde_json::from_str(body).unwrap();
        let client = Client::registered(&server, metadata).await;
        assert!(client.id.len() <= 255, "{host}: {}", client.id.len());
        let page = authorize(&server, &client.request(&server)).await;
        assert_eq!(page.status, 200, "{host}");
    }
}

/// DCR-04, DCR-05, DCR-09.
#[tokio::test]
async fn each_bad_registration_has_its_code() {
    let server = Server::start().await;
    let good = json!({ "redirect_uris": [REDIRECT] });
    let cases = [
        ("redirect_uris", Value::Null, "invalid_redirect_uri"),
        ("redirect_uris", json!([]), "invalid_redirect_uri"),
        (
            "redirect_uris",
            json!(["javascript:alert(1)"]),
            "invalid_redirect_uri",
        ),
        (
            "token_endpoint_auth_method",
            json!("private_key_jwt"),
            "invalid_client_metadata",
        ),
        (
            "response_types",
            json!(["token"]),
            "invalid_client_metadata",
        ),
        (
            "grant_types",
            json!(["client_credentials"]),
            "invalid_client_metadata",
        ),
        (
            "grant_types",
            json!(["implicit"]),
            "invalid_client_metadata",
        ),
        ("scope", json!("a  \u{7}"), "invalid_client_metadata"),
        ("client_name", json!(["x"]), "invalid_client_metadata"),
    ];
    for (member, value, error) in cases {
        let mut metadata = good.clone();
        metadata[member] = value;
        register(&server, &metadata).await.refuses(400, error);
    }
    let request = |kind: &str, body: &str| {
        send(&server, Method::POST, "/register")
            .header("content-type", kind)
            .body(body.to_owned())
    };
    for (kind, body) in [
        ("application/json", "{"),
        ("application/json", "[]"),
        ("text/plain", r#"{"redirect_uris":["http://127.0.0.1/cb"]}"#),
        (
            "application/x-www-form-urlencoded",
            "redirect_uris=http://127.0.0.1/cb",
        ),
    ] {
        let refused = answer(request(kind, body)).await;
        refused.refuses(400, "invalid_client_metadata");
    }
    let large = format!(r#"{{"x":"{}"}}"#, "a".repeat(65 * 1024));
    assert_eq!(
        answer(request("application/json", &large)).await.status,
        413
    );
    assert_eq!(
        answer(send(&server, Method::GET, "/register")).await.status,
        405
    );
}

/// ASZ-08, ASZ-09, DCR-05.
#[tokio::test]
async fn no_redirect_uri_is_registered_that_a_browser_should_not_go_to() {
    let server = Server::start().await;
    for uri in [
        "http://app.example/cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "vbscript:x",
        "blob:https://client.example/x",
        "about:blank",
        "myapp:/cb",
        "https://client.example/cb#fragment",
        "https://client.example\\@evil.example/cb",
        "https://user@client.example/cb",
        "https://client.example/a/../cb",
        "https://client.example/a/%2e%2e/cb",
        "https:///cb",
        "https:client.example/cb",
        "//client.example/cb",
        "/cb",
        "",
        " https://client.example/cb",
        "https://client.example/cb\r\nX: y",
        "http://127.0.0.1.evil.example/cb",
        "http://localhost.evil.example/cb",
    ] {
        let refused = register(&server, &json!({ "redirect_uris": [uri] })).await;
        assert_eq!(
            refused.json()["error"],
            "invalid_redirect_uri",
            "{uri}: {}",
            refused.body
        );
        assert_eq!(refused.status, 400);
    }
    for uri in [
        "https://client.example/cb",
        "https://client.example/cb?x=1",
        "http://127.0.0.1/cb",
        "http://[::1]/cb",
        "com.example.app:/cb",
    ] {
        let registered = register(&server, &json!({ "redirect_uris": [uri] })).await;
        assert_eq!(registered.status, 201, "{uri}");
        assert_eq!(registered.json()["redirect_uris"], json!([uri]));
    }
}

/// DCR-02, DCR-05.
#[tokio::test]
async fn good_redirect_uris_are_kept_beside_bad_ones_which_stay_unusable() {
    let server = Server::start().await;
    let bad = "http://app.example/cb";
    let metadata = json!({ "redirect_uris": [bad, REDIRECT] });
    let registered = register(&server, &metadata).await;
    assert_eq!(registered.status, 201);
    assert_eq!(registered.json()["redirect_uris"], json!([REDIRECT]));
    let client = Client::registered(&server, metadata).await;
    let request = client.request(&server).with("redirect_uri", bad);
    authorize(&server, &request)
        .await
        .shows(ErrorPageKind::RedirectNotRegistered);
}

/// DCR-06.
#[tokio::test]
async fn an_application_type_limits_the_redirect_uris_only_where_it_is_sent() {
    let server = Server::start().await;
    let https = "https://client.example/cb";
    for (kind, uri, status) in [
        (Some("web"), https, 201),
        (Some("web"), "http://localhost:1/cb", 400),
        (Some("web"), "https://localhost/cb", 400),
        (Some("web"), "https://127.0.0.1:8443/cb", 400),
        (Some("web"), "com.example.app:/cb", 400),
        (Some("native"), REDIRECT, 201),
        (Some("native"), "com.example.app:/cb", 201),
        (Some("native"), https, 201),
        (Some("native"), "http://app.example/cb", 400),
        (None, REDIRECT, 201),
        (None, https, 201),
    ] {
        let mut metadata = json!({ "redirect_uris": [uri] });
        if let Some(kind) = kind {
            metadata["application_type"] = json!(kind);
        }
        let answer = register(&server, &metadata).await;
        assert_eq!(answer.status, status, "{kind:?} {uri}");
        if status == 201 {
            assert_eq!(
                answer.json().get("application_type"),
                kind.map(|k| json!(k)).as_ref()
            );
        }
    }
}

/// DCR-10.
#[tokio::test]
async fn a_key_set_is_not_there_and_elsewhere_too() {
    let server = Server::start().await;
    let jwks = json!({ "keys": [] });
    let with = |members: &[(&str, &Value)]| {
        let mut metadata = json!({ "redirect_uris": [REDIRECT] });
        for (name, value) in members {
            metadata[*name] = (*value).clone();
        }
        metadata
    };
    let uri = json!("https://client.example/jwks");
    let both = register(&server, &with(&[("jwks", &jwks), ("jwks_uri", &uri)])).await;
    both.refuses(400, "invalid_client_metadata");
    for one in [("jwks", &jwks), ("jwks_uri", &uri)] {
        assert_eq!(register(&server, &with(&[one])).await.status, 201);
    }
}

/// DCR-07, ASZ-34.
#[tokio::test]
async fn a_client_id_of_its_own_and_unknown_members_are_ignored() {
    let server = Server::start().await;
    let metadata = json!({
        "redirect_uris": [REDIRECT],
        "client_id": "user-alice",
        "client_secret": "mine",
        "client_id_issued_at": 1,
        "favourite_colour": { "deep": ["blue"] },
    });
    let body = register(&server, &metadata).await.json();
    assert_ne!(body["client_id"], "user-alice");
    assert!(body.get("client_secret").is_none());
    assert!(body.get("favourite_colour").is_none());
    let mut client = Client::registered(&server, metadata).await;
    client.id = "user-alice".into();
    authorize(&server, &client.request(&server))
        .await
        .shows(ErrorPageKind::UnknownClient);
}

/// DCR-08, AST-14.
#[tokio::test]
async fn what_runs_on_the_users_machine_is_given_no_secret_unless_it_asks() {
    let server = Server::start().await;
    let native =
        json!({ "redirect_uris": ["https://client.example/cb"], "application_type": "native" });
    for metadata in [json!({ "redirect_uris": [REDIRECT] }), native] {
        let body = register(&server, &metadata).await.json();
        assert_eq!(body["token_endpoint_auth_method"], "none");
        assert!(body.get("client_secret").is_none());
        assert!(body.get("client_secret_expires_at").is_none());
        let mut asking = metadata;
        asking["token_endpoint_auth_method"] = json!("client_secret_post");
        let body = register(&server, &asking).await.json();
        assert_eq!(body["token_endpoint_auth_method"], "client_secret_post");
        assert!(body["client_secret"].is_string());
    }
}

/// DCR-13.
#[tokio::test]
async fn a_registration_outlives_the_memory_of_the_server() {
    let keyed = |tier: mcp_auth::tier::ShimBuilder<mcp_auth::DcrShim>| {
        tier.with_key_ring(KeyRing::parse(KEY).unwrap())
    };
    let server = Server::builder(keyed).start().await;
    let client = Client::confidential(&server).await;
    server.restart(keyed);
    client.tokens(&server).await;
}

/// DCR-18.
#[tokio::test]
async fn a_client_that_is_cut_off_can_tell_and_registers_again() {
    let keyed = || KeyRing::parse(KEY).unwrap();
    let server = Server::builder(move |tier| tier.with_key_ring(keyed()))
        .start()
        .await;
    let client = Client::public(&server).await;
    let refresh = client.tokens(&server).await.refresh;
    server.clock.advance(std::time::Duration::from_secs(60));
    let now = server.clock.now();
    server.restart(|tier| tier.with_key_ring(keyed()).refuse_registrations_before(now));
    authorize(&server, &client.request(&server))
        .await
        .shows(ErrorPageKind::UnknownClient);
    token(&server, &client.refreshing(&refresh))
        .await
        .refuses(401, "invalid_client");
    Client::public(&server).await.tokens(&server).await;
}

/// DCR-18.
#[tokio::test]
async fn a_changed_key_ring_is_named_on_the_page() {
    let server = Server::builder(|tier| tier.with_key_ring(KeyRing::parse(KEY).unwrap()))
        .start()
        .await;
    let client = Client::public(&server).await;
    server.restart(|tier| tier.with_key_ring(KeyRing::parse(OTHER_KEY).unwrap()));
    authorize(&server, &client.request(&server))
        .await
        .shows(ErrorPageKind::ClientOfOtherKey);
    token(&server, &client.refreshing("mcprt_x"))
        .await
        .refuses(401, "invalid_client");
    // With the old key still in the ring nothing is lost.
    let both = format!("{OTHER_KEY},{KEY}");
    server.restart(move |tier| tier.with_key_ring(KeyRing::parse(&both).unwrap()));
    let page = authorize(&server, &client.request(&server)).await;
    assert_eq!(page.status, 200);
}

/// DCR-19.
#[tokio::test]
async fn preregistered_and_dynamic_clients_work_side_by_side() {
    let clients = PreregisteredClients::parse_json(
        r#"[{ "client_id": "desk", "client_name": "Desk", "redirect_uris": ["https://desk.example/cb"],
             "client_secret": "a secret: with % and +" }]"#,
    )
    .unwrap();
    let server = Server::builder(|tier| tier.with_preregistered_clients(clients))
        .start()
        .await;
    let desk = Client {
        id: "desk".into(),
        secret: Some("a secret: with % and +".into()),
        redirect_uri: "https://desk.example/cb".into(),
    };
    desk.tokens(&server).await;
    Client::public(&server).await.tokens(&server).await;
    Client::confidential(&server).await.tokens(&server).await;
}

/// DCR-12.
#[tokio::test]
async fn a_flood_of_scopes_is_refused_before_it_costs_anything() {
    let server = Server::start().await;
    let scopes: Vec<String> = (0..12_000).map(|n| format!("{n:x}")).collect();
    let scope = scopes.join(" ");
    let refused = register(
        &server,
        &json!({ "redirect_uris": [REDIRECT], "scope": scope }),
    )
    .await;
    refused.refuses(400, "invalid_client_metadata");
    let client = Client::public(&server).await;
    let many = client.request(&server).with("scope", &scope[..9000]);
    let refused = authorize(&server, &many).await;
    refused.sends_error(&server, REDIRECT, "invalid_scope");
}
