//! Client identifiers and client metadata (RFC 6749 §2, RFC 7591 §2).

use serde::{Deserialize, Serialize};

use super::{ParseError, RedirectUri, Scopes};

/// A client's name at this authorization server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(Box<str>);

super::text_newtype!(ClientId);

impl ClientId {
    /// The longest that is taken, in bytes.
    pub const MAX_BYTES: usize = 1500;

    /// Takes a client identifier.
    ///
    /// # Errors
    ///
    /// When it is empty, longer than [`ClientId::MAX_BYTES`], or not printable ASCII
    /// (RFC 6749 appendix A.1).
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let legal = |b: u8| (0x20..=0x7e).contains(&b);
        if text.is_empty() || text.len() > Self::MAX_BYTES || !text.bytes().all(legal) {
            return Err(ParseError::new(
                "client_id",
                "1 to 1,500 printable ASCII characters",
            ));
        }
        Ok(Self(text.into()))
    }
}

/// How a client proves itself at the token endpoint (RFC 7591 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClientAuthenticationMethod {
    /// Not at all: a public client.
    None,
    /// Identifier and secret in the form.
    ClientSecretPost,
    /// Identifier and secret in the `Authorization` header.
    ClientSecretBasic,
    /// A signed assertion (RFC 7523 §2.2, OpenID Connect Core §9).
    PrivateKeyJwt,
}

impl ClientAuthenticationMethod {
    /// Whether a client proves itself by it (RFC 6749 §2.1).
    #[must_use]
    pub const fn is_confidential(self) -> bool {
        !matches!(self, Self::None)
    }

    /// The registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretPost => "client_secret_post",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }
}

/// What is known about a client and is needed to check and to show it (RFC 7591 §2).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientMetadata {
    /// Name for people; a claim of the client's own.
    pub client_name: Option<String>,
    /// Where its browsers may return to; empty only if it has no users.
    pub redirect_uris: Vec<RedirectUri>,
    /// How it authenticates at the token endpoint.
    pub token_endpoint_auth_method: ClientAuthenticationMethod,
    /// Whether it may be given refresh tokens.
    pub refresh_tokens: bool,
    /// Whether it may act for itself (RFC 6749 §4.4); the operator alone can say so.
    pub client_credentials: bool,
    /// Whether it may bring identity assertions (RFC 7523 §2.1), if it authenticates.
    pub identity_assertions: bool,
    /// The scopes it is limited to, if it is.
    pub scope: Option<Scopes>,
    /// Its home page, `https` only.
    pub client_uri: Option<String>,
    /// Whether it has to push its authorization requests (RFC 9126 §6).
    pub require_pushed_authorization_requests: bool,
    /// Whether it wants no token that is not bound to its key (RFC 9449 §5.2).
    pub dpop_bound_access_tokens: bool,
}

impl ClientMetadata {
    /// A public client with these redirection URIs and refresh tokens, and without any other grant.
    #[must_use]
    pub const fn public(redirect_uris: Vec<RedirectUri>) -> Self {
        Self {
            client_name: None,
            redirect_uris,
            token_endpoint_auth_method: ClientAuthenticationMethod::None,
            refresh_tokens: true,
            client_credentials: false,
            identity_assertions: false,
            scope: None,
            client_uri: None,
            require_pushed_authorization_requests: false,
            dpop_bound_access_tokens: false,
        }
    }
}
