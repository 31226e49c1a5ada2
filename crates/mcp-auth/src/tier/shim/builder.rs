//! Setting a tier with our own authorization server up: what is given, by subject.

mod assemble;
mod checks;
mod clients;
mod lifetimes;
mod login;
mod resolvers;
mod tokens;

use std::{marker::PhantomData, sync::Arc, time::Duration};

use super::ShimTier;
use crate::{
    BuildError,
    access_token::{AccessTokenForm, Dpop, GrantsSettings, SigningKeys, TokenVerifier},
    audit::AuditSink,
    authorization_server::{
        Admission, AdmitEveryone, ConsentRule, EnterpriseIssuer, IntrospectionClient, Lifetimes,
        RateLimits, UnknownScopes,
        clients::{ClientDocuments, ClientResolver, PreregisteredClients, StoredRegistrations},
        pages::{Pages, ScopeDescriptions},
    },
    oauth::{
        AccessToken, ClientId, Clock, PublicUrl, Random, Scopes, SystemClock, SystemRandom,
        Timestamp,
    },
    resource_server::OperationScopes,
    store::{KeyRing, Store},
    tier::Environment,
    upstream::Upstream,
};

/// Builds a [`DcrShim`](super::super::DcrShim) or a [`Cimd`](super::super::Cimd).
#[derive(Debug)]
#[must_use]
pub struct ShimBuilder<T> {
    public_url: PublicUrl,
    upstream: Arc<dyn Upstream>,
    further_upstreams: Vec<(String, Arc<dyn Upstream>)>,
    path: String,
    further_paths: Vec<String>,
    server_name: Option<String>,
    key_ring: Option<KeyRing>,
    signing_keys: Option<SigningKeys>,
    token_form: AccessTokenForm,
    dpop: Option<Dpop>,
    store: Option<Arc<dyn Store>>,
    store_deadline: Duration,
    scopes: Option<Scopes>,
    required_scopes: Option<Scopes>,
    operations: Option<OperationScopes>,
    scope_descriptions: ScopeDescriptions,
    preregistered: Option<PreregisteredClients>,
    further_clients: Vec<Arc<dyn ClientResolver>>,
    introspection: Vec<IntrospectionClient>,
    registration: bool,
    documents: Option<ClientDocuments>,
    token_endpoint_audience: bool,
    client_credentials: bool,
    enterprise: Vec<EnterpriseIssuer>,
    stored_registrations: Option<StoredRegistrations>,
    /// Those that were named, once somebody named any.
    initial_access_tokens: Option<Vec<AccessToken>>,
    redirect_schemes: Vec<String>,
    denied: Vec<ClientId>,
    refuse_registrations_before: Option<Timestamp>,
    /// Whether requests can be pushed, and then whether they must be.
    pushed_requests: Option<bool>,
    pages: Option<Arc<dyn Pages>>,
    admission: Arc<dyn Admission>,
    upstream_claims: Vec<String>,
    allowed_origins: Vec<String>,
    lifetimes: Lifetimes,
    grants: GrantsSettings,
    limits: RateLimits,
    consent: ConsentRule,
    remembered_consent: Option<Duration>,
    unknown_scopes: UnknownScopes,
    connected_apps: bool,
    audit: Option<Arc<dyn AuditSink>>,
    further_verifiers: Vec<Arc<dyn TokenVerifier>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    tier: PhantomData<fn() -> T>,
}

impl<T: ShimTier> ShimBuilder<T> {
    pub(in super::super) fn new(public_url: PublicUrl, upstream: Arc<dyn Upstream>) -> Self {
        Self {
            public_url,
            upstream,
            further_upstreams: Vec::new(),
            path: "/mcp".into(),
            further_paths: Vec::new(),
            server_name: None,
            key_ring: None,
            signing_keys: None,
            token_form: AccessTokenForm::Sealed,
            dpop: None,
            store: None,
            store_deadline: Duration::from_secs(2),
            scopes: None,
            required_scopes: None,
            operations: None,
            scope_descriptions: ScopeDescriptions::default(),
            preregistered: None,
            further_clients: Vec::new(),
            introspection: Vec::new(),
            registration: T::REGISTRATION,
            documents: Some(ClientDocuments::new()),
            token_endpoint_audience: false,
            client_credentials: false,
            enterprise: Vec::new(),
            stored_registrations: None,
            initial_access_tokens: None,
            redirect_schemes: Vec::new(),
            denied: Vec::new(),
            refuse_registrations_before: None,
            pushed_requests: None,
            pages: None,
            admission: Arc::new(AdmitEveryone),
            upstream_claims: Vec::new(),
            allowed_origins: Vec::new(),
            lifetimes: Lifetimes::default(),
            grants: GrantsSettings {
                revocation_bound: Duration::from_secs(5),
                serve_until: None,
            },
            limits: RateLimits::default(),
            consent: ConsentRule::Ask,
            remembered_consent: None,
            unknown_scopes: UnknownScopes::Dropped,
            connected_apps: false,
            audit: None,
            further_verifiers: Vec::new(),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            tier: PhantomData,
        }
    }

