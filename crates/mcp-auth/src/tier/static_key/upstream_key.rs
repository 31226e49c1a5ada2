//! The key towards the API behind this server.

use http::{HeaderValue, header::InvalidHeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::{BuildError, tier::variables::Variables};

/// A secret that this server shows to the API behind it, from its own environment.
///
/// A stdio or MCPB server has no HTTP and so no OAuth towards its host: the operating system lets
/// the user in, and this key lets the server into the API (MCP 2026-07-28, Protocol Requirements).
///
/// # Security
///
/// It is the server's own. What a host sent must never be used instead of it.
#[derive(Clone)]
pub struct UpstreamKey(SecretString);

impl UpstreamKey {
    /// Takes a key into custody.
    ///
    /// # Errors
    ///
    /// When it is empty, not printable ASCII, or has a space at an end.
    pub fn new(key: impl Into<String>) -> Result<Self, BuildError> {
        let key = SecretString::from(key.into());
        let text = key.expose_secret();
        let printable = |b: u8| b.is_ascii_graphic() || b == b' ';
        if text.is_empty() || text.trim() != text || !text.bytes().all(printable) {
            return Err(BuildError::argument(
                "upstream key",
                "printable ASCII without a space at an end, and not empty",
            ));
        }
        Ok(Self(key))
    }

    /// The key in the environment variable `name`, usually `UPSTREAM_API_KEY`.
    ///
    /// # Errors
    ///
    /// When it is missing, empty or not printable ASCII. The error names the variable only.
    pub fn from_env(name: &str) -> Result<Self, BuildError> {
        let variables = Variables::read(&[name])?;
        Self::named(name, variables.get(name).map(str::to_owned))
    }

    /// The secret itself, for the one call that must send it.
    ///
    /// # Security
    ///
    /// Never hand the result to a log, an error or a tool result.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// A header value of `prefix` and the key, marked sensitive; `"Bearer "` or `""` are usual.
    ///
    /// # Errors
    ///
    /// When the prefix does not fit into a header.
    pub fn header_value(&self, prefix: &str) -> Result<HeaderValue, InvalidHeaderValue> {
        let mut value = HeaderValue::try_from(format!("{prefix}{}", self.expose()))?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn named(name: &str, value: Option<String>) -> Result<Self, BuildError> {
        let value = value.ok_or_else(|| {
            BuildError::missing(
                name.to_owned(),
                "set it to the key of the API behind this server",
            )
        })?;
        Self::new(value).map_err(|_| {
            BuildError::argument(
                name.to_owned(),
                "set it to the key of the API behind this server: printable ASCII without a \
                 space at an end, and not empty",
            )
        })
    }
}

impl std::fmt::Debug for UpstreamKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UpstreamKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // STK-02
    // STK-02
    #[test]
    fn debug_and_headers_hide_the_key() {
        let key = UpstreamKey::new("canary").unwrap();
        assert_eq!(format!("{key:?}"), "UpstreamKey([redacted])");
        let header = key.header_value("Bearer ").unwrap();
        assert_eq!(header.to_str().unwrap(), "Bearer canary");
        assert!(!format!("{header:?}").contains("canary"));
    }

    // STK-07
    #[test]
    fn a_missing_or_blank_variable_is_named() {
        for value in [
            None,
            Some(String::new()),
            Some("  ".into()),
            Some("canary ".into()),
        ] {
            let error = UpstreamKey::named("UPSTREAM_API_KEY", value)
                .unwrap_err()
                .to_string();
            assert!(error.starts_with("UPSTREAM_API_KEY"), "{error}");
            assert!(!error.contains("nary"), "{error}");
        }
    }
}
