//! What may happen to a server while it is in use.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use mcp_auth::store::{Insert, Replace, Store, StoreError};
use mcp_auth_sql::SqlStore;
use mcp_auth_testkit::services::PostgresServer;

use crate::sample::{database_name, healed, index, key, live, unavailable};

/// Short, so that the tests are; what is asserted has several times as much.
const DEADLINE: Duration = Duration::from_secs(2);
const SLACK: Duration = Duration::from_secs(30);

async fn store(url: &str) -> Arc<SqlStore> {
    let store = SqlStore::builder(url).with_deadline(DEADLINE);
    Arc::new(store.open().await.unwrap())
}

/// FLT-01.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_what_it_acknowledged_over_a_kill_of_the_server_and_heals() {
    let Some(mut server) = PostgresServer::start() else {
        return;
    };
    let store = store(&server.url()).await;
    let mut next = 0;
    let mut acknowledged = Vec::new();
    for _ in 0..2 {
        let running = Arc::new(AtomicBool::new(true));
        let writing = tokio::spawn({
            let (store, running) = (store.clone(), running.clone());
            async move {
                let mut written = Vec::new();
                let mut n = next;
                while running.load(Ordering::Relaxed) || written.len() < 50 {
                    match store.insert(&key(n), live(vec![7; 600])).await {
                        Ok(Insert::Inserted) => written.push(n),
                        Ok(Insert::Exists) => panic!("record {n} was never written"),
                        Err(StoreError::Unavailable(_)) => break,
                        Err(error) => panic!("{error:?}"),
                    }
                    n += 1;
                }
                (n + 1, written)
            }
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        let server_killed = tokio::task::spawn_blocking(move || {
            server.kill();
            server
        });
        server = server_killed.await.unwrap();
        let (after, written) = writing.await.unwrap();
        running.store(false, Ordering::Relaxed);
        next = after;
        acknowledged.extend(written);

        let start = Instant::now();
        unavailable(store.load(&key(0)).await);
        unavailable(store.insert(&key(u32::MAX), live("x")).await);
        assert!(start.elapsed() < SLACK);

        server = tokio::task::spawn_blocking(move || {
            server.restart().unwrap();
            server
        })
        .await
        .unwrap();
        healed(&*store).await;
        for n in &acknowledged {
            let found = store.load(&key(*n)).await.unwrap();
            assert!(found.is_some(), "record {n} was acknowledged and is gone");
        }
    }
    assert!(acknowledged.len() >= 10, "{}", acknowledged.len());
}

/// FLT-04.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_out_of_reach_within_the_deadline_and_heals() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let store = store(&server.url()).await;
    let record = live("first").with_indexes(vec![index(1)]);
    let _ = store.insert(&key(1), record).await.unwrap();
    let version = store.load(&key(1)).await.unwrap().unwrap().version;
    for _ in 0..2 {
        server.pause().unwrap();
        let start = Instant::now();
        let calls: Vec<_> = (0..200)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(async move {
                    match n % 5 {
                        0 => unavailable(store.insert(&key(10 + n), live("new")).await),
                        1 => unavailable(store.replace(&key(2), version, live("second")).await),
                        2 => unavailable(store.remove(&key(3)).await),
                        3 => unavailable(store.list(&index(1), None, 10).await),
                        _ => unavailable(store.load(&key(1)).await),
                    }
                })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
        let took = start.elapsed();
        assert!(took < SLACK, "{took:?} for a deadline of {DEADLINE:?}");
        // A process that starts now does not wait for it either.
        let second = SqlStore::builder(&server.url())
            .with_deadline(DEADLINE)
            .open()
            .await
            .unwrap();
        unavailable(second.load(&key(1)).await);
        server.resume().unwrap();
        healed(&*store).await;
        healed(&second).await;
        // Every answer is to the question that was asked.
        for _ in 0..50 {
            assert_eq!(
                store.load(&key(1)).await.unwrap().unwrap().record.sealed,
                b"first"
            );
            assert!(store.load(&key(99)).await.unwrap().is_none());
        }
    }
}

