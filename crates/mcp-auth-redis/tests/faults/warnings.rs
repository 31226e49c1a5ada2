//! What the operator reads in the log.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use mcp_auth_testkit::services::RedisServer;
use tracing_subscriber::fmt::MakeWriter;

use super::*;

/// FLT-35.
#[tokio::test]
async fn warns_once_of_settings_that_sign_users_out() {
    let settings = RedisServer::settings().with("maxmemory-policy", "allkeys-lru");
    let Some(server) = settings.with_password("swordfish").start() else {
        return;
    };
    let log = Log::default();
    let reading = log.read();
    let store = open(&server.url()).await;
    for _ in 0..2 {
        put(&store, 1).await;
        server_forgets(&server, &store).await;
        store.remove(&key(1)).await.unwrap();
    }
    drop(reading);
    for words in ["maxmemory-policy noeviction", "appendonly yes"] {
        assert_eq!(log.count(words), 1, "{log:?}");
    }
    assert_eq!(log.count("swordfish"), 0, "{log:?}");
    assert!(log.count(&format!("127.0.0.1:{}", server.port())) > 0);
}

#[tokio::test]
async fn warns_of_nothing_where_all_is_as_it_should_be() {
    let settings = RedisServer::settings().append_only();
    let Some(server) = settings.with("maxmemory-policy", "noeviction").start() else {
        return;
    };
    let log = Log::default();
    let reading = log.read();
    put(&open(&server.url()).await, 1).await;
    drop(reading);
    assert_eq!(log.count("WARN"), 0, "{log:?}");
}

#[tokio::test]
async fn says_once_that_the_server_is_away_and_once_that_it_is_back() {
    let Some(mut server) = RedisServer::start() else {
        return;
    };
    let log = Log::default();
    let reading = log.read();
    let store = open(&server.url()).await;
    server.kill();
    for _ in 0..20 {
        is_away(&store).await;
    }
    server.restart();
    heals(&store).await;
    drop(reading);
    assert_eq!(log.count("the store is away"), 1, "{log:?}");
    assert_eq!(log.count("the store is connected"), 2, "{log:?}");
}

/// Cuts the store's connection and waits until it has another.
async fn server_forgets(server: &RedisServer, store: &RedisStore) {
    assert_ne!(server.command(&["CLIENT", "KILL", "TYPE", "normal"]), "0");
    heals(store).await;
}

#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Takes down what this thread logs.
    fn read(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(self.clone());
        tracing::subscriber::set_default(subscriber.finish())
    }

    fn count(&self, words: &str) -> usize {
        let written = self.0.lock().unwrap();
        String::from_utf8_lossy(&written).matches(words).count()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
