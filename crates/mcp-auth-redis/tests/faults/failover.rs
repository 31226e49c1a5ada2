//! Primaries that are replaced, and replicas that must not be believed.

use mcp_auth_testkit::services::{RedisSentinel, RedisServer};

use super::*;

/// FLT-05.
#[tokio::test(flavor = "multi_thread")]
async fn follows_the_sentinel_to_the_new_primary() {
    let Some(mut sentinel) = RedisSentinel::start() else {
        return;
    };
    let store = open(&sentinel.url()).await;
    put(&store, 1).await;
    let replica = &sentinel.replica;
    eventually("the replica has it", async || {
        replica.command(&["DBSIZE"]) == "2"
    })
    .await;

    sentinel.primary.kill();
    eventually("the store is back", async || {
        match store.load(&key(1)).await {
            Ok(found) => found.is_some() || panic!("the record is said not to be there"),
            Err(StoreError::Unavailable(_)) => false,
            Err(error) => panic!("{error:?}"),
        }
    })
    .await;
    assert!(sentinel.replica.command(&["ROLE"]).starts_with("master"));
    assert!(holds(&store, 1).await);
    assert_eq!(listed(&store, "alice").await, [key(1)]);
    put(&store, 2).await;
}

/// A sentinel that was cut off goes on naming a primary of the past, which no longer answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_sentinel_that_knows_only_a_primary_of_the_past_holds_nobody_up() {
    let (Some(good), Some(stale)) = (RedisSentinel::start(), RedisSentinel::start()) else {
        return;
    };
    stale.replica.pause();
    stale.primary.pause();
    let (good_url, stale_url) = (good.url(), stale.url());
    let host = |url: &str| {
        url["redis-sentinel://".len()..]
            .split_once('/')
            .unwrap()
            .0
            .to_owned()
    };
    let (good_host, stale_host) = (host(&good_url), host(&stale_url));
    for hosts in [
        format!("{stale_host},{good_host}"),
        format!("{good_host},{stale_host}"),
        format!("{stale_host},{stale_host},{stale_host},{stale_host},{good_host}"),
    ] {
        let url = good_url.replace(&good_host, &hosts);
        let builder = RedisStore::builder(&url).with_deadline(3 * DEADLINE);
        let store = builder.open().await.unwrap();
        heals(&store).await;
        store.remove(&key(1)).await.unwrap();
        put(&store, 1).await;
    }
}

/// FLT-05.
#[tokio::test]
async fn believes_no_server_that_became_a_replica() {
    let (Some(server), Some(empty)) = (RedisServer::start(), RedisServer::start()) else {
        return;
    };
    let store = open(&server.url()).await;
    put(&store, 1).await;
    // Two that only read, and learn nothing from a write that was refused.
    let (loads, lists) = (open(&server.url()).await, open(&server.url()).await);
    // It throws its records away and takes those of the other, of which there are none.
    let port = empty.port().to_string();
    assert_eq!(server.command(&["REPLICAOF", "127.0.0.1", &port]), "OK");
    eventually("it follows", async || server.command(&["DBSIZE"]) == "0").await;
    let loaded = loads.load(&key(1)).await;
    assert!(
        matches!(loaded, Err(StoreError::Unavailable(_))),
        "{loaded:?}"
    );
    let listed = lists.list(&user("alice"), None, 10).await;
    assert!(
        matches!(listed, Err(StoreError::Unavailable(_))),
        "{listed:?}"
    );
    for _ in 0..10 {
        is_away(&store).await;
    }
    assert_eq!(server.command(&["REPLICAOF", "NO", "ONE"]), "OK");
    heals(&store).await;
}

#[tokio::test]
async fn opens_on_a_replica_only_as_a_store_that_is_away() {
    let Some(primary) = RedisServer::start() else {
        return;
    };
    let Some(replica) = RedisServer::settings().replica_of(&primary).start() else {
        return;
    };
    is_away(&open(&replica.url()).await).await;
}
