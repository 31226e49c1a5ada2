//! Whole logins, as a person does them.

use serde_json::json;

use crate::{
    Chromium, PAGE_TEXT, Site,
    layout::{CONTRAST, WIDTHS},
    site::sign_in_as_alice,
    webdriver::{ENTER, Session, TAB},
};

const APPROVE: &str = "button[value=approve]";
const DENY: &str = "button[value=deny]";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn approve_and_sign_in_ends_at_the_host_with_a_code_that_redeems() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    // Both ways: three sites, and all of it on one (`127.0.0.1`, whatever the port).
    for name in ["localhost", "127.0.0.1"] {
        let site = Site::start_as(name).await;
        let login = site.login("Kitchen Helper").await;
        browser.go(&login.url).await;
        let heading = browser.text_of("h1").await;
        assert_eq!(heading, "Let Kitchen Helper use this server as you?");
        approve_and_sign_in(&browser, &site).await;
        browser.arrives_at(&site.host.redirect_uri()).await;
        assert_eq!(browser.title().await, "Connected");
        let callback = site.host.hears(0).await;
        site.redeems(&login, &callback).await;
        assert_eq!(site.host.heard().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_turned_back_reads_why_and_goes_back_to_the_host() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let site = Site::start_closed().await;
    let login = site.login("Kitchen Helper").await;
    browser.go(&login.url).await;
    approve_and_sign_in(&browser, &site).await;
    browser.arrives_at(&site.origin).await;
    browser.find("a.button").await;
    let heading = browser.text_of("h1").await;
    assert_eq!(heading, "Your account may not use this server");
    let shown = browser.run(PAGE_TEXT).await;
    let words = "Ask it-help@recipes.example for access.";
    assert!(shown.as_str().unwrap().contains(words), "{shown}");
    for scheme in ["light", "dark"] {
        browser.set_color_scheme(scheme).await;
        let measured = browser.run(CONTRAST).await;
        assert_eq!(measured["faint"], json!([]), "{scheme}");
    }
    browser.set_viewport(320, 800).await;
    let fits = json!({ "scroll": 320, "inner": 320, "outside": [], "cut": [] });
    assert_eq!(browser.run(WIDTHS).await, fits);
    assert_eq!(site.host.heard(), []);
    browser.press(TAB).await;
    browser.press(ENTER).await;
    let callback = site.host.hears(0).await;
    assert_eq!(callback.get("error"), Some("access_denied"));
    assert_eq!(callback.get("iss"), Some(site.origin.as_str()));
    assert_eq!(callback.get("code"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_signed_in_already_goes_from_approve_straight_to_the_host() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let site = Site::start().await;
    let first = site.login("First").await;
    browser.go(&first.url).await;
    approve_and_sign_in(&browser, &site).await;
    site.host.hears(0).await;

    // One form, then redirects through the upstream and our callback to the host: a `form-action`
    // in the page's policy would end this way in the browser.
    let second = site.login("Second").await;
    browser.go(&second.url).await;
    browser.console().await;
    browser.click(APPROVE).await;
    browser.arrives_at(&site.host.redirect_uri()).await;
    let callback = site.host.hears(1).await;
    site.redeems(&second, &callback).await;
    assert_eq!(site.upstream.counters().sign_ins, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deny_tells_the_host_and_asks_the_upstream_nothing() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let site = Site::start().await;
    let login = site.login("Kitchen Helper").await;
    browser.go(&login.url).await;
    browser.click(DENY).await;
    browser.arrives_at(&site.host.redirect_uri()).await;
    let callback = site.host.hears(0).await;
    assert_eq!(callback.get("error"), Some("access_denied"));
    assert_eq!(callback.get("iss"), Some(site.origin.as_str()));
    assert!(callback.get("state").is_some());
    assert_eq!(callback.get("code"), None);
    assert_eq!(site.upstream.authorize_requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keyboard_is_enough() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let site = Site::start().await;
    let login = site.login("Kitchen Helper").await;
    browser.go(&login.url).await;
    browser.find(APPROVE).await;
    browser.press(TAB).await;
    let focused = "return document.activeElement.value";
    assert_eq!(browser.run(focused).await, "approve");
    browser.press(ENTER).await;
    browser.arrives_at(site.upstream.issuer()).await;
    browser.find("#username:focus").await;
    browser.press("alice").await;
    browser.press(TAB).await;
    browser.press("wonderland").await;
    browser.press(ENTER).await;
    browser.arrives_at(&site.host.redirect_uri()).await;
    let callback = site.host.hears(0).await;
    site.redeems(&login, &callback).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_logins_in_two_tabs_both_finish() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let site = Site::start().await;
    let (first, second) = (site.login("First").await, site.login("Second app").await);
    let (tab, other_tab) = (browser.tab().await, browser.open_tab().await);

    // Step by step in turns, and the one begun last is finished first.
    browser.go(&first.url).await;
    browser.switch_to(&other_tab).await;
    browser.go(&second.url).await;
    browser.switch_to(&tab).await;
    browser.click(APPROVE).await;
    browser.find("#username").await;
    browser.switch_to(&other_tab).await;
    browser.click(APPROVE).await;
    browser.find("#username").await;
    sign_in_as_alice(&browser).await;
    browser.arrives_at(&site.host.redirect_uri()).await;
    site.redeems(&second, &site.host.hears(0).await).await;

    browser.switch_to(&tab).await;
    sign_in_as_alice(&browser).await;
    browser.arrives_at(&site.host.redirect_uri()).await;
    site.redeems(&first, &site.host.hears(1).await).await;
    assert_eq!(site.host.heard().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn back_after_the_end_explains_and_gives_no_second_code() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let site = Site::start().await;
    let login = site.login("Kitchen Helper").await;
    browser.go(&login.url).await;
    approve_and_sign_in(&browser, &site).await;
    browser.arrives_at(&site.host.redirect_uri()).await;
    let callback = site.host.hears(0).await;

    // The upstream is asked again, knows alice by now, and answers the old login with a new code.
    browser.back().await;
    for _ in 0..2 {
        browser
            .arrives_at(&format!("{}/callback?", site.origin))
            .await;
        assert_eq!(browser.text_of("h1").await, "This login is over");
        let text = browser.run(PAGE_TEXT).await;
        let text = text.as_str().unwrap();
        assert!(text.contains("your app may be connected already"), "{text}");
        browser.reload().await;
    }
    assert_eq!(site.host.heard().len(), 1);
    // What was reached before stays good.
    site.redeems(&login, &callback).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_question_answered_again_is_a_login_of_its_own() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let site = Site::start().await;
    let login = site.login("Kitchen Helper").await;
    browser.go(&login.url).await;
    approve_and_sign_in(&browser, &site).await;
    let first = site.host.hears(0).await;
    site.redeems(&login, &first).await;

    // Two steps back is the question; nothing happens until it is answered once more.
    browser.arrives_at(&site.host.redirect_uri()).await;
    browser.run("history.go(-2)").await;
    browser
        .arrives_at(&format!("{}/authorize?", site.origin))
        .await;
    browser.find(APPROVE).await;
    assert_eq!(site.host.heard().len(), 1);
    browser.click(APPROVE).await;
    browser.arrives_at(&site.host.redirect_uri()).await;
    let second = site.host.hears(1).await;
    assert_ne!(second.get("code"), first.get("code"));
    site.redeems(&login, &second).await;
    // Not so the code that was used: it is good for nothing any more.
    let (status, answer) = site.redeem(&login, first.get("code").unwrap()).await;
    assert_eq!((status, &answer["error"]), (400, &"invalid_grant".into()));
}

/// From the question that is shown past the upstream's login page.
async fn approve_and_sign_in(browser: &Session, site: &Site) {
    browser.click(APPROVE).await;
    browser.arrives_at(site.upstream.issuer()).await;
    sign_in_as_alice(browser).await;
}
