//! What the browser refuses on our pages' behalf.

use serde_json::json;

use crate::{Chromium, Site, layout::CONTRAST, site::sign_in_as_alice};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_leave_the_console_silent() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let site = Site::start().await;
    browser.go(&site.login("Kitchen Helper").await.url).await;
    browser.find("h1").await;
    assert_eq!(browser.console().await, Vec::<String>::new());

    // A page with a status of 400 is itself reported, by its address; nothing else may be.
    browser.go(&site.error_url()).await;
    browser.find("h1").await;
    let said = browser.console().await;
    let own = format!("SEVERE {} ", site.error_url());
    assert!(
        said.iter()
            .all(|line| line.starts_with(&own) && line.contains("status of 400")),
        "{said:#?}"
    );

    // The silence means something: what the policy stops is heard.
    browser
        .run("const i = new Image(); i.src = '/logo.png'; document.body.append(i)")
        .await;
    let said = browser.console().await;
    assert!(
        said.iter()
            .any(|line| line.contains("Content Security Policy")),
        "{said:#?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn markup_in_a_name_is_text() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let site = Site::start().await;
    let name = "<script>window.ran=1</script><img src=x onerror=window.ran=2></bdi><b>\"'>&amp;";
    browser.go(&site.login(name).await.url).await;
    let heading = browser.text_of("h1").await;
    assert_eq!(heading, format!("Let {name} use this server as you?"));
    let page = "return {
        ran: window.ran === undefined ? null : window.ran,
        scripts: document.scripts.length,
        foreign: document.querySelectorAll('img, b, iframe, link, object, embed').length,
    }";
    let nothing = json!({ "ran": null, "scripts": 0, "foreign": 0 });
    assert_eq!(browser.run(page).await, nothing);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operators_logo_is_shown_and_pictures_from_elsewhere_are_not() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let site = Site::start_branded().await;
    for url in [
        site.login("Kitchen Helper").await.url,
        site.connected_apps_url(),
    ] {
        for scheme in ["light", "dark"] {
            browser.set_color_scheme(scheme).await;
            browser.go(&url).await;
            browser.find("h1").await;
            let faint = browser.run(CONTRAST).await;
            assert_eq!(faint["faint"], json!([]), "{scheme} {url}");
        }
        assert_eq!(browser.console().await, Vec::<String>::new());
        let logo = "
            const logo = document.querySelector('img.logo');
            const help = document.querySelector('.help a');
            return {
                shown: logo.complete && logo.naturalWidth > 0,
                ran: window.ran ?? null,
                help: [help.href, help.rel, help.innerText],
            }";
        let sound = json!({
            "shown": true,
            "ran": null,
            "help": ["https://recipes.example/privacy", "noopener noreferrer", "Privacy at Recipe Box"],
        });
        assert_eq!(browser.run(logo).await, sound);
        browser
            .run("const i = new Image(); i.src = '/logo.png'; document.body.append(i)")
            .await;
        let said = browser.console().await;
        assert!(
            said.iter()
                .any(|line| line.contains("Content Security Policy")),
            "{said:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policy_stops_whatever_gets_into_a_page() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let site = Site::start().await;
    // Each would leave a mark; the first element of the answer is the marks that were left.
    let attack = "
        const stopped = [];
        document.addEventListener('securitypolicyviolation', e => stopped.push(e.effectiveDirective));
        const add = (tag, set) => { const e = document.createElement(tag); set(e); document.body.append(e); return e; };
        window.ran = [];
        add('script', e => e.textContent = 'window.ran.push(\"script\")');
        add('script', e => e.src = 'data:text/javascript,window.ran.push(\"src\")');
        add('button', e => { e.type = 'button'; e.setAttribute('onclick', 'window.ran.push(\"handler\")'); }).click();
        add('a', e => e.href = 'javascript:window.ran.push(\"link\")').click();
        add('style', e => e.textContent = 'h1 { display: none }');
        if (getComputedStyle(document.querySelector('h1')).display === 'none') window.ran.push('style');
        add('iframe', e => e.srcdoc = '<p>framed');
        add('img', e => e.src = 'data:image/gif;base64,R0lGODlhAQABAAAAACw=');
        add('base', e => e.href = 'http://127.0.0.1:1/');
        if (new URL('x', document.baseURI).port === '1') window.ran.push('base');
        return new Promise(done => setTimeout(() => done({ ran: window.ran, stopped }), 500));
    ";
    let login = site.login("Kitchen Helper").await;
    for url in [login.url.as_str(), &site.error_url()] {
        browser.go(url).await;
        browser.find("h1").await;
        let result = browser.run(attack).await;
        assert_eq!(result["ran"], json!([]), "{result}");
        for directive in [
            "script-src-elem",
            "script-src-attr",
            "style-src-elem",
            "base-uri",
        ] {
            let stopped = result["stopped"].as_array().unwrap();
            assert!(stopped.contains(&json!(directive)), "{directive}: {result}");
        }
    }
    // The attack is a real one: a page without a policy falls to it.
    browser.go(&site.host.plain_page()).await;
    let result = browser.run(attack).await;
    for mark in ["script", "src", "handler", "link", "style", "base"] {
        let ran = result["ran"].as_array().unwrap();
        assert!(ran.contains(&json!(mark)), "{mark}: {result}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_is_shown_in_a_frame() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let site = Site::start().await;
    let login = site.login("Kitchen Helper").await;
    for url in [login.url.as_str(), &site.error_url()] {
        browser.go(&site.host.page_with_frame(url)).await;
        let said = browser.console().await;
        assert!(
            said.iter().any(|line| line.contains("frame-ancestors")),
            "{said:#?}"
        );
        browser.enter_frame("iframe").await;
        let shown = browser.source().await;
        for ours in ["Recipe Box", "decision"] {
            assert!(!shown.contains(ours), "{shown}");
        }
        browser.leave_frame().await;
    }
    // A page that allows it is shown.
    let framed = site.host.page_with_frame(&site.host.plain_page());
    browser.go(&framed).await;
    browser.enter_frame("iframe").await;
    assert_eq!(browser.text_of("h1").await, "Plain");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_script_can_read_a_cookie() {
    let Some(browser) = Chromium::start().await else {
        return;
    };
    let site = Site::start().await;
    let login = site.login("Kitchen Helper").await;
    let readable = "return document.cookie";
    browser.go(&login.url).await;
    browser.find("h1").await;
    assert_eq!(browser.run(readable).await, "");
    assert_eq!(names(&browser).await, ["mcp-auth-browser"]);
    browser.click("button[value=approve]").await;
    browser.arrives_at(site.upstream.issuer()).await;
    let names_in_between = names(&browser).await;
    assert_eq!(names_in_between.len(), 2, "{names_in_between:?}");
    assert!(names_in_between[1].starts_with("mcp-auth-login-"));
    for cookie in browser.cookies().await {
        assert_eq!(cookie["httpOnly"], true, "{cookie}");
        assert_eq!(cookie["sameSite"], "Lax", "{cookie}");
        assert_eq!(cookie["path"], "/", "{cookie}");
        // The host alone: a name in front of it gets nothing.
        assert_eq!(cookie["domain"], "localhost", "{cookie}");
    }
    browser.go(&site.error_url()).await;
    browser.find("h1").await;
    assert_eq!(browser.run(readable).await, "");

    // Once it is over the login's cookie is gone.
    browser.back().await;
    sign_in_as_alice(&browser).await;
    site.host.hears(0).await;
    let ours: Vec<_> = names(&browser).await;
    let ours: Vec<_> = ours
        .iter()
        .filter(|name| name.starts_with("mcp-auth"))
        .collect();
    assert_eq!(ours, ["mcp-auth-browser"]);
}

async fn names(browser: &Chromium) -> Vec<String> {
    let cookies = browser.cookies().await;
    let name = |cookie: &serde_json::Value| cookie["name"].as_str().unwrap().to_owned();
    let mut names: Vec<_> = cookies.iter().map(name).collect();
    names.sort_unstable();
    names
}
