//! OAuth's words as types: identifiers, secrets, scopes, PKCE, metadata documents, error codes.
//!
//! Nothing here does I/O. Every constructor is a parser: a value that exists is well formed, so the
//! layers above compare and pass on, and never validate again.

mod client;
mod error_code;
#[cfg(feature = "authorization-server")]
mod form;
mod issuer;
mod metadata;
mod pkce;
mod public_url;
mod random;
mod redirect_uri;
mod resource_identifier;
mod scope;
mod secret;
mod state;
mod time;

pub use client::{ClientAuthenticationMethod, ClientId, ClientMetadata};
pub use error_code::OAuthErrorCode;
#[cfg(feature = "authorization-server")]
pub(crate) use form::Form;
pub use issuer::Issuer;
pub use metadata::{AuthorizationServerMetadata, ProtectedResourceMetadata};
pub use pkce::{CodeChallenge, CodeVerifier};
pub use public_url::PublicUrl;
pub use random::{Random, SystemRandom};
pub use redirect_uri::RedirectUri;
pub use resource_identifier::ResourceIdentifier;
pub use scope::{Scope, Scopes};
pub use secret::{AccessToken, AuthorizationCode, ClientSecret, RefreshToken, constant_time_eq};
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

/// Whether a URL host names this machine: `localhost`, `127.0.0.0/8` or `[::1]` (RFC 8252 §7.3).
pub(crate) fn is_loopback_host(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => bare.eq_ignore_ascii_case("localhost"),
    }
}
