//! Pictures of the pages, for people to look at:
//! `MCP_AUTH_SCREENSHOTS=DIR cargo test -p mcp-auth --test chromium screenshots`.
//!
//! `docs/screenshots` has six of them: `consent-web-phone-light` as `consent-phone`,
//! `consent-desktop-light` and `-dark` as `consent-desktop` and `consent-dark`, the light error pages,
//! and `apps-phone-light` as `connected-apps`.

use std::{env, path::PathBuf};

use crate::{Chromium, Site, site::sign_in_as_alice, webdriver::Session};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn screenshots() {
    let Some(folder) = env::var_os("MCP_AUTH_SCREENSHOTS").map(PathBuf::from) else {
        return;
    };
    let Some(browser) = Chromium::start().await else {
        return;
    };
    std::fs::create_dir_all(&folder).unwrap();
    let site = Site::start().await;
    let local = site.login("Claude Code").await;
    let web = site
        .login_to("Claude", "https://claude.ai/api/mcp/auth_callback")
        .await;
    let hostile = site
        .login_to(
            &format!(
                "{} <b>Recipe Box</b> {}",
                "Trusted".repeat(8),
                "W".repeat(90)
            ),
            &format!(
                "https://{}.example.com/{}",
                "login-".repeat(9) + "x",
                "callback/".repeat(30)
            ),
        )
        .await;
    for name in ["Claude Code", "Kitchen Helper"] {
        site.connect(name).await;
    }
    let branded = Site::start_branded().await;
    let branded_login = branded.login("Kitchen Helper").await;
    let closed = Site::start_closed().await;
    let closed_login = closed.login("Kitchen Helper").await;
    for (size, width, height) in [("phone", 390, 844), ("desktop", 1280, 800)] {
        for scheme in ["light", "dark"] {
            browser.set_viewport(width, height).await;
            browser.set_color_scheme(scheme).await;
            for (page, url) in [
                ("consent", &local.url),
                ("consent-web", &web.url),
                ("consent-hostile", &hostile.url),
                ("error", &site.error_url()),
                ("branded", &branded_login.url),
            ] {
                browser.go(url).await;
                let picture = whole_page(&browser, width, height).await;
                write(&folder, &format!("{page}-{size}-{scheme}"), &picture);
            }
            browser.go(&closed_login.url).await;
            browser.click("button[value=approve]").await;
            browser.arrives_at(closed.upstream.issuer()).await;
            sign_in_as_alice(&browser).await;
            browser.find("a.button").await;
            let picture = whole_page(&browser, width, height).await;
            write(&folder, &format!("not-admitted-{size}-{scheme}"), &picture);
            browser.forget_cookies().await;
            browser.go(&site.connected_apps_url()).await;
            let picture = whole_page(&browser, width, height).await;
            write(&folder, &format!("sign-in-{size}-{scheme}"), &picture);
            site.visit(&browser).await;
            let picture = whole_page(&browser, width, height).await;
            write(&folder, &format!("apps-{size}-{scheme}"), &picture);
            browser.click("button[value=sign-out]").await;
            browser
                .waits_for("location.pathname.endsWith('/signed-out')")
                .await;
            let picture = whole_page(&browser, width, height).await;
            write(&folder, &format!("signed-out-{size}-{scheme}"), &picture);
            browser.forget_cookies().await;
            browser.go(&local.url).await;
            browser.click("button[value=approve]").await;
            browser.arrives_at(site.upstream.issuer()).await;
            let picture = whole_page(&browser, width, height).await;
            write(&folder, &format!("upstream-{size}-{scheme}"), &picture);
        }
    }
}

/// With the viewport as high as the page, at least as high as the screen.
async fn whole_page(browser: &Session, width: u32, height: u32) -> Vec<u8> {
    browser.find("h1").await;
    browser.set_viewport(width, height).await;
    let needed = browser
        .run("return document.documentElement.scrollHeight")
        .await;
    let needed = u32::try_from(needed.as_u64().unwrap()).unwrap();
    browser.set_viewport(width, needed.max(height)).await;
    let picture = browser.screenshot().await;
    browser.set_viewport(width, height).await;
    picture
}

fn write(folder: &std::path::Path, name: &str, picture: &[u8]) {
    std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
}
