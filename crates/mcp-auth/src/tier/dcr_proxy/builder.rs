//! Setting up a [`DcrProxy`].

use std::sync::Arc;

use super::{DcrProxy, Mirror, registration_relay::RegistrationRelay, requirements};
#[cfg(feature = "authorization-server")]
use crate::tier::Environment;
use crate::{
    BuildError,
    access_token::{IntrospectionVerifier, JwtIssuer, JwtVerifier, TokenVerifier, Verifiers},
    audit::AuditSink,
    net::{HttpClient, default_http_client},
    oauth::{
        ClientSecret, Clock, Issuer, PublicUrl, RedirectUri, ResourceIdentifier, Scopes,
        SystemClock,
    },
    resource_server::{
        OperationScopes, ResourceServer, ResourceServerBuilder, ResourceServers, ScopeHierarchy,
    },
    upstream::{IssuerDocument, TokenExchange, UpstreamError},
};

/// Sets up a [`DcrProxy`].
#[derive(Debug)]
#[must_use]
pub struct DcrProxyBuilder {
    public_url: PublicUrl,
    issuer: Issuer,
    path: String,
    further_paths: Vec<String>,
    required_scopes: Scopes,
    scopes_supported: Option<Scopes>,
    hierarchy: ScopeHierarchy,
    operations: Option<OperationScopes>,
    audit: Option<Arc<dyn AuditSink>>,
    exchange: Option<Arc<TokenExchange>>,
    allowed_origins: Vec<String>,
    relayed: Option<Vec<String>>,
    relay_limits: bool,
    plain_jwts: bool,
    verifier: Option<Arc<dyn TokenVerifier>>,
    introspection: Option<(String, ClientSecret)>,
    further_verifiers: Vec<Arc<dyn TokenVerifier>>,
    http: Option<Arc<dyn HttpClient>>,
    clock: Arc<dyn Clock>,
}

