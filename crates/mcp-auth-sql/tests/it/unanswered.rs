//! A server that takes statements and does not answer them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mcp_auth::store::{Insert, Store};
use mcp_auth_sql::SqlStore;
use mcp_auth_testkit::services::PostgresServer;

use crate::sample::{healed, key, live, unavailable};

const CONNECTIONS: u32 = 4;

/// Commits wait for a replica that is gone: their backends do not notice that a client left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_were_given_up_never_hold_more_than_the_stores_connections() {
    let Some(server) = PostgresServer::start() else {
        return;
    };
    let store = SqlStore::builder(&server.url())
        .with_deadline(Duration::from_secs(1))
        .with_connections(CONNECTIONS)
        .with_synchronous_replica();
    let store = Arc::new(store.open().await.unwrap());
    let _ = store.insert(&key(0), live("content")).await.unwrap();
    replica(&server, "nobody").await;

    for round in 0..4 {
        let calls: Vec<_> = (0..CONNECTIONS * 2)
            .map(|n| {
                let (store, key) = (store.clone(), key(100 * (round + 1) + n));
                tokio::spawn(async move {
                    let insert = store.insert(&key, live("content"));
                    // Half of the callers leave before the deadline.
                    let patience = if n % 2 == 0 { 500 } else { 60_000 };
                    let patience = Duration::from_millis(patience);
                    if let Ok(answer) = tokio::time::timeout(patience, insert).await {
                        unavailable(answer);
                    }
                })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
        never_more(&server, round).await;
        assert!(
            count(&server, "wait_event = 'SyncRep'") > 0,
            "no write waits for a replica"
        );
    }

    replica(&server, "").await;
    healed(&*store).await;
    assert_eq!(
        store.insert(&key(1), live("content")).await.unwrap(),
        Insert::Inserted
    );
    // What was sent first was carried out, and its connections serve on.
    assert!(store.load(&key(100)).await.unwrap().is_some());
    never_more(&server, 4).await;
}

/// A client that has just left may still be counted; one whose backend waits is for good.
async fn never_more(server: &PostgresServer, round: u32) {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let backends = count(server, "true");
        if backends <= CONNECTIONS {
            return;
        }
        assert!(
            Instant::now() < end,
            "round {round}: {backends} backends for a store of {CONNECTIONS}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Names the replica that each commit waits for, and waits until that holds.
async fn replica(server: &PostgresServer, name: &str) {
    let set = format!("ALTER SYSTEM SET synchronous_standby_names = '{name}'");
    server.sql("postgres", &set).unwrap();
    server.sql("postgres", "SELECT pg_reload_conf()").unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while server
        .sql("postgres", "SHOW synchronous_standby_names")
        .unwrap()
        != name
    {
        assert!(Instant::now() < end, "the server does not reload");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How many clients other than those that ask are connected.
fn count(server: &PostgresServer, which: &str) -> u32 {
    let count = format!(
        "SELECT count(*) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND application_name <> 'psql' AND {which}"
    );
    server.sql("postgres", &count).unwrap().parse().unwrap()
}
