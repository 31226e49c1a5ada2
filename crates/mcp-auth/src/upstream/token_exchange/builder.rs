//! Setting up a [`TokenExchange`].

use std::sync::{Arc, Mutex};

use super::{Form, TokenExchange};
use crate::{
    BuildError,
    net::{HttpClient, default_http_client},
    oauth::{ClientSecret, Clock, Issuer, SystemClock},
    upstream::is_secure,
};

/// Sets up a [`TokenExchange`].
#[derive(Debug)]
#[must_use]
pub struct TokenExchangeBuilder {
    issuer: Issuer,
    endpoint: Option<String>,
    client_id: String,
    secret: ClientSecret,
    in_body: bool,
    form: Form,
    target: Vec<(&'static str, String)>,
    http: Option<Arc<dyn HttpClient>>,
    clock: Arc<dyn Clock>,
}

impl TokenExchangeBuilder {
    pub(super) fn new(issuer: Issuer, client_id: String, secret: ClientSecret) -> Self {
        Self {
            issuer,
            endpoint: None,
            client_id,
            secret,
            in_body: false,
            form: Form::TokenExchange,
            target: Vec::new(),
            http: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// With its token endpoint, where metadata does not name it.
    pub fn with_token_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// Sends the secret in the form (`client_secret_post`) instead of the `Authorization` header.
    pub const fn with_client_secret_in_body(mut self) -> Self {
        self.in_body = true;
        self
    }

    /// For an API by the name that the issuer has for it (RFC 8693 §2.1, `audience`).
    pub fn for_audience(mut self, audience: impl Into<String>) -> Self {
        self.target.push(("audience", audience.into()));
        self
    }

    /// For an API by its URL (RFC 8693 §2.1, `resource`).
    pub fn for_resource(mut self, resource: impl Into<String>) -> Self {
        self.target.push(("resource", resource.into()));
        self
    }

    /// With these scopes there.
    pub fn with_scopes<S: AsRef<str>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        let scopes: Vec<_> = scopes
            .into_iter()
            .map(|scope| scope.as_ref().to_owned())
            .collect();
        self.target.push(("scope", scopes.join(" ")));
        self
    }

    /// In the form of Microsoft Entra's on-behalf-of flow, which has scopes and no audience.
    pub const fn on_behalf_of(mut self) -> Self {
        self.form = Form::OnBehalfOf;
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
    /// When the endpoint is not `https` (`http` on loopback), the client has no name, on-behalf-of names no
    /// scopes, or there is no HTTP client.
    pub fn build(self) -> Result<TokenExchange, BuildError> {
        if self
            .endpoint
            .as_ref()
            .is_some_and(|endpoint| !is_secure(endpoint))
        {
            return Err(BuildError::argument(
                "token endpoint",
                "must be https, or http on loopback",
            ));
        }
        if self.client_id.is_empty() {
            return Err(BuildError::missing(
                "client_id",
                "the client registered for this server at the issuer",
            ));
        }
        let has_scopes = self
            .target
            .iter()
            .any(|(name, value)| *name == "scope" && !value.is_empty());
        if self.form == Form::OnBehalfOf && !has_scopes {
            return Err(BuildError::missing(
                "scopes",
                "on-behalf-of says by them which API the token is for",
            ));
        }
        let http = match self.http {
            Some(http) => http,
            None => default_http_client()?,
        };
        Ok(TokenExchange {
            issuer: self.issuer,
            endpoint: self.endpoint,
            client_id: self.client_id,
            secret: self.secret,
            in_body: self.in_body,
            form: self.form,
            target: self.target,
            http,
            clock: self.clock,
            discovered: tokio::sync::Mutex::default(),
            slots: Mutex::default(),
        })
    }
}
