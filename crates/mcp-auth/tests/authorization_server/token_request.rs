//! `POST /token`: the shape of requests and answers, whatever is redeemed.

use http::Method;

use crate::{
    client::{Client, Parameters, answer, basic, mcp_status, opens, send, token, token_with},
    harness::Server,
};

/// AST-01.
#[tokio::test]
async fn it_takes_forms_by_post_and_nothing_else() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let code = client.code(&server).await;
    let form = client.redemption(&server, &code);
    for method in [Method::GET, Method::PUT, Method::HEAD] {
        let path = format!("/token?{}", form.encoded());
        let refused = answer(send(&server, method, &path)).await;
        assert_eq!(refused.status, 405);
        assert_eq!(refused.header("allow"), Some("POST, OPTIONS"));
    }
    for (kind, body) in [
        (
            "application/json",
            r#"{"grant_type":"authorization_code"}"#.to_owned(),
        ),
        ("application/json", form.encoded()),
        ("text/plain", form.encoded()),
        ("multipart/form-data; boundary=x", form.encoded()),
    ] {
        let request = send(&server, Method::POST, "/token").header("content-type", kind);
        answer(request.body(body))
            .await
            .refuses(400, "invalid_request");
    }
    let untyped = send(&server, Method::POST, "/token").body(form.encoded());
    answer(untyped).await.refuses(400, "invalid_request");
    let with_charset = send(&server, Method::POST, "/token")
        .header(
            "content-type",
            "application/x-www-form-urlencoded; charset=UTF-8",
        )
        .body(form.encoded());
    answer(with_charset).await.tokens();
}

/// AST-01.
#[tokio::test]
async fn parameters_count_once_and_unknown_ones_not_at_all() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let code = client.code(&server).await;
    let form = client.redemption(&server, &code);
    for name in [
        "grant_type",
        "code",
        "client_id",
        "code_verifier",
        "redirect_uri",
    ] {
        for value in ["x", ""] {
            let twice = form.clone().and(name, value);
            token(&server, &twice).await.refuses(400, "invalid_request");
        }
    }
    let not_utf8 = send(&server, Method::POST, "/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("{}&x=%ff", form.encoded()));
    answer(not_utf8).await.refuses(400, "invalid_request");
    let odd = form.and("vendor", "x").and("scope", "");
    token(&server, &odd).await.tokens();
}

/// AST-01.
#[tokio::test]
async fn what_stands_in_the_query_is_not_read() {
    let server = Server::start().await;
    let client = Client::confidential(&server).await;
    let code = client.code(&server).await;
    let form = client.redemption(&server, &code);
    let posted = |query: &str, form: &Parameters| {
        let request = send(&server, Method::POST, &format!("/token?{query}"))
            .header("content-type", "application/x-www-form-urlencoded");
        answer(request.body(form.encoded()))
    };
    let everything = posted(&form.encoded(), &Parameters::default()).await;
    everything.refuses(400, "invalid_request");
    let secret = client.secret.as_ref().unwrap();
    let query = Parameters::default().and("client_secret", secret).encoded();
    let without = form.clone().without("client_secret");
    posted(&query, &without)
        .await
        .refuses(401, "invalid_client");
    posted("code=other&grant_type=x", &form).await.tokens();
}

/// AST-02, AST-29.
#[tokio::test]
async fn only_codes_and_refresh_tokens_are_redeemed() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let form = client.redemption(&server, "x");
    for missing in [
        form.clone().without("grant_type"),
        form.clone().with("grant_type", ""),
    ] {
        token(&server, &missing)
            .await
            .refuses(400, "invalid_request");
    }
    for other in [
        "password",
        "implicit",
        "client_credentials",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "AUTHORIZATION_CODE",
        "authorization_code ",
    ] {
        let form = form.clone().with("grant_type", other);
        token(&server, &form)
            .await
            .refuses(400, "unsupported_grant_type");
    }
    let no_code = form.clone().without("code");
    token(&server, &no_code)
        .await
        .refuses(400, "invalid_request");
    let no_token = client.refreshing("x").without("refresh_token");
    token(&server, &no_token)
        .await
        .refuses(400, "invalid_request");
}

/// AST-02.
#[tokio::test]
async fn a_client_without_refresh_tokens_may_not_use_any() {
    let server = Server::start().await;
    let metadata = serde_json::json!({
        "redirect_uris": [crate::client::REDIRECT],
        "grant_types": ["authorization_code"],
    });
    let client = Client::registered(&server, metadata).await;
    let theirs = Client::public(&server).await.tokens(&server).await;
    for refresh_token in ["x", &theirs.refresh] {
        token(&server, &client.refreshing(refresh_token))
            .await
            .refuses(400, "unauthorized_client");
    }
}

