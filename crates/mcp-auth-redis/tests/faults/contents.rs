//! What lies in the database: room, expiry, order, and what others put there.

use mcp_auth::store::{Cursor, Replace};
use mcp_auth_testkit::services::RedisServer;

use super::{cluster::OneNode, *};

/// FLT-09.
#[tokio::test]
async fn a_full_server_takes_no_more_and_still_reads_and_removes() {
    let settings = RedisServer::settings().with("maxmemory", "6mb");
    let Some(server) = settings.with("maxmemory-policy", "noeviction").start() else {
        return;
    };
    let store = open(&server.url()).await;
    put(&store, 0).await;
    let large =
        || Record::new(vec![7; 64 * 1024], now().plus(HOUR)).with_indexes(vec![user("bob")]);
    let mut n = 0;
    let full = loop {
        n += 1;
        assert!(n < 1_000, "6 MB are never full");
        match store.insert(&key(n), large()).await {
            Ok(answer) => assert_eq!(answer, Insert::Inserted),
            Err(error) => break error,
        }
    };
    assert!(matches!(full, StoreError::Full), "{full:?}");
    assert!(n > 5);
    assert!(holds(&store, 0).await);
    assert!(store.load(&key(n)).await.unwrap().is_none());
    assert_eq!(listed(&store, "bob").await.len() as u32, n - 1);
    let version = store.load(&key(0)).await.unwrap().unwrap().version;
    let swap = store.replace(&key(0), version, large()).await;
    assert!(matches!(swap, Err(StoreError::Full)), "{swap:?}");
    for n in 1..4 {
        store.remove(&key(n)).await.unwrap();
    }
    assert_eq!(
        store.insert(&key(n), large()).await.unwrap(),
        Insert::Inserted
    );
}

/// FLT-08.
#[tokio::test]
async fn what_others_wrote_under_a_key_fails_that_key_alone() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = open(&server.url()).await;
    put(&store, 1).await;
    let mut raw = raw(&server).await;
    let ours: Vec<u8> = redis::cmd("GET")
        .arg(name(b"r", key(1).as_bytes()))
        .query_async(&mut raw)
        .await
        .unwrap();
    let cut = &ours[..ours.len() / 2];
    for (n, bytes) in (2..).zip([b"foreign".as_slice(), b"\x01", &[1; 40], cut]) {
        redis::cmd("SET")
            .arg(name(b"r", key(n).as_bytes()))
            .arg(bytes)
            .exec_async(&mut raw)
            .await
            .unwrap();
        fails(store.load(&key(n)).await);
        // The key is taken, by whatever it is.
        assert_eq!(
            store.insert(&key(n), record("new")).await.unwrap(),
            Insert::Exists
        );
        store.remove(&key(n)).await.unwrap();
        put(&store, n).await;
    }
    redis::cmd("HSET")
        .arg(name(b"r", key(9).as_bytes()))
        .arg(&["a", "b"])
        .exec_async(&mut raw)
        .await
        .unwrap();
    fails(store.load(&key(9)).await);
    fails(store.insert(&key(9), record("new")).await);
    fails(
        store
            .replace(&key(9), mcp_auth::store::Version(1), record("new"))
            .await,
    );

    redis::cmd("ZADD")
        .arg(name(b"i", user("bob").as_bytes()))
        .arg(&["1e300", "short"])
        .exec_async(&mut raw)
        .await
        .unwrap();
    fails(store.list(&user("bob"), None, 10).await);
    redis::cmd("SET")
        .arg(name(b"i", user("eve").as_bytes()))
        .arg("text")
        .exec_async(&mut raw)
        .await
        .unwrap();
    fails(store.list(&user("eve"), None, 10).await);
    for cursor in [vec![], b"page 2".to_vec(), vec![0; 41]] {
        fails(store.list(&user("alice"), Some(&Cursor(cursor)), 10).await);
    }
    assert!(holds(&store, 1).await);
    assert_eq!(listed(&store, "alice").await.len(), 5);
}

