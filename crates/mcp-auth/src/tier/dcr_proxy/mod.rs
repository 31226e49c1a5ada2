//! Tier 2a: the provider registers hosts itself and issues tokens for this server; we only check them.

mod builder;
mod mirror;
mod registration_relay;
mod requirements;

use std::sync::Arc;

pub use builder::DcrProxyBuilder;
use mirror::Mirror;

use super::Tier;
use crate::{
    net::EndpointSet,
    oauth::{Issuer, PublicUrl},
    resource_server::ResourceServers,
};

/// Tier 2a: hosts become clients at the provider (RFC 7591, or by a metadata document) and sign in there;
/// its tokens, issued for this server alone (RFC 8707), are what comes to us.
///
/// ```no_run
/// use mcp_auth::{DcrProxy, Tier, oauth::{Issuer, PublicUrl}};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let public_url = PublicUrl::parse("https://mcp.example.com")?;
/// let issuer = Issuer::parse("https://id.example.com")?;
/// let tier = DcrProxy::builder(public_url, issuer).discover().await?;
/// let layer = tier.layer(); // in front of the MCP service
/// let endpoints = tier.endpoints(); // the metadata documents
/// # let _ = (layer, endpoints); Ok(()) }
/// ```
///
/// Nothing is kept here: no client, no grant, no token. A tool gets a token for the provider's API by
/// token exchange only.
///
/// # Security
///
/// A token is good here if its audience is this server's MCP URL, and there is no switch for less: a
/// provider that does not write it makes every request a 401 (MCP Authorization, Token Audience Binding).
#[derive(Debug)]
pub struct DcrProxy {
    servers: ResourceServers,
    mirror: Arc<Mirror>,
}

impl DcrProxy {
    /// A server that hosts see at `public_url`, with the tokens of this issuer.
    pub fn builder(public_url: PublicUrl, issuer: Issuer) -> DcrProxyBuilder {
        DcrProxyBuilder::new(public_url, issuer)
    }
}

impl Tier for DcrProxy {
    fn resource_servers(&self) -> &ResourceServers {
        &self.servers
    }

    fn endpoint_sets(&self) -> Vec<Arc<dyn EndpointSet>> {
        vec![Arc::clone(&self.mirror) as Arc<dyn EndpointSet>]
    }
}
