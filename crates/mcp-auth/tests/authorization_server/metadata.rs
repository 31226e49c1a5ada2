//! `GET /.well-known/oauth-authorization-server` and `/.well-known/openid-configuration`.

use http::Method;
use serde_json::{Value, json};

use crate::{
    client::{Client, answer, authorize, get, send},
    harness::Server,
};

const PATHS: [&str; 2] = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
];

async fn metadata(server: &Server) -> Value {
    get(server, PATHS[0]).await.json()
}

/// ASM-01, ASM-02, ASM-24.
#[tokio::test]
async fn both_root_forms_answer_the_same() {
    let server = Server::start().await;
    let [ours, openid] = [get(&server, PATHS[0]).await, get(&server, PATHS[1]).await];
    assert_eq!(ours.status, 200);
    assert_eq!(openid.status, 200);
    assert_eq!(ours.json(), openid.json());
}

/// ASM-03.
#[tokio::test]
async fn no_well_known_suffix_is_our_own_invention() {
    let server = Server::start().await;
    for suffix in ["mcp", "mcp-authorization-server", "mcp.json"] {
        let answer = get(&server, &format!("/.well-known/{suffix}")).await;
        assert_eq!(answer.status, 404, "{suffix}");
    }
}

/// ASM-04, PX-17, RS-66.
#[tokio::test]
async fn the_issuer_is_the_same_string_everywhere() {
    let loopback = Server::start().await;
    let tls = Server::builder(|tier| tier)
        .behind_tls("https://mcp.example.com")
        .start()
        .await;
    for server in [loopback, tls] {
        let resource = get(&server, "/.well-known/oauth-protected-resource/mcp").await;
        assert_eq!(
            resource.json()["authorization_servers"],
            json!([server.issuer()])
        );
        let issuer = metadata(&server).await["issuer"].clone();
        assert_eq!(issuer, server.issuer());
        assert!(!server.issuer().ends_with('/') && !server.issuer().contains(['?', '#']));
    }
}

/// ASM-05.
#[tokio::test]
async fn it_is_json_without_empty_arrays() {
    let server = Server::start().await;
    for path in PATHS {
        let answer = get(&server, path).await;
        assert_eq!(answer.header("content-type"), Some("application/json"));
        for (name, value) in answer.json().as_object().unwrap() {
            assert_ne!(*value, json!([]), "{name}");
            assert!(!value.is_null(), "{name}");
        }
    }
}

/// ASM-06, ASM-07, ASM-08, ASM-12, ASM-15, ASM-18.
#[tokio::test]
async fn it_lists_what_is_served_and_nothing_else() {
    let server = Server::start().await;
    let document = metadata(&server).await;
    assert_eq!(
        document["authorization_endpoint"],
        server.url("/authorize").as_str()
    );
    assert_eq!(document["token_endpoint"], server.url("/token").as_str());
    assert_eq!(document["response_types_supported"], json!(["code"]));
    assert_eq!(document["response_modes_supported"], json!(["query"]));
    assert_eq!(
        document["code_challenge_methods_supported"],
        json!(["S256"])
    );
    assert_eq!(
        document["grant_types_supported"],
        json!(["authorization_code", "refresh_token"])
    );
}

/// ASM-10.
#[tokio::test]
async fn public_clients_are_welcome_at_the_token_endpoint() {
    let document = metadata(&Server::start().await).await;
    let methods = &document["token_endpoint_auth_methods_supported"];
    for method in ["none", "client_secret_basic", "client_secret_post"] {
        assert!(methods.as_array().unwrap().contains(&json!(method)));
    }
}

/// ASM-11.
#[tokio::test]
async fn the_registration_endpoint_is_named_only_while_it_is_on() {
    let on = Server::start().await;
    let endpoint = &metadata(&on).await["registration_endpoint"];
    assert_eq!(*endpoint, on.url("/register").as_str());
    let off = Server::builder(|tier| tier.without_registration())
        .start()
        .await;
    assert!(metadata(&off).await.get("registration_endpoint").is_none());
    let answer = answer(send(&off, Method::POST, "/register")).await;
    assert_eq!(answer.status, 404);
}

