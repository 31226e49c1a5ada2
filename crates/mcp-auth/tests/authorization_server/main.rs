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
#[path = "../proofs/mod.rs"]
mod proofs;
#[path = "../flows/rig/switched_store.rs"]
mod switched_store;

mod admission;
mod authorize;
mod build;
mod callback;
mod client;
mod client_assertion;
mod client_authentication;
mod client_credentials;
mod client_document_fetch;
mod client_document_limits;
mod client_document_trouble;
mod client_documents;
mod connected_apps;
mod consent;
mod denied_clients;
mod dpop_endpoint;
mod dpop_par;
mod dpop_proofs;
mod dpop_refresh;
mod dpop_tokens;
mod full_house;
mod identity_assertions;
mod incidents;
mod initial_access_token;
mod introspect;
mod jwt_access_tokens;
mod jwt_forgeries;
mod metadata;
mod pages;
mod par;
mod prompt;
mod rate_limits;
mod redirect;
mod register;
mod registered_enterprise;
mod registered_members;
mod remembered_consent;
mod resource_and_scope;
mod revoke;
mod sign_out;
mod signer;
mod step_up;
mod storage;
mod stored_registrations;
mod token_code;
mod token_refresh;
mod token_request;
mod upstream_told;
mod visitors;
