//! Bearer in, principal out: this MCP server in its role of accepting tokens (RFC 6749 §1.1).
//!
//! [`ResourceServer`] holds what one MCP endpoint checks, [`ResourceServer::layer`] puts it in front
//! of any tower service, and [`ResourceServers::metadata_endpoints`] serves the documents that tell
//! hosts where tokens come from (RFC 9728). The order of the checks is written in one place: `gate`.

mod builder;
mod challenge;
mod cors;
mod future;
mod gate;
mod header;
mod host;
mod layer;
mod metadata;
mod refusal;
mod scopes;
mod server;
mod servers;
mod service;
mod session;

pub use builder::ResourceServerBuilder;
pub use future::ResponseFuture;
pub use layer::ResourceServerLayer;
pub use refusal::Refusal;
pub use scopes::ScopeHierarchy;
pub use server::ResourceServer;
pub use servers::ResourceServers;
pub use service::ResourceServerService;
