//! Two processes on one Redis, for a while, with a fault every so often; see `scripts/soak`.
//!
//! Hosts sign in once and go on with what they have. What may happen to them is an answer that says
//! "later", or none; what must not happen is that one has to sign in again.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use mcp_auth_testkit::demo_upstream::Faults;

use crate::{
    server::Server,
    site::{Session, Site},
    stores::SharedStore,
};

const HOSTS: usize = 8;

#[derive(Default)]
struct Report {
    requests: AtomicU64,
    calls: AtomicU64,
    refreshes: AtomicU64,
    logins: AtomicU64,
    /// Answered with "later".
    refused: AtomicU64,
    /// Sent again: refused, or not answered at all.
    retried: AtomicU64,
    lost: AtomicU64,
    unexpected: Mutex<Vec<String>>,
    faults: Mutex<Vec<String>>,
}

/// The seconds and the pause between faults are the environment's: `scripts/soak` sets them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "takes minutes: scripts/soak runs it"]
async fn two_processes_and_redis_with_faults_lose_nobody() {
    let Some(store) = SharedStore::redis() else {
        return;
    };
    let seconds = number("MCP_SOAK_SECONDS", 120);
    let every = Duration::from_secs(number("MCP_SOAK_FAULT_EVERY", 10));
    let report = Arc::new(Report::default());
    let mut site = Site::start(
        2,
        &store.url,
        &[("MCP_AUTH_REVOCATION_CACHE", "1"), ("RUST_LOG", "warn")],
    )
    .await;
    let servers = std::mem::take(&mut site.servers);
    let site = Arc::new(site);
    let over = Arc::new(AtomicBool::new(false));
    let hosts: Vec<_> = (0..HOSTS)
        .map(|_| tokio::spawn(live(site.clone(), report.clone(), over.clone())))
        .collect();
    let breaking = tokio::spawn(break_things(
        site.clone(),
        servers,
        store,
        report.clone(),
        over.clone(),
        every,
    ));
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    over.store(true, SeqCst);
    let running = breaking.await.unwrap();
    for host in hosts {
        host.await.unwrap();
    }
    drop(running);
    report.print(seconds);
    let unexpected = report.unexpected.lock().unwrap();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    assert_eq!(report.lost.load(SeqCst), 0, "sessions were lost");
    assert!(
        report.refreshes.load(SeqCst) > seconds,
        "hardly anything was done"
    );
}

