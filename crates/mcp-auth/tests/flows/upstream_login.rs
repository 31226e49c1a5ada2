//! A login at the upstream: asked for with our own values, after consent, for one browser, and believed
//! only as far as it is proven.

use mcp_auth_testkit::{
    browser::{Action, Decision, Page},
    demo_upstream::Faults,
};
use url::Url;

use crate::rig::Rig;

/// PX-03, PX-06.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn state_and_pkce_of_the_two_legs_differ() {
    let rig = Rig::start().await;
    let mut host = rig.host();
    let discovery = host.discover().await.unwrap();
    let registration = host.register(&discovery).await.unwrap();
    let mut states = Vec::new();
    for _ in 0..2 {
        let authorization = host.authorization(&discovery, &registration);
        host.authorize(&discovery, &authorization).await.unwrap();
        let asked = rig.upstream.authorize_requests().pop().unwrap();
        let sent = rig.upstream.token_requests().pop().unwrap();
        let asked = |name: &str| asked.parameter(name).unwrap().to_owned();

        assert_ne!(asked("state"), authorization.state);
        assert_eq!(asked("code_challenge_method"), "S256");
        let ours = asked("code_challenge");
        assert_ne!(ours, authorization.verifier.challenge().as_str());
        let verifier = sent.parameter("code_verifier").unwrap();
        assert_ne!(verifier, authorization.verifier.expose());
        let verifier = mcp_auth::oauth::CodeVerifier::parse(verifier).unwrap();
        assert_eq!(verifier.challenge().as_str(), ours);
        assert_eq!(asked("client_id"), rig.upstream.client_id());
        assert_eq!(asked("redirect_uri"), format!("{}/callback", rig.url));
        assert_eq!(asked("scope"), "openid profile", "chosen by us alone");
        states.push((asked("state"), ours));
    }
    assert_ne!(states[0].0, states[1].0);
    assert_ne!(states[0].1, states[1].1);
}

/// PX-01, PX-02.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_goes_to_the_upstream_before_consent() {
    let rig = Rig::start().await;
    rig.upstream.auto_sign_in(Some("alice")); // a user whom the upstream asks nothing
    let mut host = rig.host();
    let discovery = host.discover().await.unwrap();
    let registration = host.register(&discovery).await.unwrap();
    let authorization = host.authorization(&discovery, &registration);

    let records = rig.store.len();
    let page = host.browser().get(&authorization.url).await.unwrap();
    assert!(page.has_button("Approve"));
    let cookies = host.browser().cookie_names(&rig.url);
    assert_eq!(cookies, ["mcp-auth-browser"]);
    assert_eq!(rig.upstream.counters().authorize_requests, 0);
    assert!(rig.wire.seen().is_empty());
    assert_eq!(rig.store.len(), records);

    let denied = host.visit(&authorization, Decision::Deny).await.unwrap();
    assert_eq!(denied.error(), Some("access_denied"));
    assert_eq!(rig.upstream.counters().authorize_requests, 0);
}

/// PX-13.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_callback_of_another_issuer_is_not_acted_on() {
    type Change = fn(&mut Faults);
    let faults: [Change; 2] = [|f| f.wrong_iss = true, |f| f.omit_iss = true];
    for fault in faults {
        let rig = Rig::start().await;
        rig.upstream.change_faults(fault);
        let mut host = rig.host();
        let discovery = host.discover().await.unwrap();
        let registration = host.register(&discovery).await.unwrap();
        let authorization = host.authorization(&discovery, &registration);
        let callback = host.visit(&authorization, Decision::Approve).await.unwrap();
        assert_eq!(callback.error(), Some("server_error"));
        assert_eq!(callback.iss(), Some(rig.url.as_str()));
        assert_eq!(rig.upstream.counters().token_requests, 0);
    }
}

/// CL-13, PX-13. The four rows, for a code and for an error: what another issuer says is nobody's error.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn iss_is_judged_by_what_the_metadata_promises() {
    for (iss_not_promised, wrong_iss, omit_iss, good) in [
        (false, false, false, true),
        (false, false, true, false),
        (false, true, false, false),
        (true, false, false, true),
        (true, true, false, false),
        (true, false, true, true),
    ] {
        for error in [None, Some("access_denied")] {
            let rig = Rig::start().await;
            rig.upstream.set_faults(Faults {
                iss_not_promised,
                wrong_iss,
                omit_iss,
                error_on_authorize: error.map(str::to_owned),
                ..Faults::default()
            });
            let mut host = rig.host();
            let discovery = host.discover().await.unwrap();
            let registration = host.register(&discovery).await.unwrap();
            let authorization = host.authorization(&discovery, &registration);
            let callback = host.visit(&authorization, Decision::Approve).await.unwrap();
            let row = (iss_not_promised, wrong_iss, omit_iss);
            let expected = if good { error } else { Some("server_error") };
            assert_eq!(callback.error(), expected, "{row:?}");
            let exchanged = u64::from(good && error.is_none());
            assert_eq!(rig.upstream.counters().code_exchanges, exchanged, "{row:?}");
        }
    }
}

