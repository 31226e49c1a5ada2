//! Setting a [`DcrShim`] up.

mod checks;

use std::{sync::Arc, time::Duration};

use super::DcrShim;
use crate::{
    BuildError,
    access_token::{Grants, GrantsSettings, SealedTokens},
    authorization_server::{
        Admission, AdmitEveryone, AuthorizationServer, ConsentRule, Lifetimes, RateLimits,
        clients::{ClientResolver, ClientResolvers, DynamicClients, PreregisteredClients},
        pages::{BuiltInPages, Pages, ScopeDescriptions},
    },
    oauth::{ClientId, Clock, PublicUrl, Random, Scopes, SystemClock, SystemRandom, Timestamp},
    resource_server::{ResourceServer, ResourceServers},
    store::{KeyRing, MemoryStore, Purpose, Records, Sealer, Store},
    tier::Environment,
    upstream::Upstream,
};

/// Builds a [`DcrShim`].
#[derive(Debug)]
#[must_use]
pub struct DcrShimBuilder {
    public_url: PublicUrl,
    upstream: Arc<dyn Upstream>,
    path: String,
    further_paths: Vec<String>,
    server_name: Option<String>,
    key_ring: Option<KeyRing>,
    store: Option<Arc<dyn Store>>,
    scopes: Option<Scopes>,
    required_scopes: Option<Scopes>,
    scope_descriptions: ScopeDescriptions,
    preregistered: Option<PreregisteredClients>,
    further_clients: Vec<Arc<dyn ClientResolver>>,
    introspection: Vec<ClientId>,
    registration: bool,
    redirect_schemes: Vec<String>,
    denied: Vec<ClientId>,
    refuse_registrations_before: Option<Timestamp>,
    pages: Option<Arc<dyn Pages>>,
    admission: Arc<dyn Admission>,
    allowed_origins: Vec<String>,
    lifetimes: Lifetimes,
    grants: GrantsSettings,
    limits: RateLimits,
    consent: ConsentRule,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl DcrShimBuilder {
    pub(super) fn new(public_url: PublicUrl, upstream: Arc<dyn Upstream>) -> Self {
        Self {
            public_url,
            upstream,
            path: "/mcp".into(),
            further_paths: Vec::new(),
            server_name: None,
            key_ring: None,
            store: None,
            scopes: None,
            required_scopes: None,
            scope_descriptions: ScopeDescriptions::default(),
            preregistered: None,
            further_clients: Vec::new(),
            introspection: Vec::new(),
            registration: true,
            redirect_schemes: Vec::new(),
            denied: Vec::new(),
            refuse_registrations_before: None,
            pages: None,
            admission: Arc::new(AdmitEveryone),
            allowed_origins: Vec::new(),
            lifetimes: Lifetimes::default(),
            grants: GrantsSettings {
                revocation_bound: Duration::from_secs(5),
                serve_until: None,
            },
            limits: RateLimits::on(),
            consent: ConsentRule::Ask,
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
        }
    }

    /// With what the environment says.
    ///
    /// # Errors
    ///
    /// When it names another public origin than this builder.
    pub fn with_environment(mut self, environment: &Environment) -> Result<Self, BuildError> {
        if *environment.public_url() != self.public_url {
            return Err(BuildError::argument(
                "MCP_AUTH_PUBLIC_URL",
                "is not the origin this tier was made for",
            ));
        }
        self.key_ring = environment.key_ring.clone().or(self.key_ring);
        self.scopes = environment.scopes.clone().or(self.scopes);
        self.preregistered = environment.clients.clone().or(self.preregistered);
        self.registration &= environment.registration;
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

    /// With a name that the pages show; by default the host of the public URL.
    pub fn with_server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
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
    pub fn with_store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// With the scopes that hosts may ask for; `mcp:tools` by default.
    ///
    /// The first of them is needed for every request, unless
    /// [`DcrShimBuilder::with_required_scopes`] says otherwise; the others are for tools to look at.
    pub fn with_scopes(mut self, scopes: Scopes) -> Self {
        self.scopes = Some(scopes);
        self
    }

    /// With the scopes, out of those offered, that every request at the MCP endpoint needs. They are
    /// what the challenge names, and what a host gets that asks for nothing in particular.
    pub fn with_required_scopes(mut self, scopes: Scopes) -> Self {
        self.required_scopes = Some(scopes);
        self
    }

    /// With the words the consent page has for scopes.
    pub fn with_scope_descriptions(mut self, descriptions: ScopeDescriptions) -> Self {
        self.scope_descriptions = descriptions;
        self
    }

    /// With clients that the operator registered.
    pub fn with_preregistered_clients(mut self, clients: PreregisteredClients) -> Self {
        self.preregistered = Some(clients);
        self
    }

    /// With clients that may ask about tokens at `/introspect` (RFC 7662): resource servers in other
    /// processes, registered by the operator with a secret. Without any there is no such endpoint.
    ///
    /// # Security
    ///
    /// They learn who a token speaks for, and with which scopes.
    pub fn with_introspection_by(mut self, clients: impl IntoIterator<Item = ClientId>) -> Self {
        self.introspection.extend(clients);
        self
    }

    /// With clients known in a way of your own; asked after those the operator registered.
    pub fn with_clients(mut self, clients: Arc<dyn ClientResolver>) -> Self {
        self.further_clients.push(clients);
        self
    }

    /// Without dynamic registration: only pre-registered clients are known.
    pub const fn without_registration(mut self) -> Self {
        self.registration = false;
        self
    }

    /// With further dotless private-use schemes that clients may register redirect URIs with, such as
    /// `myeditor`; `cursor`, `vscode`, `vscode-insiders` and `windsurf` are known.
    pub fn with_redirect_schemes<S: Into<String>>(
        mut self,
        schemes: impl IntoIterator<Item = S>,
    ) -> Self {
        self.redirect_schemes = schemes.into_iter().map(Into::into).collect();
        self
    }

    /// Refuses dynamic clients that registered before this moment; they can register again.
    pub const fn refuse_registrations_before(mut self, moment: Timestamp) -> Self {
        self.refuse_registrations_before = Some(moment);
        self
    }

    /// Refuses these dynamic clients, at the authorization and the token endpoint.
    ///
    /// An access token that one of them has already ends by itself, within its lifetime; to end it
    /// now, see [`DcrShim::revoke_grants_of_client`].
    pub fn with_denied_clients(mut self, clients: impl IntoIterator<Item = ClientId>) -> Self {
        self.denied.extend(clients);
        self
    }

    /// With other pages than the built-in ones.
    pub fn with_pages(mut self, pages: Arc<dyn Pages>) -> Self {
        self.pages = Some(pages);
        self
    }

    /// With a rule for who may come in after the upstream login; everyone by default.
    pub fn with_admission(mut self, admission: Arc<dyn Admission>) -> Self {
        self.admission = admission;
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

    /// With access tokens that live this long; an hour by default.
    pub const fn with_access_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetimes.access_token = lifetime;
        self
    }

    /// With grants that end after this long without use; thirty days by default.
    pub const fn with_refresh_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetimes.refresh_token = lifetime;
        self
    }

    /// With grants that end after this long however much they are used: the user consents and signs in
    /// again. Without it only disuse ends them.
    pub const fn with_grant_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetimes.grant = Some(lifetime);
        self
    }

