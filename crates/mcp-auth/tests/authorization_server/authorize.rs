//! `GET /authorize`: what ends on a page and what goes back to the client.

use http::Method;
use mcp_auth::authorization_server::pages::ErrorPageKind;

use crate::{
    client::{Client, REDIRECT, STATE, VERIFIER, answer, approve, authorize, send},
    harness::Server,
};

/// ASZ-01, ASZ-26.
#[tokio::test]
async fn a_good_request_gives_a_page_and_nothing_else() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let page = authorize(&server, &client.request(&server)).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("location"), None);
    assert!(page.body.contains("Approve"));
    let posted = send(&server, Method::POST, "/authorize")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(client.request(&server).encoded());
    let posted = answer(posted).await;
    assert_eq!(posted.status, 405);
    assert_eq!(posted.header("allow"), Some("GET"));
}

/// ASZ-03.
#[tokio::test]
async fn unknown_parameters_are_ignored_and_empty_ones_are_not_sent() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let request = client.request(&server);
    let odd = request
        .clone()
        .and("nonce", "n")
        .and("vendor_extension", "<>")
        .and("scope", "")
        .and("request_uri", "");
    assert_eq!(authorize(&server, &odd).await.status, 200);
    for (name, error) in [
        ("response_type", "invalid_request"),
        ("code_challenge", "invalid_request"),
        ("code_challenge_method", "invalid_request"),
    ] {
        let refused = authorize(&server, &request.clone().with(name, "")).await;
        refused.sends_error(&server, REDIRECT, error);
    }
    let refused = authorize(&server, &request.clone().with("client_id", "")).await;
    refused.shows(ErrorPageKind::MalformedRequest);
}

/// ASZ-03.
#[tokio::test]
async fn a_parameter_sent_twice_is_refused() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let request = client.request(&server).and("scope", "mcp:tools");
    for name in [
        "response_type",
        "code_challenge",
        "code_challenge_method",
        "scope",
    ] {
        for value in ["other", ""] {
            let refused = authorize(&server, &request.clone().and(name, value)).await;
            refused.sends_error(&server, REDIRECT, "invalid_request");
        }
    }
    // Without one client, one way back and one state there is nobody to tell.
    for (name, value) in [
        ("client_id", client.id.as_str()),
        ("redirect_uri", REDIRECT),
        ("state", STATE),
    ] {
        let refused = authorize(&server, &request.clone().and(name, value)).await;
        refused.shows(ErrorPageKind::MalformedRequest);
    }
}

/// ASZ-04, DCR-18.
#[tokio::test]
async fn an_unknown_client_is_shown_a_page_and_sent_nowhere() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let request = client.request(&server);
    let mut tampered = client.id.clone();
    let last = if tampered.ends_with('A') { 'B' } else { 'A' };
    tampered.pop();
    tampered.push(last);
    for id in [
        "nobody",
        "dcr.",
        "dcr.AAAA",
        &tampered,
        "http://client.example/id",
    ] {
        let refused = authorize(&server, &request.clone().with("client_id", id)).await;
        refused.shows(ErrorPageKind::UnknownClient);
    }
    let refused = authorize(&server, &request.without("client_id")).await;
    refused.shows(ErrorPageKind::MalformedRequest);
}

/// ASZ-11, AST-29.
#[tokio::test]
async fn response_type_is_code() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let request = client.request(&server);
    let missing = authorize(&server, &request.clone().without("response_type")).await;
    missing.sends_error(&server, REDIRECT, "invalid_request");
    for kind in [
        "token",
        "id_token",
        "code token",
        "code id_token",
        "CODE",
        "none",
    ] {
        let refused = authorize(&server, &request.clone().with("response_type", kind)).await;
        refused.sends_error(&server, REDIRECT, "unsupported_response_type");
    }
    for mode in ["fragment", "form_post", "web_message"] {
        let refused = authorize(&server, &request.clone().and("response_mode", mode)).await;
        refused.sends_error(&server, REDIRECT, "invalid_request");
    }
    let query = authorize(&server, &request.and("response_mode", "query")).await;
    assert_eq!(query.status, 200);
}

/// ASZ-12, ASZ-13, ASZ-14, ASZ-15.
#[tokio::test]
async fn pkce_with_s256_is_asked_of_public_and_confidential_clients() {
    let server = Server::start().await;
    for client in [
        Client::public(&server).await,
        Client::confidential(&server).await,
    ] {
        let request = client.request(&server);
        let without = request
            .clone()
            .without("code_challenge")
            .without("code_challenge_method");
        for bad in [
            without.clone(),
            without.clone().and("nonce", "an-openid-nonce"),
            request.clone().without("code_challenge"),
            // Without a method it is `plain`.
            request.clone().without("code_challenge_method"),
            request.clone().with("code_challenge_method", "plain"),
            request
                .clone()
                .with("code_challenge_method", "plain")
                .with("code_challenge", VERIFIER),
            request.clone().with("code_challenge_method", "s256"),
            request.clone().with("code_challenge_method", "S512"),
            request.clone().with("code_challenge", "tooshort10"),
            request.clone().with("code_challenge", &"a".repeat(42)),
            request.clone().with("code_challenge", &"a".repeat(44)),
            request.clone().with("code_challenge", &"a".repeat(128)),
            request
                .clone()
                .with("code_challenge", &format!("{}=", "a".repeat(42))),
            request
                .clone()
                .with("code_challenge", &format!("{}+", "a".repeat(42))),
            request
                .clone()
                .with("code_challenge", &format!("{} ", "a".repeat(42))),
        ] {
            let refused = authorize(&server, &bad).await;
            refused.sends_error(&server, &client.redirect_uri, "invalid_request");
        }
    }
}

/// ASZ-24, ASZ-25.
#[tokio::test]
async fn a_code_is_random_and_tells_nothing() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let first = client.code(&server).await;
    let second = client.code(&server).await;
    let bytes = |code: &str| URL_SAFE_NO_PAD.decode(code).unwrap();
    let (a, b) = (bytes(&first), bytes(&second));
    assert!(a.len() >= 32 && b.len() >= 32);
    let same = a.iter().zip(&b).filter(|(a, b)| a == b).count();
    assert!(same < 8, "{same} of {} bytes are the same", a.len());
    let challenge = mcp_auth::oauth::CodeVerifier::parse(VERIFIER)
        .unwrap()
        .challenge();
    assert!(!String::from_utf8_lossy(&a).contains(challenge.as_str()));
}

/// ASZ-33, ASC-16.
#[tokio::test]
async fn nothing_makes_a_client_skip_the_page() {
    let server = Server::start().await;
    server.upstream.auto_sign_in(Some("alice"));
    let client = Client::public(&server).await;
    let mut browser = server.browser();
    approve(&server, &mut browser, &client, &client.request(&server)).await;
    for prompt in ["consent", "login", "select_account"] {
        let request = client.request(&server).and("prompt", prompt);
        let url = server.url(&format!("/authorize?{}", request.encoded()));
        let page = browser.get(&url).await.unwrap();
        assert_eq!(page.status, 200);
        assert!(page.has_button("Approve"), "{prompt}");
    }
    let silent = client.request(&server).and("prompt", "none");
    let refused = authorize(&server, &silent).await;
    refused.sends_error(&server, REDIRECT, "consent_required");
}
