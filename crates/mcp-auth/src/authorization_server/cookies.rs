//! Cookies: `__Host-` ones, or the same without prefix and `Secure` on plain-http loopback.

use http::{
    HeaderMap, HeaderValue, Response,
    header::{COOKIE, SET_COOKIE},
};

use crate::oauth::{PublicUrl, Random};

/// The CSRF cookie: one random value per browser.
pub(super) const BROWSER: &str = "mcp-auth-browser";
/// The consents that this browser remembers.
pub(super) const REMEMBERED: &str = "mcp-auth-consents";
/// The first part of the names of pending logins.
pub(super) const LOGIN: &str = "mcp-auth-login-";
/// Who is signed in to the connected apps page.
pub(super) const VISITOR: &str = "mcp-auth-visitor";

/// The full name of a cookie of ours (RFC 6265bis §4.1.3.2).
pub(super) fn full_name(public_url: &PublicUrl, name: &str) -> String {
    let prefix = if public_url.is_https() { "__Host-" } else { "" };
    format!("{prefix}{name}")
}

/// Every cookie of a request, as name and value.
///
/// Split as bytes: a cookie of somebody else's that is no text is passed over, and only space and tab
/// are trimmed, because a browser that knows other spaces could be made to send `__Host-` names.
pub(super) fn sent(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(COOKIE).iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|b| *b == b';'));
    pairs.filter_map(|pair| {
        std::str::from_utf8(pair)
            .ok()?
            .trim_matches([' ', '\t'])
            .split_once('=')
    })
}

/// The value of a cookie of ours.
///
/// Sent twice, it is refused: on plain http a neighbour on another port can add one.
pub(super) fn get<'a>(
    headers: &'a HeaderMap,
    public_url: &PublicUrl,
    name: &str,
) -> Option<&'a str> {
    let name = full_name(public_url, name);
    let mut values = sent(headers)
        .filter(|(sent, _)| *sent == name)
        .map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

/// The value of the CSRF cookie of this browser, and whether it is new and has to be set.
pub(super) fn browser(headers: &HeaderMap, url: &PublicUrl, random: &dyn Random) -> (String, bool) {
    match get(headers, url, BROWSER) {
        Some(known) if known.len() == 43 => (known.to_owned(), false),
        _ => (random.token(), true),
    }
}

/// Sets a cookie; for the browser's session where `max_age` is none.
pub(super) fn set<B>(
    response: &mut Response<B>,
    public_url: &PublicUrl,
    name: &str,
    value: &str,
    max_age: Option<u64>,
) {
    let name = full_name(public_url, name);
    let secure = if public_url.is_https() {
        "; Secure"
    } else {
        ""
    };
    let age = max_age.map_or(String::new(), |seconds| format!("; Max-Age={seconds}"));
    let line = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}");
    if let Ok(mut line) = HeaderValue::try_from(line) {
        line.set_sensitive(true);
        response.headers_mut().append(SET_COOKIE, line);
    }
}

/// Makes the browser forget a cookie.
pub(super) fn remove<B>(response: &mut Response<B>, public_url: &PublicUrl, name: &str) {
    set(response, public_url, name, "", Some(0));
}
