//! To whom a request is addressed.

use http::{HeaderMap, Uri, header::HOST, uri::Authority};

use crate::oauth::PublicUrl;

/// The one authority that a request names: the URI's (HTTP/2) or the one `Host` header's, which
/// must agree where both are there (RFC 9110 §7.2); none if they do not, or user information is in
/// it.
pub(crate) fn named_authority(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    let mut hosts = headers.get_all(HOST).iter();
    let header = match (hosts.next(), hosts.next()) {
        (None, _) => None,
        (Some(host), None) => Some(Authority::try_from(host.as_bytes()).ok()?),
        (Some(_), Some(_)) => return None,
    };
    let authority = match (uri.authority(), header) {
        (Some(uri), Some(header)) if *uri != header => return None,
        (Some(uri), _) => uri.clone(),
        (None, header) => header?,
    };
    (!authority.as_str().contains('@')).then_some(authority)
}

/// Whether an authority is this origin's; its default port may be written out.
pub(crate) fn names(authority: &Authority, url: &PublicUrl) -> bool {
    let own = url.authority();
    let default_port = if url.is_https() { "443" } else { "80" };
    let named = authority.as_str();
    named.eq_ignore_ascii_case(own)
        || named
            .rsplit_once(':')
            .is_some_and(|(host, port)| port == default_port && host.eq_ignore_ascii_case(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(uri: &str, hosts: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, host.parse().unwrap());
        }
        named_authority(&uri.parse().unwrap(), &headers).map(|named| named.to_string())
    }

    // TR-04
    #[test]
    fn a_request_names_one_authority_or_none() {
        let of_uri = "https://h.example/x";
        assert_eq!(
            named("/x", &["h.example:1"]).as_deref(),
            Some("h.example:1")
        );
        assert_eq!(named(of_uri, &[]).as_deref(), Some("h.example"));
        assert_eq!(named(of_uri, &["H.example"]).as_deref(), Some("h.example"));
        assert_eq!(named(of_uri, &["evil.example"]), None);
        assert_eq!(named("/x", &[]), None);
        assert_eq!(named("/x", &["h.example", "h.example"]), None);
        assert_eq!(named("/x", &["u@h.example"]), None);
        assert_eq!(named("/x", &["h example"]), None);
        assert_eq!(named("https://u@h.example/x", &[]), None);
    }

    // TR-04
    #[test]
    fn the_default_port_may_be_written_out() {
        let names = |authority: &str, url: &str| {
            names(&authority.parse().unwrap(), &PublicUrl::parse(url).unwrap())
        };
        for good in ["h.example", "H.EXAMPLE:443"] {
            assert!(names(good, "https://h.example"), "{good}");
        }
        for bad in [
            "h.example:80",
            "h.example:8443",
            "x.h.example",
            "h.example.",
        ] {
            assert!(!names(bad, "https://h.example"), "{bad}");
        }
        assert!(names("[::1]:80", "http://[::1]"));
        assert!(!names("127.0.0.1:443", "http://127.0.0.1"));
    }
}
