//! Setting up an [`IntrospectionVerifier`].

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use http::HeaderValue;
use url::form_urlencoded::Serializer;

use super::IntrospectionVerifier;
use crate::{
    BuildError,
    access_token::verified_tokens::VerifiedTokens,
    net::{HttpClient, basic_credentials, default_http_client},
    oauth::{AccessToken, ClientSecret, Clock, Issuer, SystemClock},
    upstream::is_secure,
};

/// Sets up an [`IntrospectionVerifier`].
#[derive(Debug)]
#[must_use]
pub struct IntrospectionVerifierBuilder {
    issuer: Issuer,
    endpoint: String,
    caller: Option<Caller>,
    audiences: BTreeSet<String>,
    believed_for: Duration,
    http: Option<Arc<dyn HttpClient>>,
    clock: Arc<dyn Clock>,
}

/// Who asks (RFC 7662 §2.1).
#[derive(Debug)]
pub(super) enum Caller {
    /// `client_secret_basic`.
    Basic(HeaderValue),
    /// `client_secret_post`.
    Post(String, ClientSecret),
    Bearer(HeaderValue),
}

impl Caller {
    pub(super) fn header(&self) -> Option<HeaderValue> {
        match self {
            Self::Basic(value) | Self::Bearer(value) => Some(value.clone()),
            Self::Post(..) => None,
        }
    }

    pub(super) fn add_to(&self, form: &mut Serializer<'_, String>) {
        if let Self::Post(id, secret) = self {
            form.append_pair("client_id", id);
            form.append_pair("client_secret", secret.expose());
        }
    }
}

impl IntrospectionVerifierBuilder {
    pub(super) fn new(issuer: Issuer, endpoint: String) -> Self {
        Self {
            issuer,
            endpoint,
            caller: None,
            audiences: BTreeSet::new(),
            believed_for: Duration::from_secs(30),
            http: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// Asks as this client of the issuer's, in the `Authorization` header (`client_secret_basic`).
    pub fn with_client(mut self, id: &str, secret: ClientSecret) -> Self {
        self.caller = basic_credentials(id, &secret).map(Caller::Basic);
        self
    }

    /// Asks as this client of the issuer's, in the form (`client_secret_post`).
    pub fn with_client_in_body(mut self, id: impl Into<String>, secret: ClientSecret) -> Self {
        self.caller = Some(Caller::Post(id.into(), secret));
        self
    }

    /// Asks with a token of our own for the endpoint.
    pub fn with_bearer(mut self, token: &AccessToken) -> Self {
        let value = HeaderValue::try_from(format!("Bearer {}", token.expose()));
        self.caller = value.ok().map(|mut value| {
            value.set_sensitive(true);
            Caller::Bearer(value)
        });
        self
    }

    /// With another name that the issuer has for this server, beside its URL, as for
    /// [`JwtIssuer::with_audience`](crate::access_token::JwtIssuer::with_audience).
    ///
    /// # Security
    ///
    /// Whoever has a token with this audience comes in.
    pub fn with_audience(mut self, name: impl Into<String>) -> Self {
        self.audiences.insert(name.into());
        self
    }

    /// How long an answer is believed, and so how late a revocation is seen; 30 seconds by default, five
    /// minutes at most, zero asks every time.
    pub const fn believed_for(mut self, time: Duration) -> Self {
        self.believed_for = time;
        self
    }

    /// With another HTTP client than the built-in one.
    pub fn with_http_client(mut self, http: Arc<dyn HttpClient>) -> Self {
        self.http = Some(http);
        self
    }

    /// With another clock than the system's.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Checks the arguments; the issuer is not asked yet.
    ///
    /// # Errors
    ///
    /// When the endpoint is not `https` (`http` on loopback), nothing says who asks, answers would be
    /// believed for too long, or there is no HTTP client.
    pub fn build(self) -> Result<IntrospectionVerifier, BuildError> {
        if !is_secure(&self.endpoint) {
            return Err(BuildError::argument(
                "introspection endpoint",
                "must be https, or http on loopback",
            ));
        }
        let caller = self.caller.ok_or(BuildError::missing(
            "introspection client",
            "the id and secret of a client that may ask, or a token for it: nobody else gets an answer (RFC 7662 §2.1)",
        ))?;
        if self.believed_for > LONGEST {
            return Err(BuildError::argument(
                "introspection answers",
                "are believed for five minutes at most: a revocation would be seen too late",
            ));
        }
        if self.audiences.iter().any(|name| name.trim().is_empty()) {
            return Err(BuildError::argument("audience", "must not be empty"));
        }
        let http = match self.http {
            Some(http) => http,
            None => default_http_client()?,
        };
        Ok(IntrospectionVerifier {
            issuer: self.issuer,
            endpoint: self.endpoint,
            caller,
            audiences: self.audiences,
            believed_for: self.believed_for,
            http,
            clock: self.clock,
            active: VerifiedTokens::default(),
            inactive: VerifiedTokens::default(),
            asking: std::array::from_fn(|_| Default::default()),
            waiting: Default::default(),
        })
    }
}

const LONGEST: Duration = Duration::from_secs(300);
