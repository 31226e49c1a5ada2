//! Processes on one store whose clocks are an hour apart, and one whose clock jumps.

use std::path::{Path, PathBuf};

use mcp_auth_testkit::services::installed;

use crate::{
    site::{Site, assert_invalid_grant},
    stores::SharedStore,
};

/// The process that is in time, and those that are ahead and behind.
const IN_TIME: usize = 0;
const AHEAD: usize = 1;
const BEHIND: usize = 2;

/// No panic, nothing that is to be used once is used twice, no token lives longer than it was said to.
async fn an_hour_apart(store: SharedStore) {
    let Some(library) = faketime() else {
        return;
    };
    let mut site = Site::prepare(3, &store.url, &[("MCP_AUTH_REVOCATION_CACHE", "0")]).await;
    for (server, offset) in [(AHEAD, "+3600s"), (BEHIND, "-3600s")] {
        tell(&mut site, server, &library, offset);
    }
    site.servers
        .iter_mut()
        .for_each(crate::server::Server::begin);
    site.front.lead_to(vec![site.servers[IN_TIME].address()]);

    let mut session = site.sign_in().await;
    let token = session.tokens.access_token.clone();
    assert_eq!(site.status_at(IN_TIME, &token).await, 200);
    assert_eq!(site.status_at(BEHIND, &token).await, 200);
    assert_eq!(site.status_at(AHEAD, &token).await, 401, "its hour is over");
    // The session goes on, whichever clock it meets.
    for server in [AHEAD, BEHIND, IN_TIME, AHEAD, IN_TIME, BEHIND] {
        let at = site.at(server, &session.discovery);
        session.tokens = session.refresh_at(&at).await.unwrap().granted().unwrap();
    }

    // A code is good once, and not for a clock that is past it.
    let mut host = site.host();
    let discovery = host.discover().await.unwrap();
    let registration = host.register(&discovery).await.unwrap();
    let authorization = host.authorization(&discovery, &registration);
    let code = host.authorize(&discovery, &authorization).await.unwrap();
    let redeem = async |server: usize| {
        let at = site.at(server, &discovery);
        let redeemed = host.redeem(&at, &registration, &authorization, &code);
        redeemed.await.unwrap()
    };
    assert_invalid_grant(&redeem(AHEAD).await);
    let tokens = redeem(BEHIND).await.granted().unwrap();
    assert_invalid_grant(&redeem(IN_TIME).await);
    let at = site.at(BEHIND, &discovery);
    let refresh_token = tokens.refresh_token.as_ref().unwrap();
    let refused = host.refresh(&at, &registration, refresh_token).await;
    assert_invalid_grant(&refused.unwrap());

    // The clock of one process jumps, there and back.
    for offset in ["+3600s", "-3600s", "+0s"] {
        tell(&mut site, IN_TIME, &library, offset);
        site.servers[IN_TIME].restart();
        let at = site.at(IN_TIME, &session.discovery);
        session.tokens = session.refresh_at(&at).await.unwrap().granted().unwrap();
        let token = &session.tokens.access_token;
        assert_eq!(site.status_at(IN_TIME, token).await, 200);
    }
    for server in &site.servers {
        assert!(!server.said().contains("panicked"), "{}", server.said());
    }
}

fn tell(site: &mut Site, server: usize, library: &Path, offset: &str) {
    let server = &mut site.servers[server];
    server.set("LD_PRELOAD", library.to_str().unwrap());
    server.set("FAKETIME", offset);
    // Deadlines go by the other clock, which no operator sets.
    server.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
}

/// The library that tells one process another time; skipped aloud where it is not installed.
fn faketime() -> Option<PathBuf> {
    installed("faketime", &[])?;
    let folders = std::fs::read_dir("/usr/lib").unwrap().flatten();
    let library = folders
        .map(|folder| folder.path().join("faketime/libfaketime.so.1"))
        .find(|file| file.is_file());
    assert!(
        library.is_some(),
        "faketime is installed without its library"
    );
    library
}

/// FLT-29.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clocks_an_hour_apart_on_sqlite_break_nothing() {
    if let Some(store) = SharedStore::sqlite() {
        an_hour_apart(store).await;
    }
}

/// FLT-29.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clocks_an_hour_apart_on_redis_break_nothing() {
    if let Some(store) = SharedStore::redis() {
        an_hour_apart(store).await;
    }
}

/// FLT-29.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clocks_an_hour_apart_on_postgres_break_nothing() {
    if let Some(store) = SharedStore::postgres() {
        an_hour_apart(store).await;
    }
}
