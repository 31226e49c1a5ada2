//! The origin under which hosts see this server.

use url::Url;

use super::{Issuer, ParseError, ResourceIdentifier, is_loopback_host};

/// Scheme, host and port of this server as its clients see them: configured, never read from a
/// request, so that no caller can steer a document, a challenge or an audience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    origin: Box<str>,
    authority: Box<str>,
    loopback: bool,
}

impl PublicUrl {
    /// Parses an origin such as `https://mcp.example.com`.
    ///
    /// # Errors
    ///
    /// When it is not `https` (`http` on loopback), or has a path, a query, a fragment or user
    /// information, or is not written the way clients will write it (lower case, no default port).
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let broken = |rule| ParseError::new("public URL", rule);
        let url = Url::parse(text).map_err(|_| broken("an absolute URL"))?;
        let host = url.host_str().ok_or(broken("a URL with a host"))?;
        let loopback = is_loopback_host(host);
        if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
            return Err(broken("https, or http on loopback"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(broken("no user information"));
        }
        let origin = url.origin().ascii_serialization();
        if text != origin {
            return Err(broken(
                "an origin only: scheme, host and port in lower case, no default port, no path, no trailing slash",
            ));
        }
        if url.port() == Some(0) {
            return Err(broken("a port from 1 to 65535"));
        }
        let authority = origin.split_once("://").map_or("", |(_, rest)| rest).into();
        Ok(Self {
            origin: origin.into(),
            authority,
            loopback,
        })
    }

    /// The origin, without a trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.origin
    }

    /// Host and port as they stand in a `Host` header.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether it names this machine only.
    #[must_use]
    pub const fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Whether it is `https`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.origin.starts_with("https://")
    }

    /// The issuer of an authorization server at this origin: the origin itself.
    ///
    /// # Errors
    ///
    /// Never for a parsed origin; the type says so because [`Issuer`] has one door.
    pub fn issuer(&self) -> Result<Issuer, ParseError> {
        Issuer::parse(&self.origin)
    }

    /// The absolute URL of a path here.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// The resource at a path here.
    ///
    /// # Errors
    ///
    /// When the path does not make a [`ResourceIdentifier`].
    pub fn resource(&self, path: &str) -> Result<ResourceIdentifier, ParseError> {
        ResourceIdentifier::parse(&self.join(path))
    }
}

impl std::fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.origin)
    }
}
