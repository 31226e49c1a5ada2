//! Several upstreams on one server: people choose, and nothing of one is taken for another's.

use std::{sync::Arc, time::Duration};

use mcp_auth::{
    DcrShim, Tier,
    oauth::{ClientSecret, PublicUrl},
    tier::ShimBuilder,
    upstream::OAuthUpstream,
};
use mcp_auth_testkit::{
    Browser, DemoUpstream,
    browser::{Action, Page},
    scripted_host::{Authorization, Discovery, Registration},
};

use crate::rig::{Rig, Session, assert_invalid_grant};

/// A rig whose server has a second upstream, `second`.
struct Two {
    rig: Rig,
    second: DemoUpstream,
}

fn client(upstream: &DemoUpstream, namespace: &str, rig: &Rig) -> OAuthUpstream {
    OAuthUpstream::with_issuer(upstream.issuer(), upstream.client_id())
        .with_client_secret(ClientSecret::new(upstream.client_secret()))
        .with_scopes(["openid", "email"])
        .with_namespace(namespace)
        .with_clock(Arc::new(rig.clock.clone()))
        .build()
        .unwrap()
}

impl Two {
    async fn start() -> Self {
        Self::with(|builder| builder).await
    }

    async fn with(tune: impl FnOnce(ShimBuilder<DcrShim>) -> ShimBuilder<DcrShim>) -> Self {
        let mut rig = Rig::start().await;
        let second = DemoUpstream::builder()
            .with_clock(Arc::new(rig.clock.clone()))
            .with_access_token_lifetime(Duration::from_secs(600))
            .with_redirect(&format!("{}/callback/second", rig.url))
            .start()
            .await
            .unwrap();
        let upstream = Arc::new(client(&second, "second", &rig));
        rig.redeploy(0, |builder| {
            tune(builder.with_further_upstream("second", upstream))
        });
        Self { rig, second }
    }

    /// A login that has to be walked through.
    async fn begun(&self) -> Begun {
        let host = self.rig.host();
        let discovery = host.discover().await.unwrap();
        let registration = host.register(&discovery).await.unwrap();
        let authorization = host.authorization(&discovery, &registration);
        Begun {
            host,
            discovery,
            registration,
            authorization,
        }
    }

    /// A session of somebody who chose this upstream.
    async fn sign_in_at(&self, name: &'static str) -> Session {
        let mut begun = self.begun().await;
        let redirect = begun.host.redirect_uri().to_owned();
        let url = begun.authorization.url.clone();
        let callback = begun
            .host
            .browser()
            .visit_until(&url, &redirect, &choosing(name))
            .await;
        let code = callback.unwrap().code().unwrap().to_owned();
        let Begun {
            host,
            discovery,
            registration,
            authorization,
        } = begun;
        let answer = host
            .redeem(&discovery, &registration, &authorization, &code)
            .await;
        Session {
            tokens: answer.unwrap().granted().unwrap(),
            host,
            discovery,
            registration,
        }
    }
}

struct Begun {
    host: mcp_auth_testkit::ScriptedHost,
    discovery: Discovery,
    registration: Registration,
    authorization: Authorization,
}

/// Chooses this upstream and signs in there.
fn choosing(name: &'static str) -> impl Fn(&Page) -> Action + Send + Sync {
    move |page| {
        if page.has_button("Approve") {
            return Action::Press {
                button: "Approve".to_owned(),
                fields: vec![("upstream".to_owned(), name.to_owned())],
            };
        }
        Action::sign_in("alice", "wonderland")
    }
}

/// PX-14.
#[tokio::test]
async fn people_choose_where_to_sign_in_and_are_somebody_else_there() {
    let two = Two::start().await;
    let mut begun = two.begun().await;
    let url = begun.authorization.url.clone();
    let page = begun.host.browser().get(&url).await.unwrap();
    for upstream in [&two.rig.upstream, &two.second] {
        let host = upstream.issuer().split_once("://").unwrap().1;
        assert!(page.text().contains(host), "{}", page.text());
    }
    let at_second = two.sign_in_at("second").await;
    assert_eq!(two.rig.upstream.counters().authorize_requests, 0);
    let at_main = two.sign_in_at("main").await;
    assert_eq!(two.second.counters().authorize_requests, 1);
    let subject = |session: &Session| {
        let token = session.tokens.access_token.clone();
        let rig = &two.rig;
        async move { rig.whoami(&token).await.body["subject"].clone() }
    };
    assert_eq!(subject(&at_second).await, "second|user-alice");
    assert_eq!(subject(&at_main).await, "demo|user-alice");
}