/// PX-15.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn upstream_errors_are_mapped_and_not_mirrored() {
    for (theirs, ours) in [
        ("access_denied", "access_denied"),
        ("invalid_scope", "server_error"),
        ("<script>alert(1)</script>", "server_error"),
    ] {
        let rig = Rig::start().await;
        rig.upstream
            .change_faults(|f| f.error_on_authorize = Some(theirs.to_owned()));
        let mut host = rig.host();
        let discovery = host.discover().await.unwrap();
        let registration = host.register(&discovery).await.unwrap();
        let authorization = host.authorization(&discovery, &registration);
        let callback = host.visit(&authorization, Decision::Approve).await.unwrap();
        assert_eq!(callback.error(), Some(ours));
        assert_eq!(callback.state(), Some(authorization.state.as_str()));
        let came_back = percent_decoded(&callback.url);
        assert!(!came_back.contains('<'), "{came_back}");
    }
}

/// PX-20.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_a_verified_identity_there_is_no_grant() {
    for (status, expected) in [(401, "server_error"), (503, "temporarily_unavailable")] {
        let rig = Rig::start().await;
        rig.upstream
            .change_faults(|f| f.userinfo_status = Some(status));
        let mut host = rig.host();
        let discovery = host.discover().await.unwrap();
        let registration = host.register(&discovery).await.unwrap();
        let authorization = host.authorization(&discovery, &registration);
        let callback = host.visit(&authorization, Decision::Approve).await.unwrap();
        assert_eq!(callback.error(), Some(expected));
        assert!(
            rig.store
                .written()
                .iter()
                .all(|(_, record)| record.indexes.is_empty()),
            "a grant was made"
        );
    }
}

/// PX-03, PX-04.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_callback_belongs_to_the_browser_that_consented() {
    let rig = Rig::start().await;
    let mut host = rig.host();
    let discovery = host.discover().await.unwrap();
    let registration = host.register(&discovery).await.unwrap();
    let authorization = host.authorization(&discovery, &registration);
    let callback = host.visit(&authorization, Decision::Approve).await.unwrap();
    let ours = callback.hops.last().unwrap().url.clone();
    assert!(ours.path() == "/callback");

    let exchanges = rig.upstream.counters().code_exchanges;
    let mut without_state = ours.clone();
    without_state.set_query(Some("code=x"));
    let mut with_invented = ours.clone();
    with_invented.set_query(Some(&format!("code=x&state={}", "A".repeat(43))));
    for url in [ours, without_state, with_invented] {
        let mut victim = rig.host();
        let page = victim.browser().get(url.as_str()).await.unwrap();
        assert_eq!(page.status, 400);
    }
    assert_eq!(rig.upstream.counters().code_exchanges, exchanges);
}

/// PX-05.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_callback_cannot_choose_where_the_code_goes() {
    let rig = Rig::start().await;
    let mut host = rig.host();
    let discovery = host.discover().await.unwrap();
    let registration = host.register(&discovery).await.unwrap();
    let authorization = host.authorization(&discovery, &registration);
    let browser = host.browser();
    browser.get(&authorization.url).await.unwrap();
    browser.submit("Approve").await.unwrap();
    // The callback as the upstream sends it, with more in it on the way.
    rig.wire.set_unreachable(true);
    let page = browser.sign_in_as("alice", "wonderland").await.unwrap();
    let mut callback = page.url.clone();
    callback
        .query_pairs_mut()
        .append_pair("redirect_uri", "https://attacker.example/")
        .append_pair("client_id", "another");
    rig.wire.set_unreachable(false);
    let stop = |_: &Page| Action::Stop;
    let came_back = browser
        .visit_until(callback.as_str(), "http://127.0.0.1:33418/callback", &stop)
        .await
        .unwrap();
    assert!(came_back.code().is_some());
    assert_eq!(came_back.state(), Some(authorization.state.as_str()));
    assert!(!came_back.url.as_str().contains("attacker"));
}

/// PX-17.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_metadata_is_ours_and_not_the_upstreams() {
    let rig = Rig::start().await;
    let discovery = rig.host().discover().await.unwrap();
    assert_eq!(discovery.issuer, rig.url);
    let servers = &discovery.resource_metadata["authorization_servers"];
    assert_eq!(*servers, serde_json::json!([rig.url]));
    let documents = format!(
        "{} {}",
        discovery.server_metadata, discovery.resource_metadata
    );
    assert!(!documents.contains(rig.upstream.issuer()));
    for endpoint in [&discovery.authorization_endpoint, &discovery.token_endpoint] {
        assert!(endpoint.starts_with(&rig.url));
    }
}

/// PX-18.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_consent_page_says_what_the_upstream_is_asked_for() {
    let rig = Rig::start().await;
    let mut host = rig.host();
    let discovery = host.discover().await.unwrap();
    let registration = host.register(&discovery).await.unwrap();
    let mut authorization = host.authorization(&discovery, &registration).url;
    authorization.push_str("&upstream_scope=admin");
    let page = host.browser().get(&authorization).await.unwrap();
    let upstream = rig.upstream.issuer().trim_start_matches("http://");
    for words in [upstream, "openid", "profile"] {
        assert!(page.text().contains(words), "{words} in {}", page.text());
    }
    assert!(!page.text().contains("admin"));
}

fn percent_decoded(url: &Url) -> String {
    url.query_pairs()
        .map(|(name, value)| format!("{name}={value};"))
        .collect()
}
