//! Every page: its headers, the name it is served under, and who may read it.

use std::sync::Arc;

use http::Method;
use mcp_auth::authorization_server::pages::{ConsentPage, ErrorPage, ErrorPageKind, Pages};
use serde_json::json;

use crate::{
    client::{Answer, Client, answer, approve, authorize, get, send},
    harness::Server,
};

/// The headers that no page goes without.
#[track_caller]
pub fn assert_locked_down(page: &Answer) {
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
    assert_eq!(page.header("access-control-allow-origin"), None);
    assert!(!page.body.contains("<script") && !page.body.contains(" src="));
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
        assert_locked_down(&page);
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

/// ASZ-04.
#[tokio::test]
async fn the_default_port_may_stand_in_our_name() {
    let server = Server::builder(|tier| tier)
        .behind_tls("https://mcp.example.com")
        .start()
        .await;
    let under = |host: &str| {
        let request = server.http.get(server.direct("/authorize"));
        answer(request.header("host", host.to_owned()))
    };
    for ours in ["mcp.example.com", "mcp.example.com:443"] {
        under(ours).await.shows(ErrorPageKind::MalformedRequest);
    }
    for other in ["mcp.example.com:80", "u@mcp.example.com", "localhost"] {
        under(other).await.shows(ErrorPageKind::WrongHost);
    }
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

/// The least that somebody's own pages can be: no escaping of their own, no look.
#[derive(Debug)]
struct Bare;

impl Pages for Bare {
    fn consent(&self, page: &ConsentPage<'_>) -> String {
        let name = page.client_name.as_ref().map(ToString::to_string);
        format!(
            "<h1>{}: {}?</h1><p title=\"{}\">{}<form method=post action=\"{}\">{}\
             <button name=decision value=approve>Approve</button></form>",
            page.server_name,
            name.unwrap_or_default(),
            page.redirect_uri,
            page.scopes[0].scope,
            page.action,
            page.fields,
        )
    }

    fn error(&self, page: &ErrorPage<'_>) -> String {
        format!("<h1>{}</h1>{} {}", page.title, page.what, page.correlation)
    }
}

/// ASC-07, ASC-08, ASZ-29.
#[tokio::test]
async fn pages_of_ones_own_change_the_look_and_no_check() {
    let server = Server::builder(|tier| tier.with_pages(Arc::new(Bare)).with_connected_apps())
        .start()
        .await;
    let client = Client::registered(
        &server,
        json!({
            "redirect_uris": ["https://client.example/cb?a='b'"],
            "client_name": "<script>alert(1)</script>\"' x=y",
        }),
    )
    .await;
    let request = client.request(&server);
    let consent = authorize(&server, &request).await;
    let shown = "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39; x=y";
    assert!(consent.body.contains(shown), "{}", consent.body);
    let uri = "title=\"https://client.example/cb?a=&#39;b&#39;\"";
    assert!(consent.body.contains(uri), "{}", consent.body);
    for page in [&consent, &get(&server, "/callback").await] {
        let policy = page.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'nonce-"),
            "{policy}"
        );
        assert!(!policy.contains("img-src"));
        assert_eq!(page.header("cache-control"), Some("no-store"));
    }
    // The form counts for the browser that was asked, and for no other.
    let mut browser = server.browser();
    let done = approve(&server, &mut browser, &client, &request).await;
    assert!(done.code().is_some());
    let fields = consent.body.split("value=\"").nth(1).unwrap();
    let sealed = fields.split('"').next().unwrap();
    let posted = send(&server, Method::POST, "/consent")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("decision=approve&request={sealed}"));
    let refused = answer(posted).await;
    refused.shows(ErrorPageKind::ConsentFromElsewhere);
    // What it does not draw looks as it always does.
    let apps = get(&server, "/connected-apps").await;
    assert_locked_down(&apps);
    assert!(apps.body.contains("Your connected apps"));
}
