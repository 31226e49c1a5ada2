//! Authentication for MCP servers: choose a tier, mount two `tower` services, and every host signs
//! in.
//!
//! | tier | who issues the token that reaches the MCP endpoint | how hosts become clients | what is kept |
//! |---|---|---|---|
//! | [`StaticKey`] (1) | nobody: a key the operator set in the environment | they don't | nothing |
//! | [`DcrProxy`] (2a) | the upstream, for *our* resource | at the upstream, which registers clients itself | nothing |
//! | [`DcrShim`] (2b) | our own authorization server; behind it our one client at the upstream | RFC 7591 at our `/register` | grants with upstream tokens, sealed |
//! | [`Cimd`] (3) | as 2b | the `client_id` is an `https` URL that we fetch and check | as 2b |
//!
//! Which tier is yours is on the page `docs/which-tier.md`
//! of the repository.
//!
//! # Ten lines
//!
//! ```no_run
//! use std::sync::Arc;
//! use axum::Router;
//! use mcp_auth::{DcrShim, Tier, oauth::PublicUrl, upstream::OAuthUpstream};
//!
//! # async fn run<S>(mcp_service: S) -> Result<(), Box<dyn std::error::Error>>
//! # where
//! #     S: tower_service::Service<axum::extract::Request, Response = http::Response<axum::body::Body>, Error = std::convert::Infallible> + Clone + Send + Sync + 'static,
//! #     S::Future: Send,
//! # {
//! let upstream = OAuthUpstream::with_issuer("https://id.example.com", "our-client-there").build()?;
//! let tier = DcrShim::builder(PublicUrl::parse("http://127.0.0.1:8000")?, Arc::new(upstream)).build()?;
//! let app = Router::new().fallback_service(tier.protect(mcp_service));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
//! axum::serve(listener, app).await?;
//! # Ok(()) }
//! ```
//!
//! # Two calls on every tier
//!
//! [`Tier::layer`] goes in front of the MCP service; [`Tier::endpoints`] answers everything else:
//! metadata, registration, login, tokens. [`Tier::protect`] does both at once. Behind the layer the
//! request's extensions hold a [`Principal`], and the host's token is gone: a tool can neither log
//! nor forward it.
//!
//! # Where things are
//!
//! [`oauth`] has OAuth's words as types, [`store`] and [`net`] the two ways out of the process, [`audit`]
//! the record of who let whom do what,
//! [`upstream`] the provider behind us, [`access_token`] who vouches for a token,
//! [`resource_server`] and [`authorization_server`] the two roles, [`tier`] what composes them.
//! Imports point in this order only, from the last to the first.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod access_token;
pub mod audit;
#[cfg(feature = "authorization-server")]
pub mod authorization_server;
mod build_error;
#[cfg(all(any(test, fuzzing), feature = "authorization-server"))]
#[doc(hidden)]
pub mod fuzzing;
mod metering;
pub mod net;
pub mod oauth;
pub mod resource_server;
#[cfg(feature = "rmcp")]
pub mod rmcp;
pub mod store;
pub mod tier;
pub mod upstream;

pub use access_token::Principal;
pub use build_error::BuildError;
#[cfg(feature = "authorization-server")]
pub use tier::{Cimd, DcrShim, Environment};
pub use tier::{DcrProxy, StaticKey, Tier, UpstreamKey};

// Every code block of the pages is compiled and, unless it says no_run, run.
#[cfg(all(
    doctest,
    feature = "authorization-server",
    feature = "http-client",
    feature = "rmcp"
))]
mod pages {
    macro_rules! page {
        ($($name:ident: $path:literal),* $(,)?) => {
            $(#[doc = include_str!(concat!("../../../", $path))] mod $name {})*
        };
    }
    page! {
        readme: "README.md",
        which_tier: "docs/which-tier.md",
        static_key: "docs/tiers/static-key.md",
        dcr_shim: "docs/tiers/dcr-shim.md",
        dcr_proxy: "docs/tiers/dcr-proxy.md",
        cimd: "docs/tiers/cimd.md",
        dpop: "docs/dpop.md",
        scopes: "docs/scopes.md",
        flows: "docs/flows.md",
        environment: "docs/environment.md",
        hosting: "docs/hosting.md",
        hosts: "docs/hosts.md",
        limits: "docs/limits.md",
        pitfalls: "docs/pitfalls.md",
        decisions: "docs/decisions.md",
        stores: "docs/stores.md",
        deployment: "docs/deployment.md",
        observability: "docs/observability.md",
        testing: "docs/testing.md",
        token_exchange: "docs/token-exchange.md",
        verifiers: "docs/verifiers.md",
    }
}
