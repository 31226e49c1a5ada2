//! The pages a person sees, and the headers that go with them.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use axum::response::{Html, IntoResponse, Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, StatusCode, header};

/// The login page; `login` names the request that waits behind it.
pub(super) fn login(
    status: StatusCode,
    login: &str,
    username: &str,
    error: Option<&str>,
) -> Response {
    let error = error.map_or_else(String::new, |text| {
        format!("<p class=\"error\" role=\"alert\">{}</p>", escaped(text))
    });
    let (login, username) = (escaped(login), escaped(username));
    let body = format!(
        r#"<h1>Sign in</h1>
<p>This is the demo upstream: it stands in for the service that knows your users.</p>
{error}
<form method="post" action="/login">
<input type="hidden" name="login" value="{login}">
<label for="username">Name</label>
<input id="username" name="username" value="{username}" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button type="submit">Sign in</button>
</form>
<dl><dt>Demo users</dt><dd><code>alice</code> / <code>wonderland</code></dd><dd><code>bob</code> / <code>builder</code></dd></dl>"#
    );
    page(status, "Sign in", &body)
}

/// Asks whether a client of somebody else may act for whoever signed in.
pub(super) fn consent(login: &str, client: &str, resource: &str, redirect: &str) -> Response {
    let [login, client, resource, redirect] = [login, client, resource, redirect].map(escaped);
    let body = format!(
        r#"<h1>Let it in?</h1>
<p><strong>{client}</strong> asks to act for you at <strong>{resource}</strong>. It then returns to <code>{redirect}</code>.</p>
<form method="post" action="/consent">
<input type="hidden" name="login" value="{login}">
<button type="submit" name="decision" value="approve">Approve</button>
<button type="submit" name="decision" value="deny">Deny</button>
</form>"#
    );
    page(StatusCode::OK, "Let it in?", &body)
}

/// A page that says why it goes no further.
pub(super) fn refusal(status: StatusCode, reason: &str) -> Response {
    let body = format!(
        "<h1>This cannot go on</h1>\n<p class=\"error\" role=\"alert\">{}</p>",
        escaped(reason)
    );
    page(status, "This cannot go on", &body)
}

/// Sends the browser on with a `GET`.
pub(super) fn see_other(location: HeaderValue) -> Response {
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("same-origin"),
        ),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} · Demo upstream</title>
<style>{STYLE}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"#
    );
    (status, security_headers(), Html(html)).into_response()
}

/// There is deliberately no `form-action`: browsers apply it to the redirects after the form, which
/// lead to clients that are not known here.
fn security_headers() -> [(HeaderName, HeaderValue); 6] {
    let fixed = HeaderValue::from_static;
    [
        (
            header::CONTENT_SECURITY_POLICY,
            CONTENT_SECURITY_POLICY.clone(),
        ),
        (header::X_FRAME_OPTIONS, fixed("DENY")),
        (header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
        (header::CACHE_CONTROL, fixed("no-store")),
        (header::REFERRER_POLICY, fixed("same-origin")),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            fixed("same-origin"),
        ),
    ]
}

/// Text made fit to stand between tags and in quoted attributes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

static CONTENT_SECURITY_POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; frame-ancestors 'none'"
    );
    // Base64 is always legal in a header; were it not, nothing at all would be allowed.
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

const STYLE: &str = "
:root{--page:#f3f1ec;--card:#fff;--ink:#22201c;--soft:#6b665d;--line:#d8d3c8;--accent:#7a3e9d;--on:#fff;--bad:#a3261a;--tint:#fbe9e6}
@media (prefers-color-scheme:dark){:root{--page:#191720;--card:#24212d;--ink:#efecf5;--soft:#aaa4b8;--line:#423d50;--accent:#c792ea;--on:#1d1328;--bad:#ffb0a4;--tint:#3d2226}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1rem;background:var(--page);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
main{width:100%;max-width:24rem;padding:2rem 1.5rem;background:var(--card);border:1px solid var(--line);border-radius:1rem;overflow-wrap:anywhere}
h1{margin:0 0 .25rem;font-size:1.5rem;line-height:1.2}
p{margin:0 0 1rem;color:var(--soft)}
.error{padding:.75rem 1rem;border-radius:.5rem;background:var(--tint);color:var(--bad)}
label{display:block;margin:1rem 0 .25rem;font-weight:600}
input{width:100%;padding:.7rem .8rem;font:inherit;color:inherit;background:transparent;border:1px solid var(--soft);border-radius:.5rem}
button{width:100%;margin-top:1.5rem;padding:.8rem;font:inherit;font-weight:600;color:var(--on);background:var(--accent);border:0;border-radius:.5rem;cursor:pointer}
input:focus-visible,button:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
dl{margin:1.5rem 0 0;padding-top:1rem;border-top:1px solid var(--line);font-size:.9rem;color:var(--soft)}
dd{margin:0}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_what_was_typed_stays_text() {
        assert_eq!(
            escaped("<b a='1' b=\"2\">&"),
            "&lt;b a=&#39;1&#39; b=&quot;2&quot;&gt;&amp;"
        );
    }
}
