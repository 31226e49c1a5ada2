//! The store on real files and real servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![allow(clippy::disallowed_methods, clippy::print_stdout)] // tests wait by real time, and say what they skip

mod contract;
mod held;
mod sample;