#[tokio::test]
async fn records_and_indexes_leave_by_themselves() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = open(&server.url()).await;
    for n in 0..50 {
        // Kept for an hour after its expiry: for three more seconds.
        let expires_at = now().minus(HOUR).plus(Duration::from_secs(3));
        let record =
            Record::new(vec![n], expires_at).with_indexes(vec![user("alice"), user("bob")]);
        assert_eq!(
            store.insert(&key(n.into()), record).await.unwrap(),
            Insert::Inserted
        );
    }
    assert_ne!(server.command(&["DBSIZE"]), "0");
    eventually("all are gone", async || server.command(&["DBSIZE"]) == "0").await;
}

#[tokio::test]
async fn an_index_that_lives_on_loses_its_dead() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = open(&server.url()).await;
    let mut raw = raw(&server).await;
    let index = name(b"i", user("alice").as_bytes());
    put(&store, 0).await;
    let long_ago = now().minus(3 * HOUR).as_seconds();
    for n in 0..100 {
        redis::cmd("ZADD")
            .arg(&index)
            .arg(long_ago)
            .arg(key(5_000 + n).as_bytes())
            .exec_async(&mut raw)
            .await
            .unwrap();
    }
    assert_eq!(listed(&store, "alice").await, [key(0)]);
    for n in 1..14 {
        put(&store, n).await;
    }
    let left: u32 = redis::cmd("ZCARD")
        .arg(&index)
        .query_async(&mut raw)
        .await
        .unwrap();
    assert_eq!(left, 14);
}

#[tokio::test]
async fn what_is_removed_leaves_nothing_behind_though_it_never_expires() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = patient(&server.url()).await;
    for names in [
        vec![],
        vec![user("alice")],
        (0..300).map(numbered).collect(),
    ] {
        let record = Record::new(b"content".to_vec(), END).with_indexes(names);
        for n in 0..5 {
            let inserted = store.insert(&key(n), record.clone()).await;
            assert_eq!(inserted.unwrap(), Insert::Inserted);
        }
        for n in 1..5 {
            store.remove(&key(n)).await.unwrap();
        }
        for name in record.indexes.iter().step_by(50) {
            let page = store.list(name, None, 100).await.unwrap();
            assert_eq!(page.keys, [key(0)], "the entry of the live one alone");
        }
        store.remove(&key(0)).await.unwrap();
        assert_eq!(server.command(&["DBSIZE"]), "0");
    }
}

/// Index and record lie on different nodes, so the entry stays; but not for ever.
#[tokio::test]
async fn what_is_removed_from_a_cluster_leaves_its_indexes_in_ten_years() {
    let Some(cluster) = OneNode::start().await else {
        return;
    };
    let store = patient(&cluster.url()).await;
    let record = Record::new(b"content".to_vec(), END).with_indexes(vec![user("alice")]);
    let _ = store.insert(&key(1), record).await.unwrap();
    assert_eq!(listed(&store, "alice").await, [key(1)]);
    store.remove(&key(1)).await.unwrap();
    assert_eq!(store.load(&key(1)).await.unwrap(), None);
    let mut raw = raw(&cluster.server).await;
    let ends: u64 = redis::cmd("PEXPIRETIME")
        .arg(name(b"i", user("alice").as_bytes()))
        .query_async(&mut raw)
        .await
        .unwrap();
    let years = |years| now().plus(HOUR * 24 * 365 * years).as_seconds() * 1_000;
    assert!((years(9)..years(11)).contains(&ends), "{ends}");
}

fn numbered(n: u32) -> IndexName {
    IndexName::new("number", &n.to_be_bytes())
}

const END: Timestamp = Timestamp::from_seconds(u64::MAX);

