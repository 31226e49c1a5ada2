//! Glue for rmcp: [`Principal`] as a tool parameter, scopes checked again at dispatch, rmcp's own checks filled from the tier, and its
//! sessions kept in our store.

mod scoped;
#[cfg(feature = "authorization-server")]
mod stored_sessions;

use ::rmcp::{
    ErrorData,
    handler::server::common::{AsRequestContext, FromContextPart},
    model::Extensions,
    transport::StreamableHttpServerConfig,
};

use crate::{access_token::Principal, resource_server::ResourceServer, tier::Tier};

/// Lets a tool or prompt take `principal: Principal` as a parameter.
///
/// rmcp hands the request's parts to handlers; the principal is in their extensions.
impl<C: AsRequestContext> FromContextPart<C> for Principal {
    fn from_context_part(context: &mut C) -> Result<Self, ErrorData> {
        caller(&context.as_request_context().extensions)
            .cloned()
            .ok_or_else(|| {
                ErrorData::internal_error("this server has no layer that says who is calling", None)
            })
    }
}

pub use scoped::{Scoped, scoped, scoped_for};
#[cfg(feature = "authorization-server")]
pub use stored_sessions::StoredSessions;

/// Who is calling, by the request itself: rmcp hands its parts to handlers, whatever the session.
fn caller(extensions: &Extensions) -> Option<&Principal> {
    let parts = extensions.get::<http::request::Parts>()?;
    parts.extensions.get::<Principal>()
}

/// rmcp's configuration with `Host` and `Origin` lists for the tier's main endpoint.
///
/// Where the tier's store is shared, the sessions of hosts before 2026-07-28 are kept in it, so that
/// another process can go on with one.
///
/// rmcp checks both again behind the layer. By default it knows loopback names only, so a public
/// server would answer 403 to everybody, and it does not check `Origin` at all.
#[must_use]
pub fn server_config(tier: &dyn Tier) -> StreamableHttpServerConfig {
    server_config_for(tier.resource_servers().main())
}

/// As [`server_config`], for one of several endpoints.
#[must_use]
pub fn server_config_for(server: &ResourceServer) -> StreamableHttpServerConfig {
    let public = server.public_url();
    let mut hosts = vec![public.authority().to_owned()];
    let mut origins = vec![with_port(public.as_str())];
    if public.is_loopback() {
        hosts.extend(LOOPBACK.map(str::to_owned));
        let spellings = LOOPBACK
            .iter()
            .flat_map(|host| ["http", "https"].map(|scheme| format!("{scheme}://{host}:*")));
        origins.extend(spellings);
    }
    origins.extend(server.allowed_origins().map(with_port));
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(hosts)
        .with_allowed_origins(origins)
        .enforce_origin_validation();
    #[cfg(feature = "authorization-server")]
    if let Some(records) = server.session_records() {
        let mut config = config;
        let sessions = StoredSessions::of(records.clone());
        config.session_store = Some(std::sync::Arc::new(sessions));
        return config;
    }
    config
}

/// rmcp takes an origin without a port for every port; the default port is spelled out instead.
fn with_port(origin: &str) -> String {
    let (scheme, authority) = origin.split_once("://").unwrap_or((origin, ""));
    let host_end = authority.rfind(']').unwrap_or(0);
    let has_port = authority
        .get(host_end..)
        .is_some_and(|rest| rest.contains(':'));
    match scheme {
        _ if has_port => origin.to_owned(),
        "https" => format!("{origin}:443"),
        "http" => format!("{origin}:80"),
        _ => format!("{origin}:*"),
    }
}

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
