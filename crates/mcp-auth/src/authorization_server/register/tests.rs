use std::sync::Arc;

use http::HeaderValue;
use mcp_auth_testkit::registrations;
use serde_json::{Value, json};

use super::*;
use crate::{
    authorization_server::clients::{DynamicClients, Served},
    oauth::{ClientId, ClientSecret, Issuer, SystemRandom, Timestamp},
    store::KeyRing,
};

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

/// A server with nothing turned on.
const NOTHING: Served = Served {
    dpop: false,
    pushed_requests: false,
    identity_assertions: false,
};

fn clients() -> DynamicClients {
    let ring = KeyRing::ephemeral(&SystemRandom);
    let issuer = Issuer::parse("https://mcp.example").unwrap();
    DynamicClients::new(&ring, &issuer, Arc::new(SystemRandom))
}

/// What `/register` does with a body, without the server around it.
fn answer(
    clients: &DynamicClients,
    content_type: Option<&HeaderValue>,
    body: &[u8],
) -> Response<Bytes> {
    let accepted = Submitted::parse(content_type, body)
        .and_then(|submitted| submitted.check(clients.redirect_schemes(), NOTHING));
    let issued = accepted.and_then(|accepted| {
        let issued = clients.issue(accepted.metadata(), NOW);
        Ok((accepted, issued.map_err(|_| RegisterError::TooLong)?))
    });
    match issued {
        Err(error) => super::refused(&error),
        Ok((accepted, (id, secret))) => Registered {
            id: &id,
            issued_at: NOW,
            secret: secret.as_ref(),
            metadata: accepted.metadata(),
            said: accepted.said(),
            access: None,
        }
        .respond(StatusCode::CREATED),
    }
}

fn send(clients: &DynamicClients, body: &str) -> (StatusCode, Value) {
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    let response = answer(clients, Some(&json), body.as_bytes());
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["content-type"], "application/json");
    (
        response.status(),
        serde_json::from_slice(response.body()).unwrap(),
    )
}

fn accepted(body: Value) -> Value {
    let (status, answer) = send(&clients(), &body.to_string());
    assert_eq!(status, StatusCode::CREATED, "{body}: {answer}");
    answer
}

fn refused(body: &str) -> String {
    let (status, answer) = send(&clients(), body);
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}: {answer}");
    assert!(answer["error_description"].is_string());
    answer["error"].as_str().unwrap().to_owned()
}

fn with(member: &str, value: Value) -> Value {
    let mut body = json!({"redirect_uris": ["http://127.0.0.1/callback"]});
    body[member] = value;
    body
}

fn refused_with(member: &str, value: Value) -> String {
    refused(&with(member, value).to_string())
}

// DCR-02
#[test]
fn each_live_host_registers_with_an_id_of_at_most_255_characters() {
    let clients = clients();
    for (host, body) in registrations::ALL {
        let (status, answer) = send(&clients, body);
        assert_eq!(status, StatusCode::CREATED, "{host}: {answer}");
        let id = answer["client_id"].as_str().unwrap();
        assert!(id.len() <= 255, "{host}: {} characters", id.len());
        let sent: Value = serde_json::from_str(body).unwrap();
        for member in ["client_name", "redirect_uris", "token_endpoint_auth_method"] {
            assert_eq!(answer[member], sent[member], "{host}: {member}");
        }
        let client = clients.open(&ClientId::parse(id).unwrap()).unwrap();
        assert_eq!(
            client.metadata().client_name.as_deref(),
            sent["client_name"].as_str(),
            "{host}"
        );
        assert!(client.metadata().refresh_tokens, "{host}");
        let secret = answer.get("client_secret").and_then(Value::as_str);
        assert_eq!(secret.is_some(), client.is_confidential(), "{host}");
        let secret = secret.map(ClientSecret::new);
        assert_eq!(client.authenticate(secret.as_ref()), Ok(()), "{host}");
    }
}

// DCR-02, DCR-03, DCR-07, ASZ-34
#[test]
fn answers_with_everything_that_was_registered() {
    let answer = accepted(json!({
        "client_id": "root",
        "client_name": "Desk",
        "redirect_uris": ["https://desk.example/cb"],
        "grant_types": ["authorization_code", "implicit", "refresh_token"],
        "response_types": ["code", "token"],
        "token_endpoint_auth_method": "client_secret_post",
        "application_type": "web",
        "scope": "a b",
        "x-unknown": {"deep": [1, 2]},
        "logo_uri": "http://169.254.169.254/",
    }));
    assert!(answer["client_id"].as_str().unwrap().starts_with("dcr."));
    assert_eq!(answer["client_id_issued_at"], 1_790_000_000);
    assert_eq!(answer["client_secret_expires_at"], 0);
    assert!(answer["client_secret"].as_str().unwrap().len() >= 43);
    assert_eq!(answer["client_name"], "Desk");
    assert_eq!(answer["redirect_uris"], json!(["https://desk.example/cb"]));
    assert_eq!(
        answer["grant_types"],
        json!(["authorization_code", "refresh_token"])
    );
    assert_eq!(answer["response_types"], json!(["code"]));
    assert_eq!(answer["token_endpoint_auth_method"], "client_secret_post");
    assert_eq!(answer["application_type"], "web");
    assert_eq!(answer["scope"], "a b");
    assert_eq!(answer.as_object().unwrap().len(), 11);
}