    /// With codes that live this long; a minute by default.
    pub const fn with_code_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetimes.code = lifetime;
        self
    }

    /// With this long for a host to ask again for a refresh whose answer was lost; a minute by
    /// default, zero turns it off.
    pub const fn with_refresh_grace(mut self, grace: Duration) -> Self {
        self.lifetimes.refresh_grace = grace;
        self
    }

    /// With revocations elsewhere seen here at the latest after this; five seconds by default, zero
    /// reads the store on every request.
    pub const fn with_revocation_bound(mut self, bound: Duration) -> Self {
        self.grants.revocation_bound = bound;
        self
    }

    /// Serves grants that were read at most this long ago while the store is away.
    ///
    /// # Security
    ///
    /// During an outage of the store a revocation is seen this late.
    pub const fn serve_until(mut self, max_age: Duration) -> Self {
        self.grants.serve_until = Some(max_age);
        self
    }

    /// Without rate limits, for example where a reverse proxy has them.
    pub fn without_rate_limits(mut self) -> Self {
        self.limits = RateLimits::off();
        self
    }

    /// Gives every client access without asking the user: for unattended development on loopback.
    ///
    /// # Security
    ///
    /// Without consent any website can have a client registered and collect a code for whoever is
    /// signed in at the upstream. `build` refuses it unless the public URL is loopback.
    pub const fn insecure_approve_without_consent(mut self) -> Self {
        self.consent = ConsentRule::InsecureApprove;
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

    /// Checks everything together.
    ///
    /// # Errors
    ///
    /// When a path or origin is malformed, or a combination would be unsafe: no key ring off
    /// loopback or with a store that outlives the process, no consent off loopback.
    pub fn build(self) -> Result<DcrShim, BuildError> {
        if self.consent == ConsentRule::InsecureApprove && !self.public_url.is_loopback() {
            return Err(BuildError::Unsafe(
                "consent can be left out on loopback only: users elsewhere must be asked".into(),
            ));
        }
        self.check_lifetimes()?;
        self.check_redirect_schemes()?;
        let issuer = self
            .public_url
            .issuer()
            .map_err(|e| BuildError::argument("public URL", e.to_string()))?;
        let store: Arc<dyn Store> = match &self.store {
            Some(store) => Arc::clone(store),
            None => Arc::new(MemoryStore::with_clock(Arc::clone(&self.clock))),
        };
        let ring = self.ring(&*store)?;
        let sealer =
            |purpose| Sealer::new(&ring, purpose, issuer.as_str(), Arc::clone(&self.random));
        let records = Records::new(store, sealer(Purpose::Record), Arc::clone(&self.clock));
        let grants = Grants::new(
            records.clone(),
            Arc::clone(&self.upstream),
            &issuer,
            self.grants,
            Arc::clone(&self.clock),
            Arc::clone(&self.random),
        );
        let tokens = SealedTokens::new(
            sealer(Purpose::AccessToken),
            Arc::clone(&grants),
            Arc::clone(&self.clock),
        );
        let (scopes, required_scopes) = self.scopes()?;
        let resource_server = |path: &str| {
            ResourceServer::builder(self.public_url.clone(), path, Arc::new(tokens.clone()))
                .with_issuer(issuer.clone())
                .with_required_scopes(required_scopes.clone())
                .with_scopes_supported(required_scopes.clone())
                .with_allowed_origins(self.allowed_origins.iter().cloned())
                .with_session_sealer(sealer(Purpose::SessionId))
                .with_stream_check(self.grants.revocation_bound.max(Duration::from_secs(1)))
                .build()
        };
        let further: Result<_, _> = self
            .further_paths
            .iter()
            .map(|path| resource_server(path))
            .collect();
        let resource_servers = ResourceServers::new(resource_server(&self.path)?, further?)?;
        let dynamic = self.registration.then(|| {
            let clients = DynamicClients::new(&ring, &issuer, Arc::clone(&self.random))
                .with_redirect_schemes(self.redirect_schemes.iter().cloned())
                .deny(&self.denied);
            Arc::new(match self.refuse_registrations_before {
                Some(moment) => clients.refuse_registrations_before(moment),
                None => clients,
            })
        });
        let mut clients = ClientResolvers::new();
        if let Some(preregistered) = self.preregistered {
            clients = clients.then(Arc::new(preregistered));
        }
        for further in self.further_clients {
            clients = clients.then(further);
        }
        if let Some(dynamic) = &dynamic {
            clients = clients.then(Arc::clone(dynamic) as Arc<dyn ClientResolver>);
        }
        let server_name = self
            .server_name
            .unwrap_or_else(|| self.public_url.authority().to_owned());
        let server = AuthorizationServer {
            issuer: issuer.clone(),
            resources: resource_servers
                .iter()
                .map(|server| server.resource().clone())
                .collect(),
            scopes,
            required_scopes,
            scope_descriptions: self.scope_descriptions,
            upstream: self.upstream,
            clients: Arc::new(clients),
            dynamic_clients: dynamic,
            introspection: self.introspection,
            pages: self
                .pages
                .unwrap_or_else(|| Arc::new(BuiltInPages::default())),
            admission: self.admission,
            records,
            grants,
            tokens,
            consent_forms: sealer(Purpose::ConsentForm),
            login_cookies: sealer(Purpose::Cookie),
            lifetimes: self.lifetimes,
            limits: self.limits,
            consent: self.consent,
            clock: self.clock,
            random: self.random,
            server_name,
            public_url: self.public_url,
        };
        Ok(DcrShim {
            server: Arc::new(server),
            resource_servers,
        })
    }
}
