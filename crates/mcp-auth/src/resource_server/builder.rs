//! Setting up a [`ResourceServer`].

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::HeaderName;

#[cfg(all(feature = "authorization-server", feature = "rmcp"))]
use super::session_records::SessionRecords;
use super::{
    ResourceServer, ScopeHierarchy, challenge::Challenges, dpop::Proofs, host::HostPolicy,
    metadata, operations::OperationScopes, refusal::CorrelationIds, server::Settings,
    session::SessionBinding,
};
#[cfg(all(feature = "authorization-server", feature = "rmcp"))]
use crate::store::Records;
use crate::{
    BuildError,
    access_token::{ProofVerifier, TokenVerifier},
    audit::{AuditSink, Auditor},
    oauth::{
        Issuer, PublicUrl, Random, ResourceIdentifier, Scope, Scopes, SystemClock, SystemRandom,
    },
    store::{KeyRing, Purpose, Sealer},
    upstream::TokenExchange,
};

/// Sets up a [`ResourceServer`].
#[derive(Debug)]
#[must_use]
pub struct ResourceServerBuilder {
    public_url: PublicUrl,
    path: String,
    verifier: Arc<dyn TokenVerifier>,
    issuer: Option<Issuer>,
    required_scopes: Scopes,
    scopes_supported: Option<Scopes>,
    hierarchy: ScopeHierarchy,
    operations: Option<OperationScopes>,
    max_body: usize,
    allowed_origins: Vec<String>,
    credential_header: Option<HeaderName>,
    session_sealer: Option<Sealer>,
    #[cfg(all(feature = "authorization-server", feature = "rmcp"))]
    session_records: Option<SessionRecords>,
    resource_name: Option<String>,
    stream_check: Duration,
    audit: Option<Auditor>,
    exchange: Option<Arc<TokenExchange>>,
    proofs: Option<ProofVerifier>,
}

impl ResourceServerBuilder {
    pub(super) fn new(public_url: PublicUrl, path: &str, verifier: Arc<dyn TokenVerifier>) -> Self {
        Self {
            public_url,
            path: path.to_owned(),
            verifier,
            issuer: None,
            required_scopes: Scopes::empty(),
            scopes_supported: None,
            hierarchy: ScopeHierarchy::default(),
            operations: None,
            max_body: 4 * 1024 * 1024,
            allowed_origins: Vec::new(),
            credential_header: None,
            session_sealer: None,
            #[cfg(all(feature = "authorization-server", feature = "rmcp"))]
            session_records: None,
            resource_name: None,
            stream_check: Duration::from_secs(5),
            audit: None,
            exchange: None,
            proofs: None,
        }
    }

    /// The authorization server whose tokens are accepted: it is named in the metadata document.
    ///
    /// Without one there is no document, and the challenge does not send hosts to look for it.
    pub fn with_issuer(mut self, issuer: Issuer) -> Self {
        self.issuer = Some(issuer);
        self
    }

    /// The scopes that every request needs; the challenges name them.
    pub fn with_required_scopes(mut self, scopes: Scopes) -> Self {
        self.required_scopes = scopes;
        self
    }

    /// The scopes in the metadata document: the minimal set, as a host without a challenge asks for
    /// all of them. `offline_access` is left out. Without this call it is the required scopes.
    pub fn with_scopes_supported(mut self, scopes: Scopes) -> Self {
        self.scopes_supported = Some(scopes);
        self
    }

    /// Which broader scopes imply narrower ones.
    pub fn with_scope_hierarchy(mut self, hierarchy: ScopeHierarchy) -> Self {
        self.hierarchy = hierarchy;
        self
    }

    /// Which operations need more scopes than every request does.
    ///
    /// With this the body of every call is read before the service behind the layer sees it, and what
    /// it asks for is decided on. A token without the scopes is answered 403 with all that are needed.
    pub fn with_operation_scopes(mut self, operations: OperationScopes) -> Self {
        self.operations = Some(operations);
        self
    }

