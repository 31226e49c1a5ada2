//! Issuer identifiers (RFC 8414 §2).

use url::Url;

use super::{ParseError, is_loopback_host};

/// An authorization server's own name: compared byte for byte, a trailing slash included.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Issuer(Box<str>);

super::text_newtype!(Issuer);

impl Issuer {
    /// Parses an issuer identifier.
    ///
    /// # Errors
    ///
    /// When it is not an `https` URL (`http` on loopback) without query, fragment and user
    /// information.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let broken = |rule| ParseError::new("issuer", rule);
        let url = Url::parse(text).map_err(|_| broken("an absolute URL"))?;
        let host = url.host_str().ok_or(broken("a URL with a host"))?;
        match url.scheme() {
            "https" => {}
            "http" if is_loopback_host(host) => {}
            _ => return Err(broken("https, or http on loopback")),
        }
        if text.contains(['?', '#']) || !url.username().is_empty() || url.password().is_some() {
            return Err(broken("no query, no fragment, no user information"));
        }
        Ok(Self(text.into()))
    }
}