impl DcrProxyBuilder {
    pub(super) fn new(public_url: PublicUrl, issuer: Issuer) -> Self {
        Self {
            public_url,
            issuer,
            path: "/mcp".to_owned(),
            further_paths: Vec::new(),
            required_scopes: Scopes::empty(),
            scopes_supported: None,
            hierarchy: ScopeHierarchy::none(),
            operations: None,
            audit: None,
            exchange: None,
            allowed_origins: Vec::new(),
            relayed: None,
            relay_limits: true,
            plain_jwts: false,
            verifier: None,
            introspection: None,
            further_verifiers: Vec::new(),
            http: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// With what the environment says: the scopes, the first of which every request needs, the allowed
    /// origins, and whether registrations are limited.
    ///
    /// # Errors
    ///
    /// When it names another public origin than this builder, or sets what only an authorization server
    /// of our own has.
    #[cfg(feature = "authorization-server")]
    pub fn with_environment(mut self, environment: &Environment) -> Result<Self, BuildError> {
        environment.check_public_url(&self.public_url)?;
        if let Some(name) = environment.of_authorization_server() {
            return Err(BuildError::argument(
                name,
                "means nothing here, where the upstream issues the tokens: unset it",
            ));
        }
        if let Some(scopes) = &environment.scopes {
            self.required_scopes = scopes.iter().take(1).cloned().collect();
            self.scopes_supported = Some(scopes.clone());
        }
        self.allowed_origins
            .extend(environment.allowed_origins.iter().cloned());
        self.relay_limits &= environment.rate_limits;
        Ok(self)
    }

    /// The MCP endpoint's path; `/mcp` otherwise.
    pub fn with_mcp_path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// With one more MCP endpoint on this origin: a resource of its own, whose tokens open no other.
    pub fn with_resource(mut self, path: impl Into<String>) -> Self {
        self.further_paths.push(path.into());
        self
    }

    /// The scopes that every request needs; none by default. The provider must know them.
    pub fn with_required_scopes(mut self, scopes: Scopes) -> Self {
        self.required_scopes = scopes;
        self
    }

    /// The scopes in the protected resource metadata, which hosts ask the provider for; by default those
    /// that every request needs.
    pub fn with_scopes_supported(mut self, scopes: Scopes) -> Self {
        self.scopes_supported = Some(scopes);
        self
    }

    /// Which broader scopes imply narrower ones.
    pub fn with_scope_hierarchy(mut self, hierarchy: ScopeHierarchy) -> Self {
        self.hierarchy = hierarchy;
        self
    }

    /// Which scopes single operations need, beside those that every request needs. The provider must know
    /// them.
    pub fn with_operation_scopes(mut self, operations: OperationScopes) -> Self {
        self.operations = Some(operations);
        self
    }

    /// With a record of requests whose token lacked a scope; none by default. What goes on at the provider
    /// is not seen here.
    pub fn with_audit(mut self, sink: Arc<dyn AuditSink>) -> Self {
        self.audit = Some(sink);
        self
    }

    /// Further origins that browsers may call from, such as `https://app.example.com`.
    pub fn with_allowed_origins<S: Into<String>>(
        mut self,
        origins: impl IntoIterator<Item = S>,
    ) -> Self {
        self.allowed_origins
            .extend(origins.into_iter().map(Into::into));
        self
    }

    /// For a provider whose access tokens do not say that they are some (`typ: at+jwt`, RFC 9068 §2.1):
    /// see [`JwtIssuer::with_plain_jwts`].
    pub const fn with_plain_jwts(mut self) -> Self {
        self.plain_jwts = true;
        self
    }

    /// Lets tools have a token for the provider's API in return for the host's (RFC 8693): see
    /// [`ResourceServerBuilder::with_token_exchange`]. Off by default.
    pub fn with_token_exchange(mut self, exchange: Arc<TokenExchange>) -> Self {
        self.exchange = Some(exchange);
        self
    }

    /// Asks the provider about each token (RFC 7662), as this client of its, in place of checking
    /// signatures: for opaque tokens. Its metadata has to name an introspection endpoint.
    pub fn with_introspection(
        mut self,
        client_id: impl Into<String>,
        secret: ClientSecret,
    ) -> Self {
        self.introspection = Some((client_id.into(), secret));
        self
    }

    /// With one more verifier at the MCP endpoints, asked about what is no token of the provider's, such
    /// as service keys ([`StaticTokens`](crate::access_token::StaticTokens)).
    pub fn with_further_verifier(mut self, verifier: Arc<dyn TokenVerifier>) -> Self {
        self.further_verifiers.push(verifier);
        self
    }

    /// With another verifier in place of the provider's keys, for one whose tokens are opaque.
    pub fn with_verifier(mut self, verifier: Arc<dyn TokenVerifier>) -> Self {
        self.verifier = Some(verifier);
        self
    }

    /// Lets hosts of revision 2025-03-26, which know no other place, register at this origin: what they
    /// send is handed on to the provider if each of its redirect URIs is one of these. `http` on loopback
    /// matches with any port. Off by default; later hosts register at the provider itself.
    ///
    /// # Security
    ///
    /// The provider sees this server register clients of strangers; the list is what stands between
    /// them and its users' codes.
    pub fn relay_registration<S: Into<String>>(
        mut self,
        redirect_uris: impl IntoIterator<Item = S>,
    ) -> Self {
        self.relayed = Some(redirect_uris.into_iter().map(Into::into).collect());
        self
    }

    /// Hands on any number of registrations, for example where a reverse proxy has rate limits.
    pub const fn without_rate_limits(mut self) -> Self {
        self.relay_limits = false;
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

    /// Reads the provider's metadata, checks that MCP hosts can sign in there, and makes the tier.
    ///
    /// # Errors
    ///
    /// When the metadata cannot be read, or the provider lacks what MCP needs: the error says what, and
    /// which tier to use instead. Also when an argument cannot be used.
    pub async fn discover(mut self) -> Result<DcrProxy, BuildError> {
        let http = match self.http.take() {
            Some(http) => http,
            None => default_http_client()?,
        };
        let exchange = self.exchange.as_ref();
        if exchange.is_some_and(|exchange| *exchange.issuer() != self.issuer) {
            return Err(BuildError::argument(
                "token exchange",
                "is with another issuer than the one whose tokens come here, so it would never exchange one",
            ));
        }
        let read = IssuerDocument::read(&*http, &self.issuer).await;
        let document = read.map_err(|error| self.no_metadata(&error))?;
        let metadata = document.metadata();
        let metadata = metadata.map_err(|error| self.no_metadata(&error))?;
        let mut verifier = self.verifier(&document, &http)?;
        if !self.further_verifiers.is_empty() {
            let mut all = vec![verifier];
            all.append(&mut self.further_verifiers);
            verifier = Arc::new(Verifiers::new(all)?);
        }
        let main = self.resource_server(&self.path, &verifier)?;
        let further = self.further_paths.iter();
        let further: Result<Vec<_>, _> = further
            .map(|path| self.resource_server(path, &verifier))
            .collect();
        let servers = ResourceServers::new(main, further?)?;
        let resources: Vec<&ResourceIdentifier> =
            servers.iter().map(ResourceServer::resource).collect();
        requirements::check(&metadata, &resources)?;
        let relay = self.relay(&document, http)?;
        let mirror = Mirror::new(document.into_members(), &self.public_url, relay)?;
        Ok(DcrProxy {
            servers,
            mirror: Arc::new(mirror),
        })
    }

    fn no_metadata(&self, error: &UpstreamError) -> BuildError {
        let reason = format!(
            "cannot be used as an authorization server: {error} ({})",
            self.issuer
        );
        BuildError::argument("upstream issuer", reason)
    }

    fn verifier(
        &mut self,
        document: &IssuerDocument,
        http: &Arc<dyn HttpClient>,
    ) -> Result<Arc<dyn TokenVerifier>, BuildError> {
        if let Some(verifier) = self.verifier.take() {
            return Ok(verifier);
        }
        if let Some((client_id, secret)) = self.introspection.take() {
            let endpoint = document.endpoint("introspection_endpoint");
            let endpoint = endpoint.ok_or(BuildError::argument(
                "introspection client",
                "is of no use: the upstream's metadata names no introspection endpoint with https; where it cannot introspect, use DcrShim",
            ))?;
            let verifier = IntrospectionVerifier::builder(self.issuer.clone(), endpoint)
                .with_client(&client_id, secret)
                .with_http_client(Arc::clone(http))
                .with_clock(Arc::clone(&self.clock))
                .build()?;
            return Ok(Arc::new(verifier));
        }
        let Some(jwks_uri) = document.endpoint("jwks_uri") else {
            return Err(BuildError::missing(
                "introspection client",
                "the upstream publishes no keys where they can be read securely (jwks_uri), so its tokens can only be introspected (RFC 7662): say as which client (with_introspection), or use DcrShim",
            ));
        };
        let mut issuer = JwtIssuer::with_jwks_uri(self.issuer.clone(), jwks_uri);
        if self.plain_jwts {
            issuer = issuer.with_plain_jwts();
        }
        let verifier = JwtVerifier::builder(issuer)
            .with_http_client(Arc::clone(http))
            .with_clock(Arc::clone(&self.clock))
            .build()?;
        Ok(Arc::new(verifier))
    }

    fn resource_server(
        &self,
        path: &str,
        verifier: &Arc<dyn TokenVerifier>,
    ) -> Result<ResourceServer, BuildError> {
        let server: ResourceServerBuilder =
            ResourceServer::builder(self.public_url.clone(), path, Arc::clone(verifier));
        let supported = self.scopes_supported.as_ref();
        let server = match &self.audit {
            Some(sink) => server.with_audit(Arc::clone(sink)),
            None => server,
        };
        let server = match &self.exchange {
            Some(exchange) => server.with_token_exchange(Arc::clone(exchange)),
            None => server,
        };
        let server = match &self.operations {
            Some(operations) => server.with_operation_scopes(operations.clone()),
            None => server,
        };
        server
            .with_issuer(self.issuer.clone())
            .with_required_scopes(self.required_scopes.clone())
            .with_scopes_supported(supported.unwrap_or(&self.required_scopes).clone())
            .with_scope_hierarchy(self.hierarchy.clone())
            .with_allowed_origins(self.allowed_origins.iter().cloned())
            .build()
    }

    fn relay(
        &self,
        document: &IssuerDocument,
        http: Arc<dyn HttpClient>,
    ) -> Result<Option<RegistrationRelay>, BuildError> {
        const ARGUMENT: &str = "relayed redirect URIs";
        let Some(relayed) = &self.relayed else {
            return Ok(None);
        };
        if relayed.is_empty() {
            return Err(BuildError::missing(
                ARGUMENT,
                "name at least one: who may return anywhere may collect anybody's code",
            ));
        }
        let parsed: Result<Vec<_>, _> = relayed.iter().map(|uri| RedirectUri::parse(uri)).collect();
        let allowed = parsed.map_err(|error| BuildError::argument(ARGUMENT, error.to_string()))?;
        let endpoint = document.endpoint("registration_endpoint");
        let Some(endpoint) = endpoint.map(str::to_owned) else {
            return Err(BuildError::argument(
                ARGUMENT,
                "the upstream has no registration endpoint with https to hand anything on to: leave them out",
            ));
        };
        if self.path == "/register" || self.further_paths.iter().any(|path| path == "/register") {
            return Err(BuildError::argument(
                "path",
                "/register is where relayed registrations come: name another",
            ));
        }
        let clock = Arc::clone(&self.clock);
        let relay = RegistrationRelay::new(endpoint, allowed, http, clock);
        Ok(Some(match self.relay_limits {
            true => relay,
            false => relay.without_limits(),
        }))
    }
}
