//! What an operation of the store costs beside the bare round trip, and what a record weighs.
//!
//! `cargo bench -p mcp-auth-redis` starts a server of its own and prints two tables.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used
)]

use std::{
    future::Future,
    time::{Duration, Instant},
};

use mcp_auth::{
    oauth::{Clock, SystemClock},
    store::{IndexName, Insert, Record, RecordKey, Replace, Store},
};
use mcp_auth_redis::RedisStore;
use mcp_auth_testkit::services::RedisServer;

#[tokio::main]
async fn main() {
    // Tests of all targets run this file too.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("nothing measured: run cargo bench");
        return;
    }
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = RedisStore::open(&server.url()).await.expect("a store");
    latencies(&server, &store).await;
    assert_eq!(server.command(&["FLUSHALL"]), "OK");
    weights(&server, &store).await;
}

async fn latencies(server: &RedisServer, store: &RedisStore) {
    let client = redis::Client::open(server.url()).unwrap();
    let raw = client.get_multiplexed_async_connection().await.unwrap();
    let bytes = vec![7_u8; 682];
    println!(
        "{:<28} {:>9} {:>9} {:>9}",
        "one after the other", "median", "p99", "mean"
    );
    row("PING", |_| {
        let mut raw = raw.clone();
        async move { redis::cmd("PING").exec_async(&mut raw).await.unwrap() }
    })
    .await;
    row("SET of 682 bytes", |n| {
        let (mut raw, bytes) = (raw.clone(), bytes.clone());
        async move {
            let mut set = redis::cmd("SET");
            set.arg(n).arg(bytes).exec_async(&mut raw).await.unwrap();
        }
    })
    .await;
    row("GET of 682 bytes", |n| {
        let mut raw = raw.clone();
        async move {
            let got: Vec<u8> = redis::cmd("GET")
                .arg(n)
                .query_async(&mut raw)
                .await
                .unwrap();
            assert_eq!(got.len(), 682);
        }
    })
    .await;
    row("insert under two indexes", |n| async move {
        let inserted = store.insert(&key(n), record(n)).await;
        assert_eq!(inserted.unwrap(), Insert::Inserted);
    })
    .await;
    row("load", |n| async move {
        assert!(store.load(&key(n)).await.unwrap().is_some());
    })
    .await;
    row("load and replace", |n| async move {
        let version = store.load(&key(n)).await.unwrap().unwrap().version;
        let replaced = store.replace(&key(n), version, record(n)).await;
        assert_eq!(replaced.unwrap(), Replace::Replaced);
    })
    .await;
    row("list of one", |n| async move {
        let page = store.list(&user(n), None, 10).await.unwrap();
        assert_eq!(page.keys.len(), 1);
    })
    .await;
}

async fn row<F: Future<Output = ()>>(name: &str, operation: impl Fn(u32) -> F) {
    let mut taken = Vec::new();
    for n in 0..ROUNDS {
        let start = Instant::now();
        operation(n).await;
        taken.push(start.elapsed());
    }
    taken.sort_unstable();
    let at = |share: usize| taken.get(taken.len() * share / 100).copied().unwrap();
    let mean = taken.iter().sum::<Duration>() / ROUNDS;
    let us = |time: Duration| format!("{:.1} us", time.as_secs_f64() * 1e6);
    println!(
        "{name:<28} {:>9} {:>9} {:>9}",
        us(at(50)),
        us(at(99)),
        us(mean)
    );
}

async fn weights(server: &RedisServer, store: &RedisStore) {
    let used = || -> u64 {
        let told = server.command(&["INFO", "memory"]);
        let used = told
            .lines()
            .find_map(|line| line.strip_prefix("used_memory:"));
        used.unwrap().trim().parse().unwrap()
    };
    println!();
    println!("{:<52} {:>12}", "600 bytes sealed", "bytes/record");
    for (name, make) in FORMS {
        let before = used();
        for n in 0..RECORDS {
            let _ = store.insert(&key(n), make(n)).await.unwrap();
        }
        let weight = (used() - before) / u64::from(RECORDS);
        println!("{name:<52} {weight:>12}");
        assert_eq!(server.command(&["FLUSHALL"]), "OK");
    }
}

fn key(n: u32) -> RecordKey {
    RecordKey::new("bench", &n.to_be_bytes())
}

fn user(n: u32) -> IndexName {
    IndexName::new("user", &n.to_be_bytes())
}

fn bare(_: u32) -> Record {
    let in_a_month = SystemClock
        .now()
        .plus(Duration::from_secs(30 * 24 * 60 * 60));
    Record::new(vec![7; 600], in_a_month)
}

/// Under its user and its client; all users come with the same client.
fn record(n: u32) -> Record {
    bare(n).with_indexes(vec![user(n), IndexName::new("client", b"one")])
}

/// Ten records each to a user and a client.
fn crowded(n: u32) -> Record {
    let client = IndexName::new("client", &(n % 10_000).to_be_bytes());
    bare(n).with_indexes(vec![user(n / 10), client])
}

/// Nobody shares anything.
fn lonely(n: u32) -> Record {
    bare(n).with_indexes(vec![user(n), IndexName::new("client", &n.to_be_bytes())])
}

type Make = fn(u32) -> Record;

const FORMS: [(&str, Make); 4] = [
    ("no index", bare),
    ("a user each, one client for all", record),
    ("ten records to a user, ten to a client", crowded),
    ("a user and a client each", lonely),
];
const ROUNDS: u32 = 20_000;
const RECORDS: u32 = 100_000;
