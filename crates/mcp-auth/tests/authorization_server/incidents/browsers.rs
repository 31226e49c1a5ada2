//! Incidents of consent, callbacks and pages.

use http::Method;
use mcp_auth::{authorization_server::pages::ErrorPageKind, oauth::Scopes};
use serde_json::json;

use crate::{
    client::{
        Client, Redirect, answer, approve, assert_shows, authorize, consent_page, finish, get,
        pending, send,
    },
    harness::Server,
    pages::assert_locked_down,
};

async fn attackers(server: &Server) -> Client {
    let metadata = json!({ "redirect_uris": ["https://evil.example/cb"], "client_name": "Nice" });
    Client::registered(server, metadata).await
}

/// The attacker's client is registered and the victim is signed in at the upstream, which asks nothing
/// any more: without a page of our own the attacker would get a code.
///
/// PX-01, ASC-01.
#[tokio::test]
async fn ghsa_c2jp_c369_7pvx_a_live_session_upstream_gives_an_attackers_client_no_code() {
    let server = Server::start().await;
    let mine = Client::public(&server).await;
    let evil = attackers(&server).await;
    server.upstream.auto_sign_in(Some("alice"));
    let mut victim = server.browser();
    approve(&server, &mut victim, &mine, &mine.request(&server)).await;
    let before = server.upstream.counters().authorize_requests;
    let link = server.url(&format!("/authorize?{}", evil.request(&server).encoded()));
    let page = victim
        .follow_link_from("https://evil.example", &link)
        .await
        .unwrap();
    assert!(page.has_button("Approve") && page.text().contains("evil.example"));
    assert_eq!(server.upstream.counters().authorize_requests, before);
}

/// The attacker consents in a browser of their own and sends the victim where the upstream would.
///
/// PX-04.
#[tokio::test]
async fn cve_2026_27124_a_callback_is_finished_by_the_browser_that_consented_alone() {
    let server = Server::start().await;
    let evil = attackers(&server).await;
    let mut attacker = server.browser();
    server.upstream.auto_sign_in(None);
    consent_page(&server, &mut attacker, &evil.request(&server)).await;
    attacker.submit("Approve").await.unwrap();
    // Where the browser was sent: this is the link that the victim gets.
    let link = attacker.hops().last().unwrap().url.to_string();
    assert!(link.starts_with(server.upstream.issuer()));
    server.upstream.auto_sign_in(Some("alice"));
    for used_before in [false, true] {
        let mut victim = server.browser();
        if used_before {
            let mine = Client::public(&server).await;
            approve(&server, &mut victim, &mine, &mine.request(&server)).await;
        }
        let page = victim
            .follow_link_from("https://evil.example", &link)
            .await
            .unwrap();
        assert_eq!(page.url.path(), "/callback");
        assert_shows(page, ErrorPageKind::LoginExpired);
    }
    let (grants, alice) = (server.tier().grants(), server.subject("alice"));
    assert_eq!(grants.of_client(&evil.client_id()).await.unwrap(), []);
    // The victim has what they let in themselves, and nothing else.
    let own = Client::public(&server).await;
    own.tokens(&server).await;
    assert_eq!(grants.of_subject(&alice).await.unwrap().len(), 1);
}

/// The consent form of the attacker's own flow, posted from the victim's browser.
///
/// ASC-09.
#[tokio::test]
async fn fastmcp_3519_the_form_of_one_browser_counts_in_no_other() {
    let server = Server::start().await;
    let evil = attackers(&server).await;
    let mut attacker = server.browser();
    let page = consent_page(&server, &mut attacker, &evil.request(&server)).await;
    let sealed = page.forms[0].value("request").unwrap().to_owned();
    let mut victim = server.browser();
    consent_page(&server, &mut victim, &evil.request(&server)).await;
    let cookie = victim.cookie(&server.url("/consent"), "mcp-auth-browser");
    let posted = send(&server, Method::POST, "/consent")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("cookie", format!("mcp-auth-browser={}", cookie.unwrap()))
        .body(format!("decision=approve&request={sealed}"));
    let refused = answer(posted).await;
    refused.shows(ErrorPageKind::ConsentFromElsewhere);
    assert_eq!(server.upstream.counters().authorize_requests, 0);
}

/// Consent once given does not let the next request through silently.
///
/// ASC-02, ASC-16.
#[tokio::test]
async fn ghsa_6x8h_498w_gv8c_consent_is_never_silent() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    server.upstream.auto_sign_in(Some("alice"));
    let mut browser = server.browser();
    approve(&server, &mut browser, &client, &client.request(&server)).await;
    let link = server.url(&format!("/authorize?{}", client.request(&server).encoded()));
    for origin in ["https://evil.example", "https://client.example"] {
        let page = browser.follow_link_from(origin, &link).await.unwrap();
        assert!(page.has_button("Approve"), "{origin}");
    }
    let again = consent_page(&server, &mut browser, &client.request(&server)).await;
    assert!(again.has_button("Deny"));
}