/// ASM-13.
#[tokio::test]
async fn it_lists_the_scopes_and_no_offline_access() {
    let scopes = mcp_auth::oauth::Scopes::parse("notes:read notes:write").unwrap();
    let server = Server::builder(|tier| tier.with_scopes(scopes))
        .start()
        .await;
    let document = metadata(&server).await;
    assert_eq!(
        document["scopes_supported"],
        json!(["notes:read", "notes:write"])
    );
}

/// ASM-14.
#[tokio::test]
async fn iss_is_promised_and_sent() {
    let server = Server::start().await;
    let document = metadata(&server).await;
    assert_eq!(
        document["authorization_response_iss_parameter_supported"],
        true
    );
    let client = Client::public(&server).await;
    let refused = authorize(&server, &client.request(&server).without("code_challenge")).await;
    refused.sends_error(&server, &client.redirect_uri, "invalid_request");
}

/// ASM-17.
#[tokio::test]
async fn the_key_set_is_there() {
    let server = Server::start().await;
    assert_eq!(
        metadata(&server).await["jwks_uri"],
        server.url("/jwks").as_str()
    );
    let keys = get(&server, "/jwks").await;
    assert_eq!(keys.status, 200);
    assert!(keys.json()["keys"].is_array());
}

/// ASM-19.
#[tokio::test]
async fn it_lists_the_resources() {
    let server = Server::builder(|tier| tier.with_resource("/other"))
        .start()
        .await;
    assert_eq!(
        metadata(&server).await["protected_resources"],
        json!([server.url("/mcp"), server.url("/other")])
    );
}

/// ASM-23, AST-07, DCR-17.
#[tokio::test]
async fn scripts_of_any_origin_may_call_what_takes_no_cookie() {
    let server = Server::start().await;
    let paths = [PATHS[0], PATHS[1], "/jwks", "/register", "/token"];
    for path in paths {
        let preflight = send(&server, Method::OPTIONS, path)
            .header("origin", "https://app.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type");
        let preflight = answer(preflight).await;
        assert_eq!(preflight.status, 204, "{path}");
        assert_eq!(
            preflight.header("access-control-allow-origin"),
            Some("*"),
            "{path}"
        );
        let allowed = preflight.header("access-control-allow-headers").unwrap();
        assert!(allowed.contains("content-type") && allowed.contains("authorization"));
        let method = if path == "/register" || path == "/token" {
            Method::POST
        } else {
            Method::GET
        };
        let methods = preflight.header("access-control-allow-methods").unwrap();
        assert!(methods.contains(method.as_str()), "{path}");
        assert_eq!(methods.contains("HEAD"), method == Method::GET, "{path}");
        let called = answer(send(&server, method, path).header("origin", "https://app.example"));
        let called = called.await;
        assert_eq!(
            called.header("access-control-allow-origin"),
            Some("*"),
            "{path}"
        );
        assert_eq!(called.header("access-control-allow-credentials"), None);
    }
}

/// ASM-25.
#[tokio::test]
async fn the_openid_form_has_the_members_that_openid_needs() {
    let server = Server::start().await;
    let document = get(&server, PATHS[1]).await.json();
    for member in [
        "jwks_uri",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
    ] {
        assert!(document.get(member).is_some(), "{member}");
    }
}

/// ASM-27.
#[tokio::test]
async fn every_endpoint_is_https_behind_tls() {
    let server = Server::builder(|tier| tier)
        .behind_tls("https://mcp.example.com")
        .start()
        .await;
    let document = metadata(&server).await;
    for (name, value) in document.as_object().unwrap() {
        if name.ends_with("_endpoint") || name.ends_with("_uri") || name == "issuer" {
            assert!(
                value
                    .as_str()
                    .unwrap()
                    .starts_with("https://mcp.example.com"),
                "{name}"
            );
        }
    }
}
