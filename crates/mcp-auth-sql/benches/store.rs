//! What an operation costs beside the driver's own round trips, and how large a record is on disk.
//!
//! `cargo bench -p mcp-auth-sql`; a PostgreSQL server is started for it where one is installed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![allow(clippy::disallowed_methods, clippy::print_stdout)] // it measures real time, and prints

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use mcp_auth::{
    oauth::{Clock, SystemClock},
    store::{IndexName, Record, RecordKey, Store},
};
use mcp_auth_sql::SqlStore;
use mcp_auth_testkit::services::{PostgresServer, Scratch};
use sqlx::{Connection, PgConnection, SqliteConnection};

const ROUNDS: u32 = 2_000;
const RECORDS: u32 = 50_000;

/// The driver alone, on one connection and a table of its own.
macro_rules! raw_rows {
    ($raw:ident, $name:literal, $blob:literal, $first:literal) => {
        sqlx::raw_sql($first).execute(&mut $raw).await.unwrap();
        let table = concat!(
            "CREATE TABLE raw (key ",
            $blob,
            " PRIMARY KEY, content ",
            $blob,
            ")"
        );
        sqlx::raw_sql(table).execute(&mut $raw).await.unwrap();
        let mut taken = Vec::new();
        for _ in 0..ROUNDS {
            let start = Instant::now();
            sqlx::query("SELECT 1").fetch_one(&mut $raw).await.unwrap();
            taken.push(start.elapsed());
        }
        print($name, "driver: SELECT 1", taken);
        let mut taken = Vec::new();
        for n in 0..ROUNDS {
            let start = Instant::now();
            sqlx::query("INSERT INTO raw (key, content) VALUES ($1, $2)")
                .bind(key(n).as_bytes().to_vec())
                .bind(vec![7_u8; 600])
                .execute(&mut $raw)
                .await
                .unwrap();
            taken.push(start.elapsed());
        }
        print($name, "driver: commit of one row", taken);
        let mut taken = Vec::new();
        for n in 0..ROUNDS {
            let start = Instant::now();
            sqlx::query("SELECT content FROM raw WHERE key = $1")
                .bind(key(n).as_bytes().to_vec())
                .fetch_one(&mut $raw)
                .await
                .unwrap();
            taken.push(start.elapsed());
        }
        print($name, "driver: one row by key", taken);
    };
}

#[tokio::main]
async fn main() {
    println!("{ROUNDS} of each, one after the other; median and 99th of a hundred\n");
    let folder = Scratch::new("bench").unwrap();
    let file = folder.path().join("store.db");
    let url = format!("sqlite:{}", file.display());
    let store = open(&url).await;
    let mut raw = SqliteConnection::connect(&url).await.unwrap();
    raw_rows!(raw, "SQLite", "BLOB", "PRAGMA synchronous = FULL");
    of_the_store(&store, "SQLite").await;
    raw.close().await.unwrap();
    let before = sqlite_size(&url).await;
    fill(store.clone()).await;
    print_size("SQLite", sqlite_size(&url).await - before);
    throughput(store, "SQLite").await;

    let Some(server) = PostgresServer::start() else {
        return;
    };
    let store = open(&server.url()).await;
    let mut raw = PgConnection::connect(&server.url()).await.unwrap();
    raw_rows!(raw, "PostgreSQL", "bytea", "SELECT 1");
    of_the_store(&store, "PostgreSQL").await;
    let before = postgres_size(&server);
    fill(store.clone()).await;
    print_size("PostgreSQL", postgres_size(&server) - before);
    throughput(store, "PostgreSQL").await;
}

async fn of_the_store(store: &Arc<SqlStore>, name: &str) {
    let inserts = timed(|n| async move {
        let _ = store.insert(&key(n), record(n)).await.unwrap();
    });
    print(name, "store: insert, two indexes", inserts.await);
    let loads = timed(|n| async move {
        store.load(&key(n)).await.unwrap().unwrap();
    });
    print(name, "store: load", loads.await);
    let mut versions = Vec::new();
    for n in 0..ROUNDS {
        versions.push(store.load(&key(n)).await.unwrap().unwrap().version);
    }
    let versions = &versions;
    let replaces = timed(|n| async move {
        let version = versions[n as usize];
        let _ = store.replace(&key(n), version, record(n)).await.unwrap();
    });
    print(name, "store: replace, two indexes", replaces.await);
}

