//! The connected apps page, as a person uses it.

use serde_json::json;

use crate::{
    Chromium, PAGE_TEXT, Site,
    layout::{CONTRAST, WIDTHS},
    site::sign_in_as_alice,
    webdriver::{ENTER, Session, TAB},
};

const ONE_LEFT: &str = "document.querySelectorAll('section').length === 1";
const SIGNED_OUT: &str = "document.title === 'Signed out · Recipe Box'";

async fn text(browser: &Session) -> String {
    let text = browser.run(PAGE_TEXT).await;
    text.as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_is_disconnected_with_a_click_and_stays_so() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let site = Site::start().await;
    for name in ["Kitchen Helper", "Shopping List"] {
        site.connect(name).await;
    }
    site.visit(&browser).await;
    let shown = text(&browser).await;
    assert!(
        shown.contains("Kitchen Helper") && shown.contains("Shopping List"),
        "{shown}"
    );
    assert!(shown.contains("alice@example.com"), "{shown}");
    let names = browser.run("return [...document.querySelectorAll('h2')].map(e => e.innerText)");
    let names = names.await;
    browser.click("button[value=revoke]").await;
    browser.waits_for(ONE_LEFT).await;
    let left = "return [...document.querySelectorAll('h2')].map(e => e.innerText)";
    let kept = json!([names[1]]);
    assert_eq!(browser.run(left).await, kept);
    // Neither reloading nor the Back button brings it back or does anything again.
    browser.reload().await;
    browser.waits_for(ONE_LEFT).await;
    assert_eq!(browser.run(left).await, kept);
    browser.back().await;
    browser.go(&site.connected_apps_url()).await;
    browser.waits_for(ONE_LEFT).await;
    assert_eq!(browser.run(left).await, kept);

    browser.click("button[value=sign-out]").await;
    browser.waits_for(SIGNED_OUT).await;
    browser.back().await;
    browser.find("button[value=sign-in]").await;
    assert!(!text(&browser).await.contains("Kitchen Helper"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keyboard_is_enough_to_disconnect_an_app() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let site = Site::start().await;
    site.connect("Kitchen Helper").await;
    browser.set_viewport(320, 800).await;
    browser.go(&site.connected_apps_url()).await;
    browser.find("h1").await;
    browser.press(TAB).await;
    browser.press(ENTER).await;
    browser.arrives_at(site.upstream.issuer()).await;
    sign_in_as_alice(&browser).await;
    browser.arrives_at(&site.connected_apps_url()).await;
    browser.find("button[value=sign-out]").await;
    for button in ["revoke", "sign-out"] {
        browser.press(TAB).await;
        let focus = browser
            .run("const e = document.activeElement, s = getComputedStyle(e), box = e.getBoundingClientRect();
                return {
                    value: e.value,
                    visible: e.matches(':focus-visible') && s.outlineStyle === 'solid' && parseFloat(s.outlineWidth) >= 2,
                    big: box.height >= 44 && box.width >= 44,
                }")
            .await;
        assert_eq!(
            focus,
            json!({ "value": button, "visible": true, "big": true })
        );
    }
    let name = browser.accessible_name("button[value=revoke]").await;
    assert_eq!(name, "Revoke access Kitchen Helper");
    browser
        .run("document.querySelector('button[value=revoke]').focus()")
        .await;
    browser.press(ENTER).await;
    browser
        .waits_for("document.body.innerText.includes('No app may use this server as you.')")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_pages_fit_are_readable_and_leave_the_console_silent() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let site = Site::start().await;
    for name in ["Kitchen Helper", &"W".repeat(200), "مطبخ 🍳 مطبخ 🍳"] {
        site.connect(name).await;
    }
    let looks = async |what: &str| {
        for scheme in ["light", "dark"] {
            browser.set_color_scheme(scheme).await;
            let measured = browser.run(CONTRAST).await;
            assert_eq!(measured["faint"], json!([]), "{what} {scheme}");
            assert!(measured["texts"].as_u64().unwrap() > 1, "{measured}");
        }
        for width in [1280, 390, 320] {
            browser.set_viewport(width, 800).await;
            let measured = browser.run(WIDTHS).await;
            let fits = json!({ "scroll": width, "inner": width, "outside": [], "cut": [] });
            assert_eq!(measured, fits, "{what}");
        }
        let outline = "return {
            lang: document.documentElement.lang,
            headings: document.querySelectorAll('h1').length,
            mains: document.querySelectorAll('main').length,
            scripts: document.scripts.length,
            unnamed: [...document.querySelectorAll('section')].filter(e => !document.getElementById(e.getAttribute('aria-labelledby'))).length,
        }";
        let sound = json!({ "lang": "en", "headings": 1, "mains": 1, "scripts": 0, "unnamed": 0 });
        assert_eq!(browser.run(outline).await, sound, "{what}");
        assert_eq!(browser.console().await, Vec::<String>::new(), "{what}");
    };
    browser.go(&site.connected_apps_url()).await;
    browser.find("button[value=sign-in]").await;
    looks("sign-in").await;
    site.visit(&browser).await;
    looks("list").await;
    browser.click("button[value=sign-out]").await;
    browser.waits_for(SIGNED_OUT).await;
    looks("signed out").await;
}

/// Of a client that names itself only some of the marks are kept, and there it is the number that
/// counts; what the operator wrote down is shown as it is, and there only the frame can hold it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_full_of_combining_marks_stays_in_its_frame() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let piled_up = format!("Cursor{} app", "\u{301}\u{310}\u{336}\u{359}".repeat(40));
    let site = Site::start_knowing(&piled_up).await;
    site.connect_known().await;
    site.connect(&piled_up).await;
    site.visit(&browser).await;
    for width in [1280, 390, 320] {
        browser.set_viewport(width, 800).await;
        let mut measured = browser.run(WIDTHS).await;
        // Inside the frame it is as long as it is.
        measured["outside"].take();
        let fits = json!({ "scroll": width, "inner": width, "outside": null, "cut": [] });
        assert_eq!(measured, fits);
    }
    let marks = "return [...document.querySelectorAll('h2')]
        .map(e => [...e.textContent].filter(c => /\\p{M}/u.test(c)).length).sort((a, b) => a - b)";
    assert_eq!(browser.run(marks).await, json!([8, 160]));
    let clipped = "return [...document.querySelectorAll('h2')]
        .every(e => getComputedStyle(e).overflow === 'hidden')";
    assert_eq!(browser.run(clipped).await, json!(true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_policy_stops_scripts_and_frames() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let site = Site::start().await;
    site.connect("<script>window.ran=1</script><img src=x onerror=window.ran=2>")
        .await;
    site.visit(&browser).await;
    let inline = "
        window.ran = window.ran ?? [];
        const script = document.createElement('script');
        script.textContent = 'window.ran.push(1)';
        document.body.append(script);
        return { ran: window.ran, images: document.querySelectorAll('img').length, cookie: document.cookie };
    ";
    let nothing = json!({ "ran": [], "images": 0, "cookie": "" });
    assert_eq!(browser.run(inline).await, nothing);
    let framed = site.host.page_with_frame(&site.connected_apps_url());
    browser.console().await;
    browser.go(&framed).await;
    let said = browser.console().await;
    assert!(
        said.iter().any(|line| line.contains("frame-ancestors")),
        "{said:#?}"
    );
}
