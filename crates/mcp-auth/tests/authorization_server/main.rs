//! What the authorization server must do and must refuse, over real HTTP. The line above each test
//! names the rows of the requirements that it proves.

#![cfg(all(feature = "authorization-server", feature = "http-client"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub
)]

#[path = "../harness/mod.rs"]
mod harness;

mod authorize;
mod build;
mod callback;
mod client;
mod client_authentication;
mod consent;
mod initial_access_token;
mod introspect;
mod metadata;
mod pages;
mod par;
mod rate_limits;
mod redirect;
mod register;
mod remembered_consent;
mod resource_and_scope;
mod revoke;
mod storage;
mod stored_registrations;
mod token_code;
mod token_refresh;
mod token_request;
