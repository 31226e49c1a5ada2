//! From what was given to a running authorization server and its resource servers.

use std::{sync::Arc, time::Duration};

use super::{ShimBuilder, ShimTier};
use crate::{
    BuildError,
    access_token::{Grants, SealedTokens},
    authorization_server::{
        AuthorizationServer, ConsentRule, DynamicRegistration, InitialAccessTokens, PushedRequests,
        RememberedConsents,
        clients::{ClientResolvers, DynamicClients, RegisteredClients, StoredClients},
        pages::BuiltInPages,
    },
    resource_server::{ResourceServer, ResourceServers},
    store::{MemoryStore, Purpose, Records, Sealer, Store},
    tier::shim::Shim,
};

impl<T: ShimTier> ShimBuilder<T> {
    /// Checks everything together.
    ///
    /// # Errors
    ///
    /// When a path or origin is malformed, or a combination would be unsafe: no key ring off
    /// loopback or with a store that outlives the process, no consent off loopback.
    pub fn build(self) -> Result<T, BuildError> {
        if self.consent == ConsentRule::InsecureApprove && !self.public_url.is_loopback() {
            return Err(BuildError::Unsafe(
                "consent can be left out on loopback only: users elsewhere must be asked".into(),
            ));
        }
        self.check_lifetimes()?;
        self.check_redirect_schemes()?;
        self.check_registration()?;
        self.check_pushed_requests()?;
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
            let rules = DynamicClients::new(&ring, &issuer, Arc::clone(&self.random))
                .with_redirect_schemes(self.redirect_schemes.iter().cloned())
                .deny(&self.denied);
            let rules = match self.refuse_registrations_before {
                Some(moment) => rules.refuse_registrations_before(moment),
                None => rules,
            };
            let clients = match self.stored_registrations {
                None => RegisteredClients::Sealed(Arc::new(rules)),
                Some(settings) => RegisteredClients::Stored(Arc::new(StoredClients::new(
                    &rules,
                    records.clone(),
                    settings,
                    Arc::clone(&self.random),
                ))),
            };
            DynamicRegistration {
                clients,
                initial_access_tokens: InitialAccessTokens::new(&self.initial_access_tokens),
            }
        });
        let mut clients = ClientResolvers::new();
        if let Some(preregistered) = self.preregistered {
            clients = clients.then(Arc::new(preregistered));
        }
        for further in self.further_clients {
            clients = clients.then(further);
        }
        if let Some(dynamic) = &dynamic {
            clients = clients.then(dynamic.clients.resolver());
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
            pushed: self.pushed_requests.map(|required| PushedRequests {
                sealer: sealer(Purpose::PushedRequest),
                required,
            }),
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
            remembered: self.remembered_consent.map(|lifetime| RememberedConsents {
                sealer: sealer(Purpose::RememberedConsent),
                lifetime,
            }),
            unknown_scopes: self.unknown_scopes,
            clock: self.clock,
            random: self.random,
            server_name,
            public_url: self.public_url,
        };
        Ok(T::of(Shim {
            server: Arc::new(server),
            resource_servers,
        }))
    }
}
