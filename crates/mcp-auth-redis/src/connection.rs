//! An open connection, to one server or to a cluster.

use redis::{Cmd, RedisError, Value, aio::MultiplexedConnection, cluster_async::ClusterConnection};

/// Many callers share one: each command is sent at once and the answers come in order.
#[derive(Clone)]
pub(crate) enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    pub(crate) async fn query(&mut self, command: &Cmd) -> Result<Value, RedisError> {
        match self {
            Self::Single(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }

    /// Whether keys of one command must lie on one node.
    pub(crate) const fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }
}