    /// With what the environment says.
    ///
    /// # Errors
    ///
    /// When it names another public origin than this builder.
    pub fn with_environment(mut self, environment: &Environment) -> Result<Self, BuildError> {
        environment.check_public_url(&self.public_url)?;
        if environment.key_ring.is_none() {
            environment.require_loopback("a key that ends with the process (no MCP_AUTH_KEY)")?;
        }
        self.key_ring = environment.key_ring.clone().or(self.key_ring);
        self.signing_keys = environment.signing_keys.clone().or(self.signing_keys);
        self.token_form = environment.token_form.unwrap_or(self.token_form);
        self.scopes = environment.scopes.clone().or(self.scopes);
        self.preregistered = environment.clients.clone().or(self.preregistered);
        self.registration = environment.registration.unwrap_or(self.registration);
        // Who writes such a client into that file wants it served.
        let acts_for_itself = PreregisteredClients::has_client_credentials;
        self.client_credentials |= environment.clients.as_ref().is_some_and(acts_for_itself);
        self.documents = match environment.client_documents {
            Some(false) => None,
            Some(true) => Some(self.documents.unwrap_or_default()),
            None => self.documents,
        };
        if let Some(ca) = &environment.development_ca {
            let documents = self.documents.unwrap_or_default();
            self.documents = Some(documents.with_development_ca(ca.clone()));
        }
        self.allowed_origins
            .extend(environment.allowed_origins.iter().cloned());
        let lifetimes = &mut self.lifetimes;
        lifetimes.access_token = environment.access_ttl.unwrap_or(lifetimes.access_token);
        lifetimes.refresh_token = environment.refresh_ttl.unwrap_or(lifetimes.refresh_token);
        lifetimes.code = environment.code_ttl.unwrap_or(lifetimes.code);
        lifetimes.refresh_grace = environment.refresh_grace.unwrap_or(lifetimes.refresh_grace);
        self.grants.revocation_bound = environment
            .revocation_cache
            .unwrap_or(self.grants.revocation_bound);
        if !environment.rate_limits {
            self.limits = RateLimits::off();
        }
        Ok(self)
    }

    /// With the MCP endpoint at another path than `/mcp`.
    pub fn with_mcp_path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// With one more MCP endpoint on this origin: a resource of its own, whose tokens open no other.
    pub fn with_resource(mut self, path: impl Into<String>) -> Self {
        self.further_paths.push(path.into());
        self
    }

    /// With the keys that everything is sealed under.
    ///
    /// Without them a fresh key is made, which is taken on loopback with the memory store only.
    pub fn with_key_ring(mut self, key_ring: KeyRing) -> Self {
        self.key_ring = Some(key_ring);
        self
    }

    /// With another store than memory.
    ///
    /// What the store promises is looked at when the tier is built: without atomic steps it is
    /// refused, and one that outlives the process needs a key ring that does so too.
    pub fn with_store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// With this long for one operation of the store; two seconds by default, whole seconds.
    ///
    /// Requests that need a store that does not answer are told to come back (503). Once one
    /// operation ran into this, a single one at a time finds out whether the store is back, and the
    /// others do not wait.
    pub const fn with_store_deadline(mut self, deadline: Duration) -> Self {
        self.store_deadline = deadline;
        self
    }

    /// With further origins whose pages may call the MCP endpoint, such as `https://app.example.com`.
    pub fn with_allowed_origins<S: Into<String>>(
        mut self,
        origins: impl IntoIterator<Item = S>,
    ) -> Self {
        self.allowed_origins
            .extend(origins.into_iter().map(Into::into));
        self
    }

    /// With other rate limits than [`RateLimits::default`]. They count where requests carry a
    /// [`ClientAddress`](crate::net::ClientAddress).
    pub const fn with_rate_limits(mut self, limits: RateLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Without rate limits, for example where a reverse proxy has them.
    pub fn without_rate_limits(mut self) -> Self {
        self.limits = RateLimits::off();
        self
    }

    /// With a record of every login, consent, grant, refresh, reuse, revocation and step-up; none by
    /// default.
    pub fn with_audit(mut self, sink: Arc<dyn AuditSink>) -> Self {
        self.audit = Some(sink);
        self
    }

    /// With another clock than the system's.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// With another source of randomness than the system's.
    pub fn with_random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }
}
