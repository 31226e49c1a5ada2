//! Resource identifiers (RFC 8707 §2, RFC 9728 §1.2).

use url::Url;

use super::{ParseError, authority::check_authority, is_loopback_host};

/// The name of a protected resource: canonical once parsed, compared byte for byte afterwards.
///
/// Canonical means scheme and host in lower case and one trailing slash dropped; nothing else
/// changes, and no prefix ever matches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceIdentifier(Box<str>);

super::text_newtype!(ResourceIdentifier);

impl ResourceIdentifier {
    /// Parses and canonicalises.
    ///
    /// # Errors
    ///
    /// When it is not an `https` URL (`http` on loopback) without fragment, user information and
    /// dot segments.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let broken = |rule| ParseError::new("resource", rule);
        if text.bytes().any(|b| !b.is_ascii_graphic() || b == b'\\') {
            return Err(broken("printable ASCII without space and backslash"));
        }
        let url = Url::parse(text).map_err(|_| broken("an absolute URL"))?;
        if text.contains('#') {
            return Err(broken("no fragment"));
        }
        let (scheme, rest) = text.split_once("://").ok_or(broken("an absolute URL"))?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let host = check_authority(authority, &url).map_err(broken)?;
        match url.scheme() {
            "https" => {}
            "http" if is_loopback_host(host) => {}
            _ => return Err(broken("https, or http on loopback")),
        }
        let (path, query) = tail
            .split_once('?')
            .map_or((tail, None), |(path, query)| (path, Some(query)));
        if path.split('/').any(is_dot_segment) {
            return Err(broken("no dot segments"));
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        // With one more it would be another resource each time it is read.
        if path.ends_with('/') {
            return Err(broken("at most one slash at the end"));
        }
        let mut canonical = format!(
            "{}://{}{path}",
            scheme.to_ascii_lowercase(),
            authority.to_ascii_lowercase()
        );
        if let Some(query) = query {
            canonical.push('?');
            canonical.push_str(query);
        }
        Ok(Self(canonical.into()))
    }

    /// Its path, as in `/mcp`; empty at the root.
    #[must_use]
    pub fn path(&self) -> &str {
        let tail = self.after_authority();
        tail.split_once('?').map_or(tail, |(path, _)| path)
    }

    /// Path and query, as the well-known URL carries them (RFC 9728 §3.1).
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        self.after_authority()
    }

    fn after_authority(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        rest.find(['/', '?'])
            .and_then(|at| rest.get(at..))
            .unwrap_or("")
    }
}

/// `.`, `..` and their percent-encoded spellings, which some URL parsers resolve.
pub(crate) fn is_dot_segment(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    // RS-18, RS-19, RS-52
    #[test]
    fn canonicalises_case_and_one_slash_only() {
        let parse = |text| ResourceIdentifier::parse(text).map(|id| id.to_string());
        assert_eq!(
            parse("HTTPS://H.example/mcp").unwrap(),
            "https://h.example/mcp"
        );
        assert_eq!(
            parse("https://h.example/mcp/").unwrap(),
            "https://h.example/mcp"
        );
        assert_eq!(parse("https://h.example/").unwrap(), "https://h.example");
        assert_eq!(
            parse("https://h.example/MCP").unwrap(),
            "https://h.example/MCP"
        );
        assert_ne!(
            parse("https://h.example/mcp2"),
            parse("https://h.example/mcp")
        );
        for bad in [
            "/mcp",
            "ftp://h/x",
            "http://h.example/x",
            "https://h/x#y",
            "https://u@h/x",
            "https://h/a/../x",
            "https://h/%2e%2e/x",
            "https://h\\x",
            "https:///h/mcp",
            "https:////h/mcp",
            "https:h/mcp",
            "https://h.example//",
            "https://h.example/mcp//",
            "https://h.example/mcp//?x",
            "https://",
            "https://h%2eexample/",
            "https://0x7f000001/mcp",
            "http://127.1/mcp",
            "https://h:/mcp",
            "https://h:0/mcp",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
