//! Authentication for MCP servers.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod access_token;
#[cfg(feature = "authorization-server")]
pub mod authorization_server;
mod build_error;
pub mod net;
pub mod oauth;
pub mod store;
#[cfg(feature = "authorization-server")]
pub mod upstream;

pub use access_token::Principal;
pub use build_error::BuildError;
