//! One MCP endpoint in its role of accepting tokens.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::HeaderName;

#[cfg(all(feature = "authorization-server", feature = "rmcp"))]
use super::session_records::SessionRecords;
use super::{
    ResourceServerBuilder, ResourceServerLayer, ScopeHierarchy, challenge::Challenges,
    dpop::Proofs, host::HostPolicy, operations::OperationScopes, refusal::CorrelationIds,
    session::SessionBinding,
};
use crate::{
    access_token::{Principal, TokenVerifier, VerifyError},
    audit::Auditor,
    oauth::{AccessToken, PublicUrl, ResourceIdentifier, Scopes},
    upstream::TokenExchange,
};

/// One MCP endpoint in its role of accepting tokens: cheap to clone, made by
/// [`ResourceServer::builder`].
#[derive(Debug, Clone)]
pub struct ResourceServer(pub(super) Arc<Settings>);

/// What the checks need, settled at start-up.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) resource: ResourceIdentifier,
    pub(super) verifier: Arc<dyn TokenVerifier>,
    pub(super) hosts: HostPolicy,
    pub(super) required_scopes: Scopes,
    pub(super) hierarchy: ScopeHierarchy,
    /// None where no body has to be read.
    pub(super) operations: Option<OperationScopes>,
    pub(super) max_body: usize,
    pub(super) credential_header: Option<HeaderName>,
    pub(super) challenges: Challenges,
    pub(super) sessions: SessionBinding,
    pub(super) correlation: CorrelationIds,
    pub(super) audit: Auditor,
    pub(super) exchange: Option<Arc<TokenExchange>>,
    pub(super) metadata: Option<Bytes>,
    pub(super) stream_check: Duration,
    #[cfg(all(feature = "authorization-server", feature = "rmcp"))]
    pub(super) session_records: Option<SessionRecords>,
    /// Where tokens may be bound to keys.
    pub(super) proofs: Option<Proofs>,
}

impl ResourceServer {
    /// Starts a resource server for the MCP endpoint at `path` of `public_url`, whose tokens
    /// `verifier` vouches for.
    pub fn builder(
        public_url: PublicUrl,
        path: &str,
        verifier: Arc<dyn TokenVerifier>,
    ) -> ResourceServerBuilder {
        ResourceServerBuilder::new(public_url, path, verifier)
    }

    /// The resource: the URL that hosts call, and the audience that every token must have.
    #[must_use]
    pub fn resource(&self) -> &ResourceIdentifier {
        &self.0.resource
    }

    /// The path of the MCP endpoint, `/` at the root.
    #[must_use]
    pub fn path(&self) -> &str {
        match self.0.resource.path() {
            "" => "/",
            path => path,
        }
    }

    /// The origin under which hosts see this server.
    #[must_use]
    pub fn public_url(&self) -> &PublicUrl {
        self.0.hosts.public_url()
    }

    /// The origins that browsers may call from, beside this server's own.
    pub fn allowed_origins(&self) -> impl Iterator<Item = &str> {
        self.0.hosts.allowed_origins()
    }

    /// The scopes that every request needs.
    #[must_use]
    pub fn required_scopes(&self) -> &Scopes {
        &self.0.required_scopes
    }

    /// The scopes that an operation needs, those that every request needs first; `name` as for
    /// [`OperationScopes::needed`].
    #[must_use]
    pub fn needed_scopes(&self, method: &str, name: Option<&str>) -> Scopes {
        let Some(operations) = &self.0.operations else {
            return self.0.required_scopes.clone();
        };
        let needed = operations.needed(method, name);
        let all = self.0.required_scopes.iter().chain(needed.iter());
        all.cloned().collect()
    }

    /// Whether a principal may do what needs these scopes, with the broader scopes that imply others.
    #[must_use]
    pub fn allows(&self, principal: &Principal, needed: &Scopes) -> bool {
        self.0.hierarchy.satisfies(principal.scopes(), needed)
    }

    #[cfg(all(feature = "authorization-server", feature = "rmcp"))]
    pub(crate) fn session_records(&self) -> Option<&SessionRecords> {
        self.0.session_records.as_ref()
    }

    /// Whether whoever serves the sessions could not read one the last time it tried.
    pub(super) fn sessions_are_away(&self) -> bool {
        #[cfg(all(feature = "authorization-server", feature = "rmcp"))]
        if let Some(records) = self.session_records() {
            return records.are_away();
        }
        false
    }

    /// What the verifier says about a token, without waiting if that can be.
    pub(super) async fn verified(&self, token: &AccessToken) -> Result<Principal, VerifyError> {
        let Settings {
            verifier, resource, ..
        } = &*self.0;
        match verifier.verify_now(token, resource) {
            Some(verified) => verified,
            None => verifier.verify(token, resource).await,
        }
    }

    /// What goes in front of the MCP service.
    #[must_use]
    pub fn layer(&self) -> ResourceServerLayer {
        ResourceServerLayer::new(self.clone())
    }
}
