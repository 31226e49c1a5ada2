//! The store is away or slow: nothing is consumed, nobody is told to log in again.

use std::time::{Duration, Instant};

use mcp_auth::authorization_server::clients::StoredRegistrations;
use mcp_auth_testkit::browser::{Action, Page};
use serde_json::json;

use crate::rig::{Rig, State, assert_try_again};

/// FLT-01, FLT-02.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn metadata_and_recent_bearers_are_served_and_later_ones_told_to_wait() {
    let rig = Rig::start().await;
    let session = rig.sign_in().await;
    let token = &session.tokens.access_token;
    assert_eq!(rig.whoami(token).await.status, 200);
    rig.store.set(State::Down);

    for path in [
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-authorization-server",
    ] {
        let answer = rig.http.get(format!("{}{path}", rig.url)).send().await;
        assert_eq!(answer.unwrap().status(), 200);
    }
    session.host.register(&session.discovery).await.unwrap();
    assert_eq!(rig.whoami(token).await.status, 200, "within the bound");
    rig.clock.advance(Duration::from_secs(5));
    for _ in 0..3 {
        let answer = rig.whoami(token).await;
        assert_eq!(answer.status, 503, "never 401: a host would log in again");
        assert!(answer.retry_after.unwrap().parse::<u64>().unwrap() >= 1);
    }
    let told = rig.upstream_token(token).await;
    assert_eq!(told.status, 503);

    rig.store.set(State::Up);
    assert_eq!(rig.whoami(token).await.status, 200);
}

/// FLT-02.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn serve_until_serves_longer_and_not_for_ever() {
    let rig = Rig::plan()
        .tune(|builder| builder.serve_until(Duration::from_secs(600)))
        .start()
        .await;
    let known = rig.sign_in().await;
    let unknown = rig.sign_in_as("bob", "builder").await;
    let token = &known.tokens.access_token;
    assert_eq!(rig.whoami(token).await.status, 200);
    rig.store.set(State::Down);
    rig.clock.advance(Duration::from_secs(599));
    assert_eq!(rig.whoami(token).await.status, 200);
    assert_eq!(rig.whoami(&unknown.tokens.access_token).await.status, 503);
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(rig.whoami(token).await.status, 503);
}

/// FLT-02.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn serve_until_never_serves_a_revoked_or_expired_token() {
    let rig = Rig::plan()
        .tune(|builder| {
            builder
                .serve_until(Duration::from_secs(7200))
                .with_access_token_lifetime(Duration::from_secs(60))
        })
        .start()
        .await;
    let mut session = rig.sign_in().await;
    let old = session.refresh_token().clone();
    session.renew().await;
    session.renew().await;
    let other = rig.sign_in_as("bob", "builder").await;
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 200);
    assert_eq!(rig.whoami(&other.tokens.access_token).await.status, 200);
    session.refresh_with(&old).await; // ends it
    rig.store.set(State::Down);
    let revoked = rig.whoami(&session.tokens.access_token).await.status;
    assert_eq!(revoked, 503);
    rig.clock.advance(Duration::from_secs(60));
    assert_eq!(rig.whoami(&other.tokens.access_token).await.status, 401);
}

/// FLT-03.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_token_endpoint_consumes_nothing_while_the_store_is_away() {
    let rig = Rig::start().await;
    let mut host = rig.host();
    let discovery = host.discover().await.unwrap();
    let registration = host.register(&discovery).await.unwrap();
    let authorization = host.authorization(&discovery, &registration);
    let code = host.authorize(&discovery, &authorization).await.unwrap();
    let redeem = || host.redeem(&discovery, &registration, &authorization, &code);

    rig.store.set(State::Down);
    for _ in 0..3 {
        assert_try_again(&redeem().await.unwrap());
    }
    rig.store.set(State::Up);
    let tokens = redeem().await.unwrap().granted().unwrap();

    let refresh_token = tokens.refresh_token.as_ref().unwrap();
    let refresh = || host.refresh(&discovery, &registration, refresh_token);
    rig.store.set(State::Down);
    for _ in 0..3 {
        assert_try_again(&refresh().await.unwrap());
    }
    rig.store.set(State::Up);
    let renewed = refresh().await.unwrap().granted().unwrap();
    assert_eq!(rig.whoami(&renewed.access_token).await.status, 200);
}

