//! Tier 2b: our own authorization server in front of an upstream that registers no clients.

mod builder;

use std::sync::Arc;

pub use builder::DcrShimBuilder;

use super::Tier;
use crate::{
    access_token::GrantSummary,
    authorization_server::AuthorizationServer,
    net::EndpointSet,
    oauth::{ClientId, PublicUrl},
    resource_server::ResourceServers,
    store::{IndexName, StoreError},
    upstream::Upstream,
};

/// Tier 2b: hosts register at our `/register`, users consent on our page and sign in at the upstream,
/// and tools get the upstream's tokens while hosts get ours.
///
/// ```
/// use std::sync::Arc;
/// use mcp_auth::{DcrShim, Tier, oauth::PublicUrl, upstream::OAuthUpstream};
///
/// # fn main() -> Result<(), mcp_auth::BuildError> {
/// let upstream = OAuthUpstream::with_issuer("https://id.example.com", "our-client").build()?;
/// let public_url = PublicUrl::parse("http://127.0.0.1:8000").expect("an origin");
/// let tier = DcrShim::builder(public_url, Arc::new(upstream)).build()?;
/// let layer = tier.layer(); // in front of the MCP service
/// let endpoints = tier.endpoints(); // everything else
/// # let _ = (layer, endpoints); Ok(()) }
/// ```
#[derive(Debug)]
pub struct DcrShim {
    server: Arc<AuthorizationServer>,
    resource_servers: ResourceServers,
}

impl DcrShim {
    /// A server that hosts see at `public_url`, whose users sign in at `upstream`; the redirect URI of
    /// our client there is `public_url` + `/callback`.
    pub fn builder(public_url: PublicUrl, upstream: Arc<dyn Upstream>) -> DcrShimBuilder {
        DcrShimBuilder::new(public_url, upstream)
    }

    /// The live grants of a user, through whichever clients.
    ///
    /// The subject is what [`Principal::subject`](crate::Principal::subject) says: the upstream's
    /// namespace, `|`, the user there.
    ///
    /// # Errors
    ///
    /// When the store is away.
    pub async fn grants_of_subject(&self, subject: &str) -> Result<Vec<GrantSummary>, StoreError> {
        self.server.grants.list(&of_subject(subject)).await
    }

    /// The live grants of a client, for whichever users.
    ///
    /// # Errors
    ///
    /// When the store is away.
    pub async fn grants_of_client(
        &self,
        client: &ClientId,
    ) -> Result<Vec<GrantSummary>, StoreError> {
        self.server.grants.list(&of_client(client)).await
    }

    /// Ends one grant of a user, by the name that [`DcrShim::grants_of_subject`] gives; says whether
    /// there was one. Other processes see it within the revocation bound.
    ///
    /// # Errors
    ///
    /// When the store is away.
    pub async fn revoke_grant(&self, subject: &str, name: &str) -> Result<bool, StoreError> {
        let reason = "one grant of a user was ended";
        self.server
            .grants
            .revoke_named(&of_subject(subject), name, reason)
            .await
    }

    /// Ends every grant of a user; says how many there were.
    ///
    /// # Errors
    ///
    /// When the store is away; some of the grants may be ended by then.
    pub async fn revoke_grants_of_subject(&self, subject: &str) -> Result<usize, StoreError> {
        let reason = "the operator ended a user's grants";
        self.server
            .grants
            .revoke_all(&of_subject(subject), reason)
            .await
    }

    /// Ends every grant of a client, for whichever users; says how many there were.
    ///
    /// # Errors
    ///
    /// When the store is away; some of the grants may be ended by then.
    pub async fn revoke_grants_of_client(&self, client: &ClientId) -> Result<usize, StoreError> {
        let reason = "the operator ended a client's grants";
        self.server
            .grants
            .revoke_all(&of_client(client), reason)
            .await
    }
}

fn of_subject(subject: &str) -> IndexName {
    IndexName::new("subject", subject.as_bytes())
}

fn of_client(client: &ClientId) -> IndexName {
    IndexName::new("client", client.as_str().as_bytes())
}

impl Tier for DcrShim {
    fn resource_servers(&self) -> &ResourceServers {
        &self.resource_servers
    }

    fn endpoint_sets(&self) -> Vec<Arc<dyn EndpointSet>> {
        vec![self.server.clone()]
    }
}
