//! Strangers register and begin logins without end: nothing of it is stored.
//!
//! In process, for speed; `scripts/soak-anonymous` sends as many over HTTP and measures the memory of
//! the process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../flows/rig/mod.rs"]
mod rig;

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use mcp_auth::{Tier, store::Store, tier::Endpoints};
use mcp_auth_testkit::registrations;
use tower::ServiceExt;

use crate::rig::Rig;

const MANY: usize = 100_000;

/// DCR-13, GRW-01, FLT-30.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn registrations_are_not_stored() {
    let rig = without_limits().await;
    let session = rig.sign_in().await;
    let records = rig.store.len();
    let endpoints = rig.instances[0].tier.endpoints();
    let body = registration();
    for _ in 0..MANY {
        let request = Request::post("/register")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body.clone()))
            .unwrap();
        assert_eq!(send(&endpoints, request).await.0.status(), 201);
    }
    assert_eq!(rig.store.len(), records);
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 200);
}

/// PX-02, GRW-01, FLT-30.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn abandoned_logins_are_not_stored() {
    let rig = without_limits().await;
    let session = rig.sign_in().await;
    let records = rig.store.len();
    let endpoints = rig.instances[0].tier.endpoints();
    let authorization = session
        .host
        .authorization(&session.discovery, &session.registration);
    let asked = authorization.url.strip_prefix(&rig.url).unwrap();
    let host = rig.url.strip_prefix("http://").unwrap();
    for _ in 0..MANY {
        let request = Request::get(asked)
            .header(header::HOST, host)
            .body(Full::default())
            .unwrap();
        let (response, page) = send(&endpoints, request).await;
        assert_eq!(response.status(), 200);
        let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("request", sealed_request(&page))
            .append_pair("decision", "approve")
            .finish();
        let request = Request::post("/consent")
            .header(header::HOST, host)
            .header(header::COOKIE, cookie.split(';').next().unwrap())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(form))
            .unwrap();
        let (response, _) = send(&endpoints, request).await;
        assert_eq!(response.status(), 303);
        let target = response.headers()[header::LOCATION].to_str().unwrap();
        assert!(target.starts_with(rig.upstream.issuer()));
    }
    assert_eq!(rig.store.len(), records);
    assert_eq!(session.refresh().await.status, 200);
}

/// GRW-02. A day of refreshes, one every minute and a half.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_grant_that_is_refreshed_all_day_stays_one_record() {
    let rig = without_limits().await;
    let mut session = rig.sign_in().await;
    session.renew().await;
    // What led to the grant is gone by then.
    rig.clock.advance(Duration::from_secs(3 * 3600));
    session.renew().await;
    rig.store.purge_expired(1000).await.unwrap();
    let records = rig.store.len();
    let grant = rig.store.latest_grant();
    let size = rig.store.read(&grant).await.unwrap().sealed.len();
    for _ in 0..960 {
        rig.clock.advance(Duration::from_secs(90));
        session.renew().await;
    }
    assert_eq!(rig.store.len(), records);
    let grown = rig.store.read(&grant).await.unwrap().sealed.len();
    assert!(grown <= size + 16, "{size} bytes became {grown}");
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 200);
}

async fn without_limits() -> Rig {
    Rig::plan()
        .tune(mcp_auth::tier::ShimBuilder::without_rate_limits)
        .start()
        .await
}

/// What a live host sends.
fn registration() -> String {
    registrations::CLAUDE_CODE.to_owned()
}

/// The hidden field of the consent form.
fn sealed_request(page: &str) -> &str {
    let (_, rest) = page.split_once("name=\"request\" value=\"").unwrap();
    rest.split_once('"').unwrap().0
}

async fn send(endpoints: &Endpoints, request: Request<Full<Bytes>>) -> (Response<()>, String) {
    let (parts, body) = endpoints
        .clone()
        .oneshot(request)
        .await
        .unwrap()
        .into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    (Response::from_parts(parts, ()), text)
}