/// AST-03, AST-04, AST-05, AST-23.
#[tokio::test]
async fn a_good_answer_has_everything_a_host_needs() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let code = client.code(&server).await;
    let first = token(&server, &client.redemption(&server, &code)).await;
    let refresh = first.tokens().refresh;
    let second = token(&server, &client.refreshing(&refresh)).await;
    for answer in [first, second] {
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let body = answer.json();
        assert!(body["access_token"].is_string());
        assert!(body["refresh_token"].is_string());
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["expires_in"], 3600);
        assert_eq!(body["scope"], "mcp:tools");
    }
}

/// AST-23.
#[tokio::test]
async fn an_access_token_ends_when_it_said_it_would() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let tokens = client.tokens(&server).await;
    server.clock.advance(std::time::Duration::from_secs(3599));
    assert!(opens(&server, &tokens.access).await);
    server.clock.advance(std::time::Duration::from_secs(1));
    assert!(!opens(&server, &tokens.access).await);
}

/// AST-06.
#[tokio::test]
async fn refusals_are_json_and_answer_basic_in_kind() {
    let server = Server::start().await;
    let client = Client::confidential(&server).await;
    let form = client.refreshing("x");
    token(&server, &form).await.refuses(400, "invalid_grant");
    let wrong = token(&server, &form.clone().with("client_secret", "wrong")).await;
    wrong.refuses(401, "invalid_client");
    assert_eq!(wrong.header("www-authenticate"), None);
    let form = form.without("client_secret");
    let wrong = token_with(&server, &form, |request| {
        request.header("authorization", basic(&client.id, "wrong"))
    })
    .await;
    wrong.refuses(401, "invalid_client");
    let challenge = wrong.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("Basic realm="), "{challenge}");
}

/// AST-21, AST-22.
#[tokio::test]
async fn a_token_opens_the_resource_it_was_asked_for_and_no_other() {
    let server = Server::builder(|tier| tier.with_resource("/other"))
        .start()
        .await;
    let client = Client::public(&server).await;
    let other = server.url("/other");
    for (resource, opened, closed) in [
        (server.mcp_url(), "/mcp", "/other"),
        (other.clone(), "/other", "/mcp"),
    ] {
        let request = client.request(&server).with("resource", &resource);
        let code = client.code_for(&server, &request).await;
        // Left out here, it is the one of the authorization.
        let form = client.redemption(&server, &code).without("resource");
        let tokens = token(&server, &form).await.tokens();
        assert_eq!(mcp_status(&server, opened, &tokens.access).await, 200);
        assert_eq!(mcp_status(&server, closed, &tokens.access).await, 401);
    }
}

/// AST-24.
#[tokio::test]
async fn a_token_with_one_character_changed_opens_nothing() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let tokens = client.tokens(&server).await;
    assert!(opens(&server, &tokens.access).await);
    for at in (0..tokens.access.len()).step_by(7) {
        let mut changed = tokens.access.clone();
        let other = if &changed[at..=at] == "A" { "B" } else { "A" };
        changed.replace_range(at..=at, other);
        assert!(!opens(&server, &changed).await, "character {at}");
    }
    let again = client.tokens(&server).await;
    assert_ne!(again.access, tokens.access);
    assert_ne!(again.refresh, tokens.refresh);
    // 128 bits cannot be guessed, and a token holds more than that.
    assert!(tokens.access.len() > 43 && tokens.refresh.len() > 43);
}

/// ASR-12.
#[tokio::test]
async fn a_refresh_token_and_a_code_open_nothing_by_themselves() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let tokens = client.tokens(&server).await;
    assert!(!opens(&server, &tokens.refresh).await);
    let code = client.code(&server).await;
    assert!(!opens(&server, &code).await);
    // Nor is an access token one that can be refreshed.
    token(&server, &client.refreshing(&tokens.access))
        .await
        .refuses(400, "invalid_grant");
}

/// AST-31.
#[tokio::test]
async fn it_never_redirects() {
    let server = Server::start().await;
    for path in ["/token/", "/token/x", "//token", "/Token"] {
        let posted = send(&server, Method::POST, path)
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=refresh_token");
        assert_eq!(answer(posted).await.status, 404, "{path}");
    }
}
