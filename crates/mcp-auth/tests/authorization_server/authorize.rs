//! `GET /authorize`: what ends on a page, what goes back to the client, and what comes through.

use http::Method;
use mcp_auth::{
    authorization_server::{clients::PreregisteredClients, pages::ErrorPageKind},
    oauth::Scopes,
};
use mcp_auth_testkit::browser::Decision;
use serde_json::json;

use crate::{
    client::{
        Client, Parameters, REDIRECT, Redirect, STATE, VERIFIER, answer, approve, authorize, get,
        send, token,
    },
    harness::Server,
};

async fn with_redirects(server: &Server, uris: &[&str]) -> Client {
    Client::registered(server, json!({ "redirect_uris": uris })).await
}

async fn scoped() -> Server {
    let scopes = Scopes::parse("notes:read notes:write").unwrap();
    Server::builder(|tier| tier.with_scopes(scopes))
        .start()
        .await
}

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

/// ASZ-02, AST-07.
#[tokio::test]
async fn scripts_of_other_origins_may_not_read_it() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let path = format!("/authorize?{}", client.request(&server).encoded());
    for (path, method) in [
        (path.as_str(), Method::OPTIONS),
        (path.as_str(), Method::GET),
        ("/consent", Method::OPTIONS),
        ("/callback", Method::OPTIONS),
        ("/callback", Method::GET),
    ] {
        let asked = send(&server, method.clone(), path)
            .header("origin", "https://app.example")
            .header("access-control-request-method", "GET");
        let asked = answer(asked).await;
        for name in asked.headers.keys() {
            assert!(
                !name.as_str().starts_with("access-control-"),
                "{method} {path}: {name}"
            );
        }
    }
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
        "https://client.example/id",
    ] {
        let refused = authorize(&server, &request.clone().with("client_id", id)).await;
        refused.shows(ErrorPageKind::UnknownClient);
    }
    let refused = authorize(&server, &request.without("client_id")).await;
    refused.shows(ErrorPageKind::MalformedRequest);
}

/// ASZ-04, ASZ-05.
#[tokio::test]
async fn every_other_spelling_of_a_redirect_uri_is_another_one() {
    let server = Server::start().await;
    let client = with_redirects(&server, &["https://client.example/cb"]).await;
    let request = client.request(&server);
    for uri in [
        "https://client.example/cb/",
        "https://client.example/cb?x=1",
        "https://client.example/cb?",
        "https://client.example/cb#",
        "https://client.example/cb#f",
        "https://client.example/CB",
        "https://client.example/c%62",
        "https://client.example/x/../cb",
        "https://client.example//cb",
        "https://client.example:443/cb",
        "https://CLIENT.example/cb",
        "HTTPS://client.example/cb",
        "https://client.example./cb",
        "http://client.example/cb",
        "https://user@client.example/cb",
        "https://client.example@evil.example/cb",
        "https://client.example\\@evil.example/cb",
        "https://evil.example/cb",
        "https://client.example.evil.example/cb",
        "https://client.example/cb\n",
        " https://client.example/cb",
        "//client.example/cb",
        "/cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "*",
        "https://*/cb",
    ] {
        let refused = authorize(&server, &request.clone().with("redirect_uri", uri)).await;
        refused.shows(ErrorPageKind::RedirectNotRegistered);
    }
}

/// ASZ-06, ASZ-07.
#[tokio::test]
async fn only_the_port_of_a_loopback_redirect_is_free() {
    let server = Server::start().await;
    for (registered, good, bad) in [
        (
            "http://127.0.0.1/cb",
            ["http://127.0.0.1:53219/cb", "http://127.0.0.1/cb"],
            [
                "http://127.0.0.1:53219/other",
                "http://localhost:53219/cb",
                "http://[::1]:53219/cb",
            ],
        ),
        (
            "http://[::1]:1/cb",
            ["http://[::1]:53219/cb", "http://[::1]/cb"],
            [
                "http://[::1]/cb?x",
                "http://127.0.0.1/cb",
                "https://[::1]/cb",
            ],
        ),
        (
            "http://localhost/cb",
            ["http://localhost:4711/cb", "http://localhost:1/cb"],
            [
                "http://127.0.0.1:4711/cb",
                "http://localhost.evil.example:4711/cb",
                "http://localhost:4711@evil.example/cb",
            ],
        ),
    ] {
        let client = with_redirects(&server, &[registered]).await;
        let request = client.request(&server);
        for uri in good {
            let page = authorize(&server, &request.clone().with("redirect_uri", uri)).await;
            assert_eq!(page.status, 200, "{registered} {uri}");
            // The way back goes to the port that was asked for.
            let refused = request
                .clone()
                .with("redirect_uri", uri)
                .without("code_challenge");
            let refused = authorize(&server, &refused).await;
            refused.sends_error(&server, uri, "invalid_request");
        }
        for uri in bad {
            let refused = authorize(&server, &request.clone().with("redirect_uri", uri)).await;
            refused.shows(ErrorPageKind::RedirectNotRegistered);
        }
    }
    let web = with_redirects(&server, &["https://client.example/cb"]).await;
    let other_port = web
        .request(&server)
        .with("redirect_uri", "https://client.example:8443/cb");
    authorize(&server, &other_port)
        .await
        .shows(ErrorPageKind::RedirectNotRegistered);
}