/// FLT-01, FLT-10.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_callback_while_the_store_is_away_finishes_on_reload() {
    let rig = Rig::start().await;
    let mut host = rig.host();
    let discovery = host.discover().await.unwrap();
    let registration = host.register(&discovery).await.unwrap();
    let authorization = host.authorization(&discovery, &registration);
    let browser = host.browser();

    // Consent needs no store.
    rig.store.set(State::Down);
    browser.get(&authorization.url).await.unwrap();
    browser.submit("Approve").await.unwrap();
    let page = browser.sign_in_as("alice", "wonderland").await.unwrap();
    assert_eq!(page.status, 503);
    assert!(page.text().contains("reload this page"));
    let callback = page.url.clone();
    assert_eq!(rig.upstream.counters().code_exchanges, 0);

    rig.store.set(State::Up);
    let stop = |_: &Page| Action::Stop;
    let came_back = browser
        .visit_until(callback.as_str(), "http://127.0.0.1:33418/callback", &stop)
        .await
        .unwrap();
    let code = came_back.code().unwrap();
    let answer = host.redeem(&discovery, &registration, &authorization, code);
    assert_eq!(answer.await.unwrap().status, 200);
}

/// FLT-04.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_slow_store_slows_nothing_that_needs_none() {
    let rig = Rig::start().await;
    let session = rig.sign_in().await;
    let token = &session.tokens.access_token;
    assert_eq!(rig.whoami(token).await.status, 200);
    rig.store.set(State::Slow(Duration::from_secs(1)));
    let waiting = async {
        let refreshes = (0..20).map(|_| session.refresh());
        for answer in futures_all(refreshes).await {
            assert_eq!(answer.status, 200);
        }
    };
    let others = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let began = now();
        let url = format!("{}/.well-known/oauth-authorization-server", rig.url);
        assert_eq!(rig.http.get(url).send().await.unwrap().status(), 200);
        session.host.register(&session.discovery).await.unwrap();
        assert_eq!(rig.whoami(token).await.status, 200);
        assert!(began.elapsed() < Duration::from_millis(500));
    };
    let began = now();
    tokio::join!(waiting, others);
    // Load, swap, and for those who lost the swap one more load: no pile-up.
    assert!(
        began.elapsed() < Duration::from_secs(6),
        "{:?}",
        began.elapsed()
    );
}

/// FLT-06.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_comes_back_empty_asks_for_one_new_login() {
    let rig = Rig::start().await;
    let mut session = rig.sign_in().await;
    let grant = rig.store.latest_grant();
    mcp_auth::store::Store::remove(&*rig.store, &grant)
        .await
        .unwrap();
    rig.clock.advance(Duration::from_secs(5));
    assert_eq!(rig.whoami(&session.tokens.access_token).await.status, 401);
    crate::rig::assert_invalid_grant(&session.refresh().await);
    // The registration was never in the store, so the host need not register again.
    let tokens = session
        .host
        .sign_in_as(&session.discovery, &session.registration)
        .await
        .unwrap();
    assert_eq!(rig.whoami(&tokens.access_token).await.status, 200);
}

/// Polls all of them together.
async fn futures_all<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pinned: Vec<_> = all.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(move |context| {
        let mut waiting = false;
        for (future, output) in &mut pinned {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => waiting = true,
                }
            }
        }
        if waiting {
            return std::task::Poll::Pending;
        }
        let outputs = pinned.iter_mut().map(|(_, output)| output.take().unwrap());
        std::task::Poll::Ready(outputs.collect())
    })
    .await
}

#[allow(clippy::disallowed_methods)] // how long it really took
fn now() -> Instant {
    Instant::now()
}

/// FLT-01, DCR-15, DCR-18. A stored client is not taken for an unknown one while the store is away.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stored_clients_are_told_to_wait_and_lose_nothing() {
    let rig = Rig::plan()
        .tune(|builder| builder.with_stored_registrations(StoredRegistrations::new()))
        .start()
        .await;
    let session = rig.sign_in().await;
    let register = || {
        let body = json!({ "redirect_uris": ["http://127.0.0.1/cb"] });
        let request = rig.http.post(format!("{}/register", rig.url)).json(&body);
        async move { request.send().await.unwrap() }
    };
    let registered: serde_json::Value = register().await.json().await.unwrap();
    let own = |method: http::Method| {
        let uri = registered["registration_client_uri"].as_str().unwrap();
        let token = registered["registration_access_token"].as_str().unwrap();
        let request = rig.http.request(method, uri).bearer_auth(token);
        async move { request.send().await.unwrap() }
    };
    rig.store.set(State::Down);
    for away in [
        register().await,
        own(http::Method::GET).await,
        own(http::Method::DELETE).await,
    ] {
        assert_eq!(away.status(), 503);
        assert!(away.headers().contains_key("retry-after"));
        let body: serde_json::Value = away.json().await.unwrap();
        assert_eq!(body["error"], "temporarily_unavailable");
    }
    assert_try_again(&session.refresh().await);
    let registrations = rig.instances[0].tier.registrations().unwrap();
    assert!(registrations.list().await.is_err());

    rig.store.set(State::Up);
    assert_eq!(session.refresh().await.status, 200);
    assert_eq!(own(http::Method::GET).await.status(), 200);
    assert_eq!(own(http::Method::DELETE).await.status(), 204);
}