/// Markup of the upstream's, in what it sends the browser back with.
///
/// PX-15, ASC-08.
#[tokio::test]
async fn cve_2025_62800_nothing_of_a_callback_is_reflected() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let mut browser = server.browser();
    let back = pending(&server, &mut browser, &client.request(&server)).await;
    let markup = "%3Cscript%3Ealert(1)%3C/script%3E";
    let own_state = back.state().unwrap();
    for query in [
        format!("error={markup}&error_description={markup}"),
        format!("state={markup}&code={markup}"),
        format!("state={markup}&error=access_denied&error_description={markup}"),
    ] {
        let page = get(&server, &format!("/callback?{query}")).await;
        assert!(!page.body.contains("alert(1)"), "{query}: {}", page.body);
        assert_locked_down(&page);
    }
    let url = server.url(&format!(
        "/callback?state={own_state}&error={markup}&error_description={markup}&iss={}",
        server.upstream.issuer()
    ));
    let refused = finish(&mut browser, &url, &client).await;
    let redirect = Redirect::of(&refused);
    assert_eq!(redirect.all("error"), ["server_error"]);
    assert!(!refused.url.as_str().contains("alert"), "{}", refused.url);
}

/// The client's id is the attacker's own text.
///
/// ASC-08, ASZ-04.
#[tokio::test]
async fn fastmcp_3418_a_client_id_is_not_echoed() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    for id in ["<script>alert(1)</script>", "\"><img src=x>", "a'b&c"] {
        let page = authorize(&server, &client.request(&server).with("client_id", id)).await;
        assert!(
            !page.body.contains(id) && !page.body.contains("alert(1)"),
            "{id}"
        );
        assert_locked_down(&page);
    }
}

/// Consent to a hundred clients in one browser, none of them finished: what the browser sends stays
/// below what proxies take.
///
/// GRW-04.
#[tokio::test]
async fn fastmcp_3784_cookies_do_not_grow_past_what_proxies_take() {
    let scopes = Scopes::parse("notes:read notes:write notes:share").unwrap();
    let server = Server::builder(|tier| tier.without_rate_limits().with_scopes(scopes))
        .start()
        .await;
    server.upstream.auto_sign_in(Some("alice"));
    let mut browser = server.browser();
    let mut last = None;
    for n in 0..100 {
        let metadata = json!({
            "redirect_uris": [format!("https://client-{n}.example/a/rather/long/callback")],
            "client_name": format!("Client number {n} with a name of some length"),
        });
        let client = Client::registered(&server, metadata).await;
        let request = client.request(&server).with("state", &"s".repeat(300));
        let back = pending(&server, &mut browser, &request).await;
        let url = server.url("/callback");
        let sent: usize = browser
            .cookie_names(&url)
            .iter()
            .map(|name| name.len() + browser.cookie(&url, name).unwrap().len() + 3)
            .sum();
        assert!(sent < 8 * 1024, "{sent} bytes after {n} clients");
        last = Some((client, back));
    }
    let (client, back) = last.unwrap();
    let done = finish(&mut browser, back.url.as_str(), &client).await;
    assert!(
        done.code().is_some(),
        "the latest login is not the one that had to go"
    );
}

/// A name that is a page: where the metadata says it is, whatever it was asked under. The same
/// protection was there and off in CVE-2025-66414, CVE-2025-66416 and CVE-2026-34742: here nothing is
/// turned on.
///
/// ASM-04.
#[tokio::test]
async fn cve_2026_42559_metadata_and_calls_follow_no_foreign_host() {
    let server = Server::start().await;
    let metadata = server
        .http
        .get(server.direct("/.well-known/oauth-authorization-server"))
        .header("host", "evil.example");
    let metadata = answer(metadata).await;
    assert!(!metadata.body.contains("evil.example"), "{}", metadata.body);
    let called = server
        .http
        .post(server.direct("/mcp"))
        .header("host", "evil.example")
        .header("content-type", "application/json")
        .body("{}");
    assert_eq!(answer(called).await.status, 403);
    let rebound = server
        .http
        .post(server.direct("/mcp"))
        .header("origin", "http://evil.example")
        .header("content-type", "application/json")
        .body("{}");
    assert_eq!(answer(rebound).await.status, 403);
}

/// Whoever has no bearer does not pass by another method, another path or another type either.
///
/// RS-08, RS-21.
#[tokio::test]
async fn kong_3_13_what_is_no_mcp_request_passes_no_more_than_one_that_is() {
    let server = Server::start().await;
    for method in [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::HEAD,
        Method::PATCH,
        Method::from_bytes(b"PROPFIND").unwrap(),
    ] {
        for content_type in ["application/json", "text/plain", "image/png"] {
            let called = send(&server, method.clone(), "/mcp")
                .header("content-type", content_type)
                .body("{}");
            assert_eq!(answer(called).await.status, 401, "{method} {content_type}");
        }
    }
}