/// FLT-01.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starts_without_its_server_and_makes_the_tables_when_that_comes() {
    let Some(mut server) = PostgresServer::start() else {
        return;
    };
    server.kill();
    let store = store(&server.url()).await;
    unavailable(store.load(&key(1)).await);
    unavailable(store.insert(&key(1), live("content")).await);
    server.restart().unwrap();
    healed(&*store).await;
    assert_eq!(
        store.insert(&key(1), live("content")).await.unwrap(),
        Insert::Inserted
    );
    assert_eq!(
        server
            .sql("postgres", "SELECT version FROM mcp_auth_schema")
            .unwrap(),
        "1"
    );
}

#[tokio::test]
async fn reads_on_when_its_connections_were_closed() {
    let Some((server, name, url)) = fresh() else {
        return;
    };
    let store = store(&url).await;
    let _ = store.insert(&key(1), live("first")).await.unwrap();
    for _ in 0..5 {
        server.sql("postgres", &terminate(&name)).unwrap();
        // At once: the first connection is found dead, and another one is made.
        let found = store.load(&key(1)).await.unwrap().unwrap();
        server.sql("postgres", &terminate(&name)).unwrap();
        // A write is not sent twice, and says so.
        match store.replace(&key(1), found.version, live("first")).await {
            Err(StoreError::Unavailable(_)) | Ok(Replace::Replaced) => {}
            other => panic!("{other:?}"),
        }
        healed(&*store).await;
    }
}

