//! Who gets into the connected apps page, and who does not.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use http::Method;
use mcp_auth::{
    authorization_server::{Admission, Admitted, NotAdmitted, pages::ErrorPageKind},
    oauth::{ClientId, Scopes},
    upstream::UpstreamIdentity,
};
use mcp_auth_testkit::{Browser, browser::Callback};

use crate::{
    client::{
        Client, Parameters, Redirect, answer, assert_shows, consent_page, finish, opens, pending,
        send,
    },
    connected_apps::{connected, post, revoke_forms, visit, with_page},
    harness::Server,
    switched_store::{State, SwitchedStore},
};

/// A sign-in to the page, up to where the upstream sends the browser back.
async fn pending_visit(server: &Server, browser: &mut Browser, user: &str) -> Callback {
    server.upstream.auto_sign_in(Some(user));
    browser.get(&server.url("/connected-apps")).await.unwrap();
    browser
        .submit_until("Sign in", &server.url("/callback"))
        .await
        .unwrap()
}

/// The name of the one cookie of a login under way.
fn login_cookie(server: &Server, browser: &Browser) -> String {
    let names = browser.cookie_names(&server.url("/callback"));
    let mut logins = names.iter().filter(|name| name.contains("login-"));
    let name = logins.next().unwrap().clone();
    assert_eq!(logins.next(), None);
    name
}

/// ASC-14, PX-03.
#[tokio::test]
async fn a_visit_is_never_finished_as_the_login_of_a_client() {
    let server = Server::builder(with_page).start().await;
    let client = Client::public(&server).await;
    let mut browser = server.browser();
    let login = pending(&server, &mut browser, &client.request(&server)).await;
    let visited = pending_visit(&server, &mut browser, "alice").await;
    // The upstream's code of the visit, brought under the state of the client's login: the client
    // gets no code for it, because the other login's PKCE does not fit.
    let mixed = login
        .url
        .as_str()
        .replace(login.code().unwrap(), visited.code().unwrap());
    let refused = finish(&mut browser, &mixed, &client).await;
    assert_eq!(Redirect::of(&refused).all("error"), ["server_error"]);
    assert_eq!(refused.code(), None);
    // The visit itself ends on our page: no code, no grant, no way to a client.
    let visited = pending_visit(&server, &mut browser, "alice").await;
    let page = browser.get(visited.url.as_str()).await.unwrap();
    assert_eq!(page.url.as_str(), server.url("/connected-apps"));
    assert!(page.text().contains("No app may use this server as you"));
}

/// ASC-14, PX-03.
#[tokio::test]
async fn the_login_of_a_client_is_never_finished_as_a_visit() {
    let server = Server::builder(with_page).start().await;
    let client = Client::public(&server).await;
    let mut browser = server.browser();
    let visited = pending_visit(&server, &mut browser, "alice").await;
    let login = pending(&server, &mut browser, &client.request(&server)).await;
    let mixed = visited
        .url
        .as_str()
        .replace(visited.code().unwrap(), login.code().unwrap());
    let page = browser.get(&mixed).await.unwrap();
    assert_shows(page, ErrorPageKind::NotSignedIn);
    // The client's login itself signs nobody in to the page.
    let login = pending(&server, &mut browser, &client.request(&server)).await;
    finish(&mut browser, login.url.as_str(), &client).await;
    let page = browser.get(&server.url("/connected-apps")).await.unwrap();
    assert!(page.has_button("Sign in"));
}

