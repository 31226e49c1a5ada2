//! Servers that die, hang or lose their connections.

use std::sync::Arc;

use mcp_auth::store::Replace;
use mcp_auth_testkit::services::{RedisCluster, RedisServer};
use tokio::task::JoinSet;

use super::{cluster::OneNode, network::Network, *};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_that_writes_first_acknowledged_survives_kill_9() {
    let Some(mut server) = RedisServer::settings().append_only().start() else {
        return;
    };
    let store = Arc::new(open(&server.url()).await);
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        let store = store.clone();
        writers.spawn(async move {
            let mut acknowledged = Vec::new();
            for n in writer * 100_000.. {
                match store.insert(&key(n), record("content")).await {
                    Ok(Insert::Inserted) => acknowledged.push(n),
                    Ok(Insert::Exists) => panic!("nobody else writes {n}"),
                    Err(_) => break,
                }
            }
            acknowledged
        });
    }
    eventually("there are some hundred records", async || {
        let count: u32 = server.command(&["DBSIZE"]).parse().unwrap();
        count > 300
    })
    .await;
    server.kill();
    let acknowledged: Vec<u32> = writers.join_all().await.concat();
    assert!(acknowledged.len() > 200, "{}", acknowledged.len());

    server.restart();
    heals(&store).await;
    let mut cursor = None;
    let mut under_alice = std::collections::HashSet::new();
    loop {
        let page = store
            .list(&user("alice"), cursor.as_ref(), 100)
            .await
            .unwrap();
        under_alice.extend(page.keys);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    for n in acknowledged {
        assert!(holds(&store, n).await, "{n} was acknowledged and is gone");
        assert!(under_alice.contains(&key(n)), "{n} is not listed");
    }
}

/// FLT-04.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_away_within_the_deadline_and_comes_back() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = Arc::new(open(&server.url()).await);
    put(&store, 1).await;
    server.pause();
    let mut calls = JoinSet::new();
    for n in 0..200 {
        let store = store.clone();
        calls.spawn(async move {
            let start = Instant::now();
            let answer = match n % 2 {
                0 => store.load(&key(1)).await.map(drop),
                _ => store.insert(&key(n), record("new")).await.map(drop),
            };
            let away = matches!(answer, Err(StoreError::Unavailable(_)));
            assert!(away, "{answer:?}");
            start.elapsed()
        });
    }
    let longest = calls.join_all().await.into_iter().max().unwrap();
    assert!(longest < DEADLINE + SLACK, "{longest:?}");
    is_away(&store).await;
    server.resume();
    heals(&store).await;
    assert!(holds(&store, 1).await);
}

/// FLT-36.
#[tokio::test]
async fn calls_to_a_server_that_is_known_to_be_down_fail_at_once() {
    let Some(mut server) = RedisServer::start() else {
        return;
    };
    let store = open(&server.url()).await;
    put(&store, 1).await;
    server.kill();
    let start = Instant::now();
    for _ in 0..100 {
        is_away(&store).await;
    }
    // 500 calls: a millisecond each would be 0.5 s, a deadline each 250 s.
    assert!(start.elapsed() < SLACK, "{:?}", start.elapsed());
    server.restart();
    heals(&store).await;
}

#[tokio::test]
async fn a_connection_that_the_network_cut_is_nobodys_outage() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = open(&server.url()).await;
    put(&store, 1).await;
    for _ in 0..5 {
        assert_ne!(server.command(&["CLIENT", "KILL", "TYPE", "normal"]), "0");
        assert!(holds(&store, 1).await);
        assert_ne!(server.command(&["CLIENT", "KILL", "TYPE", "normal"]), "0");
        let version = store.load(&key(1)).await.unwrap().unwrap().version;
        let swapped = store.replace(&key(1), version, record("content")).await;
        assert_eq!(swapped.unwrap(), Replace::Replaced);
    }
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts_learns_them_again() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = open(&server.url()).await;
    put(&store, 1).await;
    assert_eq!(server.command(&["SCRIPT", "FLUSH"]), "OK");
    put(&store, 2).await;
    assert_eq!(server.command(&["SCRIPT", "FLUSH"]), "OK");
    assert_eq!(listed(&store, "alice").await.len(), 2);
}

