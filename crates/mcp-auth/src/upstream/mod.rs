//! This process as somebody else's client: the third-party authorization server behind ours.

#[cfg(feature = "authorization-server")]
mod client_authentication;
mod discovery;
mod expires_in;
#[cfg(feature = "authorization-server")]
mod extra_parameters;
#[cfg(feature = "authorization-server")]
mod id_token;
mod identity;
mod issuer_keys;
#[cfg(feature = "authorization-server")]
mod oauth_upstream;
#[cfg(feature = "authorization-server")]
mod presets;
#[cfg(feature = "authorization-server")]
mod revocation;
#[cfg(feature = "authorization-server")]
mod token_answer;
mod token_exchange;
#[cfg(feature = "authorization-server")]
mod token_request;
#[cfg(feature = "authorization-server")]
mod upstreams;
#[cfg(feature = "authorization-server")]
mod userinfo;

use async_trait::async_trait;

pub(crate) use discovery::{IssuerDocument, is_secure};
pub use identity::UpstreamIdentity;
pub(crate) use issuer_keys::{IssuerKeys, KeysError, KnownKeys};
#[cfg(feature = "authorization-server")]
pub use oauth_upstream::{OAuthUpstream, OAuthUpstreamBuilder};
#[cfg(feature = "authorization-server")]
pub use presets::{
    Audience, Fact, MetadataForm, Offer, Placeholder, PlaceholderKind, Preset,
    PresetClientAuthentication, PresetPlace, PresetTier,
};
pub(crate) use token_exchange::ExchangeError;
pub use token_exchange::{TokenExchange, TokenExchangeBuilder};
#[cfg(feature = "authorization-server")]
pub(crate) use upstreams::Upstreams;

use crate::oauth::{AccessToken, AuthorizationCode, CodeVerifier, Issuer, RefreshToken, Timestamp};

/// The third-party authorization server that knows the users.
///
/// [`OAuthUpstream`] speaks to any OAuth 2.0 or OpenID provider; another implementation can stand
/// for anything that sends a browser back with a code.
#[async_trait]
pub trait Upstream: std::fmt::Debug + Send + Sync {
    /// What sets this upstream's subjects apart from another's, for ever: a subject of ours is
    /// `namespace|sub`.
    fn namespace(&self) -> &str;

    /// Where the user signs in, as the consent page says it: a host name.
    fn display_host(&self) -> &str;

    /// What the upstream is asked for, as the consent page says it.
    fn scopes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether it knows `prompt` (OpenID Connect Core §3.1.2.1), so that `prompt=none` shows no page
    /// there.
    fn honours_prompt(&self) -> bool {
        false
    }

    /// The URL the browser is sent to.
    ///
    /// # Errors
    ///
    /// When the upstream's endpoints are not known and cannot be found out right now.
    async fn authorization_url(
        &self,
        request: &UpstreamAuthorization<'_>,
    ) -> Result<String, UpstreamError>;

    /// The issuer that must stand in the callback's `iss` (RFC 9207 §2.4).
    ///
    /// # Errors
    ///
    /// When it is not known and cannot be found out right now.
    async fn expected_issuer(&self) -> Result<ExpectedIssuer, UpstreamError>;

    /// Redeems the upstream's code and learns who the user is.
    ///
    /// # Errors
    ///
    /// When there are no tokens or no verified identity.
    async fn redeem(
        &self,
        code: &AuthorizationCode,
        verifier: &CodeVerifier,
        redirect_uri: &str,
    ) -> Result<UpstreamLogin, UpstreamError>;

    /// Redeems a refresh token.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::InvalidGrant`] only when the upstream said so: it ends the user's grant.
    async fn refresh(&self, token: &RefreshToken) -> Result<UpstreamTokens, UpstreamError>;

    /// Gives a token back (RFC 7009); an upstream that has no such thing does nothing.
    ///
    /// # Errors
    ///
    /// When it could have been given back, and was not.
    async fn revoke(&self, token: &UpstreamToken) -> Result<(), UpstreamError> {
        let _ = token;
        Ok(())
    }

    /// Whether giving a token back ends its own grant alone. Many upstreams end everything of the user
    /// with it; they are told only when the user's last grant here ends.
    fn revokes_single_grants(&self) -> bool {
        false
    }
}

/// A token of the upstream's that is given back.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum UpstreamToken {
    /// With it go the access tokens it renewed.
    Refresh(RefreshToken),
    /// Where there is no refresh token.
    Access(AccessToken),
}

impl UpstreamToken {
    /// The `token_type_hint` (RFC 7009 §2.1).
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Refresh(_) => "refresh_token",
            Self::Access(_) => "access_token",
        }
    }

    /// The token itself, for the one request that gives it back.
    #[must_use]
    pub fn expose(&self) -> &str {
        match self {
            Self::Refresh(token) => token.expose(),
            Self::Access(token) => token.expose(),
        }
    }
}

const _: Option<&dyn Upstream> = None;

