//! Which roles this process plays. Start reading here.
//!
//! A user meets two calls on every tier: [`Tier::layer`] goes in front of the MCP service, and
//! [`Tier::endpoints`] is a service for everything else. [`Tier::protect`] does both at once.

#[cfg(feature = "authorization-server")]
mod cimd;
mod dcr_proxy;
#[cfg(feature = "authorization-server")]
mod dcr_shim;
mod endpoints;
#[cfg(feature = "authorization-server")]
mod environment;
mod protected;
#[cfg(feature = "authorization-server")]
mod shim;
mod static_key;
mod variables;

use std::{fmt::Debug, sync::Arc};

#[cfg(feature = "authorization-server")]
pub use cimd::Cimd;
pub use dcr_proxy::{DcrProxy, DcrProxyBuilder};
#[cfg(feature = "authorization-server")]
pub use dcr_shim::DcrShim;
pub use endpoints::Endpoints;
#[cfg(feature = "authorization-server")]
pub use environment::Environment;
pub use protected::{Protected, ProtectedFuture};
#[cfg(feature = "authorization-server")]
pub use shim::{ShimBuilder, ShimTier};
pub use static_key::{StaticKey, StaticKeyBuilder, UpstreamKey};

use crate::{
    net::EndpointSet,
    resource_server::{ResourceServer, ResourceServerLayer, ResourceServers},
};

/// A way of deciding who may call an MCP server: the roles of OAuth that this process plays.
pub trait Tier: Debug + Send + Sync {
    /// The MCP endpoints that are protected.
    fn resource_servers(&self) -> &ResourceServers;

    /// What this process answers beside the MCP endpoints and their metadata documents: nothing, or
    /// a whole authorization server.
    fn endpoint_sets(&self) -> Vec<Arc<dyn EndpointSet>> {
        Vec::new()
    }

    /// What goes in front of the main MCP service.
    fn layer(&self) -> ResourceServerLayer {
        self.resource_servers().main().layer()
    }

    /// The MCP endpoint at a path, with a layer of its own.
    fn resource(&self, path: &str) -> Option<&ResourceServer> {
        self.resource_servers().at(path)
    }

    /// A tower service for everything else: metadata documents, login, tokens; 404 for the rest.
    fn endpoints(&self) -> Endpoints {
        let mut sets = vec![self.resource_servers().metadata_endpoints()];
        sets.extend(self.endpoint_sets());
        Endpoints::new(sets)
    }

    /// One tower service for all of it: the MCP service behind its layer, and the endpoints.
    fn protect<S>(&self, service: S) -> Protected<S>
    where
        Self: Sized,
    {
        Protected::new(self, service)
    }
}

const _: Option<&dyn Tier> = None;
