//! What a tier does over real HTTP, one test for each rule it keeps.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod arrows;
mod hosting_page;
mod mcp_server;
mod presets;
#[path = "../proofs/mod.rs"]
mod proofs;
mod properties;
mod public_api;
mod resource_server;
#[cfg(feature = "rmcp")]
mod rmcp;
mod secrets;
mod static_key;
mod tier;
mod tokens;
mod wire;
