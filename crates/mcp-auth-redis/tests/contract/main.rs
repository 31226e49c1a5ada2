//! The store contract on real servers: one, a primary behind a sentinel, a cluster.
//!
//! Each test has servers of its own, which end with it, and holds one store to all rules.

use std::sync::Arc;

use mcp_auth::store::Store;
use mcp_auth_redis::RedisStore;
use mcp_auth_testkit::{
    services::{RedisCluster, RedisSentinel, RedisServer},
    store_contract::{RULES, two_handles},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_server_keeps_every_rule_of_the_contract() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    keeps_every_rule(&server.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_writes_to_disk_first_keeps_every_rule_of_the_contract() {
    let Some(server) = RedisServer::settings().append_only().start() else {
        return;
    };
    keeps_every_rule(&server.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cluster_of_three_keeps_every_rule_of_the_contract() {
    let Some(cluster) = RedisCluster::start() else {
        return;
    };
    keeps_every_rule(&cluster.url()).await;
    for node in &cluster.nodes {
        assert_ne!(node.command(&["DBSIZE"]), "0", "a node was left out");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_primary_behind_a_sentinel_keeps_every_rule_of_the_contract() {
    let Some(sentinel) = RedisSentinel::start() else {
        return;
    };
    keeps_every_rule(&sentinel.url()).await;
}

/// One store against all rules, then two that were connected separately against each other.
async fn keeps_every_rule(url: &str) {
    let store = connected(url).await;
    for rule in RULES {
        let kept = rule.check(store.clone()).await;
        kept.unwrap_or_else(|broken| panic!("{broken}"));
    }
    let raced = two_handles(store, connected(url).await).await;
    raced.unwrap_or_else(|broken| panic!("{broken}"));
}

async fn connected(url: &str) -> Arc<dyn Store> {
    // Patient, for two cores that are busy with other things.
    let builder = RedisStore::builder(url).with_deadline(std::time::Duration::from_secs(10));
    Arc::new(builder.open().await.unwrap())
}
