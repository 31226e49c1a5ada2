//! Verifiers of other servers' tokens, behind the layer that refuses what they refuse.

#![allow(
    unreachable_pub,
    dead_code,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod composition;
mod hostile_jwts;
mod introspection;
mod issuer;
mod jwks;
mod jwts;
mod server;
