//! Tier 2b: our own authorization server in front of an upstream that registers no clients.

use std::sync::Arc;

use super::{
    Tier,
    shim::{Shim, ShimBuilder, ShimTier, sealed::FromShim},
};
use crate::{
    access_token::GrantAdministration, authorization_server::RegistrationAdministration,
    net::EndpointSet, oauth::PublicUrl, resource_server::ResourceServers, upstream::Upstream,
};

/// Tier 2b: hosts register at our `/register` or come with a client ID metadata document, users
/// consent on our page and sign in at the upstream, and tools get the upstream's tokens while hosts
/// get ours.
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
pub struct DcrShim(Shim);

impl DcrShim {
    /// A server that hosts see at `public_url`, whose users sign in at `upstream`; the redirect URI of
    /// our client there is `public_url` + `/callback`.
    pub fn builder(public_url: PublicUrl, upstream: Arc<dyn Upstream>) -> ShimBuilder<Self> {
        ShimBuilder::new(public_url, upstream)
    }

    /// The live grants, for operators: list them, end them.
    #[must_use]
    pub fn grants(&self) -> GrantAdministration {
        self.0.grants()
    }

    /// The registrations, for operators: list them, end them. None unless they are stored
    /// ([`ShimBuilder::with_stored_registrations`]).
    #[must_use]
    pub fn registrations(&self) -> Option<RegistrationAdministration> {
        self.0.registrations()
    }
}

impl Tier for DcrShim {
    fn resource_servers(&self) -> &ResourceServers {
        self.0.resource_servers()
    }

    fn endpoint_sets(&self) -> Vec<Arc<dyn EndpointSet>> {
        self.0.endpoint_sets()
    }
}

impl ShimTier for DcrShim {
    const REGISTRATION: bool = true;
}

impl FromShim for DcrShim {
    fn of(shim: Shim) -> Self {
        Self(shim)
    }
}
