//! Where `/authorize` sends the browser back to, and with what.

use mcp_auth::authorization_server::pages::ErrorPageKind;
use mcp_auth_testkit::browser::Decision;
use serde_json::json;

use crate::{
    client::{Client, Parameters, REDIRECT, Redirect, STATE, approve, authorize, token},
    harness::Server,
};

async fn with_redirects(server: &Server, uris: &[&str]) -> Client {
    Client::registered(server, json!({ "redirect_uris": uris })).await
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
    let uri = "https://client.example/cb?x=1&y=%20a+b";
    let client = with_redirects(&server, &[uri]).await;
    let request = client.request(&server);
    let callback = approve(&server, &mut server.browser(), &client, &request).await;
    let url = callback.url.as_str();
    assert!(url.starts_with(&format!("{uri}&code=")), "{url}");
    let redirect = Redirect::of(&callback);
    assert_eq!(redirect.all("code").len(), 1);
    assert_eq!(redirect.all("state"), [STATE]);
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