async fn timed<F: Future<Output = ()>>(work: impl Fn(u32) -> F) -> Vec<Duration> {
    let mut taken = Vec::new();
    for n in 0..ROUNDS {
        let start = Instant::now();
        work(n).await;
        taken.push(start.elapsed());
    }
    taken
}

/// 32 tasks that load, and then 32 that insert.
async fn throughput(store: Arc<SqlStore>, name: &str) {
    let start = Instant::now();
    each_of_32(&store, |store, n| async move {
        for round in 0..500 {
            store
                .load(&key(1_000_000 + (n * 500 + round) % RECORDS))
                .await
                .unwrap();
        }
    })
    .await;
    println!(
        "{name:<11} 32 tasks: {:>8.0} loads/s",
        16_000.0 / start.elapsed().as_secs_f64()
    );
    let start = Instant::now();
    each_of_32(&store, |store, n| async move {
        for round in 0..100 {
            let n = 2_000_000 + n * 100 + round;
            let _ = store.insert(&key(n), record(n)).await.unwrap();
        }
    })
    .await;
    println!(
        "{name:<11} 32 tasks: {:>8.0} inserts/s\n",
        3_200.0 / start.elapsed().as_secs_f64()
    );
}

async fn fill(store: Arc<SqlStore>) {
    each_of_32(&store, |store, n| async move {
        for n in (n..RECORDS).step_by(32) {
            let n = 1_000_000 + n;
            let _ = store.insert(&key(n), record(n)).await.unwrap();
        }
    })
    .await;
}

async fn each_of_32<F>(store: &Arc<SqlStore>, work: impl Fn(Arc<SqlStore>, u32) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let tasks: Vec<_> = (0..32)
        .map(|n| tokio::spawn(work(store.clone(), n)))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn open(url: &str) -> Arc<SqlStore> {
    let store = SqlStore::builder(url).with_deadline(Duration::from_secs(60));
    Arc::new(store.open().await.unwrap())
}

fn key(n: u32) -> RecordKey {
    RecordKey::new("bench", &n.to_be_bytes())
}

/// A grant: of a user with one to three of them, of one of a few clients.
fn record(n: u32) -> Record {
    let expires_at = SystemClock
        .now()
        .plus(Duration::from_secs(30 * 24 * 60 * 60));
    let user = IndexName::new("user", &(n / 2).to_be_bytes());
    let client = IndexName::new("client", &(n % 5).to_be_bytes());
    Record::new(vec![7; 600], expires_at).with_indexes(vec![user, client])
}

async fn sqlite_size(url: &str) -> u64 {
    let mut raw = SqliteConnection::connect(url).await.unwrap();
    sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(&mut raw)
        .await
        .unwrap();
    let path = url.trim_start_matches("sqlite:");
    std::fs::metadata(path).unwrap().len()
}

fn postgres_size(server: &PostgresServer) -> u64 {
    let size = "SELECT pg_total_relation_size('mcp_auth_record') + pg_total_relation_size('mcp_auth_index')";
    server.sql("postgres", size).unwrap().parse().unwrap()
}

fn print(name: &str, what: &str, mut taken: Vec<Duration>) {
    taken.sort_unstable();
    let median = taken[taken.len() / 2];
    let late = taken[taken.len() * 99 / 100];
    println!("{name:<11} {what:<28} {median:>10.1?} {late:>10.1?}");
}

fn print_size(name: &str, bytes: u64) {
    println!(
        "\n{name:<11} {} bytes a record, of 600 sealed and two indexes, over {RECORDS}",
        bytes / u64::from(RECORDS)
    );
}