    /// The largest body, in bytes, that is read to decide on an operation; 4 MiB by default.
    ///
    /// It counts only together with [`Self::with_operation_scopes`].
    pub const fn with_max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Further origins that browsers may call from, such as `https://app.example.com`.
    pub fn with_allowed_origins<I>(mut self, origins: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.allowed_origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// A header that may carry the credential as its whole value, beside `Authorization: Bearer`.
    pub fn with_credential_header(mut self, name: HeaderName) -> Self {
        self.credential_header = Some(name);
        self
    }

    /// What binds session ids to their principals ([`Purpose::SessionId`]).
    ///
    /// Without it a fresh key is made, so a session outlives neither a restart nor a change of
    /// process.
    pub fn with_session_sealer(mut self, sealer: Sealer) -> Self {
        self.session_sealer = Some(sealer);
        self
    }

    /// Where sessions are kept that another process may have to go on with.
    #[cfg(all(feature = "authorization-server", feature = "rmcp"))]
    pub(crate) fn with_session_records(mut self, records: Option<Records>) -> Self {
        self.session_records = records.map(SessionRecords::new);
        self
    }

    /// The resource's name for people, in the metadata document.
    pub fn with_resource_name(mut self, name: impl Into<String>) -> Self {
        self.resource_name = Some(name.into());
        self
    }

    /// How often an open event stream's token is looked at again; five seconds by default.
    ///
    /// A stream ends at the latest this long after its token did.
    pub const fn with_stream_check(mut self, every: Duration) -> Self {
        self.stream_check = every;
        self
    }

    /// Lets tools have a token for the issuer's API in return for the host's (RFC 8693):
    /// [`Principal::upstream_token`](crate::Principal::upstream_token) then answers with it. Off by default.
    ///
    /// # Security
    ///
    /// Only tokens of the exchange's own issuer are handed to it; a service key or another issuer's token
    /// never is.
    pub fn with_token_exchange(mut self, exchange: Arc<TokenExchange>) -> Self {
        self.exchange = Some(exchange);
        self
    }

    /// With a record of requests whose token lacked a scope; none by default.
    pub fn with_audit(self, sink: Arc<dyn AuditSink>) -> Self {
        self.with_auditor(Auditor::new(Some(sink), Arc::new(SystemClock)))
    }

    /// As [`Self::with_audit`], by another clock.
    pub(crate) fn with_auditor(mut self, audit: Auditor) -> Self {
        self.audit = Some(audit);
        self
    }

    /// With tokens that may be bound to their client's key (DPoP, RFC 9449); off by default.
    ///
    /// A bound token is one whose [`Principal`](crate::Principal) has a confirmation. With or without
    /// this call it is never taken without a proof.
    pub fn with_dpop(mut self, proofs: ProofVerifier) -> Self {
        self.proofs = Some(proofs);
        self
    }

    /// Checks everything and makes the resource server.
    ///
    /// # Errors
    ///
    /// When the path, an origin, a scope or the credential header cannot be used.
    pub fn build(self) -> Result<ResourceServer, BuildError> {
        let resource = resource_at(&self.public_url, &self.path)?;
        if self.required_scopes.iter().any(is_offline_access) {
            return Err(BuildError::argument(
                "required scopes",
                "offline_access is between client and authorization server; no request needs it",
            ));
        }
        if let Some(operations) = &self.operations {
            operations.check()?;
        }
        let credential_header = check_credential_header(self.credential_header)?;
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let sealer = self.session_sealer.unwrap_or_else(|| {
            let ring = KeyRing::ephemeral(&*random);
            Sealer::new(&ring, Purpose::SessionId, resource.as_str(), random.clone())
        });
        let supported = self
            .scopes_supported
            .unwrap_or(self.required_scopes.clone());
        let supported = supported.iter().filter(|s| !is_offline_access(s)).cloned();
        let document = self.issuer.map(|issuer| {
            let dpop = self.proofs.as_ref().map(ProofVerifier::dpop);
            metadata::document(
                &resource,
                issuer,
                &supported.collect(),
                self.resource_name,
                dpop,
            )
        });
        let metadata = document.transpose()?.map(Bytes::from);
        let metadata_url = metadata
            .is_some()
            .then(|| self.public_url.join(&metadata::path_of(&resource)));
        Ok(ResourceServer(Arc::new(Settings {
            challenges: Challenges::new(
                metadata_url.as_deref(),
                &self.required_scopes,
                self.proofs.as_ref().map(ProofVerifier::dpop),
            )?,
            proofs: self
                .proofs
                .map(|proofs| Proofs::new(proofs, &resource))
                .transpose()?,
            sessions: SessionBinding::new(sealer, &resource),
            correlation: CorrelationIds::new(&*random),
            exchange: self.exchange,
            audit: self
                .audit
                .unwrap_or_else(|| Auditor::new(None, Arc::new(SystemClock))),
            hosts: HostPolicy::new(self.public_url, &resource, self.allowed_origins)?,
            verifier: self.verifier,
            required_scopes: self.required_scopes,
            hierarchy: self.hierarchy,
            operations: self.operations,
            max_body: self.max_body,
            credential_header,
            metadata,
            stream_check: self.stream_check,
            #[cfg(all(feature = "authorization-server", feature = "rmcp"))]
            session_records: self.session_records,
            resource,
        })))
    }
}

/// The resource at a path that has one spelling only, so that routing and comparing agree.
fn resource_at(public_url: &PublicUrl, path: &str) -> Result<ResourceIdentifier, BuildError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    let segments = || path.split('/').skip(1);
    let single = path == "/" || segments().all(|s| !s.is_empty() && s != "." && s != "..");
    if !path.starts_with('/') || !path.bytes().all(plain) || !single {
        return Err(BuildError::argument(
            "path",
            "the MCP endpoint's path begins with a slash, does not end with one, and is made of \
             letters, digits, `-`, `.`, `_` and `~`, as in /mcp",
        ));
    }
    public_url
        .resource(path)
        .map_err(|error| BuildError::argument("path", error.to_string()))
}

/// A header that means something else already must not be taken for a credential.
fn check_credential_header(name: Option<HeaderName>) -> Result<Option<HeaderName>, BuildError> {
    let taken = [
        "authorization",
        "proxy-authorization",
        "dpop",
        "cookie",
        "host",
        "origin",
        "content-type",
        "content-length",
        "mcp-session-id",
        "mcp-protocol-version",
    ];
    match name {
        Some(name) if taken.contains(&name.as_str()) => Err(BuildError::argument(
            "credential header",
            format!("{name} has a meaning of its own; name another, such as x-api-key"),
        )),
        name => Ok(name),
    }
}

pub(super) fn is_offline_access(scope: &Scope) -> bool {
    scope.as_str() == "offline_access"
}
