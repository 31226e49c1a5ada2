//! What is done with bytes from outside, for fuzzing: `cargo fuzz` calls these functions with whatever
//! it finds, and the tests of this crate call them with the corpus in `fuzz/corpus` and with what
//! proptest makes of it.
//!
//! Each holds what it reads to what must be true of it; none may panic but by that. Not part of the
//! public interface: it is there under test and under `--cfg fuzzing` only.

#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::missing_panics_doc,
    missing_docs
)]

#[cfg(test)]
mod tests;

pub use crate::{
    authorization_server::fuzz::{
        accept_header, basic_header, client_document, cookies, form_body, jws, registration_body,
        sealed,
    },
    oauth::fuzz::{identifiers, redirect_uri, scopes},
    resource_server::fuzz::{authorization_header, forwarded_headers},
};

pub type Target = fn(&[u8]);

/// Every target by the name of its corpus. One that is added here needs a corpus, a file of three lines
/// in `fuzz/fuzz_targets`, and an entry in `fuzz/Cargo.toml`; a test says so.
pub const TARGETS: &[(&str, Target)] = &[
    ("accept_header", accept_header),
    ("authorization_header", authorization_header),
    ("basic_header", basic_header),
    ("client_document", client_document),
    ("cookies", cookies),
    ("form_body", form_body),
    ("forwarded_headers", forwarded_headers),
    ("identifiers", identifiers),
    ("jws", jws),
    ("redirect_uri", redirect_uri),
    ("registration_body", registration_body),
    ("scopes", scopes),
    ("sealed", sealed),
];
