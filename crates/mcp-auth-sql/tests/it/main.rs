//! The store on real files and real servers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
// Tests wait by real time, speak to their children, and say what they skip.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

mod contract;
mod held;
#[cfg(unix)]
mod pooler;
mod postgres_faults;
mod processes;
mod restored;
#[cfg(target_os = "linux")]
mod same_process;
mod sample;
mod sqlite_faults;
mod start;
mod unanswered;
