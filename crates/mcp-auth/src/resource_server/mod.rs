//! Bearer in, principal out: this MCP server in its role of accepting tokens (RFC 6749 §1.1).
//!
//! [`ResourceServer`] holds what one MCP endpoint checks, [`ResourceServer::layer`] puts it in front
//! of any tower service, and [`ResourceServers::metadata_endpoints`] serves the documents that tell
//! hosts where tokens come from (RFC 9728). The order of the checks is written in one place: `gate`.
//!
//! A server that has a verifier of its own and no tier stands on this module alone:
//!
//! ```
//! use std::sync::Arc;
//! use mcp_auth::{
//!     Principal,
//!     access_token::{TokenVerifier, VerifyError},
//!     oauth::{AccessToken, Issuer, PublicUrl, ResourceIdentifier, Scopes},
//!     resource_server::ResourceServer,
//! };
//!
//! #[derive(Debug)]
//! struct Introspection;
//!
//! #[async_trait::async_trait]
//! impl TokenVerifier for Introspection {
//!     async fn verify(
//!         &self,
//!         token: &AccessToken,
//!         resource: &ResourceIdentifier,
//!     ) -> Result<Principal, VerifyError> {
//!         // Ask whoever issued it, and compare the audience with `resource`.
//!         let _ = (token, resource);
//!         Err(VerifyError::Invalid("unknown"))
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let public_url = PublicUrl::parse("https://mcp.example.com")?;
//! let server = ResourceServer::builder(public_url, "/mcp", Arc::new(Introspection))
//!     .with_issuer(Issuer::parse("https://id.example.com")?)
//!     .with_required_scopes(Scopes::parse("mcp:tools")?)
//!     .build()?;
//! let layer = server.layer();
//! # let _ = layer; Ok(()) }
//! ```
//!
//! # In deployment
//!
//! `Host` is compared with the public URL, so a reverse proxy has to pass it on as the host sent it;
//! 403 with `host_not_allowed` in the log means that it does not. Nothing is read from
//! `X-Forwarded-*`.

mod builder;
mod challenge;
mod cors;
mod dpop;
mod future;
#[cfg(all(any(test, fuzzing), feature = "authorization-server"))]
pub(crate) mod fuzz;
mod gate;
mod header;
mod host;
mod layer;
mod metadata;
mod operations;
mod refusal;
mod scopes;
mod server;
mod servers;
mod service;
mod session;
#[cfg(all(feature = "authorization-server", feature = "rmcp"))]
mod session_records;
mod watch;

pub use builder::ResourceServerBuilder;
pub use future::ResponseFuture;
pub(crate) use host::is_origin;
pub use layer::ResourceServerLayer;
pub use operations::OperationScopes;
#[cfg(feature = "rmcp")]
pub(crate) use operations::{PROMPTS_GET, RESOURCES_READ, TOOLS_CALL};
pub use refusal::Refusal;
pub use scopes::ScopeHierarchy;
pub use server::ResourceServer;
pub use servers::ResourceServers;
pub use service::ResourceServerService;
#[cfg(all(feature = "authorization-server", feature = "rmcp"))]
pub(crate) use session_records::SessionRecords;
