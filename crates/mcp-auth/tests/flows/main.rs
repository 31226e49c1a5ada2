//! `DcrShim` as it runs: real HTTP in front, the demo upstream behind, several instances on one store.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod access_tokens;
mod audit;
mod clock_jumps;
mod corrupt_records;
mod dcr_proxy;
mod exchanging_server;
mod grant_administration;
mod instances;
mod key_rotation;
#[cfg(feature = "metrics")]
mod metrics;
#[path = "../proofs/mod.rs"]
mod proofs;
mod races;
mod rig;
mod several_upstreams;
mod store_faults;
mod token_exchange;
mod upstream_claims;
mod upstream_client;
mod upstream_faults;
mod upstream_identity;
mod upstream_login;
mod upstream_tokens;
