//! Setting up a [`TokenExchange`].

use std::sync::Arc;

use http::HeaderValue;
use url::form_urlencoded::Serializer;

use super::{TokenEndpoint, TokenExchange, attempts::Attempts, exchanged::ExchangedTokens};
use crate::{
    BuildError,
    net::{HttpClient, basic_credentials, default_http_client},
    oauth::{ClientSecret, Clock, Issuer, SystemClock},
    upstream::is_secure,
};

/// Sets up a [`TokenExchange`].
#[derive(Debug)]
#[must_use]
pub struct TokenExchangeBuilder {
    issuer: Issuer,
    endpoint: Option<String>,
    client: Client,
    form: Form,
    target: Target,
    http: Option<Arc<dyn HttpClient>>,
    clock: Arc<dyn Clock>,
}

/// Our client at the provider.
#[derive(Debug)]
pub(super) struct Client {
    id: String,
    secret: ClientSecret,
    /// `client_secret_post` in place of `client_secret_basic`.
    in_body: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// RFC 8693.
    TokenExchange,
    /// Microsoft Entra's.
    OnBehalfOf,
}

/// What the tokens are for.
#[derive(Debug, Default)]
pub(super) struct Target {
    pub(super) audience: Option<String>,
    pub(super) resource: Option<String>,
    pub(super) scopes: Vec<String>,
}

impl Client {
    pub(super) fn header(&self) -> Option<HeaderValue> {
        match self.in_body {
            true => None,
            false => basic_credentials(&self.id, &self.secret),
        }
    }

    pub(super) fn add_to(&self, form: &mut Serializer<'_, String>) {
        form.append_pair("client_id", &self.id);
        form.append_pair("client_secret", self.secret.expose());
    }
}

impl TokenExchangeBuilder {
    pub(super) fn new(issuer: Issuer, id: String, secret: ClientSecret) -> Self {
        Self {
            issuer,
            endpoint: None,
            client: Client {
                id,
                secret,
                in_body: false,
            },
            form: Form::TokenExchange,
            target: Target::default(),
            http: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// With the token endpoint, for an issuer whose metadata is not to be read.
    ///
    /// # Security
    ///
    /// It is sent every token that is exchanged.
    pub fn with_token_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// Sends our client's secret in the form (`client_secret_post`); otherwise it goes into the
    /// `Authorization` header (`client_secret_basic`).
    pub const fn with_client_secret_in_body(mut self) -> Self {
        self.client.in_body = true;
        self
    }

    /// For this API, by the name that the provider has for it (`audience`, RFC 8693 §2.1).
    pub fn for_audience(mut self, audience: impl Into<String>) -> Self {
        self.target.audience = Some(audience.into());
        self
    }

    /// For the API at this URL (`resource`, RFC 8693 §2.1 and RFC 8707 §2).
    pub fn for_resource(mut self, resource: impl Into<String>) -> Self {
        self.target.resource = Some(resource.into());
        self
    }

    /// With these scopes of the API; without this call those that the provider chooses.
    pub fn with_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.target.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// In the form of Microsoft Entra's on-behalf-of flow (the `jwt-bearer` grant with
    /// `requested_token_use`), where the scopes name the API, as in
    /// `https://graph.microsoft.com/User.Read`.
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

    /// Checks the arguments; the provider is not asked yet.
    ///
    /// # Errors
    ///
    /// When nothing says what the tokens are for, the token endpoint is not `https` (`http` on loopback),
    /// a scope is none, or there is no HTTP client.
    pub fn build(self) -> Result<TokenExchange, BuildError> {
        if self.client.id.is_empty() {
            return Err(BuildError::missing(
                "token exchange client_id",
                "the client registered for this server at the provider",
            ));
        }
        self.target.check(self.form)?;
        if !self.endpoint.as_deref().is_none_or(is_secure) {
            return Err(BuildError::argument(
                "token exchange endpoint",
                "must be https, or http on loopback",
            ));
        }
        let http = match self.http {
            Some(http) => http,
            None => default_http_client()?,
        };
        Ok(TokenExchange {
            issuer: self.issuer,
            endpoint: match self.endpoint {
                Some(endpoint) => TokenEndpoint::Named(endpoint),
                None => TokenEndpoint::Discovered(Attempts::default()),
            },
            client: self.client,
            form: self.form,
            target: self.target,
            http,
            clock: self.clock,
            tokens: ExchangedTokens::default(),
        })
    }
}

impl Target {
    fn check(&self, form: Form) -> Result<(), BuildError> {
        const ARGUMENT: &str = "token exchange target";
        // RFC 6749 §3.3.
        let in_scope = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        let is_scope = |scope: &String| !scope.is_empty() && scope.bytes().all(in_scope);
        if !self.scopes.iter().all(is_scope) {
            return Err(BuildError::argument(
                "token exchange scopes",
                "a scope is ASCII without spaces and quotes",
            ));
        }
        let names_one = self.audience.is_some() || self.resource.is_some();
        match form {
            Form::OnBehalfOf if names_one => Err(BuildError::argument(
                ARGUMENT,
                "on-behalf-of knows neither audience nor resource: its scopes name the API",
            )),
            Form::OnBehalfOf if self.scopes.is_empty() => Err(BuildError::missing(
                ARGUMENT,
                "name the API's scopes (with_scopes)",
            )),
            Form::TokenExchange if !names_one && self.scopes.is_empty() => {
                Err(BuildError::missing(
                    ARGUMENT,
                    "say what the tokens are for (for_audience, for_resource or with_scopes): one for everything is one too many",
                ))
            }
            _ => Ok(()),
        }
    }
}