/// ASC-13, PX-03.
#[tokio::test]
async fn the_cookie_of_one_kind_of_login_opens_for_no_other() {
    let server = Server::builder(with_page).start().await;
    let client = Client::public(&server).await;
    let callback = server.url("/callback");
    let (mut for_visit, mut for_client) = (server.browser(), server.browser());
    let visited = pending_visit(&server, &mut for_visit, "alice").await;
    let login = pending(&server, &mut for_client, &client.request(&server)).await;
    let (visit_name, client_name) = (
        login_cookie(&server, &for_visit),
        login_cookie(&server, &for_client),
    );
    let visit_value = for_visit.cookie(&callback, &visit_name).unwrap();
    let client_value = for_client.cookie(&callback, &client_name).unwrap();
    for (browser, name, value, state) in [
        (&mut for_visit, visit_name, client_value, &visited),
        (&mut for_client, client_name, visit_value, &login),
    ] {
        assert!(browser.set_cookie(&callback, &format!("{name}={value}; Path=/")));
        let page = browser.get(state.url.as_str()).await.unwrap();
        assert_shows(page, ErrorPageKind::LoginExpired);
    }
    assert_eq!(server.upstream.counters().code_exchanges, 0);
}

/// ASC-14, PX-03, PX-04.
#[tokio::test]
async fn a_visit_is_bound_to_its_browser_and_finished_once_and_in_time() {
    let server = Server::builder(with_page).start().await;
    let mut browser = server.browser();
    let visited = pending_visit(&server, &mut browser, "alice").await;
    // The link, sent to somebody else, signs them in as nobody.
    let mut victim = server.browser();
    let page = victim.get(visited.url.as_str()).await.unwrap();
    assert_shows(page, ErrorPageKind::LoginExpired);
    let mut stolen = browser.clone();
    assert_eq!(browser.get(visited.url.as_str()).await.unwrap().status, 200);
    let page = stolen.get(visited.url.as_str()).await.unwrap();
    assert_shows(page, ErrorPageKind::LoginExpired);
    assert_eq!(server.upstream.counters().code_exchanges, 1);

    let late = pending_visit(&server, &mut server.browser(), "alice").await;
    server.clock.advance(Duration::from_secs(600));
    let page = browser.get(late.url.as_str()).await.unwrap();
    assert_shows(page, ErrorPageKind::LoginExpired);
}

/// ASC-14.
#[tokio::test]
async fn a_grant_of_somebody_else_cannot_be_ended() {
    let server = Server::builder(with_page).start().await;
    let client = Client::public(&server).await;
    let alices = connected(&server, &client, "alice").await;
    let bobs = connected(&server, &client, "bob").await;
    let mut alice = server.browser();
    let target = revoke_forms(visit(&server, &mut alice, "alice").await).remove(0);
    let name = target.value("grant").unwrap().to_owned();
    let mut bob = server.browser();
    let page = visit(&server, &mut bob, "bob").await;
    let token = revoke_forms(page)[0].value("token").unwrap().to_owned();
    for grant in [name.as_str(), "", "x", &name[1..]] {
        let fields = [("action", "revoke"), ("token", &token), ("grant", grant)];
        let own = server.issuer().to_owned();
        let page = bob
            .post_form_from(&own, &server.url("/connected-apps"), &fields)
            .await
            .unwrap();
        assert_eq!(revoke_forms(page).len(), 1);
    }
    assert!(opens(&server, &alices.access).await);
    assert!(opens(&server, &bobs.access).await);
}

