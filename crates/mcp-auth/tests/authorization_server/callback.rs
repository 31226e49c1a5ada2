//! `GET /callback`: how a login at the upstream ends.

use std::time::Duration;

use mcp_auth::authorization_server::pages::ErrorPageKind;
use mcp_auth_testkit::demo_upstream::Faults;

use crate::{
    client::{Client, REDIRECT, Redirect, STATE, assert_shows, authorize, finish, get, pending},
    harness::Server,
};

/// PX-04, ASZ-26.
#[tokio::test]
async fn a_callback_in_another_browser_is_refused_and_harms_nothing() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let mut browser = server.browser();
    let pending = pending(&server, &mut browser, &client.request(&server)).await;
    let mut victim = server.browser();
    crate::client::consent_page(&server, &mut victim, &client.request(&server)).await;
    let page = victim.get(pending.url.as_str()).await.unwrap();
    assert_shows(page, ErrorPageKind::LoginExpired);
    assert_eq!(server.upstream.counters().code_exchanges, 0);
    let done = finish(&mut browser, pending.url.as_str(), &client).await;
    assert!(done.code().is_some());
}

/// PX-03, ASZ-23.
#[tokio::test]
async fn a_callback_is_good_once() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let mut browser = server.browser();
    let pending = pending(&server, &mut browser, &client.request(&server)).await;
    let mut stolen = browser.clone();
    finish(&mut browser, pending.url.as_str(), &client).await;
    let page = browser.get(pending.url.as_str()).await.unwrap();
    assert_shows(page, ErrorPageKind::LoginExpired);
    // Even where the cookie was kept.
    let page = stolen.get(pending.url.as_str()).await.unwrap();
    assert_shows(page, ErrorPageKind::LoginExpired);
    assert_eq!(server.upstream.counters().code_exchanges, 1);
}

/// PX-03.
#[tokio::test]
async fn a_callback_without_one_state_of_this_browser_is_refused() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let mut browser = server.browser();
    let pending = pending(&server, &mut browser, &client.request(&server)).await;
    let good = pending.url.as_str().to_owned();
    let state = pending.state().unwrap().to_owned();
    let malformed = ErrorPageKind::MalformedRequest;
    let expired = ErrorPageKind::LoginExpired;
    let other = "A".repeat(43);
    for (url, kind) in [
        (good.replace(&format!("state={state}"), ""), malformed),
        (good.replace(&state, ""), malformed),
        (good.replace(&state, &other), expired),
        (good.replace(&state, STATE), expired),
        (good.replace(&state, &state[1..]), expired),
        (format!("{good}&state={state}"), malformed),
        (format!("{good}&code=x"), malformed),
        (format!("{good}&iss=x"), malformed),
        (server.url("/callback"), malformed),
    ] {
        let page = browser.get(&url).await.unwrap();
        assert_shows(page, kind);
        assert_eq!(page.header("location"), None);
    }
    assert_eq!(server.upstream.counters().code_exchanges, 0);
    let done = finish(&mut browser, &good, &client).await;
    assert!(done.code().is_some());
}

/// PX-03, PX-05.
#[tokio::test]
async fn the_state_of_one_login_does_not_finish_another() {
    let server = Server::start().await;
    let mine = Client::public(&server).await;
    let other = Client::confidential(&server).await;
    let mut browser = server.browser();
    let first = pending(&server, &mut browser, &mine.request(&server)).await;
    let second = pending(&server, &mut browser, &other.request(&server)).await;
    // The code of the second login under the state of the first: PKCE ends it at the upstream.
    let mixed = first
        .url
        .as_str()
        .replace(first.code().unwrap(), second.code().unwrap());
    let refused = finish(&mut browser, &mixed, &mine).await;
    let redirect = Redirect::of(&refused);
    assert_eq!(redirect.all("error"), ["server_error"]);
    assert_eq!(redirect.all("code"), Vec::<String>::new());
    // Nothing in the query of the callback changes where the browser goes.
    let steered = format!(
        "{}&redirect_uri=https://evil.example/cb",
        pending(&server, &mut browser, &mine.request(&server))
            .await
            .url
    );
    let done = finish(&mut browser, &steered, &mine).await;
    assert!(done.url.as_str().starts_with(REDIRECT));
}

/// PX-03.
#[tokio::test]
async fn a_login_is_over_after_ten_minutes() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let mut browser = server.browser();
    let late = pending(&server, &mut browser, &client.request(&server)).await;
    // A browser whose clock stands still keeps the cookie; the server does not believe it.
    let mut slow = browser.clone().with_clock(std::sync::Arc::new(
        mcp_auth_testkit::MovingClock::starting_now(),
    ));
    server.clock.advance(Duration::from_secs(600));
    for browser in [&mut browser, &mut slow] {
        let page = browser.get(late.url.as_str()).await.unwrap();
        assert_shows(page, ErrorPageKind::LoginExpired);
    }
}

