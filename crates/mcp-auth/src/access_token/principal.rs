//! Who a verified request speaks for.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::oauth::{AccessToken, ClientId, JwkThumbprint, Scopes, Timestamp};

/// Who a verified request speaks for: found in the request's extensions behind the layer.
///
/// Cheap to clone. The host's own token is not in it and cannot be had from it.
#[derive(Clone)]
pub struct Principal(Arc<Parts>);

#[derive(Clone)]
struct Parts {
    issuer: Arc<str>,
    subject: Arc<str>,
    client: Option<ClientId>,
    scopes: Scopes,
    expires_at: Option<Timestamp>,
    grant: Option<Arc<str>>,
    confirmation: Option<JwkThumbprint>,
    upstream: Option<Arc<dyn UpstreamTokenSource>>,
    upstream_claims: Option<Arc<Map<String, Value>>>,
}

impl Principal {
    /// A principal, for verifiers: `issuer` vouches for `subject`.
    ///
    /// # Security
    ///
    /// A subject is only unique together with its issuer; compare both.
    #[must_use]
    pub fn new(issuer: impl Into<Arc<str>>, subject: impl Into<Arc<str>>) -> Self {
        Self(Arc::new(Parts {
            issuer: issuer.into(),
            subject: subject.into(),
            client: None,
            scopes: Scopes::empty(),
            expires_at: None,
            grant: None,
            confirmation: None,
            upstream: None,
            upstream_claims: None,
        }))
    }

    /// Acting through this client.
    #[must_use]
    pub fn with_client(self, client: ClientId) -> Self {
        self.with(|parts| parts.client = Some(client))
    }

    /// With these scopes.
    #[must_use]
    pub fn with_scopes(self, scopes: Scopes) -> Self {
        self.with(|parts| parts.scopes = scopes)
    }

    /// Good until this moment.
    #[must_use]
    pub fn with_expiry(self, expires_at: Timestamp) -> Self {
        self.with(|parts| parts.expires_at = Some(expires_at))
    }

    /// Under this grant; the name is for logs and audits and opens nothing.
    #[must_use]
    pub fn with_grant(self, grant: impl Into<Arc<str>>) -> Self {
        self.with(|parts| parts.grant = Some(grant.into()))
    }

    /// Only for whoever proves to have the key with this thumbprint (`cnf` with `jkt`, RFC 9449 §6).
    ///
    /// # Security
    ///
    /// A verifier that leaves this out for a bound token lets a thief use it.
    #[must_use]
    pub fn with_confirmation(self, key: JwkThumbprint) -> Self {
        self.with(|parts| parts.confirmation = Some(key))
    }

    /// With upstream tokens behind it.
    pub(crate) fn with_upstream(self, upstream: Arc<dyn UpstreamTokenSource>) -> Self {
        self.with(|parts| parts.upstream = Some(upstream))
    }

    /// With what the upstream said at the login.
    #[cfg(feature = "authorization-server")]
    pub(crate) fn with_upstream_claims(self, claims: Option<Arc<Map<String, Value>>>) -> Self {
        self.with(|parts| parts.upstream_claims = claims)
    }

    /// Who vouches: an issuer identifier, or `static-key`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// Who it is, unique at the issuer.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Whether this is a client that acts for itself, rather than a user (RFC 9068 §5): its subject
    /// begins with `|`, which no user's does.
    #[must_use]
    pub fn is_client(&self) -> bool {
        self.0.subject.starts_with('|')
    }

    /// The client the subject acts through; none behind a static key.
    #[must_use]
    pub fn client(&self) -> Option<&ClientId> {
        self.0.client.as_ref()
    }

    /// What the token allows.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        &self.0.scopes
    }

    /// When the token ends; none for a static key.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.0.expires_at
    }

    /// The grant the token belongs to, by a name fit for logs.
    #[must_use]
    pub fn grant(&self) -> Option<&str> {
        self.0.grant.as_deref()
    }

    /// The key that the token is bound to, if it is (RFC 9449 §6); behind the layer the host has
    /// proved to have it.
    #[must_use]
    pub fn confirmation(&self) -> Option<JwkThumbprint> {
        self.0.confirmation
    }

    /// A fresh access token of the upstream for this user, refreshed first if it has to be.
    ///
    /// # Errors
    ///
    /// [`UpstreamTokenError::NotHeld`] on tiers that hold no upstream tokens and exchange none; the other variants say
    /// whether to try again or to have the user sign in again.
    ///
    /// # Security
    ///
    /// For calls to the upstream only. It must never reach the host, a log or a tool result.
    pub async fn upstream_token(&self) -> Result<AccessToken, UpstreamTokenError> {
        match &self.0.upstream {
            Some(upstream) => upstream.upstream_token().await,
            None => Err(UpstreamTokenError::NotHeld),
        }
    }

    /// What the upstream said about the user when they signed in, such as `email` or `name`: the claims that
    /// the operator named (`ShimBuilder::with_upstream_claims`), and by default none. On tiers where nobody
    /// signs in here (`StaticKey`, `DcrProxy`, hosted) there are never any.
    ///
    /// They are as old as the login: a host that refreshes its token for weeks brings no newer ones.
    ///
    /// # Security
    ///
    /// They are personal: `Debug` does not show them, and neither should a log. They say nothing about who
    /// this is; only [`Principal::issuer`] and [`Principal::subject`] do. An `email` is whatever the
    /// upstream lets people enter, unless it says `email_verified`.
    #[must_use]
    pub fn upstream_claims(&self) -> &Map<String, Value> {
        static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
        self.0.upstream_claims.as_deref().unwrap_or(&NONE)
    }

    fn with(mut self, change: impl FnOnce(&mut Parts)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl std::fmt::Debug for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Principal")
            .field("issuer", &self.0.issuer)
            .field("subject", &self.0.subject)
            .field("client", &self.0.client)
            .field("scopes", &self.0.scopes)
            .finish_non_exhaustive()
    }
}

/// Where a principal's upstream tokens come from.
#[async_trait]
pub(crate) trait UpstreamTokenSource: std::fmt::Debug + Send + Sync {
    /// A fresh one.
    async fn upstream_token(&self) -> Result<AccessToken, UpstreamTokenError>;
}

/// Why there is no upstream token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamTokenError {
    /// This tier holds none: an upstream token can come only through token exchange here.
    #[error("this tier holds no upstream tokens")]
    NotHeld,
    /// The user's grant is gone, here or at the upstream: they must sign in again.
    #[error("the upstream grant is gone; the user must sign in again")]
    GrantGone,
    /// The upstream refuses to give a token for its API; only the operator can mend that.
    #[error("the upstream refuses the exchange: {0}")]
    Refused(&'static str),
    /// The upstream or the store is away; the same call will work later.
    #[error("no upstream token right now; try again")]
    Unavailable(#[source] Option<Box<dyn std::error::Error + Send + Sync>>),
}
