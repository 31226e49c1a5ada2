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
        let url = Url::parse(url).map_err(|_| ParseError::new("proof target", "a URL"))?;
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
        Url::parse(htu).is_ok_and(|mut htu| {
            htu.set_query(None);
            htu.set_fragment(None);
            htu == self.url
        })
    }
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
            "/mcp",
            "",
        ] {
            assert!(!target.is(other), "{other}");
        }
        let root = ProofTarget::parse("https://h.example").unwrap();
        assert!(root.is("https://h.example/") && root.is("https://h.example"));
    }
}
