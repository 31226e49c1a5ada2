//! The browser against a server that makes it work.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Form, Path},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Redirect},
    routing::{get, post},
};
use mcp_auth_testkit::{
    Browser, MovingClock,
    browser::{Action, BrowserError, Decision, Page},
};

const APP: &str = "com.example.app:/callback";

#[tokio::test]
async fn host_cookies_work_behind_a_tls_proxy_and_not_over_http() {
    let address = start().await;
    let mut https = Browser::new().with_tls_proxy("https://mcp.example", address);
    https
        .get("https://mcp.example/consent/same-origin")
        .await
        .unwrap();
    assert_eq!(https.cookie_names("https://mcp.example/"), ["__Host-csrf"]);
    let page = https.submit("Deny").await.unwrap();
    assert_eq!(
        page.text(),
        "decision=deny cookie=__Host-csrf=1 origin=https://mcp.example site=same-origin host=mcp.example Back"
    );

    let mut http = Browser::new();
    http.get(&format!("http://{address}/consent/same-origin"))
        .await
        .unwrap();
    let text = http.submit("Deny").await.unwrap().text().to_owned();
    assert!(
        text.starts_with("decision=deny cookie= origin=http://127"),
        "{text}"
    );
}

#[tokio::test]
async fn a_page_without_referrer_posts_with_a_null_origin() {
    let address = start().await;
    let mut browser = Browser::new();
    browser
        .get(&format!("http://{address}/consent/no-referrer"))
        .await
        .unwrap();
    let page = browser.submit("Approve").await.unwrap();
    assert!(
        page.text().contains("origin=null site=same-origin"),
        "{}",
        page.text()
    );
}

#[tokio::test]
async fn the_way_stops_before_the_redirect_uri_and_delivers_when_asked() {
    let address = start().await;
    let mut browser = Browser::new();
    let start = format!("http://{address}/app/com.example.app:");
    let callback = browser.walk(&start, APP, Decision::Approve).await.unwrap();
    assert_eq!(callback.code(), Some("a b"));
    assert_eq!(
        callback.url.as_str(),
        "com.example.app:/callback?code=a%20b"
    );
    assert!(!format!("{callback:?}").contains("a%20b"));
    let refused = browser.get(&start).await.unwrap_err();
    assert!(matches!(refused, BrowserError::NotHttp { .. }), "{refused}");

    let target = format!("http://{address}");
    let start = format!("{target}/app/http:%2F%2F{address}");
    let redirect = format!("{target}/callback");
    let callback = browser
        .walk(&start, &redirect, Decision::Approve)
        .await
        .unwrap();
    let page = browser.deliver(&callback).await.unwrap();
    assert_eq!(page.status, 404);
    assert_eq!(page.url.path(), "/callback");
}

#[tokio::test]
async fn a_longer_path_is_another_redirect_uri() {
    let address = start().await;
    let start = format!("http://{address}/app/http:%2F%2F{address}");
    let shorter = format!("http://{address}/call");
    let error = Browser::new()
        .walk(&start, &shorter, Decision::Approve)
        .await
        .unwrap_err();
    assert_eq!(error.stopped().unwrap().status, 404);
}

#[tokio::test]
async fn redirects_turn_a_post_into_a_get_unless_they_say_otherwise() {
    let address = start().await;
    for (status, method) in [
        (301, "GET"),
        (302, "GET"),
        (303, "GET"),
        (307, "POST"),
        (308, "POST"),
    ] {
        let url = format!("http://{address}/redirect/{status}");
        let mut browser = Browser::new();
        browser
            .post_form_from("http://127.0.0.1", &url, &[])
            .await
            .unwrap();
        assert_eq!(browser.hops()[0].status, status);
        assert_eq!(browser.hops()[1].method, method);
    }
}

