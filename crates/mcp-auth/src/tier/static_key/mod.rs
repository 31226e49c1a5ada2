//! Tier 1: a key that the operator set in the environment; no OAuth at all.
//!
//! Two uses. [`StaticKey`] guards an HTTP server: whoever has the key comes in. [`UpstreamKey`] is
//! the key that a stdio, MCPB or remote server shows to the API behind it.

mod builder;
mod environment;
mod upstream_key;

use std::net::SocketAddr;

pub use builder::StaticKeyBuilder;
pub use upstream_key::UpstreamKey;

use super::{Tier, variables::Variables};
use crate::{BuildError, oauth::PublicUrl, resource_server::ResourceServers};

/// Tier 1 on HTTP: nobody issues tokens, the operator's keys are the tokens.
///
/// ```
/// use mcp_auth::{StaticKey, Tier, oauth::PublicUrl};
///
/// # fn main() -> Result<(), mcp_auth::BuildError> {
/// let public_url = PublicUrl::parse("http://127.0.0.1:8000").expect("an origin");
/// let tier = StaticKey::builder(public_url)
///     .with_key("laptop", "6d1f0c5a9b3e47d28c60")
///     .build()?;
/// let layer = tier.layer(); // in front of the MCP service
/// # let _ = layer; Ok(()) }
/// ```
///
/// A refusal says `Bearer realm="mcp"` and names no metadata, so hosts do not start a login that
/// must fail.
///
/// # Security
///
/// Everybody with a key is the same caller. Keys come from a generator (`openssl rand -hex 32`) and
/// belong into the host's configuration, never into a URL or a tool argument.
#[derive(Debug, Clone)]
pub struct StaticKey {
    servers: ResourceServers,
    listen: SocketAddr,
}

impl StaticKey {
    /// Starts a tier for the MCP endpoint `/mcp` of this origin.
    pub fn builder(public_url: PublicUrl) -> StaticKeyBuilder {
        StaticKeyBuilder::new(public_url)
    }

    /// The tier with the key in the environment variable `name`, usually `MCP_API_KEY`.
    ///
    /// `NAME_2`, `NAME_3`, … up to 16 hold further keys for rotation, `NAME_HEADER` names a header
    /// that may carry the key beside `Authorization: Bearer`. The keys' names in logs and principals
    /// are `key-1`, `key-2`, …. Where the server is, is read from `MCP_AUTH_PUBLIC_URL`,
    /// `MCP_AUTH_LISTEN` and `MCP_AUTH_ALLOWED_ORIGINS`.
    ///
    /// # Errors
    ///
    /// When the key is missing, empty, shorter than 16 bytes or not printable, another of these
    /// variables cannot be used, or a further one begins with `NAME_`. The error names the variable, never a value of a key.
    pub fn from_env(name: &str) -> Result<Self, BuildError> {
        let variables = Variables::read(&["MCP_AUTH_", name])?;
        environment::static_key(name, &variables)
    }

    /// Where [`StaticKey::from_env`] was told to listen; `127.0.0.1:8000` otherwise.
    #[must_use]
    pub const fn listen(&self) -> SocketAddr {
        self.listen
    }
}

impl Tier for StaticKey {
    fn resource_servers(&self) -> &ResourceServers {
        &self.servers
    }
}
