//! Clusters whose network loses answers and connections.

use std::sync::Arc;

use mcp_auth::store::Replace;
use mcp_auth_testkit::services::{RedisCluster, RedisServer, free_port};
use tokio::net::TcpListener;

use super::{network::Network, *};

/// FLT-07. A swaps and its answer is lost, B swaps on top of it: A's second try finds B's record.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_in_a_cluster_that_came_through_is_not_told_as_one_that_lost() {
    let Some(cluster) = OneNode::start().await else {
        return;
    };
    let a = Arc::new(patient(&cluster.url()).await);
    let b = patient(&cluster.url()).await;
    put(&a, 1).await;
    put(&b, 9).await;

    let version = a.load(&key(1)).await.unwrap().unwrap().version;
    cluster.network.hold_next_answer();
    let writer = a.clone();
    let swap = tokio::spawn(async move { writer.replace(&key(1), version, plain("of a")).await });
    cluster.network.held().await;
    swap_on_top(&b, 1).await;
    cluster.network.let_go();
    is_unknown(swap.await.unwrap());

    cluster.network.hold_next_answer();
    let writer = a.clone();
    let insert = tokio::spawn(async move { writer.insert(&key(2), plain("of a")).await });
    cluster.network.held().await;
    swap_on_top(&b, 2).await;
    cluster.network.let_go();
    is_unknown(insert.await.unwrap());

    // Nobody came in between: it knows itself.
    cluster.network.cut_next_answer();
    let inserted = a.insert(&key(3), plain("of a")).await;
    assert_eq!(inserted.unwrap(), Insert::Inserted);
    cluster.network.was_cut();
    // And where nothing was lost an answer means what it says.
    let exists = a.insert(&key(3), plain("again")).await;
    assert_eq!(exists.unwrap(), Insert::Exists);
    let conflict = a.replace(&key(3), version, plain("again")).await;
    assert_eq!(conflict.unwrap(), Replace::Conflict);
}

/// The client notices a connection that was closed, not one that is silent.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_to_a_node_that_went_silent_is_replaced() {
    let Some(cluster) = OneNode::start().await else {
        return;
    };
    let store = open(&cluster.url()).await;
    put(&store, 1).await;
    for _ in 0..2 {
        cluster.network.forget_connections();
        let silent = store.load(&key(1)).await;
        assert!(
            matches!(silent, Err(StoreError::Unavailable(_))),
            "{silent:?}"
        );
        heals(&store).await;
        assert!(holds(&store, 1).await);
    }
}

#[tokio::test]
async fn a_slot_that_moves_to_another_node_is_followed() {
    let Some(cluster) = RedisCluster::start() else {
        return;
    };
    let store = patient(&cluster.url()).await;
    let plain = || plain("content");
    let slot = slot(&cluster.nodes[0], &record_name(1)).await;
    let owner = usize::from(slot) / 5_461;
    let (from, to) = (
        &cluster.nodes[owner.min(2)],
        &cluster.nodes[(owner + 1) % 3],
    );
    let (from_id, to_id) = (
        from.command(&["CLUSTER", "MYID"]),
        to.command(&["CLUSTER", "MYID"]),
    );
    let slot = slot.to_string();
    let set = |node: &RedisServer, state: &str, id: &str| {
        let said = node.command(&["CLUSTER", "SETSLOT", &slot, state, id]);
        assert_eq!(said, "OK", "{state}");
    };
    set(to, "IMPORTING", &from_id);
    set(from, "MIGRATING", &to_id);
    // What is not in the old place is asked for, and written, in the new one.
    assert_eq!(
        store.insert(&key(1), plain()).await.unwrap(),
        Insert::Inserted
    );
    assert!(holds(&store, 1).await);
    assert_eq!(
        store.insert(&key(1), plain()).await.unwrap(),
        Insert::Exists
    );
    assert_eq!(to.command(&["CLUSTER", "COUNTKEYSINSLOT", &slot]), "1");
    for node in [to, from] {
        set(node, "NODE", &to_id);
    }
    assert!(holds(&store, 1).await);
    let version = store.load(&key(1)).await.unwrap().unwrap().version;
    let swapped = store.replace(&key(1), version, plain()).await;
    assert_eq!(swapped.unwrap(), Replace::Replaced);
}

#[tokio::test]
async fn connections_to_a_cluster_that_the_network_cut_are_nobodys_outage() {
    let (Some(cluster), Some(alone)) = (RedisCluster::start(), OneNode::start().await) else {
        return;
    };
    for (url, nodes) in [
        (cluster.url(), cluster.nodes.iter().collect::<Vec<_>>()),
        (alone.url(), vec![&alone.server]),
    ] {
        let store = patient(&url).await;
        put(&store, 1).await;
        for _ in 0..5 {
            for node in &nodes {
                assert_ne!(node.command(&["CLIENT", "KILL", "TYPE", "normal"]), "");
            }
            assert!(holds(&store, 1).await);
            for node in &nodes {
                assert_ne!(node.command(&["CLIENT", "KILL", "TYPE", "normal"]), "");
            }
            let version = store.load(&key(1)).await.unwrap().unwrap().version;
            let swapped = store.replace(&key(1), version, record("content")).await;
            assert_eq!(swapped.unwrap(), Replace::Replaced);
        }
    }
}

async fn slot(node: &RedisServer, name: &[u8]) -> u16 {
    let client = redis::Client::open(node.url()).unwrap();
    let mut raw = client.get_multiplexed_async_connection().await.unwrap();
    let mut question = redis::cmd("CLUSTER");
    question.arg("KEYSLOT").arg(name);
    question.query_async(&mut raw).await.unwrap()
}

fn record_name(n: u32) -> Vec<u8> {
    [b"mcp-auth:r".as_slice(), key(n).as_bytes()].concat()
}

async fn swap_on_top(store: &RedisStore, n: u32) {
    let found = store.load(&key(n)).await.unwrap().unwrap();
    assert_eq!(found.record.sealed, b"of a", "it was carried out");
    let swapped = store.replace(&key(n), found.version, plain("of b")).await;
    assert_eq!(swapped.unwrap(), Replace::Replaced);
}

fn is_unknown<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    assert!(
        matches!(answer, Err(StoreError::Unavailable(_))),
        "{answer:?}"
    );
}

/// Under no index, so that one write is one command.
fn plain(content: &str) -> Record {
    Record::new(content.into(), now().plus(HOUR))
}

/// A cluster of one node, which names itself by the network before it.
pub(crate) struct OneNode {
    pub(crate) network: Network,
    pub(crate) server: RedisServer,
}

impl OneNode {
    pub(crate) async fn start() -> Option<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let bus = free_port().unwrap().to_string();
        let server = RedisServer::settings()
            .with("cluster-enabled", "yes")
            .with("cluster-port", &bus)
            .with("cluster-announce-ip", "127.0.0.1")
            .with("cluster-announce-port", &port)
            .with("cluster-announce-bus-port", &bus)
            .start()?;
        let all = ["CLUSTER", "ADDSLOTSRANGE", "0", "16383"];
        assert_eq!(server.command(&all), "OK");
        eventually("the cluster is up", async || {
            let told = server.command(&["CLUSTER", "INFO"]);
            told.contains("cluster_state:ok")
        })
        .await;
        let network = Network::from(listener, server.port());
        Some(Self { network, server })
    }

    pub(crate) fn url(&self) -> String {
        format!("redis-cluster://127.0.0.1:{}", self.network.port)
    }
}
