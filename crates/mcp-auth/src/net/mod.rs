//! The one door to the network: what our endpoints read and answer, and the client that calls out.

mod basic_credentials;
mod body;
mod causes;
mod client_address;
mod collect;
mod cors;
mod empty;
mod endpoint_set;
#[cfg(feature = "http-client")]
mod guarded_client;
mod host;
mod http_client;
#[cfg(feature = "http-client")]
mod public_address;
#[cfg(feature = "http-client")]
mod reqwest_client;
mod visits;

pub(crate) use basic_credentials::basic_credentials;
pub use body::ResponseBody;
pub(crate) use body::Watch;
pub(crate) use causes::Causes;
pub use client_address::{ClientAddress, TrustedProxies};
pub(crate) use collect::collect;
pub(crate) use cors::{open_to_everyone, preflight_for_everyone};
pub(crate) use empty::empty;
pub use endpoint_set::EndpointSet;
#[cfg(feature = "http-client")]
pub use guarded_client::{GuardedClient, GuardedClientBuilder, Resolver};
pub(crate) use host::{named_authority, names};
pub(crate) use http_client::default_http_client;
pub use http_client::{HttpClient, HttpError};
#[cfg(feature = "http-client")]
pub use reqwest_client::ReqwestClient;
pub(crate) use visits::{Visit, Visits};
