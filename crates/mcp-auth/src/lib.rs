//! Authentication for MCP servers.
pub mod oauth;