#[tokio::test]
async fn goes_on_after_the_runtime_that_it_connected_on_has_ended() {
    let (Some(server), Some(cluster)) = (RedisServer::start(), RedisCluster::start()) else {
        return;
    };
    for url in [server.url(), cluster.url()] {
        let store = std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().unwrap();
            runtime.block_on(open(&url))
        });
        let store = store.join().unwrap();
        put(&store, 1).await;
        assert!(holds(&store, 1).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_hangs_takes_only_its_own_records_away() {
    let Some(cluster) = RedisCluster::start() else {
        return;
    };
    let store = Arc::new(open(&cluster.url()).await);
    // Under no index, so that each touches one node only.
    let plain = || Record::new(b"content".to_vec(), now().plus(HOUR));
    for n in 0..30 {
        assert_eq!(
            store.insert(&key(n), plain()).await.unwrap(),
            Insert::Inserted
        );
    }
    let on_the_first: u32 = cluster.nodes[0].command(&["DBSIZE"]).parse().unwrap();
    cluster.nodes[0].pause();
    let mut loads = JoinSet::new();
    for n in 0..30 {
        let store = store.clone();
        loads.spawn(async move { is_there(&store, n).await });
    }
    let loaded = loads.join_all().await;
    let there = loaded.iter().filter(|there| **there).count() as u32;
    let away = 30 - there;
    assert_eq!((there, away), (30 - on_the_first, on_the_first));
    cluster.nodes[0].resume();
    eventually("all are there again", async || {
        let mut all = true;
        for n in 0..30 {
            all &= store.load(&key(n)).await.is_ok_and(|found| found.is_some());
        }
        all
    })
    .await;
}

/// Whether a record that is there is said to be, or to be away; asked thrice, on a busy machine.
async fn is_there(store: &RedisStore, n: u32) -> bool {
    for _ in 0..3 {
        let start = Instant::now();
        match store.load(&key(n)).await {
            Ok(Some(_)) => return true,
            Ok(None) => panic!("a record is said not to be there"),
            Err(StoreError::Unavailable(_)) => {}
            Err(error) => panic!("{error:?}"),
        }
        assert!(start.elapsed() < DEADLINE + SLACK);
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_was_gone_altogether_is_found_again() {
    let Some(mut cluster) = RedisCluster::start() else {
        return;
    };
    let store = open(&cluster.url()).await;
    for node in &mut cluster.nodes {
        node.kill();
    }
    let start = Instant::now();
    is_away(&store).await;
    assert!(start.elapsed() < 5 * DEADLINE + SLACK);
    for node in &mut cluster.nodes {
        node.restart();
    }
    eventually("every node serves", async || {
        let mut all = true;
        for n in 0..30 {
            all &= store.load(&key(n)).await.is_ok();
        }
        all
    })
    .await;
    put(&store, 1).await;
    assert!(holds(&store, 1).await);
}

/// FLT-07. The request arrives and is carried out; the connection is cut before the answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_was_lost_is_told_as_what_it_was() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let network = Network::to(server.port()).await;
    let store = open(&format!("redis://127.0.0.1:{}", network.port)).await;
    put(&store, 1).await;

    network.cut_next_answer();
    put(&store, 2).await;
    network.was_cut();
    assert!(holds(&store, 2).await);

    let before = store.load(&key(2)).await.unwrap().unwrap().version;
    network.cut_next_answer();
    let swapped = store.replace(&key(2), before, record("second")).await;
    assert_eq!(swapped.unwrap(), Replace::Replaced);
    network.was_cut();
    let found = store.load(&key(2)).await.unwrap().unwrap();
    assert_eq!(found.record.sealed, b"second");

    // Where the second try finds another's record, nobody knows what became of the first.
    network.cut_next_answer();
    let unknown = store.insert(&key(1), record("other")).await;
    assert!(
        matches!(unknown, Err(StoreError::Unavailable(_))),
        "{unknown:?}"
    );
    network.was_cut();
    assert_eq!(
        store.insert(&key(1), record("other")).await.unwrap(),
        Insert::Exists
    );
}

/// The caller's own deadline is the shorter one, so the store's never comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_is_given_up_though_every_caller_goes_away_before_the_deadline() {
    let (Some(server), Some(cluster)) = (RedisServer::start(), OneNode::start().await) else {
        return;
    };
    let network = Network::to(server.port()).await;
    let url = format!("redis://127.0.0.1:{}", network.port);
    for (url, network) in [(url, &network), (cluster.url(), &cluster.network)] {
        let builder = RedisStore::builder(&url).with_deadline(Duration::from_secs(600));
        let store = builder.open().await.unwrap();
        put(&store, 1).await;
        network.forget_connections();
        eventually("the store answers", async || {
            let patience = 2 * DEADLINE;
            let loaded = tokio::time::timeout(patience, store.load(&key(1))).await;
            loaded.is_ok_and(|loaded| loaded.is_ok())
        })
        .await;
        assert!(holds(&store, 1).await);
    }
}
