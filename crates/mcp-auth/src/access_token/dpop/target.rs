//! The URL that a proof is made for.

use url::Url;

use crate::oauth::ParseError;

/// The URL of an endpoint of ours as hosts know it: configured, never read from a request.
#[derive(Debug, Clone)]
pub(crate) struct ProofTarget {
    url: Url,
    /// The URL that nonces in proofs for this one are made for.
    nonces_for: Url,
}

impl ProofTarget {
    pub(crate) fn parse(url: &str) -> Result<Self, ParseError> {
        let url = normalised(url).ok_or(ParseError::new("proof target", "a URL"))?;
        Ok(Self {
            nonces_for: url.clone(),
            url,
        })
    }

    /// The same target, with the nonces of another: hosts keep one nonce for one server, whichever of
    /// its endpoints gave it.
    #[cfg(feature = "authorization-server")]
    pub(crate) fn with_nonces_of(self, other: &Self) -> Self {
        Self {
            nonces_for: other.nonces_for.clone(),
            ..self
        }
    }

    pub(super) fn as_str(&self) -> &str {
        self.url.as_str()
    }

    pub(super) fn nonces_for(&self) -> &str {
        self.nonces_for.as_str()
    }

    /// Whether this `htu` means it: the same once both are normalised, query and fragment aside
    /// (RFC 9449 §4.3, check 9).
    pub(super) fn is(&self, htu: &str) -> bool {
        normalised(htu).is_some_and(|mut htu| {
            htu.set_query(None);
            htu.set_fragment(None);
            htu == self.url
        })
    }
}

/// A URL by the syntax- and scheme-based normalisation of RFC 3986 §6.2.2 and §6.2.3.
///
/// The parser mends what is no URI: it drops white space and takes a backslash for a slash. Where others
/// see another URL, or none, there is none here.
fn normalised(text: &str) -> Option<Url> {
    let is_uri = text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let (_, rest) = text.split_once("://").filter(|_| is_uri)?;
    let authority = rest.split(['/', '?', '#']).next()?;
    if authority.is_empty() || authority.contains(['@', '%']) {
        return None; // a host that it would look for further on, or would have to decode
    }
    let mut url = Url::parse(text).ok()?;
    let path = with_plain_escapes(url.path());
    url.set_path(&path);
    Some(url)
}

/// A path without escapes of characters that need none, and with the other escapes in upper case
/// (RFC 3986 §6.2.2.1, §6.2.2.2).
fn with_plain_escapes(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, escape)) = rest.split_once('%') {
        plain.push_str(before);
        let digits = escape.get(..2);
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (digits, byte) {
            (Some(_), Some(byte)) if is_unreserved(byte) => plain.push(char::from(byte)),
            (Some(digits), Some(_)) => {
                plain.push('%');
                plain.push_str(&digits.to_ascii_uppercase());
            }
            _ => {
                plain.push('%');
                rest = escape;
                continue;
            }
        }
        rest = escape.get(2..).unwrap_or_default();
    }
    plain.push_str(rest);
    plain
}

/// RFC 3986 §2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    // AX-04
    #[test]
    fn other_spellings_of_one_url_are_the_same_and_other_urls_are_not() {
        let target = ProofTarget::parse("https://h.example/mcp").unwrap();
        for same in [
            "https://h.example/mcp",
            "HTTPS://H.Example:443/mcp",
            "https://h.example/mcp?x=1#y",
            "https://h.example/a/../mcp",
            "https://h.example/%6dcp",
            "https://h.example/%6Dc%70",
            "https://h.example/a/%2e%2E/mcp",
        ] {
            assert!(target.is(same), "{same}");
        }
        for other in [
            "https://h.example/mcp/",
            "https://h.example/MCP",
            "https://h.example/",
            "http://h.example/mcp",
            "https://h.example:8443/mcp",
            "https://evil.example/mcp",
            "https://u@h.example/mcp",
            "https://@h.example/mcp",
            "https://:@h.example/mcp",
            "https://h%2eexample/mcp",
            "https://h.example\\mcp",
            "https:\\\\h.example/mcp",
            "https:/h.example/mcp",
            "https:h.example/mcp",
            "https:///h.example/mcp",
            " https://h.example/mcp",
            "https://h.example/mcp\n",
            "https://h.example/m\tcp",
            "https://h.example/mcp\u{0}",
            "https://h.example/mcp\u{7f}",
            "https://h.example/mc\u{ff50}",
            "https://h.example/mcp%",
            "https://h.example/mcp%2",
            "https://h.example/%2Fmcp",
            "https://h.example/%256dcp",
            "https://h.example/%+6dcp",
            "/mcp",
            "",
        ] {
            assert!(!target.is(other), "{other}");
        }
        let escaped = ProofTarget::parse("https://h.example/a%2fb%7e").unwrap();
        assert!(escaped.is("https://h.example/a%2Fb~"));
        assert!(!escaped.is("https://h.example/a/b~"));
        let root = ProofTarget::parse("https://h.example").unwrap();
        assert!(root.is("https://h.example/") && root.is("https://h.example"));
    }
}
