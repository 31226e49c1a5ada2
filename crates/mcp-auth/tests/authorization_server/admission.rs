//! Who may come in after signing in at the upstream, and what becomes of the others.

use std::sync::Arc;

use http::Method;
use mcp_auth::{
    authorization_server::{AdmissionRule, pages::ErrorPageKind},
    oauth::Scopes,
};
use mcp_auth_testkit::{
    Browser,
    browser::{Action, Callback, Page},
};
use serde_json::{Value, json};

use crate::{
    client::{
        Client, Parameters, REDIRECT, Redirect, STATE, answer, assert_shows, pending, send, token,
    },
    harness::Server,
};

async fn server_with(rule: AdmissionRule) -> Server {
    server_with_rule_of(|_| rule).await
}

/// With a rule that is made from the upstream's namespace.
async fn server_with_rule_of(rule: impl FnOnce(&str) -> AdmissionRule) -> Server {
    // Without `openid` userinfo alone says who it is, so that the tests can choose that freely.
    let server = Server::builder(|tier| tier)
        .with_upstream(|upstream| upstream.with_scopes(["profile"]))
        .start()
        .await;
    let rule = Arc::new(rule(server.namespace()));
    let scopes = Scopes::parse("notes:read notes:write").unwrap();
    server.restart(|tier| tier.with_admission(rule).with_scopes(scopes));
    server
}

/// Alice's name there.
fn alice(namespace: &str) -> String {
    format!("{namespace}|user-alice")
}

/// What the upstream says of alice from now on, in place of what it said.
fn claims(server: &Server, claims: &Value) {
    let claims = claims.as_object().unwrap().clone();
    server
        .upstream
        .change_faults(|faults| faults.userinfo_claims = Some(claims));
}

/// Alice approves and signs in; the end of it, if that is at the client.
async fn login(server: &Server, browser: &mut Browser, client: &Client) -> Option<Callback> {
    let request = client
        .request(server)
        .and("scope", "notes:read notes:write");
    let back = pending(server, browser, &request).await;
    let stays = |_: &Page| Action::Stop;
    let ended = browser.visit_until(back.url.as_str(), &client.redirect_uri, &stays);
    let ended = ended.await;
    ended.ok()
}

/// The scopes that alice's client is given while the upstream says this of her; none if she is told
/// that she may not come in.
async fn given(server: &Server, client: &Client, said: &Value) -> Option<String> {
    claims(server, said);
    let mut browser = server.browser();
    let Some(callback) = login(server, &mut browser, client).await else {
        assert_shows(browser.page().unwrap(), ErrorPageKind::NotAdmitted);
        return None;
    };
    let code = callback.code().unwrap();
    let tokens = token(server, &client.redemption(server, code)).await;
    Some(tokens.json()["scope"].as_str().unwrap().to_owned())
}

const BOTH: Option<&str> = Some("notes:read notes:write");

#[tokio::test]
async fn subjects_come_in_byte_for_byte() {
    let rule = |namespace: &str| AdmissionRule::subjects([&alice(namespace), "other"]);
    let server = server_with_rule_of(rule).await;
    let client = Client::public(&server).await;
    let admitted = given(&server, &client, &json!({})).await;
    assert_eq!(admitted.as_deref(), BOTH);
    for sub in [
        "User-Alice",
        "user-alice ",
        "user-alic",
        "user-alice2",
        "user-bob",
    ] {
        let refused = given(&server, &client, &json!({ "sub": sub })).await;
        assert_eq!(refused, None, "{sub}");
    }
}

#[tokio::test]
async fn verified_addresses_of_a_domain_come_in_and_no_others() {
    let rule = AdmissionRule::email_domains(["example.com", "bücher.example"]).unwrap();
    let server = server_with(rule).await;
    let client = Client::public(&server).await;
    for email in [
        "alice@example.com",
        "alice@EXAMPLE.COM",
        "alice@bücher.example",
        "alice@xn--bcher-kva.example",
    ] {
        let admitted = given(&server, &client, &json!({ "email": email })).await;
        assert_eq!(admitted.as_deref(), BOTH, "{email}");
    }
    for said in [
        json!({ "email": "alice@evil-example.com" }),
        json!({ "email": "alice@example.com.evil.org" }),
        json!({ "email": "alice@sub.example.com" }),
        json!({ "email": "alice@evil.org@example.com" }),
        json!({ "email": "alice@bucher.example" }),
        json!({ "email": "alice@exаmple.com" }), // a Cyrillic letter
        json!({ "email": ["alice@example.com"] }),
        json!({ "email": null }),
        json!({ "email": "alice@example.com", "email_verified": false }),
        json!({ "email": "alice@example.com", "email_verified": null }),
        json!({ "email": "alice@example.com", "email_verified": 1 }),
    ] {
        assert_eq!(given(&server, &client, &said).await, None, "{said}");
    }
}

#[tokio::test]
async fn members_of_a_group_come_in_byte_for_byte() {
    let server = server_with(AdmissionRule::groups("teams", ["staff"])).await;
    let client = Client::public(&server).await;
    for teams in [json!(["dev", "staff"]), json!("dev staff"), json!("staff")] {
        let admitted = given(&server, &client, &json!({ "teams": teams })).await;
        assert_eq!(admitted.as_deref(), BOTH);
    }
    for said in [
        json!({}),
        json!({ "groups": ["staff"] }),
        json!({ "teams": ["Staff", "STAFF", "staff2", "staf"] }),
        json!({ "teams": ["dev staff"] }),
        json!({ "teams": "dev,staff" }),
        json!({ "teams": { "staff": true } }),
        json!({ "teams": [["staff"]] }),
        json!({ "teams": null }),
    ] {
        assert_eq!(given(&server, &client, &said).await, None, "{said}");
    }
}

