//! What [`DcrShim`](super::DcrShim) and [`Cimd`](super::Cimd) share: our own authorization server in
//! front of an upstream, and the MCP endpoints that take its tokens.

mod builder;

use std::sync::Arc;

pub use builder::ShimBuilder;

use super::Tier;
use crate::{
    access_token::GrantAdministration,
    authorization_server::{AuthorizationServer, RegistrationAdministration},
    net::EndpointSet,
    resource_server::ResourceServers,
};

/// The two roles that one process plays.
#[derive(Debug)]
pub struct Shim {
    server: Arc<AuthorizationServer>,
    resource_servers: ResourceServers,
}

impl Shim {
    pub(super) const fn resource_servers(&self) -> &ResourceServers {
        &self.resource_servers
    }

    pub(super) fn endpoint_sets(&self) -> Vec<Arc<dyn EndpointSet>> {
        vec![self.server.clone()]
    }

    pub(super) fn grants(&self) -> GrantAdministration {
        GrantAdministration::new(Arc::clone(&self.server.grants))
    }

    pub(super) fn registrations(&self) -> Option<RegistrationAdministration> {
        self.server.registrations()
    }
}

/// A tier with our own authorization server; [`ShimBuilder`] builds it. Sealed: `DcrShim` and `Cimd`
/// are all there are.
pub trait ShimTier: Tier + Sized + sealed::FromShim {
    /// Whether hosts can register themselves (RFC 7591) unless the builder is told otherwise.
    const REGISTRATION: bool;
}

pub(super) mod sealed {
    /// Made from the two roles.
    pub trait FromShim {
        /// The tier that plays them.
        fn of(shim: super::Shim) -> Self;
    }
}