/// ASZ-09, ASZ-41.
#[tokio::test]
async fn the_query_of_a_redirect_uri_stays_as_it_is() {
    let server = Server::start().await;
    let uri = "https://client.example/cb?x=1&y=%20a+b&state=own";
    let client = with_redirects(&server, &[uri]).await;
    let request = client.request(&server);
    let callback = approve(&server, &mut server.browser(), &client, &request).await;
    let url = callback.url.as_str();
    assert!(url.starts_with(&format!("{uri}&code=")), "{url}");
    let redirect = Redirect::of(&callback);
    assert_eq!(redirect.all("code").len(), 1);
    assert_eq!(redirect.all("state"), ["own", STATE]);
    assert_eq!(redirect.all("iss"), [server.issuer()]);
    for (uri, joint) in [(uri, "&"), ("https://client.example/cb?", "")] {
        let client = with_redirects(&server, &[uri]).await;
        let request = client.request(&server).without("response_type");
        let refused = authorize(&server, &request).await;
        let location = refused.header("location").unwrap();
        assert!(
            location.starts_with(&format!("{uri}{joint}error=")),
            "{location}"
        );
    }
}

/// ASZ-10.
#[tokio::test]
async fn a_client_with_several_redirect_uris_has_to_name_one() {
    let server = Server::start().await;
    let several = with_redirects(&server, &[REDIRECT, "https://client.example/cb"]).await;
    let request = several.request(&server);
    for unnamed in [
        request.clone().without("redirect_uri"),
        request.with("redirect_uri", ""),
    ] {
        let refused = authorize(&server, &unnamed).await;
        refused.shows(ErrorPageKind::RedirectNotRegistered);
    }
    let single = Client::public(&server).await;
    let request = single.request(&server).without("redirect_uri");
    let code = single.code_for(&server, &request).await;
    let form = single.redemption(&server, &code).without("redirect_uri");
    token(&server, &form).await.tokens();
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

/// ASZ-16.
#[tokio::test]
async fn only_a_resource_of_ours_can_be_asked_for() {
    let server = Server::builder(|tier| tier.with_resource("/other"))
        .start()
        .await;
    let client = Client::public(&server).await;
    let request = client.request(&server);
    let mcp = server.mcp_url();
    for bad in [
        "https://other.example/".to_owned(),
        server.url(""),
        server.url("/"),
        server.url("/mcp/sub"),
        server.url("/MCP"),
        server.url("/x/../mcp"),
        format!("{mcp}#f"),
        format!("{mcp}?x=1"),
        "mcp".to_owned(),
        "urn:mcp".to_owned(),
        mcp.replace("127.0.0.1", "localhost"),
    ] {
        let refused = authorize(&server, &request.clone().with("resource", &bad)).await;
        refused.sends_error(&server, REDIRECT, "invalid_target");
    }
    for two in [server.url("/other"), "https://other.example/".to_owned()] {
        let refused = authorize(&server, &request.clone().and("resource", &two)).await;
        refused.sends_error(&server, REDIRECT, "invalid_target");
    }
    let same_twice = request.and("resource", &mcp);
    assert_eq!(authorize(&server, &same_twice).await.status, 200);
}

/// ASZ-17.
#[tokio::test]
async fn the_only_resource_is_meant_where_none_is_named() {
    let one = Server::start().await;
    let client = Client::public(&one).await;
    let request = client.request(&one).without("resource");
    let code = client.code_for(&one, &request).await;
    let form = client.redemption(&one, &code).without("resource");
    let tokens = token(&one, &form).await.tokens();
    assert!(crate::client::opens(&one, &tokens.access).await);

    let two = Server::builder(|tier| tier.with_resource("/other"))
        .start()
        .await;
    let client = Client::public(&two).await;
    let request = client.request(&two).without("resource");
    let refused = authorize(&two, &request).await;
    refused.sends_error(&two, REDIRECT, "invalid_target");
}

/// ASZ-18.
#[tokio::test]
async fn a_resource_is_taken_with_a_slash_and_in_capitals() {
    let server = Server::builder(|tier| tier)
        .behind_tls("https://mcp.example.com")
        .start()
        .await;
    let client = Client::public(&server).await;
    for resource in [
        "https://mcp.example.com/mcp/",
        "https://MCP.example.COM/mcp",
        "HTTPS://mcp.example.com/mcp",
    ] {
        let request = client.request(&server).with("resource", resource);
        let code = client.code_for(&server, &request).await;
        let form = client.redemption(&server, &code).with("resource", resource);
        let tokens = token(&server, &form).await.tokens();
        assert!(crate::client::opens(&server, &tokens.access).await);
    }
}

/// ASZ-19, AST-05.
#[tokio::test]
async fn what_is_not_offered_is_left_out_and_the_answer_says_so() {
    let server = scoped().await;
    let client = Client::public(&server).await;
    let request = client.request(&server);
    for (asked, granted) in [
        ("notes:read bogus", "notes:read"),
        ("notes:read", "notes:read"),
        (
            "notes:write notes:read notes:read",
            "notes:read notes:write",
        ),
        ("notes:read offline_access", "notes:read"),
    ] {
        let code = client
            .code_for(&server, &request.clone().and("scope", asked))
            .await;
        let answer = token(&server, &client.redemption(&server, &code)).await;
        assert_eq!(answer.json()["scope"], granted, "{asked}");
    }
    for bad in [
        "bogus",
        "NOTES:READ",
        "notes:read \"",
        "notes:read\n",
        "a\\b",
        "é",
    ] {
        let refused = authorize(&server, &request.clone().and("scope", bad)).await;
        refused.sends_error(&server, REDIRECT, "invalid_scope");
    }
}

/// ASZ-20.
#[tokio::test]
async fn everything_that_is_offered_is_meant_where_no_scope_is_named() {
    let server = scoped().await;
    let client = Client::public(&server).await;
    for request in [
        client.request(&server),
        client.request(&server).and("scope", ""),
        client.request(&server).and("scope", "offline_access"),
    ] {
        let code = client.code_for(&server, &request).await;
        let answer = token(&server, &client.redemption(&server, &code)).await;
        assert_eq!(answer.json()["scope"], "notes:read notes:write");
    }
}

/// ASZ-21, ASZ-41.
#[tokio::test]
async fn state_comes_back_unchanged_and_once() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let long = "ä".repeat(512);
    for state in [
        "a+b c&d=e%20#?/\\",
        "<script>alert(1)</script>'\"",
        "\u{1f511} \u{202e}\r\n\tx",
        "{\"a\":[1,\"%7B\"]}",
        " ",
        &long,
    ] {
        let request = client.request(&server).with("state", state);
        let refused = authorize(&server, &request.clone().without("response_type")).await;
        assert_eq!(
            refused.redirect(&server, REDIRECT).all("state"),
            [state],
            "in an error"
        );
        for (decision, name) in [(Decision::Approve, "code"), (Decision::Deny, "error")] {
            let url = server.url(&format!("/authorize?{}", request.encoded()));
            let callback = server.browser().walk(&url, REDIRECT, decision).await;
            let redirect = Redirect::of(&callback.unwrap());
            assert_eq!(redirect.all("state"), [state]);
            assert_eq!(redirect.all(name).len(), 1);
        }
    }
    let without = client.request(&server).without("state");
    let callback = approve(&server, &mut server.browser(), &client, &without).await;
    assert_eq!(callback.state(), None);
    assert!(callback.code().is_some());
    let too_long = client.request(&server).with("state", &"s".repeat(1025));
    let refused = authorize(&server, &too_long).await;
    let redirect = refused.redirect(&server, REDIRECT);
    assert_eq!(redirect.all("error"), ["invalid_request"]);
    assert_eq!(redirect.all("state"), Vec::<String>::new());
}

