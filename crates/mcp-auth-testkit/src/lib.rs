//! For testing MCP authentication: a demo upstream, a browser without a person, a moving clock and
//! the store contract.
//!
//! - [`DemoUpstream`] is a small OpenID provider that really runs, in process, on loopback.
//! - [`Browser`] is what a person's browser does: cookies, redirects, forms.
//! - [`ScriptedHost`] is a strict MCP host, from the MCP URL to a tool's result.
//! - [`MovingClock`] is a [`Clock`](mcp_auth::oauth::Clock) that tests can move.
//! - [`DocumentHost`] serves client ID metadata documents, as hostile as a test needs it.
//! - [`client_documents`] are what live hosts publish about themselves.
//! - [`registrations`] are what live hosts send to register themselves.
//! - [`at_once`] begins a race.
//! - [`services`] starts real servers for tests.
//! - [`mod@store_contract`] is what every [`Store`](mcp_auth::store::Store) has to hold.

mod at_once;
pub mod browser;
pub mod client_documents;
pub mod demo_upstream;
pub mod document_host;
mod moving_clock;
pub mod registrations;
pub mod scripted_host;
pub mod services;
pub mod store_contract;

pub use at_once::at_once;
pub use browser::Browser;
pub use demo_upstream::DemoUpstream;
pub use document_host::{DocumentAnswer, DocumentHost};
pub use moving_clock::MovingClock;
pub use scripted_host::ScriptedHost;
