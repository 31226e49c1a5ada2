//! Whole servers: several processes of `remote_dcr` on one store, raced, killed and cut off.
//!
//! Everything here is real: the processes, the stores, the signals. Only the upstream and the host
//! are the testkit's, in the test's own process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout
)]

mod at_rest;
mod clocks;
mod failover;
mod front;
mod kills;
mod nginx;
mod outages;
mod races;
mod revocation;
mod rolling;
mod rotated_keys;
mod server;
mod sessions;
mod site;
mod sizes;
mod soak;
mod start;
mod stores;
