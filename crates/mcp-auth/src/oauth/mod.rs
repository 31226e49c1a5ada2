//! OAuth's words as types: identifiers, secrets, scopes, PKCE, metadata documents, error codes.
//!
//! Nothing here does I/O. Every constructor is a parser: a value that exists is well formed, so the
//! layers above compare and pass on, and never validate again.

mod authority;
mod client;
mod error_code;
#[cfg(feature = "authorization-server")]
mod form;
#[cfg(all(any(test, fuzzing), feature = "authorization-server"))]
pub(crate) mod fuzz;
mod issuer;
pub(crate) mod jose;
mod metadata;
mod pkce;
mod public_url;
mod random;
mod redirect_uri;
mod resource_identifier;
mod scheme;
mod scope;
mod secret;
mod sha256;
mod state;
mod time;

#[cfg(feature = "authorization-server")]
pub(crate) use authority::{https_host, is_dns_name};
pub use client::{ClientAuthenticationMethod, ClientId, ClientMetadata};
pub use error_code::OAuthErrorCode;
#[cfg(feature = "authorization-server")]
pub(crate) use form::Form;
pub use issuer::Issuer;
pub use jose::JwkThumbprint;
pub use metadata::{AuthorizationServerMetadata, ProtectedResourceMetadata};
pub use pkce::{CodeChallenge, CodeVerifier};
pub use public_url::PublicUrl;
pub use random::{Random, SystemRandom};
pub use redirect_uri::RedirectUri;
pub use resource_identifier::ResourceIdentifier;
pub(crate) use scheme::is_scheme;
pub use scope::{Scope, Scopes};
pub use secret::{AccessToken, AuthorizationCode, ClientSecret, RefreshToken, constant_time_eq};
pub(crate) use sha256::{SHA256_LEN, sha256};
pub use state::State;
pub use time::{Clock, SystemClock, Timestamp};

/// Why a text is not what it was taken for.
///
/// The message names the rule that was broken and never repeats the input, so it can go to a log or
/// a start-up error as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {rule}")]
pub struct ParseError {
    what: &'static str,
    rule: &'static str,
}

impl ParseError {
    pub(crate) const fn new(what: &'static str, rule: &'static str) -> Self {
        Self { what, rule }
    }

    /// The rule that was broken, in words fit for a log.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        self.rule
    }
}

/// Implements the read-only surface of a newtype over text.
macro_rules! text_newtype {
    ($name:ident) => {
        impl $name {
            /// The text, byte for byte as it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use text_newtype;

/// Whether `host` or `host:port` names this machine, and nothing else stands in it.
///
/// The URL types of `http` take anything for a port; here it is a number from 1 to 65535.
pub(crate) fn is_loopback_authority(authority: &str) -> bool {
    let host_end = authority.rfind(']').map_or(0, |at| at + 1);
    let (head, tail) = authority.split_at(host_end);
    let (rest, port) = match tail.split_once(':') {
        Some((rest, port)) => (rest, Some(port)),
        None => (tail, None),
    };
    let number = |port: &str| {
        let digits = port.bytes().all(|b| b.is_ascii_digit());
        digits && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    let host = if head.is_empty() { rest } else { head };
    let whole = head.is_empty() || (head.starts_with('[') && rest.is_empty());
    whole && port.is_none_or(number) && is_loopback_host(host)
}

/// Whether a URL host names this machine: `localhost`, `127.0.0.0/8` or `[::1]` (RFC 8252 §7.3).
pub(crate) fn is_loopback_host(host: &str) -> bool {
    if let Some(bare) = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return bare
            .parse::<std::net::Ipv6Addr>()
            .is_ok_and(|address| address.is_loopback());
    }
    match host.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loopback_authority_has_nothing_else_in_it() {
        for good in [
            "localhost",
            "localhost:8000",
            "127.0.0.1:1",
            "127.9.9.9",
            "[::1]",
            "[::1]:65535",
            "LOCALHOST:80",
        ] {
            assert!(is_loopback_authority(good), "{good}");
        }
        for bad in [
            "",
            ":80",
            "localhost:",
            "localhost:evil.example",
            "localhost:8100evil",
            "127.0.0.1:8100.evil.example",
            "[::1].evil.example",
            "[::1]x:80",
            "127.0.0.1:-1",
            "127.0.0.1:+1",
            "127.0.0.1:99999",
            "localhost:0",
            "localhost:$",
            "[localhost]",
            "[127.0.0.1]:80",
            "a@localhost",
            "evil.example",
            "x[::1]",
            "localhost.evil.example",
            "127.1",
        ] {
            assert!(!is_loopback_authority(bad), "{bad}");
        }
    }
}
