//! Servers that are killed at any moment: whoever had a refresh token never consents again.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use mcp_auth::oauth::RefreshToken;
use mcp_auth_testkit::{
    ScriptedHost,
    scripted_host::{Discovery, HostError, Registration, TokenAnswer},
};

use crate::{site::Site, stores::SharedStore};

/// Logins, each with as many refreshes after it.
const LOGINS: usize = 300;
const REFRESHES: usize = 2;
const HOSTS: usize = 6;

async fn nobody_consents_again(store: SharedStore) {
    let mut site = Site::start(2, &store.url, &[]).await;
    let mut servers = std::mem::take(&mut site.servers);
    let site = Arc::new(site);
    let over = Arc::new(AtomicBool::new(false));
    let (kills, stop) = (Arc::new(AtomicUsize::new(0)), over.clone());
    let killing = tokio::task::spawn_blocking({
        let kills = kills.clone();
        move || {
            while !stop.load(Ordering::SeqCst) {
                let which = kills.fetch_add(1, Ordering::SeqCst) % servers.len();
                std::thread::sleep(Duration::from_millis(20 + any(150)));
                servers[which].restart();
            }
        }
    });
    let told = Arc::new(Told::default());
    let left = Arc::new(AtomicUsize::new(LOGINS));
    let hosts: Vec<_> = (0..HOSTS)
        .map(|_| {
            let (site, left, told) = (site.clone(), left.clone(), told.clone());
            tokio::spawn(async move {
                while take(&left) {
                    live_through_it(&site, &told).await;
                }
            })
        })
        .collect();
    for host in hosts {
        host.await.unwrap();
    }
    over.store(true, Ordering::SeqCst);
    killing.await.unwrap();
    println!(
        "{} kills, {LOGINS} logins, {} refreshes, {} requests sent again, {} logins begun again",
        kills.load(Ordering::SeqCst),
        LOGINS * REFRESHES,
        told.retries.load(Ordering::SeqCst),
        told.begun_again.load(Ordering::SeqCst),
    );
    assert!(
        kills.load(Ordering::SeqCst) > 10,
        "hardly anything was killed"
    );
}

#[derive(Default)]
struct Told {
    retries: AtomicUsize,
    begun_again: AtomicUsize,
}

/// One login, begun again until there is a refresh token; from then on nothing is lost any more.
async fn live_through_it(site: &Site, told: &Told) {
    let (host, discovery, registration, mut token) = loop {
        match try_login(site, told).await {
            Ok(signed_in) => break signed_in,
            Err(_) => told.begun_again.fetch_add(1, Ordering::SeqCst),
        };
    };
    for _ in 0..REFRESHES {
        let refresh = || host.refresh(&discovery, &registration, &token);
        let answer = until_answered(refresh, told).await;
        assert_eq!(answer.status, 200, "a refresh token was lost: {answer:?}");
        token = answer.granted().unwrap().refresh_token.unwrap();
    }
}

async fn try_login(
    site: &Site,
    told: &Told,
) -> Result<(ScriptedHost, Discovery, Registration, RefreshToken), HostError> {
    let mut host = site.host();
    let discovery = host.discover().await?;
    let registration = host.register(&discovery).await?;
    let authorization = host.authorization(&discovery, &registration);
    let code = host.authorize(&discovery, &authorization).await?;
    let redeem = || host.redeem(&discovery, &registration, &authorization, &code);
    let answer = until_answered(redeem, told).await;
    if answer.status != 200 {
        // Cut inside the exchange: a clean end, and the host starts over.
        assert_eq!(answer.error(), Some("invalid_grant"), "{answer:?}");
    }
    let tokens = answer.granted()?;
    Ok((host, discovery, registration, tokens.refresh_token.unwrap()))
}

/// Sends a token request until there is an answer that is not "later".
async fn until_answered<F>(send: impl Fn() -> F, told: &Told) -> TokenAnswer
where
    F: Future<Output = Result<TokenAnswer, HostError>>,
{
    for _ in 0..300 {
        match send().await {
            Ok(answer) if answer.status < 500 => return answer,
            _ => told.retries.fetch_add(1, Ordering::SeqCst),
        };
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no answer in 300 attempts");
}

fn take(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
        left.checked_sub(1)
    })
    .is_ok()
}

/// Any number below this one.
fn any(below: u64) -> u64 {
    RandomState::new().build_hasher().finish() % below
}

/// FLT-07, FLT-23, FLT-24.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_consents_again_while_servers_on_sqlite_are_killed() {
    if let Some(store) = SharedStore::sqlite() {
        nobody_consents_again(store).await;
    }
}

/// FLT-07, FLT-23, FLT-24.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_consents_again_while_servers_on_redis_are_killed() {
    if let Some(store) = SharedStore::redis() {
        nobody_consents_again(store).await;
    }
}

/// FLT-07, FLT-23, FLT-24.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_consents_again_while_servers_on_postgres_are_killed() {
    if let Some(store) = SharedStore::postgres() {
        nobody_consents_again(store).await;
    }
}