/// One host after the other: a login, a while of calls and refreshes, and the next one.
async fn live(site: Arc<Site>, report: Arc<Report>, over: Arc<AtomicBool>) {
    while !over.load(SeqCst) {
        report.requests.fetch_add(1, SeqCst);
        let Ok(mut session) = site.try_sign_in().await else {
            report.retried.fetch_add(1, SeqCst);
            tokio::time::sleep(Duration::from_millis(300)).await;
            continue;
        };
        report.logins.fetch_add(1, SeqCst);
        for turn in 0..40 {
            call(&session, &report).await;
            // Every refresh is kept up until it is answered, also past the end.
            if turn % 2 == 0 && !refresh(&mut session, &report).await {
                break;
            }
            if over.load(SeqCst) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn call(session: &Session, report: &Report) {
    report.requests.fetch_add(1, SeqCst);
    let sent = session
        .host
        .send_modern(Some(&session.tokens.access_token), "whoami");
    match sent.await.map(|answer| answer.status().as_u16()) {
        Ok(200) => _ = report.calls.fetch_add(1, SeqCst),
        Ok(502..=504) => _ = report.refused.fetch_add(1, SeqCst),
        // An access token is good for an hour: a 401 makes a host throw its tokens away.
        Ok(status) => report.unexpected(format!("a call was answered with {status}")),
        Err(_) => _ = report.retried.fetch_add(1, SeqCst),
    }
}

async fn refresh(session: &mut Session, report: &Report) -> bool {
    let mut last = String::new();
    for _ in 0..600 {
        report.requests.fetch_add(1, SeqCst);
        match session.refresh_at(&session.discovery).await {
            Ok(answer) if answer.status == 200 => {
                session.tokens = answer.granted().unwrap();
                report.refreshes.fetch_add(1, SeqCst);
                return true;
            }
            Ok(answer) if answer.error() == Some("invalid_grant") => {
                report.lost.fetch_add(1, SeqCst);
                return false;
            }
            Ok(answer) if answer.status == 503 => _ = report.refused.fetch_add(1, SeqCst),
            Ok(answer) => report.unexpected(format!("a refresh was answered with {answer:?}")),
            Err(error) => last = format!("{error:?}"),
        }
        report.retried.fetch_add(1, SeqCst);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    report.unexpected(format!("a refresh was never answered: {last}"));
    false
}

/// One fault after the other, each over before the next; gives back what runs.
async fn break_things(
    site: Arc<Site>,
    mut servers: Vec<Server>,
    mut store: SharedStore,
    report: Arc<Report>,
    over: Arc<AtomicBool>,
    every: Duration,
) -> (Vec<Server>, SharedStore) {
    let mut next = Instant::now() + every;
    let mut turn = 0;
    loop {
        while Instant::now() < next {
            if over.load(SeqCst) {
                return (servers, store);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        next += every;
        turn += 1;
        let name = match (turn - 1) % 8 {
            0 => {
                tokio::task::block_in_place(|| servers[0].restart());
                "kill -9 of a server"
            }
            1 => {
                store.pause();
                tokio::time::sleep(Duration::from_secs(3)).await;
                store.resume();
                "Redis hangs for 3 s"
            }
            2 => {
                tokio::task::block_in_place(|| servers[1].roll());
                "SIGTERM and a new start of a server"
            }
            3 => {
                store.kill();
                tokio::time::sleep(Duration::from_secs(2)).await;
                tokio::task::block_in_place(|| store.restart());
                "kill -9 of Redis, back after 2 s"
            }
            4 => {
                upstream(
                    &site,
                    Faults {
                        token_status: Some(500),
                        ..Faults::default()
                    },
                )
                .await;
                "the upstream answers 500 for 3 s"
            }
            5 => {
                tokio::task::block_in_place(|| servers.iter_mut().for_each(Server::restart));
                "kill -9 of both servers"
            }
            6 => {
                upstream(
                    &site,
                    Faults {
                        token_garbage: true,
                        ..Faults::default()
                    },
                )
                .await;
                "the upstream answers garbage for 3 s"
            }
            _ => {
                upstream(
                    &site,
                    Faults {
                        token_delay_ms: Some(5_000),
                        ..Faults::default()
                    },
                )
                .await;
                "the upstream is slow (5 s) for 3 s"
            }
        };
        report.faults.lock().unwrap().push(name.into());
    }
}

async fn upstream(site: &Site, faults: Faults) {
    site.upstream.set_faults(faults);
    tokio::time::sleep(Duration::from_secs(3)).await;
    site.upstream.set_faults(Faults::default());
}

impl Report {
    fn unexpected(&self, what: String) {
        self.unexpected.lock().unwrap().push(what);
    }

    /// As a table for `docs/soak.md`.
    fn print(&self, seconds: u64) {
        println!("| | |\n|---|---|");
        println!("| seconds | {seconds} |");
        let faults = self.faults.lock().unwrap();
        println!("| faults | {} |", faults.len());
        for (name, counter) in [
            ("requests", &self.requests),
            ("logins", &self.logins),
            ("calls answered", &self.calls),
            ("refreshes answered", &self.refreshes),
            ("refused for a while (503)", &self.refused),
            ("sent again", &self.retried),
            ("sessions lost", &self.lost),
        ] {
            println!("| {name} | {} |", counter.load(SeqCst));
        }
        let mut names: Vec<_> = faults.iter().collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let count = faults.iter().filter(|fault| *fault == name).count();
            println!("| fault: {name} | {count} |");
        }
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    let value = std::env::var(variable).ok();
    value.map_or(otherwise, |value| value.parse().expect("a number"))
}
