//! What every page must hold, and what none may.

use super::*;
use crate::oauth::Scopes;

const LONG: &str = "WonderfulIntegrationPlatformForEverybodyAndEveryMachineOnThisPlanetAndBeyond \
    the one and only, in its professional edition with all the extras, and a second half of its name";
const LONG_URI: &str = "https://a-very-long-host-name.customers.region-1.hosting.example.com/callbacks/\
    oauth/mcp/3f0b1c9e8d7a6f5e4d3c2b1a/finish?workspace=0123456789abcdef0123456789abcdef&return=cGxlYX";
const HOSTILE: &str = "<script>alert(1)</script>\"'&><img src=x onerror=alert(2)>";

/// What the built-in pages make of a consent page after this change to it.
fn consent(change: impl FnOnce(&mut ConsentPage<'_>)) -> String {
    consent_with(&ScopeDescriptions::default(), "email", change)
}

fn consent_with(
    words: &ScopeDescriptions,
    upstream_scope: &str,
    change: impl FnOnce(&mut ConsentPage<'_>),
) -> String {
    let scopes = Scopes::parse("mcp:tools offline_access files:read").unwrap();
    let scopes = words.describe(&scopes);
    let upstream_scopes = ["openid", upstream_scope].map(text);
    let mut page = ConsentPage {
        server_name: text("Notes for Teams"),
        client_name: Some(text("Claude Code")),
        preregistered: false,
        client_host: None,
        redirect_destination: text("localhost:53219"),
        redirect_uri: text("http://localhost:53219/callback"),
        loopback: true,
        scopes: &scopes,
        upstreams: &[UpstreamChoice {
            name: "",
            host: text("accounts.example.com"),
            scopes: &upstream_scopes,
        }],
        can_be_remembered: false,
        action: "/consent",
        fields: FormFields::new([("request", "c2VhbGVkLXJlcXVlc3Q")]),
        nonce: "bm9uY2U",
    };
    change(&mut page);
    BuiltInPages::default().consent(&page)
}

fn consent_at(upstreams: &[UpstreamChoice<'_>]) -> String {
    let scopes = Scopes::parse("mcp:tools").unwrap();
    let words = ScopeDescriptions::default();
    let scopes = words.describe(&scopes);
    BuiltInPages::default().consent(&ConsentPage {
        server_name: text("Notes for Teams"),
        client_name: Some(text("Claude Code")),
        preregistered: false,
        client_host: None,
        redirect_destination: text("localhost:53219"),
        redirect_uri: text("http://localhost:53219/callback"),
        loopback: true,
        scopes: &scopes,
        upstreams,
        can_be_remembered: false,
        action: "/consent",
        fields: FormFields::new([("request", "c2VhbGVkLXJlcXVlc3Q")]),
        nonce: "bm9uY2U",
    })
}

fn text(text: &str) -> ShownText<'_> {
    ShownText::new(text)
}

fn web(page: &mut ConsentPage<'_>) {
    page.client_name = ShownText::of_name("Claude");
    page.client_host = ShownText::of_name("claude.ai");
    page.redirect_destination = text("claude.ai");
    page.redirect_uri = text("https://claude.ai/api/mcp/auth_callback");
    page.loopback = false;
}

fn error(kind: ErrorPageKind) -> String {
    let page = ErrorPage::new(kind, "Notes for Teams", "k3v9QmZx2a", "bm9uY2U");
    BuiltInPages::default().error(&page)
}

/// One of each kind of page.
fn every_page() -> Vec<(String, String)> {
    let mut pages = vec![
        ("consent-loopback".to_owned(), consent(|_| {})),
        ("consent-web".to_owned(), consent(web)),
        (
            "consent-scheme".to_owned(),
            consent(|page| {
                page.client_name = ShownText::of_name("Cursor");
                page.redirect_destination = text("cursor");
                page.redirect_uri = text("cursor://anysphere.cursor-mcp/oauth/callback");
                page.loopback = false;
            }),
        ),
        (
            "consent-preregistered".to_owned(),
            consent(|page| {
                web(page);
                page.preregistered = true;
                page.can_be_remembered = true;
            }),
        ),
        (
            "consent-long".to_owned(),
            consent(|page| {
                web(page);
                page.client_name = ShownText::of_name(LONG);
                page.redirect_destination =
                    text("a-very-long-host-name.customers.region-1.hosting.example.com");
                page.redirect_uri = text(LONG_URI);
            }),
        ),
        (
            "consent-nameless".to_owned(),
            consent(|page| page.client_name = None),
        ),
        (
            "consent-hostile".to_owned(),
            consent(|page| page.client_name = ShownText::of_name(HOSTILE)),
        ),
        (
            "consent-override".to_owned(),
            consent(|page| {
                page.client_name = ShownText::of_name("\u{202e}edoC\u{2069} \u{2069}🦀👩‍💻 مثال")
            }),
        ),
    ];
    let scopes = ["openid", "email"].map(text);
    let at = |name, host| UpstreamChoice {
        name,
        host: text(host),
        scopes: &scopes,
    };
    let two = [
        at("main", "accounts.example.com"),
        at("github", "github.com"),
    ];
    pages.push(("consent-choice".to_owned(), consent_at(&two)));
    for kind in ErrorPageKind::ALL {
        pages.push((format!("error-{}", kind.reason()), error(kind)));
    }
    for changed in [false, true] {
        pages.push((format!("sign-in-{changed}"), sign_in(changed)));
        pages.push((
            format!("apps-{changed}"),
            connected_apps("Claude Code", changed),
        ));
    }
    pages.push(("apps-hostile".to_owned(), connected_apps(HOSTILE, false)));
    pages.push(("apps-long".to_owned(), connected_apps(LONG, false)));
    pages.push(("signed-out".to_owned(), signed_out("id.example.com")));
    pages
}

fn sign_in(nothing_changed: bool) -> String {
    BuiltInPages::default().sign_in(&SignInPage {
        server_name: text("Notes for Teams"),
        upstreams: &[choice("", "id.example.com")],
        nothing_changed,
        action: "/connected-apps",
        fields: FormFields::new([("token", "dG9rZW4")]),
        nonce: "bm9uY2U",
    })
}

fn choice<'a>(name: &'a str, host: &'a str) -> UpstreamChoice<'a> {
    UpstreamChoice {
        name,
        host: text(host),
        scopes: &[],
    }
}

fn signed_out(upstream_host: &str) -> String {
    BuiltInPages::default().signed_out(&SignedOutPage {
        server_name: text("Notes for Teams"),
        upstream_hosts: &[text(upstream_host)],
        connected_apps: "/connected-apps",
        nonce: "bm9uY2U",
    })
}

/// Two apps, of which the first and everything about it is called `name`.
fn connected_apps(name: &str, nothing_changed: bool) -> String {
    let words = ScopeDescriptions::default().with("mcp:tools", name);
    let scopes = Scopes::parse("mcp:tools files:read").unwrap();
    let scopes = words.describe(&scopes);
    let app = |preregistered| ConnectedApp {
        client_name: ShownText::of_name(name),
        preregistered,
        client_host: (!preregistered).then(|| text(name)),
        resource: text(name),
        scopes: &scopes,
        since: Moment::new(crate::oauth::Timestamp::from_seconds(1_795_532_880)),
        last_used: Moment::new(crate::oauth::Timestamp::from_seconds(1_795_533_000)),
        fields: FormFields::new([("token", "dG9rZW4"), ("grant", name)]),
    };
    BuiltInPages::default().connected_apps(&ConnectedAppsPage {
        server_name: text("Notes for Teams"),
        signed_in_as: ShownText::of_name(name),
        apps: &[app(false), app(true)],
        further: 3,
        nothing_changed,
        action: "/connected-apps",
        fields: FormFields::new([("token", "dG9rZW4")]),
        nonce: "bm9uY2U",
    })
}

// ASC-08
#[test]
fn escapes_every_text_of_a_consent_page() {
    let nothing_gets_through = |html: String, field: &str| {
        assert!(!html.contains("<script"), "{field}");
        assert!(!html.contains("<img"), "{field}");
        assert!(!html.contains("\"'&>"), "{field}");
        assert!(html.contains("&#60;script&#62;"), "{field} is not shown");
    };
    nothing_gets_through(
        consent(|page| page.client_name = ShownText::of_name(HOSTILE)),
        "client_name",
    );
    nothing_gets_through(
        consent(|page| page.redirect_uri = text(HOSTILE)),
        "redirect_uri",
    );
    nothing_gets_through(
        consent(|page| page.redirect_destination = text(HOSTILE)),
        "destination",
    );
    nothing_gets_through(consent_at(&[choice("", HOSTILE)]), "upstream_host");
    nothing_gets_through(
        consent(|page| page.server_name = text(HOSTILE)),
        "server_name",
    );
    nothing_gets_through(
        consent(|page| page.client_host = ShownText::of_name(HOSTILE)),
        "client_host",
    );
    nothing_gets_through(consent(|page| page.action = HOSTILE), "action");
    nothing_gets_through(
        consent(|page| page.fields = FormFields::new([("request", HOSTILE)])),
        "request",
    );
    nothing_gets_through(consent(|page| page.nonce = HOSTILE), "nonce");

    let words = ScopeDescriptions::default().with("mcp:tools", HOSTILE);
    nothing_gets_through(consent_with(&words, "email", |_| {}), "scopes");
    let words = ScopeDescriptions::default();
    nothing_gets_through(consent_with(&words, HOSTILE, |_| {}), "upstream_scopes");
}

// ASC-08
#[test]
fn escapes_every_text_about_connected_apps() {
    for html in [connected_apps(HOSTILE, false), signed_out(HOSTILE)] {
        assert!(!html.contains("<script") && !html.contains("<img"));
        assert!(!html.contains("\"'&>"));
        assert!(html.contains("&#60;script&#62;"));
    }
}

// ASC-14
#[test]
fn gives_every_connected_app_its_own_form() {
    let html = connected_apps("Claude Code", false);
    assert_eq!(html.matches("name=\"grant\"").count(), 2);
    assert_eq!(html.matches("name=\"token\" value=\"dG9rZW4\"").count(), 3);
    assert_eq!(html.matches("value=\"revoke\"").count(), 2);
    assert_eq!(html.matches("value=\"sign-out\"").count(), 1);
    assert!(html.contains("3 more are shown once some of these are gone."));
    assert!(!html.contains("Nothing was changed"));
    assert!(connected_apps("x", true).contains("Nothing was changed"));
}

// ASC-08
#[test]
fn escapes_the_texts_of_an_error_page() {
    let page = ErrorPage::new(ErrorPageKind::UnknownClient, HOSTILE, HOSTILE, "bm9uY2U");
    let html = BuiltInPages::default().error(&page);
    assert!(!html.contains("<script") && !html.contains("<img"));
    assert_eq!(
        html.matches("&#60;script&#62;").count(),
        3,
        "title, heading and reference"
    );
}

#[test]
fn needs_no_script_and_nothing_from_elsewhere() {
    // What is left of the hostile name's image is text.
    const INERT: &str = "&#60;img src=x onerror=alert(2)&#62;";
    for (name, html) in every_page() {
        let html = html
            .replace(INERT, "")
            .replace("<a href=\"/connected-apps\">", "");
        for banned in [
            "<script",
            "<link",
            "<img",
            "<iframe",
            "src=",
            "href=",
            "style=\"",
            "url(",
            "@import",
            "data:",
            "onclick=",
            "onload=",
            "onsubmit=",
            "onerror=",
        ] {
            assert!(!html.contains(banned), "{name} holds {banned}");
        }
        assert_eq!(
            html.matches("<style nonce=\"bm9uY2U\">").count(),
            1,
            "{name}"
        );
    }
}

#[test]
fn is_a_whole_document_with_one_heading() {
    for (name, html) in every_page() {
        assert!(
            html.starts_with("<!doctype html>\n<html lang=\"en\""),
            "{name}"
        );
        assert_eq!(html.matches("<main>").count(), 1, "{name}");
        assert_eq!(html.matches("<h1>").count(), 1, "{name}");
        assert!(html.contains("· Notes for Teams</title>"), "{name}");
        assert!(html.len() < 16_000, "{name}: {} bytes", html.len());
    }
}

#[test]
fn sends_back_what_the_consent_form_needs() {
    let html = consent(|_| {});
    for part in [
        r#"<form method="post" action="/consent" autocomplete="off">"#,
        r#"<input type="hidden" name="request" value="c2VhbGVkLXJlcXVlc3Q">"#,
        r#"<button type="submit" name="decision" value="approve" class="approve">Approve</button>"#,
        r#"<button type="submit" name="decision" value="deny" class="deny">Deny</button>"#,
    ] {
        assert_eq!(html.matches(part).count(), 1, "{part}");
    }
    assert_eq!(html.matches("<form").count(), 1);
}

// ASC-03, ASZ-28
#[test]
fn shows_who_asks_for_what_and_where_it_leads() {
    let html = consent(web);
    for part in [
        "<bdi class=\"claimed\">Claude</bdi>",
        "<bdi>claude.ai</bdi>",
        "<bdi>https://claude.ai/api/mcp/auth_callback</bdi>",
        "Use the tools of this server as you",
        "<bdi>mcp:tools</bdi>",
        "Scope <code><bdi>files:read</bdi></code>",
        "<bdi>accounts.example.com</bdi>",
        "<bdi>openid</bdi>",
    ] {
        assert!(html.contains(part), "{part}");
    }
}

#[test]
fn warns_when_the_answer_goes_to_a_program_on_this_computer() {
    const WARNING: &str = "A program on your computer asks for this.";
    assert!(consent(|_| {}).contains(WARNING));
    assert!(!consent(web).contains(WARNING));
}

// DCR-14
#[test]
fn calls_a_name_verified_only_when_the_operator_entered_it() {
    let dynamic = consent(|_| {});
    let document = consent(web);
    let known = consent(|page| page.preregistered = true);
    assert!(dynamic.contains("not verified") && document.contains("not verified"));
    assert!(!known.contains("not verified"));
    assert!(known.contains("The operator of this server knows this app."));
    assert!(!dynamic.contains("The operator of this server knows"));
}

#[test]
fn keeps_a_name_from_moving_the_text_around_it() {
    let html = consent(|page| page.client_name = ShownText::of_name("a\u{202e}b\u{2069}c"));
    assert!(html.contains("<bdi class=\"claimed\">a\u{fffd}b\u{fffd}c</bdi>"));
    assert!(!html.contains(['\u{202e}', '\u{2069}']));
}

#[test]
fn says_so_when_there_is_no_name() {
    for nothing in [None, Some(""), Some(" \u{200b}\u{3164}")] {
        let html = consent(|page| page.client_name = nothing.and_then(ShownText::of_name));
        assert!(
            html.contains("gave no name") && html.contains("Nobody has verified"),
            "{nothing:?}"
        );
    }
}

#[test]
fn tells_the_next_step_on_every_error_page() {
    let mut reasons = std::collections::HashSet::new();
    for kind in ErrorPageKind::ALL {
        let page = ErrorPage::new(kind, "Notes", "k3v9QmZx2a", "bm9uY2U");
        let html = error(kind);
        assert!(!page.next.is_empty(), "{kind:?}");
        for words in [page.title, page.what].iter().chain(page.next) {
            assert!(html.contains(words), "{kind:?} does not say: {words}");
        }
        assert!(
            html.contains(kind.reason()) && html.contains("k3v9QmZx2a"),
            "{kind:?}"
        );
        assert!(
            reasons.insert(kind.reason()),
            "{kind:?} has another one's reason"
        );
        assert!(kind.status().is_client_error() || kind.status().is_server_error());
        assert!(["client", "upstream", "server"].contains(&kind.fault()));
    }
}

#[test]
fn tells_how_hosts_forget_a_registration() {
    for kind in [
        ErrorPageKind::UnknownClient,
        ErrorPageKind::ClientOfOtherKey,
    ] {
        let html = error(kind);
        for host in ["Claude Code", "VS Code", "MCP Inspector"] {
            assert!(
                html.contains(&format!("<dt>{host}</dt>")),
                "{kind:?} {host}"
            );
        }
    }
}

#[test]
fn keeps_descriptions_to_the_characters_of_an_error_description() {
    let legal = |b: u8| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    for kind in ErrorPageKind::ALL {
        assert!(kind.what().bytes().all(legal), "{kind:?}");
    }
}

#[test]
fn finds_the_host_of_a_document_in_a_client_id() {
    assert_eq!(
        document_host("https://claude.ai/oauth/client.json"),
        Some("claude.ai")
    );
    assert_eq!(
        document_host("https://h.example:8443?x"),
        Some("h.example:8443")
    );
    for other in [
        "",
        "https://",
        "http://h.example/c",
        "mcp-auth.sealed",
        "HTTPS://h/",
    ] {
        assert_eq!(document_host(other), None, "{other}");
    }
}

fn branded() -> BuiltInPages {
    let colour = |text| Accent::parse(text).unwrap();
    let accents = Accents::new(colour("#7a1fa2"), colour("#ffcc00")).unwrap();
    let logo = Logo::new(LogoKind::Svg, "<svg/>").unwrap();
    let help = HelpLink::new("Privacy & <help>", "https://notes.example/?a=1&b='\"").unwrap();
    BuiltInPages::default()
        .with_accents(accents)
        .with_logo(logo)
        .with_help_link(help)
}

#[test]
fn wears_the_operators_colours_logo_and_link() {
    let page = ErrorPage::new(ErrorPageKind::WrongHost, "Notes", "r", "n");
    let html = branded().error(&page);
    let (light, dark) = html
        .split_once("@media (prefers-color-scheme: dark)")
        .unwrap();
    assert!(light.contains("--accent: #7a1fa2;") && light.contains("--accent-ink: #ffffff;"));
    assert!(dark.contains("--accent: #ffcc00;") && dark.contains("--accent-ink: #000000;"));
    assert!(
        html.contains("<img class=\"logo\" src=\"data:image/svg+xml;base64,PHN2Zy8+\" alt=\"\">")
    );
    assert!(!html.contains("class=\"mark\""));
    let link = "<a href=\"https://notes.example/?a=1&#38;b=&#39;&#34;\" target=\"_blank\" \
        rel=\"noopener noreferrer\">Privacy &#38; &#60;help&#62;</a>";
    assert!(html.contains(link), "{html}");
    assert!(branded().has_pictures() && !BuiltInPages::default().has_pictures());
}

#[test]
fn debug_shows_no_sealed_request() {
    let mut shown = String::new();
    consent(|page| {
        page.fields = FormFields::new([("request", "sealed-request")]);
        page.nonce = "nonce-value";
        shown = format!("{page:?}");
    });
    assert!(shown.contains("Claude Code"));
    let page = shown;
    assert!(!page.contains("sealed-request") && !page.contains("nonce-value"));
}

/// Run with `--ignored` and open `pages/` beside the test binaries' folder in a browser.
#[test]
#[ignore = "writes the pages to look at them"]
fn writes_every_page_to_a_file() {
    let binary = std::env::current_exe().unwrap();
    let folder = binary.ancestors().nth(2).unwrap().join("pages");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, html) in every_page() {
        let file = folder.join(name).with_extension("html");
        std::fs::write(&file, &html).unwrap();
        assert!(file.exists());
    }
}