/// PX-12, PX-14.
#[tokio::test]
async fn each_grant_is_refreshed_and_given_back_where_it_came_from() {
    let two = Two::start().await;
    let session = two.sign_in_at("second").await;
    two.rig.clock.advance(Duration::from_secs(601));
    let told = two.rig.upstream_token(&session.tokens.access_token).await;
    assert!(told.body["upstream"].is_string(), "{told:?}");
    assert_eq!(two.second.counters().refreshes, 1);
    assert_eq!(two.rig.upstream.counters().refreshes, 0);
    let grants = two.rig.instances[0].tier.grants();
    let ended = grants
        .revoke_all_of_subject("second|user-alice")
        .await
        .unwrap();
    assert_eq!(ended, 1);
    for _ in 0..500 {
        if two.second.counters().revocations == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(two.second.counters().revocations, 1);
    assert_eq!(two.rig.upstream.counters().revocations, 0);
}

/// PX-13, PX-14.
#[tokio::test]
async fn an_answer_at_another_upstream_s_callback_is_refused_and_spends_nothing() {
    let two = Two::start().await;
    let mut begun = two.begun().await;
    let url = begun.authorization.url.clone();
    let own = format!("{}/callback/second", two.rig.url);
    let answer = begun
        .host
        .browser()
        .visit_until(&url, &own, &choosing("second"))
        .await;
    let answer = answer.unwrap().url;
    let query = answer.query().unwrap();
    let crossed = format!("{}/callback?{query}", two.rig.url);
    let page = begun.host.browser().get(&crossed).await.unwrap();
    assert_eq!(page.status, 400, "{}", page.text());
    let nobody = format!("{}/callback/third?{query}", two.rig.url);
    assert_eq!(begun.host.browser().get(&nobody).await.unwrap().status, 404);
    assert_eq!(two.rig.upstream.counters().token_requests, 0);
    assert_eq!(two.second.counters().token_requests, 0);
    // At its own it still counts.
    let redirect = begun.host.redirect_uri().to_owned();
    let person = choosing("second");
    let finished = begun
        .host
        .browser()
        .visit_until(answer.as_str(), &redirect, &person);
    assert!(finished.await.unwrap().code().is_some());
}

/// PX-14.
#[tokio::test]
async fn a_choice_that_is_none_goes_nowhere() {
    let two = Two::start().await;
    let mut begun = two.begun().await;
    let url = begun.authorization.url.clone();
    let consent = format!("{}/consent", two.rig.url);
    let browser = begun.host.browser();
    for upstream in [None, Some(""), Some("third"), Some("second/../x")] {
        let page = browser.get(&url).await.unwrap();
        let sealed = page.forms[0].value("request").unwrap().to_owned();
        let mut fields = vec![("decision", "approve"), ("request", sealed.as_str())];
        fields.extend(upstream.map(|name| ("upstream", name)));
        let own = two.rig.url.clone();
        let page = browser.post_form_from(&own, &consent, &fields).await;
        assert_eq!(page.unwrap().status, 400, "{upstream:?}");
    }
    assert_eq!(two.rig.upstream.counters().authorize_requests, 0);
    assert_eq!(two.second.counters().authorize_requests, 0);
}

/// PX-14.
#[tokio::test]
async fn the_connected_apps_page_asks_where_to_sign_in_too() {
    let two = Two::with(ShimBuilder::with_connected_apps).await;
    two.sign_in_at("second").await;
    two.second.auto_sign_in(Some("alice"));
    let mut browser = Browser::new().with_clock(Arc::new(two.rig.clock.clone()));
    let page = format!("{}/connected-apps", two.rig.url);
    browser.get(&page).await.unwrap();
    browser.fill("upstream", "second").unwrap();
    let shown = browser.submit("Sign in").await.unwrap();
    assert_eq!(shown.url.as_str(), page);
    assert!(shown.text().contains("Scripted host"), "{}", shown.text());
    assert_eq!(two.rig.upstream.counters().authorize_requests, 0);
}

/// PX-14, PX-20.
#[tokio::test]
async fn upstreams_that_could_be_mixed_up_are_not_built() {
    let rig = Rig::start().await;
    let upstream = |namespace: &str| Arc::new(client(&rig.upstream, namespace, &rig));
    let builder = || {
        let url = PublicUrl::parse(&rig.url).unwrap();
        DcrShim::builder(url, upstream("main"))
    };
    let said = |builder: ShimBuilder<DcrShim>| builder.build().unwrap_err().to_string();
    for name in ["", "main", "GitHub", "a/b", "a b", "..", &"x".repeat(33)] {
        let said = said(builder().with_further_upstream(name, upstream("b")));
        assert!(said.starts_with("upstream name"), "{name}: {said}");
    }
    let twice = builder()
        .with_further_upstream("b", upstream("b"))
        .with_further_upstream("b", upstream("c"));
    assert!(said(twice).contains("two upstreams are called b"));
    let same = builder().with_further_upstream("b", upstream("main"));
    assert!(said(same).contains("could not be told apart"));
    let remembered = builder()
        .with_further_upstream("b", upstream("b"))
        .with_pushed_authorization_requests()
        .with_remembered_consent(Duration::from_secs(3600));
    assert!(said(remembered).starts_with("remembered consent"));
    let path = builder().with_mcp_path("/callback/b");
    assert!(said(path).contains("is an endpoint of the authorization server"));
    let fine = builder().with_further_upstream("b", upstream("b")).build();
    assert!(fine.is_ok_and(|tier| tier.resource("/mcp").is_some()));
}

/// PX-10, PX-20. An operator who takes an upstream away lets nobody in whom only it vouched for.
#[tokio::test]
async fn grants_of_an_upstream_that_was_taken_away_open_nothing() {
    let mut two = Two::start().await;
    let at_second = two.sign_in_at("second").await;
    let at_main = two.sign_in_at("main").await;
    two.rig.redeploy(0, |builder| builder);
    assert_eq!(
        two.rig.whoami(&at_main.tokens.access_token).await.status,
        200
    );
    assert_eq!(
        two.rig.whoami(&at_second.tokens.access_token).await.status,
        401
    );
    assert_invalid_grant(&at_second.refresh().await);
    assert!(at_main.refresh().await.granted().is_ok());
    // Nothing was thrown away: put back, it vouches again.
    let upstream = Arc::new(client(&two.second, "second", &two.rig));
    two.rig.redeploy(0, |builder| {
        builder.with_further_upstream("second", upstream)
    });
    assert_eq!(
        two.rig.whoami(&at_second.tokens.access_token).await.status,
        200
    );
}