/// ASC-09.
#[tokio::test]
async fn nothing_but_its_own_page_ends_a_grant() {
    let server = Server::builder(with_page).start().await;
    let client = Client::public(&server).await;
    let tokens = connected(&server, &client, "alice").await;
    let mut browser = server.browser();
    let form = revoke_forms(visit(&server, &mut browser, "alice").await).remove(0);
    let url = server.url("/connected-apps");
    let (token, grant) = (form.value("token").unwrap(), form.value("grant").unwrap());

    // A page of another site, even one that knows the token: the cookies stay at home as well.
    let good = [("action", "revoke"), ("token", token), ("grant", grant)];
    for origin in ["https://evil.example", "http://127.0.0.1:1"] {
        let page = browser.post_form_from(origin, &url, &good).await.unwrap();
        assert_shows(page, ErrorPageKind::ActionFromElsewhere);
    }
    // Each header alone is enough to refuse.
    let cookies = |browser: &Browser| {
        let pair = |name: &str| format!("{name}={}", browser.cookie(&url, name).unwrap());
        format!("{}; {}", pair("mcp-auth-browser"), pair("mcp-auth-visitor"))
    };
    let own = cookies(&browser);
    let raw = |form: &[(&str, &str)], cookie: &str, header: (&'static str, &'static str)| {
        let form = form
            .iter()
            .fold(Parameters::default(), |form, (name, value)| {
                form.and(name, value)
            });
        let request = send(&server, Method::POST, "/connected-apps")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("cookie", cookie)
            .header(header.0, header.1)
            .body(form.encoded());
        answer(request)
    };
    for header in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "none"),
    ] {
        raw(&good, &own, header)
            .await
            .shows(ErrorPageKind::ActionFromElsewhere);
    }
    // Without its token, with one of another browser, or of a page from before signing in.
    let plain = ("accept", "*/*");
    let mut other = server.browser();
    let signed_out = other.get(&url).await.unwrap().forms[0].clone();
    let other_page = visit(&server, &mut other, "alice").await;
    let others = revoke_forms(other_page)[0]
        .value("token")
        .unwrap()
        .to_owned();
    let before = signed_out.value("token").unwrap();
    for bad in [&others, before, "", "AAAA", "not base64!", &token[1..]] {
        let form = [("action", "revoke"), ("token", bad), ("grant", grant)];
        let page = raw(&form, &own, plain).await;
        assert_eq!(page.status, 200);
        assert!(page.body.contains("Nothing was changed"), "{bad}");
    }
    let no_browser = own.split_once("; ").unwrap().1;
    raw(&good, no_browser, plain)
        .await
        .shows(ErrorPageKind::ActionFromElsewhere);
    assert!(opens(&server, &tokens.access).await);
    assert_eq!(raw(&good, &own, plain).await.status, 303);
    assert!(!opens(&server, &tokens.access).await);
}

/// ASC-09.
#[tokio::test]
async fn buttons_of_one_person_do_nothing_for_the_next() {
    let server = Server::builder(with_page).start().await;
    let client = Client::public(&server).await;
    connected(&server, &client, "alice").await;
    let bobs = connected(&server, &client, "bob").await;
    let mut browser = server.browser();
    let next = pending_visit(&server, &mut browser, "bob").await;
    let alices = revoke_forms(visit(&server, &mut browser, "alice").await).remove(0);
    let page = browser.get(next.url.as_str()).await.unwrap();
    assert!(page.text().contains("bob@example.com"));
    let sign_out = alices.clone();
    for (action, form) in [("revoke", &alices), ("sign-out", &sign_out)] {
        let page = post(&server, &mut browser, action, form).await;
        assert!(page.text().contains("Nothing was changed"), "{action}");
        assert!(page.text().contains("bob@example.com"), "{action}");
    }
    assert!(opens(&server, &bobs.access).await);
}

/// ASC-14.
#[tokio::test]
async fn a_visitor_is_signed_in_for_ten_minutes() {
    let server = Server::builder(with_page).start().await;
    let client = Client::public(&server).await;
    let mut browser = server.browser();
    connected(&server, &client, "alice").await;
    let form = revoke_forms(visit(&server, &mut browser, "alice").await).remove(0);
    // A browser whose clock stands still keeps the cookie; the server does not believe it.
    let mut slow = browser
        .clone()
        .with_clock(Arc::new(mcp_auth_testkit::MovingClock::starting_now()));
    server.clock.advance(Duration::from_secs(599));
    let page = browser.get(&server.url("/connected-apps")).await.unwrap();
    assert!(page.text().contains("alice@example.com"));
    server.clock.advance(Duration::from_secs(1));
    for browser in [&mut browser, &mut slow] {
        let page = post(&server, browser, "revoke", &form).await;
        assert!(page.text().contains("Nothing was changed"));
        assert!(page.has_button("Sign in") && !page.text().contains("alice"));
        let page = browser.get(&server.url("/connected-apps")).await.unwrap();
        assert!(page.has_button("Sign in") && !page.text().contains("Nothing was changed"));
    }
}

