//! Tier 3: our own authorization server, whose clients are the documents their identifiers lead to.

use std::sync::Arc;

use super::{
    Tier,
    shim::{Shim, ShimBuilder, ShimTier, sealed::FromShim},
};
use crate::{
    access_token::GrantAdministration, authorization_server::RegistrationAdministration,
    net::EndpointSet, oauth::PublicUrl, resource_server::ResourceServers, upstream::Upstream,
};

/// Tier 3: the `client_id` of a host is the `https` URL of a document that describes it (client ID
/// metadata document), so nobody registers; everything else is as in [`DcrShim`](super::DcrShim).
///
/// Hosts that know only dynamic registration cannot sign in, unless
/// [`ShimBuilder::with_registration`] turns it on.
///
/// ```
/// use std::sync::Arc;
/// use mcp_auth::{Cimd, Tier, oauth::PublicUrl, upstream::OAuthUpstream};
///
/// # fn main() -> Result<(), mcp_auth::BuildError> {
/// let upstream = OAuthUpstream::with_issuer("https://id.example.com", "our-client").build()?;
/// let public_url = PublicUrl::parse("http://127.0.0.1:8000").expect("an origin");
/// let tier = Cimd::builder(public_url, Arc::new(upstream)).build()?;
/// let layer = tier.layer(); // in front of the MCP service
/// let endpoints = tier.endpoints(); // everything else
/// # let _ = (layer, endpoints); Ok(()) }
/// ```
#[derive(Debug)]
pub struct Cimd(Shim);

impl Cimd {
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

impl Tier for Cimd {
    fn resource_servers(&self) -> &ResourceServers {
        self.0.resource_servers()
    }

    fn endpoint_sets(&self) -> Vec<Arc<dyn EndpointSet>> {
        self.0.endpoint_sets()
    }
}

impl ShimTier for Cimd {
    const REGISTRATION: bool = false;
}

impl FromShim for Cimd {
    fn of(shim: Shim) -> Self {
        Self(shim)
    }
}
