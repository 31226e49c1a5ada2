//! Host and port of a web URL, in a spelling that every URL parser reads alike.

use url::Url;

#[cfg(feature = "authorization-server")]
use super::resource_identifier::is_dot_segment;

/// Checks the raw authority of an absolute `http` or `https` URL against what the parser made of it,
/// and gives its host; the error is the broken rule.
///
/// Parsers of the WHATWG family skip extra slashes, decode escapes and rewrite numbers where others
/// see another host, so only what needs no such mending is taken.
pub(super) fn check_authority<'a>(authority: &'a str, url: &Url) -> Result<&'a str, &'static str> {
    if authority.contains(['@', '%']) {
        return Err("no user information and no escapes in the host");
    }
    let (host, port) = split_port(authority);
    if !host.starts_with('[') && !is_dns_name(host) {
        return Err("a host of letters, digits and hyphens between single dots");
    }
    if host.is_empty() || url.host_str() != Some(host.to_ascii_lowercase().as_str()) {
        return Err("a host that every parser reads alike");
    }
    if let Some(port) = port {
        let number = port.parse::<u16>().ok().filter(|number| *number > 0);
        if number.is_none() || port.starts_with('0') || port.starts_with('+') {
            return Err("a port from 1 to 65535");
        }
    }
    Ok(host)
}

/// Whether this is labels of letters, digits and hyphens between single dots.
pub(crate) fn is_dns_name(host: &str) -> bool {
    host.split('.').all(|label| {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
        !label.is_empty() && label.bytes().all(legal)
    })
}

/// Checks an absolute `https` URL that no two parsers can read differently, and gives its host; the
/// error is the broken rule.
///
/// It has a path, and neither a fragment nor dot segments.
#[cfg(feature = "authorization-server")]
pub(crate) fn https_host(text: &str) -> Result<&str, &'static str> {
    let odd = |b: u8| !b.is_ascii_graphic() || b"\\\"<>^`{|}#".contains(&b);
    if text.bytes().any(odd) {
        return Err("printable ASCII without space, quotes, brackets, backslash and fragment");
    }
    let rest = text.strip_prefix("https://").ok_or("an https URL")?;
    let url = Url::parse(text).map_err(|_| "an absolute URL")?;
    let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host = check_authority(authority, &url)?;
    let path = tail.split_once('?').map_or(tail, |(path, _)| path);
    if path.is_empty() {
        return Err("a path");
    }
    if path.split('/').any(is_dot_segment) {
        return Err("no dot segments");
    }
    Ok(host)
}

/// Splits `host:port`, an IPv6 literal's own colons apart.
pub(super) fn split_port(authority: &str) -> (&str, Option<&str>) {
    let host_end = authority.rfind(']').map_or(0, |at| at + 1);
    match authority.get(host_end..).and_then(|tail| tail.find(':')) {
        Some(at) => {
            let (host, port) = authority.split_at(host_end + at);
            (host, port.get(1..))
        }
        None => (authority, None),
    }
}
