//! How the pages look and read: narrow screens, dark mode, contrast, and what a screen reader is told.

use serde_json::json;

use crate::{Chromium, Site, webdriver::TAB};

/// As long as a name may be, without a place to break.
fn endless_name() -> String {
    "W".repeat(200)
}

/// A redirect URI without a place to break.
fn endless_redirect() -> String {
    let label = "long-label-".repeat(5);
    format!("https://{label}a.{label}b.example.com/{}", "p".repeat(300))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_scrolls_sideways_on_a_phone() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let site = Site::start().await;
    let logins = [
        site.login("Kitchen Helper").await,
        site.login(&endless_name()).await,
        site.login(&"Trusted".repeat(20)).await,
        site.login("مطبخ 🍳 ".repeat(20).trim()).await,
        site.login_to(&endless_name(), &endless_redirect()).await,
    ];
    browser.go(&logins[0].url).await;
    browser.click("button[value=approve]").await;
    let sign_in = browser.arrives_at(site.upstream.issuer()).await;
    let error = site.error_url();
    let urls = logins.iter().map(|login| &login.url);
    for url in urls.chain([&error, &sign_in]) {
        for width in [390, 320] {
            browser.set_viewport(width, 800).await;
            browser.go(url).await;
            browser.find("h1").await;
            // The layout viewport grows to what does not fit: compare with what was asked for.
            let measured = browser.run(WIDTHS).await;
            let fits = json!({ "scroll": width, "inner": width, "outside": [], "cut": [] });
            assert_eq!(measured, fits, "{url}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_text_can_be_read_in_light_and_dark() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let site = Site::start().await;
    let login = site.login("Kitchen Helper").await;
    let web = site
        .login_to("Kitchen Helper", "https://kitchen.example.com/callback")
        .await;
    let refusal = format!("{}/authorize", site.upstream.issuer());
    browser.go(&login.url).await;
    browser.click("button[value=approve]").await;
    let sign_in = browser.arrives_at(site.upstream.issuer()).await;
    for scheme in ["light", "dark"] {
        browser.set_color_scheme(scheme).await;
        for url in [&login.url, &web.url, &site.error_url(), &refusal, &sign_in] {
            browser.go(url).await;
            browser.find("h1").await;
            let measured = browser.run(CONTRAST).await;
            assert_eq!(measured["faint"], json!([]), "{scheme} {url}");
            assert!(measured["texts"].as_u64().unwrap() > 1, "{measured}");
            let page = measured["page"].as_f64().unwrap();
            match scheme {
                "dark" => assert!(page < 0.05, "{url} is not dark: {measured}"),
                _ => assert!(page > 0.7, "{url} is not light: {measured}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_screen_reader_finds_its_way() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let site = Site::start().await;
    let login = site.login("Kitchen Helper").await;
    for (url, title) in [
        (&login.url, "Approve access? · Recipe Box"),
        (
            &site.error_url(),
            "This server does not know your app · Recipe Box",
        ),
    ] {
        browser.go(url).await;
        browser.find("h1").await;
        assert_eq!(browser.title().await, title);
        let outline = browser
            .run("return {
                lang: document.documentElement.lang,
                headings: document.querySelectorAll('h1').length,
                mains: document.querySelectorAll('main').length,
                zoom: !/user-scalable|maximum-scale/.test(document.querySelector('meta[name=viewport]').content),
                unnamed: [...document.querySelectorAll('svg')].filter(e => e.getAttribute('aria-hidden') !== 'true').length,
            }")
            .await;
        let sound = json!({ "lang": "en", "headings": 1, "mains": 1, "zoom": true, "unnamed": 0 });
        assert_eq!(outline, sound, "{url}");
    }
    browser.go(&login.url).await;
    assert_eq!(
        browser.accessible_name("button[value=approve]").await,
        "Approve"
    );
    assert_eq!(browser.accessible_name("button[value=deny]").await, "Deny");
    browser.click("button[value=approve]").await;
    browser.arrives_at(site.upstream.issuer()).await;
    assert_eq!(browser.accessible_name("#username").await, "Name");
    assert_eq!(browser.accessible_name("#password").await, "Password");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_focus_can_be_seen_and_a_finger_hits_the_buttons() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let site = Site::start().await;
    let login = site.login("Kitchen Helper").await;
    browser.set_viewport(320, 800).await;
    for scheme in ["light", "dark"] {
        browser.set_color_scheme(scheme).await;
        browser.go(&login.url).await;
        browser.find("h1").await;
        for button in ["approve", "deny"] {
            browser.press(TAB).await;
            let focus = browser
                .run("const e = document.activeElement, s = getComputedStyle(e), box = e.getBoundingClientRect();
                    return {
                        value: e.value,
                        visible: e.matches(':focus-visible'),
                        style: s.outlineStyle,
                        wide: parseFloat(s.outlineWidth) >= 2,
                        shown: s.outlineColor !== getComputedStyle(document.querySelector('main')).backgroundColor,
                        big: box.height >= 44 && box.width >= 44,
                    }")
                .await;
            let clear = json!({
                "value": button, "visible": true, "style": "solid", "wide": true, "shown": true, "big": true,
            });
            assert_eq!(focus, clear, "{scheme}");
        }
    }
}

/// What reaches over the edges of the screen.
pub(crate) const WIDTHS: &str = "return {
        scroll: document.documentElement.scrollWidth,
        inner: window.innerWidth,
        outside: [...document.querySelectorAll('body *')]
            .filter(e => e.getBoundingClientRect().right > window.innerWidth + 0.5)
            .map(e => e.outerHTML.slice(0, 80)),
        cut: [...document.querySelectorAll('h1 bdi')]
            .flatMap(e => [...e.getClientRects()])
            .filter(r => r.right > document.querySelector('h1').getBoundingClientRect().right)
            .map(r => r.right),
    }";

/// The contrast of every text with what lies behind it (WCAG 2.2 §1.4.3), and how light the page is.
pub(crate) const CONTRAST: &str = "
    const parse = text => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => {
        const [x, y, z] = [r, g, b].map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const behind = element => {
        for (let e = element; e; e = e.parentElement) {
            const colour = parse(getComputedStyle(e).backgroundColor);
            if (colour.length === 3 || colour[3] === 1) return colour;
            if (colour[3] !== 0) throw new Error('half transparent: ' + e.outerHTML);
        }
        return [255, 255, 255];
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const faint = [];
    let texts = 0;
    while (walker.nextNode()) {
        const text = walker.currentNode.data.trim(), element = walker.currentNode.parentElement;
        if (!text || ['SCRIPT', 'STYLE'].includes(element.tagName)) continue;
        texts += 1;
        const colours = [parse(getComputedStyle(element).color), behind(element)];
        const [low, high] = colours.map(light).sort((a, b) => a - b);
        const ratio = (high + 0.05) / (low + 0.05);
        if (ratio < 4.5) faint.push({ text, ratio, colours });
    }
    return { faint, texts, page: light(behind(document.body)) };
";