#[tokio::test]
async fn the_server_drops_a_record_and_its_index_an_hour_after_the_expiry() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = open(&server.url()).await;
    let mut raw = raw(&server).await;
    let mut ends = async |name: Vec<u8>| -> u64 {
        redis::cmd("PEXPIRETIME")
            .arg(name)
            .query_async(&mut raw)
            .await
            .unwrap()
    };
    let (soon, late) = (now().plus(HOUR), now().plus(48 * HOUR));
    let at = |expires_at| Record::new(vec![1], expires_at).with_indexes(vec![user("alice")]);
    let ms = |expires_at: Timestamp| expires_at.plus(HOUR).as_seconds() * 1_000;
    let _ = store.insert(&key(1), at(late)).await.unwrap();
    let _ = store.insert(&key(2), at(soon)).await.unwrap();
    assert_eq!(ends(name(b"r", key(1).as_bytes())).await, ms(late));
    assert_eq!(ends(name(b"r", key(2).as_bytes())).await, ms(soon));
    // The index as its last entry, whoever came last.
    assert_eq!(ends(name(b"i", user("alice").as_bytes())).await, ms(late));
    let version = store.load(&key(1)).await.unwrap().unwrap().version;
    let _ = store.replace(&key(1), version, at(soon)).await.unwrap();
    assert_eq!(ends(name(b"r", key(1).as_bytes())).await, ms(soon));
    assert_eq!(ends(name(b"i", user("alice").as_bytes())).await, ms(late));
}

#[tokio::test]
async fn the_last_of_all_times_neither_overflows_nor_expires() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = open(&server.url()).await;
    let expires = [u64::MAX, u64::MAX / 1_000, 253_402_300_800, i64::MAX as u64];
    for (n, expires_at) in (0..).zip(expires) {
        let expires_at = Timestamp::from_seconds(expires_at);
        let record = Record::new(vec![1], expires_at).with_indexes(vec![user("alice")]);
        assert_eq!(
            store.insert(&key(n), record.clone()).await.unwrap(),
            Insert::Inserted
        );
        let found = store.load(&key(n)).await.unwrap().unwrap();
        assert_eq!(found.record, record);
        let swapped = store.replace(&key(n), found.version, record).await;
        assert_eq!(swapped.unwrap(), Replace::Replaced);
    }
    let first = store.list(&user("alice"), None, 3).await.unwrap();
    let rest = store
        .list(&user("alice"), first.next.as_ref(), 3)
        .await
        .unwrap();
    assert_eq!((first.keys.len(), rest.keys.len()), (3, 1));
    let none = Record::new(vec![1], Timestamp::from_seconds(0));
    assert_eq!(store.insert(&key(9), none).await.unwrap(), Insert::Inserted);
}

#[tokio::test]
async fn a_listing_misses_none_though_the_entry_it_stopped_at_moves_or_goes() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = open(&server.url()).await;
    // Four moments, five keys each.
    let at = |n: u32| now().plus(HOUR * (1 + n / 5));
    let under_alice =
        |expires_at| Record::new(vec![1], expires_at).with_indexes(vec![user("alice")]);
    for n in 0..20 {
        let _ = store.insert(&key(n), under_alice(at(n))).await.unwrap();
    }
    let mut raw = raw(&server).await;
    let (mut found, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = store
            .list(&user("alice"), cursor.as_ref(), 3)
            .await
            .unwrap();
        let last = *page.keys.last().unwrap();
        found.extend(page.keys);
        let Some(next) = page.next else { break };
        cursor = Some(next);
        pages += 1;
        if pages % 2 == 0 {
            redis::cmd("ZREM")
                .arg(name(b"i", user("alice").as_bytes()))
                .arg(last.as_bytes())
                .exec_async(&mut raw)
                .await
                .unwrap();
        } else if pages < 6 {
            let version = store.load(&last).await.unwrap().unwrap().version;
            let _ = store
                .replace(&last, version, under_alice(at(100)))
                .await
                .unwrap();
        }
    }
    for n in 0..20 {
        assert!(found.contains(&key(n)), "{n} was skipped");
    }
}

fn fails<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    assert!(matches!(answer, Err(StoreError::Failed(_))), "{answer:?}");
}

/// What a record or an index is called in the database.
fn name(kind: &[u8], hash: &[u8]) -> Vec<u8> {
    [b"mcp-auth:", kind, hash].concat()
}

async fn raw(server: &RedisServer) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(server.url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}