#[tokio::test]
async fn rules_go_together_and_choose_scopes() {
    let read = Scopes::parse("notes:read").unwrap();
    let house = AdmissionRule::email_domains(["example.com"]).unwrap();
    let staff = AdmissionRule::groups("groups", ["staff"]);
    let never = AdmissionRule::subjects(["user-alice"]).limited_to(Scopes::parse("").unwrap());
    let rule = staff
        .and(house.clone())
        .or(house.limited_to(read))
        .or(never);
    let server = server_with(rule).await;
    let client = Client::public(&server).await;
    let staff = json!({ "groups": ["staff"] });
    assert_eq!(given(&server, &client, &staff).await.as_deref(), BOTH);
    let house = given(&server, &client, &json!({})).await;
    assert_eq!(house.as_deref(), Some("notes:read"));
    let elsewhere = json!({ "groups": ["staff"], "email": "alice@evil.org" });
    assert_eq!(given(&server, &client, &elsewhere).await, None);
}

/// ASZ-31, ASZ-40.
#[tokio::test]
async fn whoever_is_turned_back_is_told_and_so_is_the_client() {
    let words = "Ask <it-help@example.com> for access.";
    let rule = AdmissionRule::subjects(["nobody"]).with_words(words);
    let server = server_with(rule).await;
    let client = Client::public(&server).await;
    let mut browser = server.browser();
    assert!(login(&server, &mut browser, &client).await.is_none());
    let page = browser.page().unwrap();
    assert_shows(page, ErrorPageKind::NotAdmitted);
    assert_eq!(page.status, 403);
    assert!(page.text().contains(words), "{}", page.text());
    assert!(
        !page.html.contains("no rule lets"),
        "the reason is for the log"
    );
    let back = page
        .links()
        .iter()
        .find(|link| link.text == "Back to your app");
    let back = &back.unwrap().href;
    assert!(back.starts_with(REDIRECT), "{back}");
    let redirect = Redirect::read(back);
    assert_eq!(redirect.all("error"), ["access_denied"]);
    assert_eq!(redirect.all("state"), [STATE]);
    assert_eq!(redirect.all("iss"), [server.issuer()]);
    assert_eq!(redirect.all("code"), Vec::<String>::new());
    // The login is over: the same callback opens nothing a second time.
    let names = browser.cookie_names(&server.url("/callback"));
    assert_eq!(names, ["mcp-auth-browser"]);
    let subject = server.subject("alice");
    let grants = server.tier().grants();
    assert_eq!(grants.of_subject(&subject).await.unwrap(), []);
}

#[tokio::test]
async fn a_program_in_place_of_a_person_goes_back_at_once() {
    let server = server_with(AdmissionRule::subjects(["nobody"])).await;
    let client = Client::public(&server).await;
    let mut browser = server.browser();
    let back = pending(&server, &mut browser, &client.request(&server)).await;
    let names = browser.cookie_names(back.url.as_str());
    let cookies = names.iter().map(|name| {
        let value = browser.cookie(back.url.as_str(), name).unwrap();
        format!("{name}={value}")
    });
    let cookies = cookies.collect::<Vec<_>>().join("; ");
    let path = format!("/callback?{}", back.url.query().unwrap());
    let called = send(&server, Method::GET, &path)
        .header("accept", "application/json")
        .header("cookie", cookies);
    answer(called)
        .await
        .sends_error(&server, REDIRECT, "access_denied");
}

/// ASC-14.
#[tokio::test]
async fn the_rules_hold_for_the_connected_apps_page_too() {
    let rule = AdmissionRule::groups("groups", ["staff"]);
    let server = Server::builder(|tier| tier.with_admission(Arc::new(rule)).with_connected_apps())
        .start()
        .await;
    server.upstream.auto_sign_in(Some("alice"));
    let mut browser = server.browser();
    browser.get(&server.url("/connected-apps")).await.unwrap();
    let page = browser.submit("Sign in").await.unwrap();
    assert_shows(page, ErrorPageKind::NotAdmitted);
    assert!(page.links().is_empty(), "there is no client to go back to");
    claims(&server, &json!({ "groups": ["staff"] }));
    browser.get(&server.url("/connected-apps")).await.unwrap();
    let page = browser.submit("Sign in").await.unwrap();
    assert!(page.text().contains("alice@example.com"));
}

/// ASC-15.
#[tokio::test]
async fn nobody_is_given_more_than_they_consented_to() {
    let rule = |namespace: &str| AdmissionRule::subjects([alice(namespace)]);
    let server = server_with_rule_of(rule).await;
    let client = Client::public(&server).await;
    server.upstream.auto_sign_in(Some("alice"));
    let narrow: Parameters = client.request(&server).and("scope", "notes:read");
    let code = client.code_for(&server, &narrow).await;
    let answer = token(&server, &client.redemption(&server, &code)).await;
    assert_eq!(answer.json()["scope"], "notes:read");
}
