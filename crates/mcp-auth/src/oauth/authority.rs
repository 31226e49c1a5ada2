//! Host and port of a web URL, in a spelling that every URL parser reads alike.

use url::Url;

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
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    if !host.starts_with('[') && !host.split('.').all(label) {
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