/// ASC-13.
#[tokio::test]
async fn a_visitors_cookie_that_was_changed_is_nobodys() {
    let server = Server::builder(with_page).start().await;
    let mut browser = server.browser();
    visit(&server, &mut browser, "alice").await;
    let url = server.url("/connected-apps");
    let good = browser.cookie(&url, "mcp-auth-visitor").unwrap();
    let callback = pending_visit(&server, &mut server.browser(), "alice").await;
    for bad in [
        &good[1..],
        &good[..good.len() - 1],
        "x",
        callback.state().unwrap(),
    ] {
        assert!(browser.set_cookie(&url, &format!("mcp-auth-visitor={bad}; Path=/")));
        let page = browser.get(&url).await.unwrap();
        assert!(page.has_button("Sign in"), "{bad}");
    }
}

/// Lets bob in alone, and notes the clients it is asked about.
#[derive(Debug, Default)]
struct OnlyBob(std::sync::Mutex<Vec<String>>);

#[async_trait]
impl Admission for OnlyBob {
    async fn admit(
        &self,
        identity: &UpstreamIdentity,
        client: &ClientId,
        scopes: &Scopes,
    ) -> Result<Admitted, NotAdmitted> {
        self.0.lock().unwrap().push(client.as_str().to_owned());
        match identity.subject.as_str() {
            "user-bob" => Ok(Admitted::with_scopes(scopes.clone())),
            _ => Err(NotAdmitted::because("not bob")),
        }
    }
}

/// ASC-14.
#[tokio::test]
async fn whoever_is_not_admitted_does_not_get_in() {
    let only_bob = Arc::new(OnlyBob::default());
    let rule = Arc::clone(&only_bob);
    let server = Server::builder(|tier| with_page(tier).with_admission(rule))
        .start()
        .await;
    let mut browser = server.browser();
    let visited = pending_visit(&server, &mut browser, "alice").await;
    let page = browser.get(visited.url.as_str()).await.unwrap();
    assert_shows(page, ErrorPageKind::NotAdmitted);
    let names = browser.cookie_names(&server.url("/connected-apps"));
    assert_eq!(names, ["mcp-auth-browser"], "the sign-in is over");
    let page = visit(&server, &mut browser, "bob").await;
    assert!(page.text().contains("bob@example.com"));
    let page = server.url("/connected-apps");
    assert_eq!(*only_bob.0.lock().unwrap(), [page.clone(), page]);
}

/// ASC-14.
#[tokio::test]
async fn a_sign_in_that_fails_upstream_ends_on_a_page() {
    let server = Server::builder(with_page).start().await;
    let mut browser = server.browser();
    server
        .upstream
        .change_faults(|faults| faults.error_on_authorize = Some("access_denied".to_owned()));
    browser.get(&server.url("/connected-apps")).await.unwrap();
    let page = browser.submit("Sign in").await.unwrap();
    assert_shows(page, ErrorPageKind::NotSignedIn);
    server.upstream.change_faults(|faults| {
        faults.error_on_authorize = None;
        faults.token_status = Some(503);
    });
    let visited = pending_visit(&server, &mut browser, "alice").await;
    let page = browser.get(visited.url.as_str()).await.unwrap();
    assert_shows(page, ErrorPageKind::UpstreamUnavailable);
    server
        .upstream
        .change_faults(|faults| (faults.token_status, faults.wrong_iss) = (None, true));
    let visited = pending_visit(&server, &mut browser, "alice").await;
    let page = browser.get(visited.url.as_str()).await.unwrap();
    assert_shows(page, ErrorPageKind::NotSignedIn);
}

