//! The testkit itself under test, over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod browser;
mod discovery;
mod faults;
mod login;
mod relying_party;
mod resources;
mod tokens;
