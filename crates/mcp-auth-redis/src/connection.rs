//! An open connection, to one server or to a cluster.

use std::time::Duration;

use redis::{
    Cmd, ErrorKind, Pipeline, RedisError, ServerErrorKind, Value, aio::MultiplexedConnection,
    cluster_async::ClusterConnection, cluster_routing::SingleNodeRoutingInfo,
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
            Self::Cluster(connection) => query_cluster(connection, command).await,
        }
    }

    /// Whether keys of one command must lie on one node.
    pub(crate) const fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// How often a command is sent where connections are lost under it. In a cluster one that was lost
    /// hides that others were, too.
    pub(crate) const fn tries(&self) -> u32 {
        match self {
            Self::Single(_) => 2,
            Self::Cluster(_) => 5,
        }
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

/// Asks again where a node did not carry the command out: the slot moved, or has no primary yet.
///
/// The client itself is told to repeat nothing. It would repeat what was sent on a connection that was
/// lost, too, and not say so: then a write that stands looks like one that lost to another.
async fn query_cluster(
    connection: &mut ClusterConnection,
    command: &Cmd,
) -> Result<Value, RedisError> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..TRIES {
        let error = match command.query_async(connection).await {
            Err(error) if was_turned_away(&error) => error,
            answer => return answer,
        };
        if let Some(there) = importing_node(&error) {
            return match ask_there(connection, command, there).await {
                // One that is so new that the client has no connection to it: nothing was sent.
                Err(e) if e.kind() == ErrorKind::ClusterConnectionNotFound => Err(error),
                answer => answer,
            };
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    command.query_async(connection).await
}

/// Whether the node says that it did nothing and that another, or itself later, may.
fn was_turned_away(error: &RedisError) -> bool {
    let ErrorKind::Server(kind) = error.kind() else {
        return false;
    };
    matches!(
        kind,
        ServerErrorKind::Moved
            | ServerErrorKind::Ask
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::BusyLoading
            | ServerErrorKind::ReadOnly
    )
}

/// The node that takes the slot over at the moment and has what is no longer here.
fn importing_node(error: &RedisError) -> Option<SingleNodeRoutingInfo> {
    if error.kind() != ServerErrorKind::Ask.into() {
        return None;
    }
    let (address, _) = error.redirect_node()?;
    let (host, port) = address.rsplit_once(':')?;
    Some(SingleNodeRoutingInfo::ByAddress {
        host: host.to_owned(),
        port: port.parse().ok()?,
    })
}

async fn ask_there(
    connection: &mut ClusterConnection,
    command: &Cmd,
    there: SingleNodeRoutingInfo,
) -> Result<Value, RedisError> {
    let mut both = Pipeline::new();
    both.cmd("ASKING");
    both.add_command(command.clone());
    let answers = connection.route_pipeline(both, 0, 2, there).await?;
    answers
        .into_iter()
        .last()
        .unwrap_or(Value::Nil)
        .extract_error()
}

/// In a cluster, before its answer counts: 150 ms of pauses, most of which a slot that moves needs.
const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(10);