/// ASZ-22, ASZ-32, ASZ-40, ASZ-41.
#[tokio::test]
async fn the_way_back_is_a_303_with_code_state_and_iss_once() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let request = client.request(&server);
    let callback = approve(&server, &mut server.browser(), &client, &request).await;
    for hop in &callback.hops {
        assert!(matches!(hop.status.as_u16(), 200 | 303), "{hop:?}");
    }
    let last = callback.hops.last().unwrap();
    assert_eq!(last.status, 303);
    assert_eq!(last.headers["cache-control"], "no-store");
    assert_eq!(last.headers["referrer-policy"], "no-referrer");
    assert_eq!(callback.url.fragment(), None);
    let mut names: Vec<_> = callback.parameters.iter().map(|(name, _)| name).collect();
    names.sort();
    assert_eq!(names, ["code", "iss", "state"]);
    assert_eq!(callback.iss(), Some(server.issuer()));
    assert_eq!(callback.state(), Some(STATE));
    let url = callback.url.as_str();
    assert!(url.starts_with(&format!("{REDIRECT}?")));
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

/// ASZ-27, ASZ-28, ASZ-31.
#[tokio::test]
async fn a_refusal_goes_to_the_client_only_with_a_registered_code() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let request = client.request(&server);
    let cases: [(Parameters, &str); 4] = [
        (
            request.clone().with("response_type", "x"),
            "unsupported_response_type",
        ),
        (request.clone().without("code_challenge"), "invalid_request"),
        (
            request.clone().with("resource", "https://x.example"),
            "invalid_target",
        ),
        (request.clone().and("scope", "x"), "invalid_scope"),
    ];
    for (bad, error) in cases {
        authorize(&server, &bad)
            .await
            .sends_error(&server, REDIRECT, error);
        // The same to somebody who is not registered stays here.
        let stranger = bad.with("redirect_uri", "https://evil.example/cb");
        authorize(&server, &stranger)
            .await
            .shows(ErrorPageKind::RedirectNotRegistered);
    }
}

