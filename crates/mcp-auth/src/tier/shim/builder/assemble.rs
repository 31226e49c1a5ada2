//! From what was given to a running authorization server and its resource servers.

use std::{sync::Arc, time::Duration};

use super::{ShimBuilder, ShimTier};
use crate::{
    BuildError,
    access_token::{
        Grants, OwnTokens, ProofTarget, ProofVerifier, SigningKeys, TokenVerifier, Verifiers,
    },
    audit::Auditor,
    authorization_server::{
        AuthorizationServer, ConnectedApps, ConsentRule, Introspection, Limits, Proofs,
        PushedRequests, RememberedConsents, pages::BuiltInPages, paths,
    },
    resource_server::{ResourceServer, ResourceServers},
    store::{BoundedStore, MemoryStore, Purpose, Records, Sealer, Store},
    tier::shim::Shim,
    upstream::Upstreams,
};

impl<T: ShimTier> ShimBuilder<T> {
    /// Checks everything together.
    ///
    /// # Errors
    ///
    /// When an argument cannot be used, such as a path that the authorization server has itself, or a
    /// combination would be unsafe: no key ring off loopback or with a store that outlives the
    /// process, no consent off loopback.
    pub fn build(mut self) -> Result<T, BuildError> {
        if self.consent == ConsentRule::InsecureApprove && !self.public_url.is_loopback() {
            return Err(BuildError::Unsafe(
                "consent can be left out on loopback only: users elsewhere must be asked".into(),
            ));
        }
        self.check_paths()?;
        self.check_lifetimes()?;
        self.check_redirect_schemes()?;
        let documents = self.documents()?;
        let enterprise = self.enterprise()?;
        self.check_token_form()?;
        self.check_remembered_consent()?;
        let upstreams = Upstreams::new(
            Arc::clone(&self.upstream),
            std::mem::take(&mut self.further_upstreams),
        )?;
        self.check_registration()?;
        self.check_pushed_requests()?;
        self.check_introspection()?;
        self.check_bound_tokens()?;
        let issuer = self
            .public_url
            .issuer()
            .map_err(|e| BuildError::argument("public URL", e.to_string()))?;
        let store: Arc<dyn Store> = match &self.store {
            Some(store) => Arc::clone(store),
            None => Arc::new(MemoryStore::with_clock(Arc::clone(&self.clock))),
        };
        Self::check_store(&*store)?;
        let ring = self.ring(&*store)?;
        #[cfg(feature = "rmcp")]
        let shared = store.capabilities().shared;
        let store = Arc::new(BoundedStore::new(
            store,
            self.store_deadline,
            Arc::clone(&self.clock),
        ));
        let sealer =
            |purpose| Sealer::new(&ring, purpose, issuer.as_str(), Arc::clone(&self.random));
        let proofs = self.dpop.map(|dpop| {
            let nonces = sealer(Purpose::DpopNonce);
            ProofVerifier::new(dpop, nonces, store.clone(), Arc::clone(&self.clock))
        });
        let records = Records::new(store, sealer(Purpose::Record), Arc::clone(&self.clock));
        let audit = Auditor::new(self.audit.clone(), Arc::clone(&self.clock));
        let grants = Grants::new(
            records.clone(),
            upstreams.clone(),
            &issuer,
            self.grants,
            Arc::clone(&self.clock),
            Arc::clone(&self.random),
            audit.clone(),
        );
        let key_set = self.signing_keys.as_ref().map(SigningKeys::published);
        let key_set = key_set.unwrap_or_else(|| serde_json::json!({ "keys": [] }));
        let tokens = OwnTokens::new(
            sealer(Purpose::AccessToken),
            self.signing_keys.clone(),
            &issuer,
            Arc::clone(&grants),
            Arc::clone(&self.clock),
        )
        .issued_as(self.token_form);
        let (scopes, required_scopes) = self.scopes()?;
        let verifier: Arc<dyn TokenVerifier> = match self.further_verifiers.is_empty() {
            true => Arc::new(tokens.clone()),
            false => {
                let mut all: Vec<Arc<dyn TokenVerifier>> = vec![Arc::new(tokens.clone())];
                all.append(&mut self.further_verifiers);
                Arc::new(Verifiers::new(all)?)
            }
        };
        let resource_server = |path: &str| {
            let server =
                ResourceServer::builder(self.public_url.clone(), path, Arc::clone(&verifier));
            let server = match &proofs {
                Some(proofs) => server.with_dpop(proofs.clone()),
                None => server,
            };
            let server = match &self.operations {
                Some(operations) => server.with_operation_scopes(operations.clone()),
                None => server,
            };
            // Where another process can read them; elsewhere rmcp's own memory does.
            #[cfg(feature = "rmcp")]
            let server = server.with_session_records(shared.then(|| records.clone()));
            server
                .with_issuer(issuer.clone())
                .with_auditor(audit.clone())
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
        let resources: Vec<_> = resource_servers
            .iter()
            .map(|server| server.resource().clone())
            .collect();
        let dynamic = self.registrations(&ring, &issuer, &records);
        let connected_apps = self.connected_apps.then(|| ConnectedApps {
            visits: sealer(Purpose::Visit),
            visitors: sealer(Purpose::Visitor),
            forms: sealer(Purpose::VisitorForm),
            preregistered: self.preregistered.clone(),
        });
        let client_documents = documents.is_some();
        let clients = self.resolvers(documents, &grants, dynamic.as_ref())?;
        let proofs = proofs.map(|verifier| self.proofs(verifier)).transpose()?;
        let introspection = Introspection::new(self.introspection, &resources)?;
        let server_name = self
            .server_name
            .unwrap_or_else(|| self.public_url.authority().to_owned());
        let server = AuthorizationServer {
            issuer: issuer.clone(),
            resources,
            scopes,
            required_scopes,
            scope_descriptions: self.scope_descriptions,
            upstreams,
            clients: Arc::new(clients),
            dynamic_clients: dynamic,
            client_documents,
            client_credentials: self.client_credentials,
            enterprise,
            token_endpoint_audience: self.token_endpoint_audience,
            introspection,
            pushed: self.pushed_requests.map(|required| PushedRequests {
                sealer: sealer(Purpose::PushedRequest),
                required,
            }),
            pages: self
                .pages
                .unwrap_or_else(|| Arc::new(BuiltInPages::default())),
            admission: self.admission,
            upstream_claims: self.upstream_claims,
            records,
            grants,
            tokens,
            key_set: key_set.to_string().into(),
            proofs,
            connected_apps,
            consent_forms: sealer(Purpose::ConsentForm),
            login_cookies: sealer(Purpose::Cookie),
            lifetimes: self.lifetimes,
            limits: Limits::new(self.limits),
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

    /// Who checks proofs of possession, at the two endpoints that take them.
    fn proofs(&self, verifier: ProofVerifier) -> Result<Proofs, BuildError> {
        let target = |path| {
            let target = ProofTarget::parse(&self.public_url.join(path));
            target.map_err(|e| BuildError::argument("public URL", e.rule()))
        };
        let token = target(paths::TOKEN)?;
        Ok(Proofs {
            verifier,
            par: target(paths::PAR)?.with_nonces_of(&token),
            token,
        })
    }
}