/// ASC-14.
#[tokio::test]
async fn while_the_store_is_away_nothing_is_shown_and_nothing_changes() {
    let clock = mcp_auth_testkit::MovingClock::starting_now();
    let store = Arc::new(SwitchedStore::new(clock));
    let kept = Arc::clone(&store);
    let server = Server::builder(|tier| with_page(tier).with_store(kept))
        .start()
        .await;
    let client = Client::public(&server).await;
    let tokens = connected(&server, &client, "alice").await;
    let mut browser = server.browser();
    let visited = pending_visit(&server, &mut browser, "alice").await;
    let away = ErrorPageKind::StoreUnavailable;
    store.set(State::Down);
    assert_shows(browser.get(visited.url.as_str()).await.unwrap(), away);
    store.set(State::Up);
    // The sign-in was not used up by that.
    let page = browser.get(visited.url.as_str()).await.unwrap();
    let form = revoke_forms(page).remove(0);
    store.set(State::Down);
    for action in ["revoke", "sign-out"] {
        assert_shows(post(&server, &mut browser, action, &form).await, away);
    }
    let page = browser.get(&server.url("/connected-apps")).await.unwrap();
    assert_shows(page, away);
    assert!(page.header("retry-after").is_some());
    store.set(State::Up);
    assert!(opens(&server, &tokens.access).await);
    let page = browser.get(&server.url("/connected-apps")).await.unwrap();
    assert_eq!(revoke_forms(page).len(), 1);
}

/// GRW-01.
#[tokio::test]
async fn visits_that_are_never_finished_are_not_stored() {
    let clock = mcp_auth_testkit::MovingClock::starting_now();
    let store = Arc::new(SwitchedStore::new(clock));
    let kept = Arc::clone(&store);
    let server = Server::builder(|tier| with_page(tier).with_store(kept).without_rate_limits())
        .start()
        .await;
    let mut browser = server.browser();
    for _ in 0..100 {
        let visited = pending_visit(&server, &mut browser, "alice").await;
        let code = visited.code().unwrap();
        let without_code = visited.url.as_str().replace(code, "");
        let page = browser.get(&without_code).await.unwrap();
        assert_shows(page, ErrorPageKind::NotSignedIn);
    }
    assert_eq!(store.len(), 0);
}

/// ASC-14.
#[tokio::test]
async fn visits_are_limited_per_network() {
    let server = Server::builder(with_page).start().await;
    let from = |method: Method, address: &'static str| {
        send(&server, method, "/connected-apps").header("x-forwarded-for", address)
    };
    for method in [Method::GET, Method::POST] {
        for _ in 0..120 {
            let reached = answer(from(method.clone(), "203.0.113.7")).await;
            assert_ne!(reached.status, 429);
        }
        answer(from(method.clone(), "203.0.113.7"))
            .await
            .shows(ErrorPageKind::TooManyRequests);
        let other = answer(from(method, "203.0.113.8")).await;
        assert_ne!(other.status, 429);
    }
}

/// ASZ-04.
#[tokio::test]
async fn the_page_is_served_under_our_own_name_only() {
    let server = Server::builder(with_page).start().await;
    for (method, path) in [
        (Method::GET, "/connected-apps"),
        (Method::POST, "/connected-apps"),
        (Method::GET, "/connected-apps/signed-out"),
    ] {
        let request = server.http.request(method, server.direct(path));
        let request = request.header("host", "evil.example");
        answer(request).await.shows(ErrorPageKind::WrongHost);
    }
}

/// ASC-01.
#[tokio::test]
async fn signing_in_to_the_page_lets_no_client_in() {
    let server = Server::builder(with_page).start().await;
    let client = Client::public(&server).await;
    let mut browser = server.browser();
    visit(&server, &mut browser, "alice").await;
    let page = consent_page(&server, &mut browser, &client.request(&server)).await;
    assert!(page.has_button("Approve"));
}
