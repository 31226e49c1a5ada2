//! What a grant takes in each store, measured on whole servers.

use std::process::Command;

use mcp_auth_testkit::services::{PostgresServer, RedisServer};

use crate::{site::Site, stores::SharedStore};

const LOGINS: u64 = 500;

/// `cargo test -p mcp-auth-examples --test processes sizes -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "prints a measurement for docs/stores.md, and proves nothing"]
async fn bytes_per_grant() {
    let (Some(redis), Some(postgres)) = (RedisServer::start(), PostgresServer::start()) else {
        return;
    };
    let memory = || -> u64 {
        let told = redis.command(&["INFO", "memory"]);
        let line = told
            .lines()
            .find_map(|line| line.strip_prefix("used_memory_dataset:"));
        line.unwrap().trim().parse().unwrap()
    };
    sign_in(&redis.url(), "Redis", memory).await;

    let sqlite = SharedStore::sqlite().unwrap();
    let file = sqlite.url.strip_prefix("sqlite:").unwrap().to_owned();
    sign_in(&sqlite.url, "SQLite", || {
        let checkpoint = ["PRAGMA wal_checkpoint(TRUNCATE)"];
        let ran = Command::new("sqlite3").arg(&file).args(checkpoint).output();
        assert!(ran.unwrap().status.success());
        std::fs::metadata(&file).unwrap().len()
    })
    .await;

    sign_in(&postgres.url(), "PostgreSQL", || {
        let size = "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c \
                    WHERE relkind = 'r' AND relname LIKE 'mcp_auth_%'";
        let ran = Command::new("psql")
            .args([&postgres.url(), "-Atc", size])
            .output()
            .unwrap();
        String::from_utf8(ran.stdout)
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    })
    .await;
}

async fn sign_in(url: &str, name: &str, size: impl Fn() -> u64) {
    let site = Site::start(1, url, &[]).await;
    // What scripts, tables and connections take, whoever signs in.
    let mut hosts = vec![site.sign_in().await];
    let before = size();
    for _ in 0..LOGINS {
        hosts.push(site.sign_in().await);
    }
    // A refresh drops what the code left in the grant once its tombstone is over; that is later.
    println!(
        "{name}: {} bytes for a login and its grant",
        (size() - before) / LOGINS
    );
}
