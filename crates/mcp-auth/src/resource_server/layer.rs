//! The layer.

use tower_layer::Layer;

use super::{ResourceServer, ResourceServerService};

/// Puts a [`ResourceServer`] in front of a service: made by [`ResourceServer::layer`].
#[derive(Debug, Clone)]
pub struct ResourceServerLayer(ResourceServer);

impl ResourceServerLayer {
    pub(super) const fn new(server: ResourceServer) -> Self {
        Self(server)
    }
}

impl<S> Layer<S> for ResourceServerLayer {
    type Service = ResourceServerService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ResourceServerService::new(self.0.clone(), inner)
    }
}
