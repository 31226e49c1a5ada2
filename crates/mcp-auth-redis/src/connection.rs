//! An open connection, to one server or to a cluster.

use redis::{
    Cmd, ErrorKind, RedisError, Value, aio::MultiplexedConnection, cluster_async::ClusterConnection,
};

use crate::failure::Verdict;

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

    /// Whether another connection is needed after this error.
    ///
    /// That to a cluster mends itself, node by node, as long as it knows one; the records of the other
    /// nodes must not go away with those of one.
    pub(crate) fn is_gone_with(&self, verdict: Verdict, error: &RedisError) -> bool {
        let away = matches!(verdict, Verdict::Dropped | Verdict::Elsewhere);
        let knows_nobody = || error.kind() == ErrorKind::ClusterConnectionNotFound;
        // What the client says when its task ended, as with the runtime that it was started on.
        let ended = || error.to_string().contains("redis_cluster: Unable to");
        away && (!self.is_cluster() || knows_nobody() || ended())
    }
}