#[tokio::test]
async fn a_lock_of_somebody_else_is_out_of_reach_and_heaps_up_no_connections() {
    let Some((server, name, url)) = fresh() else {
        return;
    };
    let store = store(&url).await;
    let _ = store.insert(&key(1), live("content")).await.unwrap();
    let lock = "BEGIN; LOCK TABLE mcp_auth_record; SELECT pg_sleep(600)";
    let holder = server.session(&name, lock).unwrap();
    let locked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    let end = Instant::now() + Duration::from_secs(60);
    while server.sql(&name, locked).unwrap() == "0" && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for _ in 0..3 {
        let calls: Vec<_> = (0..40)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { unavailable(store.load(&key(1)).await) })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
    }
    let open = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'");
    let open: u32 = server.sql("postgres", &open).unwrap().parse().unwrap();
    assert!(open <= 20, "{open} connections for a store of 8");
    drop(holder);
    server.sql("postgres", &terminate(&name)).unwrap();
    healed(&*store).await;
    assert!(store.load(&key(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_out_of_reach_until_it_does() {
    let Some((server, name, url)) = fresh() else {
        return;
    };
    drop(store(&url).await);
    let set = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    server.sql("postgres", &set).unwrap();
    let store = store(&url).await;
    // A standby looks the same, and its "no such record" would be yesterday's.
    let reason = unavailable(store.load(&key(1)).await);
    assert!(reason.contains("takes no writes"), "{reason}");
    server
        .sql("postgres", &format!("ALTER DATABASE {name} RESET ALL"))
        .unwrap();
    healed(&*store).await;
    assert_eq!(
        store.insert(&key(1), live("content")).await.unwrap(),
        Insert::Inserted
    );
}

#[tokio::test]
async fn writes_are_on_disk_when_they_are_acknowledged_whatever_the_database_says() {
    let Some((server, name, url)) = fresh() else {
        return;
    };
    let set = format!(
        "ALTER DATABASE {name} SET synchronous_commit = off;
        ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'"
    );
    for set in set.split(';') {
        server.sql("postgres", set).unwrap();
    }
    server
        .sql(&name, "CREATE TABLE seen (setting text)")
        .unwrap();
    let store = store(&url).await;
    server.sql(&name, "CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO seen VALUES (current_setting('synchronous_commit') || ' ' || current_setting('transaction_isolation'));
        RETURN NULL; END $$").unwrap();
    server
        .sql(
            &name,
            "CREATE TRIGGER look AFTER INSERT ON mcp_auth_record EXECUTE FUNCTION look()",
        )
        .unwrap();
    let _ = store.insert(&key(1), live("content")).await.unwrap();
    assert_eq!(
        server.sql(&name, "SELECT setting FROM seen").unwrap(),
        "on read committed"
    );
    assert!(!store.capabilities().survives_failover);
    let stated = SqlStore::builder(&url)
        .with_synchronous_replica()
        .open()
        .await
        .unwrap();
    assert!(stated.capabilities().survives_failover);
}

#[tokio::test]
async fn reads_what_it_wrote_however_the_database_writes_bytes() {
    let Some((server, name, url)) = fresh() else {
        return;
    };
    let set = format!("ALTER DATABASE {name} SET bytea_output = 'escape'");
    server.sql("postgres", &set).unwrap();
    let store = store(&url).await;
    let record = live(b"\\x00\0\xff".as_slice()).with_indexes(vec![index(1)]);
    let _ = store.insert(&key(1), record.clone()).await.unwrap();
    assert_eq!(store.load(&key(1)).await.unwrap().unwrap().record, record);
    let listed = store.list(&index(1), None, 10).await.unwrap();
    assert_eq!(listed.keys, [key(1)]);
}

#[tokio::test]
async fn rows_that_are_not_ours_fail_for_their_key_only() {
    let Some((server, name, url)) = fresh() else {
        return;
    };
    let store = store(&url).await;
    for n in 0..3 {
        let record = live("content").with_indexes(vec![index(n)]);
        let _ = store.insert(&key(n), record).await.unwrap();
    }
    let hex = |bytes: &[u8; 32]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let first = hex(key(0).as_bytes());
    let second = hex(index(1).as_bytes());
    server.sql(&name, &format!("UPDATE mcp_auth_record SET indexes = '\\x0102', version = -1 WHERE key = '\\x{first}'")).unwrap();
    server
        .sql(
            &name,
            &format!("UPDATE mcp_auth_index SET key = '\\x03' WHERE name = '\\x{second}'"),
        )
        .unwrap();
    assert!(matches!(
        store.load(&key(0)).await,
        Err(StoreError::Failed(_))
    ));
    assert!(matches!(
        store.list(&index(1), None, 10).await,
        Err(StoreError::Failed(_))
    ));
    assert!(store.load(&key(1)).await.unwrap().is_some());
    assert_eq!(
        store.list(&index(2), None, 10).await.unwrap().keys,
        [key(2)]
    );
    store.remove(&key(0)).await.unwrap();
    assert!(store.load(&key(0)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_record_leaves_the_listings_of_the_names_it_loses() {
    let Some((_, _, url)) = fresh() else {
        return;
    };
    crate::sample::leaves_the_listings_of_names_it_loses(&*store(&url).await).await;
}

#[tokio::test]
async fn keeps_an_expiry_at_the_end_of_time_and_purges_it_never() {
    let Some((_, _, url)) = fresh() else {
        return;
    };
    crate::sample::keeps_the_end_of_time(&*store(&url).await).await;
}

#[tokio::test]
async fn a_missing_table_is_out_of_reach_with_a_remedy_and_no_empty_store() {
    let Some((server, name, url)) = fresh() else {
        return;
    };
    let store = store(&url).await;
    let _ = store.insert(&key(1), live("content")).await.unwrap();
    server.sql(&name, "DROP TABLE mcp_auth_record").unwrap();
    for reason in [
        unavailable(store.load(&key(1)).await),
        unavailable(store.insert(&key(2), live("content")).await),
    ] {
        assert!(reason.contains("our tables are gone"), "{reason}");
    }
}

fn fresh() -> Option<(&'static PostgresServer, String, String)> {
    let server = PostgresServer::shared()?;
    let name = database_name();
    let url = server.create_database(&name).unwrap();
    Some((server, name, url))
}

fn terminate(database: &str) -> String {
    format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")
}