/// What the browser carries to the upstream.
#[derive(Debug)]
#[non_exhaustive]
pub struct UpstreamAuthorization<'a> {
    /// Our own `state`, never the host's.
    pub state: &'a str,
    /// Our own PKCE verifier, never the host's.
    pub verifier: &'a CodeVerifier,
    /// Our callback.
    pub redirect_uri: &'a str,
    /// What the host wants the user to see: `none`, `login`, `select_account`, or the last two. For
    /// upstreams that know it.
    pub prompt: Option<&'a str>,
}

impl<'a> UpstreamAuthorization<'a> {
    /// The three together.
    #[must_use]
    pub const fn new(state: &'a str, verifier: &'a CodeVerifier, redirect_uri: &'a str) -> Self {
        Self {
            state,
            verifier,
            redirect_uri,
            prompt: None,
        }
    }

    /// With a `prompt`.
    #[must_use]
    pub const fn with_prompt(mut self, prompt: Option<&'a str>) -> Self {
        self.prompt = prompt;
        self
    }
}

/// How to judge the `iss` of a callback: the four-row rule of the MCP specification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedIssuer {
    /// The upstream says it always sends `iss`: it must be there and be this one.
    Required(Issuer),
    /// The upstream says nothing: if it is there, it must be this one.
    IfPresent(Issuer),
    /// The upstream has no issuer: one that is there is refused.
    Unknown,
}

impl ExpectedIssuer {
    /// Whether a callback with this `iss` may be acted on; compared byte for byte.
    #[must_use]
    pub fn accepts(&self, iss: Option<&str>) -> bool {
        match (self, iss) {
            (Self::Required(issuer) | Self::IfPresent(issuer), Some(iss)) => issuer.as_str() == iss,
            (Self::Required(_), None) | (Self::Unknown, Some(_)) => false,
            (Self::IfPresent(_) | Self::Unknown, None) => true,
        }
    }
}

/// A finished login at the upstream.
#[derive(Debug)]
#[non_exhaustive]
pub struct UpstreamLogin {
    /// Its tokens.
    pub tokens: UpstreamTokens,
    /// Who the user is.
    pub identity: UpstreamIdentity,
}

impl UpstreamLogin {
    /// Tokens and identity together.
    #[must_use]
    pub const fn new(tokens: UpstreamTokens, identity: UpstreamIdentity) -> Self {
        Self { tokens, identity }
    }
}

/// What the upstream gave us; it never leaves to a host.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct UpstreamTokens {
    /// For calls to the upstream's API.
    pub access_token: AccessToken,
    /// For the next access token; none when the upstream gives none.
    pub refresh_token: Option<RefreshToken>,
    /// When the access token ends, if the upstream says.
    pub expires_at: Option<Timestamp>,
    /// The scopes that were granted, if the upstream says: without a word they are those that were asked
    /// for (RFC 6749 §5.1).
    pub scopes: Option<Vec<String>>,
}

impl UpstreamTokens {
    /// An access token alone.
    #[must_use]
    pub const fn new(access_token: AccessToken) -> Self {
        Self {
            access_token,
            refresh_token: None,
            expires_at: None,
            scopes: None,
        }
    }

    /// With a refresh token.
    #[must_use]
    pub fn with_refresh_token(mut self, token: RefreshToken) -> Self {
        self.refresh_token = Some(token);
        self
    }

    /// With the scopes that were granted.
    #[must_use]
    pub fn with_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// Good until this moment.
    #[must_use]
    pub const fn with_expiry(mut self, expires_at: Timestamp) -> Self {
        self.expires_at = Some(expires_at);
        self
    }
}

/// Why the upstream gave nothing; never holds a token, a code or text of the upstream's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// No request reached it: the same code or token can be sent again.
    #[error("the upstream cannot be reached")]
    NotReached(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A request may have arrived, but no usable answer came back.
    #[error("the upstream gave no usable answer: {0}")]
    Outage(&'static str),
    /// It answered that it cannot at the moment (5xx, 429, `temporarily_unavailable`): in all
    /// likelihood the same token can be sent again.
    #[error("the upstream says that it cannot at the moment")]
    Unwell,
    /// It said `invalid_grant`: the code or the refresh token is finished.
    #[error("the upstream refused the grant")]
    InvalidGrant,
    /// It refused for another reason, which only the operator can mend.
    #[error("the upstream refused the request: {0}")]
    Refused(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CL-13; RFC 9207 §2.4. Compared byte for byte.
    #[test]
    fn iss_is_judged_by_four_rows() {
        let ours = Issuer::parse("https://id.example").unwrap();
        let rows = [
            (ExpectedIssuer::Required(ours.clone()), true, false),
            (ExpectedIssuer::IfPresent(ours), true, true),
            (ExpectedIssuer::Unknown, false, true),
        ];
        for (expected, present, absent) in rows {
            assert_eq!(expected.accepts(Some("https://id.example")), present);
            assert_eq!(expected.accepts(None), absent);
            for other in [
                "https://id.example/",
                "https://ID.example",
                "",
                "https://a.example",
            ] {
                assert!(!expected.accepts(Some(other)), "{expected:?}: {other}");
            }
        }
    }
}