#[tokio::test]
async fn circles_end() {
    let address = start().await;
    let url = format!("http://{address}/circle");
    let error = Browser::new().get(&url).await.unwrap_err();
    assert!(matches!(error, BrowserError::Circles { .. }), "{error}");
    let again = format!("http://{address}/consent/same-origin");
    let stubborn = |page: &Page| match page.has_button("Approve") {
        true => Action::press("Approve"),
        false => Action::Click("Back".to_owned()),
    };
    let error = Browser::new()
        .visit_until(&again, APP, &stubborn)
        .await
        .unwrap_err();
    assert!(matches!(error, BrowserError::Circles { .. }), "{error}");
}

#[tokio::test]
async fn errors_say_where_the_browser_is() {
    let address = start().await;
    let mut browser = Browser::new();
    assert!(matches!(
        browser.submit("Approve").await,
        Err(BrowserError::NoPage)
    ));
    browser
        .get(&format!("http://{address}/consent/same-origin?code=secret"))
        .await
        .unwrap();
    let error = browser.submit("Launch").await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "no button says \"Launch\" on http://{address}/consent/same-origin \
             (200, \"Consent\": Approve Deny)"
        )
    );
    assert!(browser.fill("nothing", "x").is_err());
    let silent = Browser::new().get("http://127.0.0.1:1/").await.unwrap_err();
    assert!(matches!(silent, BrowserError::NoAnswer { .. }));
}

#[tokio::test]
async fn a_link_from_another_site_brings_lax_cookies_and_no_strict_ones() {
    let address = start().await;
    let clock = MovingClock::starting_now();
    let mut browser = Browser::new().with_clock(Arc::new(clock.clone()));
    let url = format!("http://{address}/echo");
    assert!(browser.set_cookie(&url, "strict=1; SameSite=Strict"));
    assert!(browser.set_cookie(&url, "lax=1; Max-Age=60"));
    let page = browser
        .follow_link_from("https://evil.example", &url)
        .await
        .unwrap();
    assert!(
        page.text().contains("cookie=lax=1 origin= site=cross-site"),
        "{}",
        page.text()
    );
    let page = browser.get(&url).await.unwrap();
    assert!(
        page.text()
            .contains("cookie=strict=1; lax=1 origin= site=none")
    );
    clock.advance(Duration::from_secs(60));
    assert_eq!(browser.cookie_names(&url), ["strict"]);
    assert_eq!(browser.cookie(&url, "strict").as_deref(), Some("1"));
}

async fn start() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = Router::new()
        .route("/consent/{policy}", get(consent))
        .route("/decide", post(echo))
        .route(
            "/echo",
            get(|headers: HeaderMap| echo(headers, Form(Vec::new()))),
        )
        .route("/app/{scheme}", get(to_app))
        .route("/redirect/{status}", post(redirect))
        .route("/circle", get(|| async { Redirect::to("/circle") }));
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    address
}

async fn consent(Path(policy): Path<String>) -> impl IntoResponse {
    let html = "<title>Consent</title><form method=post action=/decide>\
        <button name=decision value=approve>Approve</button>\
        <button name=decision value=deny>Deny</button></form>";
    let headers = [
        (header::REFERRER_POLICY, policy),
        (
            header::SET_COOKIE,
            "__Host-csrf=1; Path=/; Secure; HttpOnly".to_owned(),
        ),
    ];
    (headers, Html(html))
}

async fn echo(headers: HeaderMap, Form(fields): Form<Vec<(String, String)>>) -> Html<String> {
    let fields: Vec<String> = fields.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let header = |name: &str| {
        headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    };
    Html(format!(
        "<p>{} cookie={} origin={} site={} host={}</p><a href=/consent/same-origin> <b>Ba</b>ck </a>",
        fields.join(" "),
        header("cookie"),
        header("origin"),
        header("sec-fetch-site"),
        header("host"),
    ))
}

async fn to_app(Path(scheme): Path<String>) -> impl IntoResponse {
    let location = format!("{scheme}/callback?code=a%20b");
    (StatusCode::FOUND, [(header::LOCATION, location)])
}

async fn redirect(Path(status): Path<u16>) -> impl IntoResponse {
    let status = StatusCode::from_u16(status).unwrap();
    (status, [(header::LOCATION, "/echo")])
}