/// ASZ-33, ASC-16.
#[tokio::test]
async fn nothing_makes_a_client_skip_the_page() {
    let server = Server::start().await;
    server.upstream.auto_sign_in(Some("alice"));
    let client = Client::public(&server).await;
    let mut browser = server.browser();
    approve(&server, &mut browser, &client, &client.request(&server)).await;
    for prompt in ["none", "consent", "login"] {
        let request = client.request(&server).and("prompt", prompt);
        let url = server.url(&format!("/authorize?{}", request.encoded()));
        let page = browser.get(&url).await.unwrap();
        assert_eq!(page.status, 200);
        assert!(page.has_button("Approve"), "{prompt}");
    }
}

/// ASZ-29, ASZ-30, ASC-10.
#[tokio::test]
async fn every_page_is_locked_down() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let request = client.request(&server);
    let consent = send(&server, Method::POST, "/consent")
        .header("content-type", "application/x-www-form-urlencoded")
        .body("decision=approve&request=x");
    for (page, status) in [
        (authorize(&server, &request).await, 200),
        (authorize(&server, &request.without("client_id")).await, 400),
        (answer(consent).await, 400),
        (get(&server, "/callback").await, 400),
        (get(&server, "/callback?state=x&code=y").await, 400),
    ] {
        assert_eq!(page.status, status);
        let policy = page.header("content-security-policy").unwrap();
        let nonce = policy
            .split_once("'nonce-")
            .and_then(|(_, rest)| rest.split_once('\''))
            .unwrap()
            .0;
        assert!(nonce.len() >= 22);
        assert_eq!(
            policy,
            format!(
                "default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; frame-ancestors 'none'"
            )
        );
        assert!(page.body.contains(&format!("nonce=\"{nonce}\"")));
        assert_eq!(page.header("x-frame-options"), Some("DENY"));
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert!(!page.body.contains("<script") && !page.body.contains(" src="));
    }
    let [one, two] = [
        get(&server, "/callback").await,
        get(&server, "/callback").await,
    ];
    let policy = "content-security-policy";
    assert_ne!(
        one.header(policy),
        two.header(policy),
        "a nonce is used once"
    );
}

/// ASZ-04.
#[tokio::test]
async fn pages_are_served_under_our_own_name_only() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let path = format!("/authorize?{}", client.request(&server).encoded());
    let under = |host: &str| {
        let request = server.http.get(server.direct(&path));
        answer(request.header("host", host.to_owned()))
    };
    under("evil.example").await.shows(ErrorPageKind::WrongHost);
    let port = server.address.port();
    let spelled = under(&format!("localhost:{port}")).await;
    assert_eq!(spelled.status, 303);
    assert_eq!(spelled.header("location"), Some(server.url(&path).as_str()));
}

/// DCR-19, ASZ-19.
#[tokio::test]
async fn an_operator_can_limit_the_scopes_of_a_client() {
    let clients = PreregisteredClients::parse_json(
        r#"[{ "client_id": "reader", "redirect_uris": ["https://reader.example/cb"], "scope": "notes:read" }]"#,
    )
    .unwrap();
    let scopes = Scopes::parse("notes:read notes:write").unwrap();
    let server =
        Server::builder(|tier| tier.with_scopes(scopes).with_preregistered_clients(clients))
            .start()
            .await;
    let reader = Client {
        id: "reader".into(),
        secret: None,
        redirect_uri: "https://reader.example/cb".into(),
    };
    for (asked, granted) in [("", "notes:read"), ("notes:read notes:write", "notes:read")] {
        let request = reader.request(&server).and("scope", asked);
        let code = reader.code_for(&server, &request).await;
        let answer = token(&server, &reader.redemption(&server, &code)).await;
        assert_eq!(answer.json()["scope"], granted);
    }
    let refused = reader.request(&server).and("scope", "notes:write");
    let refused = authorize(&server, &refused).await;
    refused.sends_error(&server, &reader.redirect_uri, "invalid_scope");
}