/// PX-13.
#[tokio::test]
async fn the_upstreams_iss_must_be_its_own() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let faults: [fn(&mut Faults); 2] = [|f| f.wrong_iss = true, |f| f.omit_iss = true];
    for fault in faults {
        server.upstream.set_faults(Faults::default());
        server.upstream.change_faults(fault);
        let mut browser = server.browser();
        let pending = pending(&server, &mut browser, &client.request(&server)).await;
        let refused = finish(&mut browser, pending.url.as_str(), &client).await;
        let redirect = Redirect::of(&refused);
        assert_eq!(redirect.all("error"), ["server_error"]);
        assert_eq!(redirect.all("state"), [STATE]);
        assert_eq!(redirect.all("iss"), [server.issuer()]);
        assert_eq!(redirect.all("code"), Vec::<String>::new());
    }
    assert_eq!(
        server.upstream.counters().code_exchanges,
        0,
        "a code of somebody else is sent nowhere"
    );
}

/// ASC-08, ASZ-31.
#[tokio::test]
async fn the_words_of_the_upstream_are_not_repeated() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    for (theirs, ours) in [
        ("access_denied", "access_denied"),
        ("server_error", "server_error"),
        ("login_required", "server_error"),
        ("<script>", "server_error"),
    ] {
        server.upstream.set_faults(Faults {
            error_on_authorize: Some(theirs.into()),
            ..Faults::default()
        });
        let mut browser = server.browser();
        let pending = pending(&server, &mut browser, &client.request(&server)).await;
        assert!(pending.url.as_str().contains("alert"));
        let refused = finish(&mut browser, pending.url.as_str(), &client).await;
        let redirect = Redirect::of(&refused);
        assert_eq!(redirect.all("error"), [ours]);
        assert_eq!(redirect.all("state"), [STATE]);
        assert_eq!(redirect.all("iss"), [server.issuer()]);
        for word in ["alert", "%3C", "said", "login_required"] {
            assert!(!refused.url.as_str().contains(word), "{}", refused.url);
        }
    }
    let page = get(
        &server,
        "/callback?error=%3Cscript%3E&error_description=%3Cscript%3Ealert(1)%3C/script%3E&state=x",
    )
    .await;
    page.shows(ErrorPageKind::LoginExpired);
    assert!(!page.body.contains("script>alert") && !page.body.contains("alert(1)"));
}

/// ASZ-31.
#[tokio::test]
async fn an_upstream_that_fails_is_told_to_the_client_by_its_code() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let fault = |change: fn(&mut Faults)| {
        let mut faults = Faults::default();
        change(&mut faults);
        faults
    };
    let unavailable = "temporarily_unavailable";
    let cases = [
        (fault(|f| f.token_status = Some(503)), unavailable),
        (fault(|f| f.token_garbage = true), unavailable),
        (fault(|f| f.userinfo_status = Some(503)), unavailable),
        (fault(|f| f.userinfo_status = Some(403)), "server_error"),
    ];
    for (faults, error) in cases {
        server.upstream.set_faults(faults.clone());
        let mut browser = server.browser();
        let pending = pending(&server, &mut browser, &client.request(&server)).await;
        let refused = finish(&mut browser, pending.url.as_str(), &client).await;
        assert_eq!(Redirect::of(&refused).all("error"), [error], "{faults:?}");
    }
}

/// PX-03, PX-04.
#[tokio::test]
async fn pending_logins_take_a_bounded_part_of_the_cookies_and_the_oldest_go() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let mut browser = server.browser();
    let request = client.request(&server).with("state", &"s".repeat(900));
    let mut begun = Vec::new();
    for _ in 0..8 {
        begun.push(pending(&server, &mut browser, &request).await);
        server.clock.advance(Duration::from_secs(1));
        let url = server.url("/callback");
        let size: usize = browser
            .cookie_names(&url)
            .iter()
            .filter(|name| name.starts_with("mcp-auth-login-"))
            .map(|name| name.len() + browser.cookie(&url, name).unwrap().len())
            .sum();
        assert!(size <= 6 * 1024, "{size}");
    }
    let page = browser.get(begun[0].url.as_str()).await.unwrap();
    assert_shows(page, ErrorPageKind::LoginExpired);
    for still in begun.iter().rev().take(2) {
        let done = finish(&mut browser, still.url.as_str(), &client).await;
        assert!(done.code().is_some());
    }
}

/// ASZ-21.
#[tokio::test]
async fn a_request_too_large_for_a_cookie_is_refused_at_once() {
    let server = Server::start().await;
    let long = |n: usize| format!("https://client.example/{}", "p".repeat(n));
    let client = Client::registered(
        &server,
        serde_json::json!({ "redirect_uris": [long(700)], "client_name": "n".repeat(200) }),
    )
    .await;
    let request = client.request(&server).with("state", &"\u{1}".repeat(1000));
    let refused = authorize(&server, &request).await;
    let redirect = refused.redirect(&server, &client.redirect_uri);
    assert_eq!(redirect.all("error"), ["invalid_request"]);
}

/// PX-19.
#[tokio::test]
async fn a_login_ends_on_another_instance_than_it_began() {
    use mcp_auth::store::KeyRing;
    let keyed = |tier: mcp_auth::tier::ShimBuilder<mcp_auth::DcrShim>| {
        tier.with_key_ring(KeyRing::parse(crate::harness::KEY).unwrap())
    };
    let server = Server::builder(keyed).start().await;
    let client = Client::public(&server).await;
    let mut browser = server.browser();
    let pending = pending(&server, &mut browser, &client.request(&server)).await;
    server.restart(keyed);
    let done = finish(&mut browser, pending.url.as_str(), &client).await;
    assert!(done.code().is_some());
}