// DCR-03
#[test]
fn the_same_registration_twice_gives_two_clients() {
    let clients = clients();
    let (_, first) = send(&clients, registrations::CLAUDE);
    let (_, second) = send(&clients, registrations::CLAUDE);
    assert_ne!(first["client_id"], second["client_id"]);
    assert_ne!(first["client_secret"], second["client_secret"]);
}

// AST-14
#[test]
fn chooses_a_method_where_none_was_asked_for() {
    let chosen = |uris: Value, application_type: Value| {
        let body = json!({"redirect_uris": uris, "application_type": application_type});
        let answer = accepted(body);
        let has_secret = answer.get("client_secret").is_some();
        assert_eq!(has_secret, answer["token_endpoint_auth_method"] != "none");
        answer["token_endpoint_auth_method"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let loopback = json!(["http://localhost:1/cb", "com.example.app:/cb"]);
    let web = json!(["https://a.example/cb", "http://localhost:1/cb"]);
    assert_eq!(chosen(loopback, Value::Null), "none");
    assert_eq!(chosen(web.clone(), Value::Null), "client_secret_basic");
    assert_eq!(chosen(web.clone(), json!("native")), "none");
    assert_eq!(chosen(web, json!("web")), "client_secret_basic");
}

#[test]
fn a_client_that_declines_refresh_tokens_gets_none() {
    let answer = accepted(with("grant_types", json!(["authorization_code"])));
    assert_eq!(answer["grant_types"], json!(["authorization_code"]));
    let answer = accepted(with("grant_types", Value::Null));
    assert_eq!(
        answer["grant_types"],
        json!(["authorization_code", "refresh_token"])
    );
}

// DCR-05
#[test]
fn keeps_the_good_redirect_uris_and_returns_them() {
    let answer = accepted(json!({"redirect_uris": [
        "javascript:alert(1)", "https://a.example/cb", 7, "http://a.example/cb",
        "https://a.example/cb", "cursor://anysphere.cursor-mcp/oauth/callback",
    ]}));
    let kept = json!([
        "https://a.example/cb",
        "cursor://anysphere.cursor-mcp/oauth/callback"
    ]);
    assert_eq!(answer["redirect_uris"], kept);
}

#[test]
fn takes_further_schemes_that_the_operator_allows() {
    let body = json!({"redirect_uris": ["zed://cb"]}).to_string();
    assert_eq!(refused(&body), "invalid_redirect_uri");
    let clients = clients().with_redirect_schemes(["zed"]);
    assert_eq!(send(&clients, &body).0, StatusCode::CREATED);
}

// DCR-04, DCR-05
#[test]
fn refuses_without_redirect_uris() {
    for body in [
        json!({}),
        json!({"redirect_uris": []}),
        json!({"redirect_uris": null}),
        json!({"redirect_uris": "https://a.example/cb"}),
        json!({"redirect_uris": [1, null]}),
    ] {
        assert_eq!(refused(&body.to_string()), "invalid_redirect_uri");
    }
}

// DCR-04, DCR-05, ASZ-08
#[test]
fn refuses_redirect_uris_none_of_which_is_good() {
    for bad in [
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "http://app.example/cb",
        "https://a.example/cb#f",
        "https://client.example\\@evil.example/cb",
        "https://user@a.example/cb",
        "https://a.example/../cb",
        "myapp://cb",
        "*",
        "",
    ] {
        let error = refused_with("redirect_uris", json!([bad]));
        assert_eq!(error, "invalid_redirect_uri", "{bad}");
    }
}

#[test]
fn refuses_more_than_32_redirect_uris() {
    let uris = |count: usize| -> Vec<String> {
        (1..=count)
            .map(|n| format!("http://127.0.0.1:{n}/cb"))
            .collect()
    };
    accepted(with("redirect_uris", json!(uris(32))));
    assert_eq!(
        refused_with("redirect_uris", json!(uris(33))),
        "invalid_client_metadata"
    );
}

#[test]
fn a_web_client_has_no_redirect_uri_on_the_users_machine() {
    let register = |application_type: &str, uri: &str| {
        let body = json!({"redirect_uris": [uri], "application_type": application_type});
        send(&clients(), &body.to_string()).0
    };
    let (web, loopback) = ("https://a.example/cb", "http://127.0.0.1/cb");
    assert_eq!(register("web", web), StatusCode::CREATED);
    assert_eq!(register("web", loopback), StatusCode::BAD_REQUEST);
    assert_eq!(register("native", web), StatusCode::CREATED);
    assert_eq!(register("native", loopback), StatusCode::CREATED);
    assert_eq!(register("toaster", loopback), StatusCode::CREATED);
}

// DCR-04
#[test]
fn refuses_a_method_it_does_not_support() {
    for method in [
        "private_key_jwt",
        "client_secret_jwt",
        "tls_client_auth",
        "",
    ] {
        let error = refused_with("token_endpoint_auth_method", json!(method));
        assert_eq!(error, "invalid_client_metadata", "{method}");
    }
}

// DCR-09
#[test]
fn refuses_response_types_without_code() {
    for types in [
        json!([]),
        json!(["token"]),
        json!(["code id_token"]),
        json!("code"),
    ] {
        assert_eq!(
            refused_with("response_types", types),
            "invalid_client_metadata"
        );
    }
}

// DCR-09
#[test]
fn refuses_grant_types_without_authorization_code() {
    for types in [
        json!([]),
        json!(["implicit"]),
        json!(["client_credentials"]),
    ] {
        assert_eq!(
            refused_with("grant_types", types),
            "invalid_client_metadata"
        );
    }
}

// DCR-10
#[test]
fn refuses_jwks_and_jwks_uri_together() {
    let mut body = with("jwks", json!({"keys": []}));
    accepted(body.clone());
    body["jwks_uri"] = json!("https://a.example/jwks");
    assert_eq!(refused(&body.to_string()), "invalid_client_metadata");
}

#[test]
fn refuses_a_malformed_scope_and_ignores_an_empty_one() {
    assert_eq!(
        refused_with("scope", json!("a\"b")),
        "invalid_client_metadata"
    );
    assert_eq!(refused_with("scope", json!("é")), "invalid_client_metadata");
    assert!(accepted(with("scope", json!(""))).get("scope").is_none());
}

#[test]
fn refuses_a_long_name_and_cleans_a_tricky_one() {
    accepted(with("client_name", json!("é".repeat(200))));
    let error = refused_with("client_name", json!("é".repeat(201)));
    assert_eq!(error, "invalid_client_metadata");
    let answer = accepted(with("client_name", json!("Cla\u{202e}ude\u{0}\n!")));
    assert_eq!(answer["client_name"], "Claude !");
    let answer = accepted(with("client_name", json!("\u{200b}")));
    assert!(answer.get("client_name").is_none());
}

// CIM-23
#[test]
fn keeps_no_address_that_no_page_shows() {
    let plain = accepted(with("client_name", json!("Desk")));
    for member in ["client_uri", "logo_uri", "tos_uri", "policy_uri"] {
        for uri in ["https://desk.example/", "javascript:alert(1)"] {
            let mut metadata = with("client_name", json!("Desk"));
            metadata[member] = json!(uri);
            let answer = accepted(metadata);
            assert!(answer.get(member).is_none(), "{member}");
            let length = |answer: &Value| answer["client_id"].as_str().unwrap().len();
            assert_eq!(length(&answer), length(&plain), "{member}");
        }
    }
}

#[test]
fn refuses_what_does_not_fit_into_a_client_id() {
    let scope: Vec<String> = (0..300).map(|n| format!("scope-{n}")).collect();
    let error = refused_with("scope", json!(scope.join(" ")));
    assert_eq!(error, "invalid_client_metadata");
}

#[test]
fn refuses_what_is_not_one_json_object() {
    let uris = r#""redirect_uris":["http://127.0.0.1/cb"]"#;
    let deep = format!(
        "{{{uris},\"jwks\":{}1{}}}",
        "[".repeat(30_000),
        "]".repeat(30_000)
    );
    for body in [
        "",
        "null",
        "redirect_uris=https%3A%2F%2Fa.example",
        r#"[["http://127.0.0.1/cb"],"x"]"#,
        &format!("{{{uris}}} {{}}"),
        &format!("{{{uris},{uris}}}"),
        &format!("{{{uris},\"client_name\":5}}"),
        &format!("{{{uris},\"client_name\":\"\\ud800\"}}"),
        &format!(
            "{{{uris},\"redirect_uris\":{}1{}}}",
            "[".repeat(30_000),
            "]".repeat(30_000)
        ),
    ] {
        assert_eq!(refused(body), "invalid_client_metadata", "{body:.80}");
    }
    // Skipped without recursion, as every member that is ignored.
    let (status, _) = send(&clients(), &deep);
    assert_eq!(status, StatusCode::CREATED);
}

#[test]
fn refuses_a_body_that_is_not_declared_as_json() {
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
    ] {
        let header = content_type.map(HeaderValue::from_static);
        let body = registrations::CLAUDE.as_bytes();
        let response = answer(&clients(), header.as_ref(), body);
        assert_eq!(
            response.status(),
            StatusCode::BAD_REQUEST,
            "{content_type:?}"
        );
        let reason = response.extensions().get::<OAuthErrorCode>();
        assert_eq!(reason, Some(&OAuthErrorCode::InvalidClientMetadata));
    }
}
