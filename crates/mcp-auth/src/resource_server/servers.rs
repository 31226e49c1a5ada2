//! The MCP endpoints of one origin.

use std::sync::Arc;

use super::{ResourceServer, metadata::MetadataEndpoints};
use crate::{BuildError, net::EndpointSet};

/// The MCP endpoints of one origin: at least one, each with a path of its own.
///
/// A token of one never opens another: each asks the verifier for its own audience.
#[derive(Debug, Clone)]
pub struct ResourceServers {
    main: ResourceServer,
    further: Arc<[ResourceServer]>,
}

impl ResourceServers {
    /// Several endpoints, the main one first.
    ///
    /// # Errors
    ///
    /// When two of them have the same path, or one has another origin.
    pub fn new(main: ResourceServer, further: Vec<ResourceServer>) -> Result<Self, BuildError> {
        let mut paths = vec![main.path()];
        for server in &further {
            if server.public_url() != main.public_url() {
                return Err(BuildError::argument(
                    "resource servers",
                    "all of them have the same public URL",
                ));
            }
            if paths.contains(&server.path()) {
                return Err(BuildError::argument(
                    "resource servers",
                    format!("two endpoints at {}; give each its own path", server.path()),
                ));
            }
            paths.push(server.path());
        }
        Ok(Self {
            main,
            further: further.into(),
        })
    }

    /// The main endpoint.
    #[must_use]
    pub const fn main(&self) -> &ResourceServer {
        &self.main
    }

    /// All of them, the main one first.
    pub fn iter(&self) -> impl Iterator<Item = &ResourceServer> {
        std::iter::once(&self.main).chain(self.further.iter())
    }

    /// The endpoint at exactly this path.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&ResourceServer> {
        self.iter().find(|server| server.path() == path)
    }

    /// The metadata documents, one for each endpoint that has an issuer (RFC 9728 §3).
    #[must_use]
    pub fn metadata_endpoints(&self) -> Arc<dyn EndpointSet> {
        Arc::new(MetadataEndpoints::of(self))
    }
}

impl From<ResourceServer> for ResourceServers {
    fn from(main: ResourceServer) -> Self {
        Self {
            main,
            further: Arc::new([]),
        }
    }
}
