//! The client of `scripts/soak-anonymous`: strangers that register, and begin logins and leave.
//!
//! It says nothing about the server's memory; the script measures that.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mcp_auth_testkit::{
    ScriptedHost, registrations,
    scripted_host::{Discovery, Registration},
};

/// So many requests are under way at once.
const STRANGERS: usize = 16;

struct Soak {
    host: ScriptedHost,
    discovery: Discovery,
    registration: Registration,
    origin: String,
    left: AtomicUsize,
}

/// DCR-13, FLT-30.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the server that scripts/soak-anonymous starts"]
async fn registrations_and_abandoned_logins() {
    let (origin, count) = from_env();
    let host = ScriptedHost::new(format!("{origin}/mcp")).unwrap();
    let discovery = host.discover().await.unwrap();
    let registration = host.register(&discovery).await.unwrap();
    let soak = Arc::new(Soak {
        host,
        discovery,
        registration,
        origin,
        left: AtomicUsize::new(count),
    });
    soak.clone().run(Soak::register).await;
    soak.left.store(count, Ordering::SeqCst);
    soak.run(Soak::abandon_a_login).await;
}

impl Soak {
    async fn run<F>(self: Arc<Self>, act: fn(Arc<Self>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let strangers: Vec<_> = (0..STRANGERS)
            .map(|_| {
                let soak = self.clone();
                tokio::spawn(async move {
                    while soak.takes_one() {
                        act(soak.clone()).await;
                    }
                })
            })
            .collect();
        for stranger in strangers {
            stranger.await.unwrap();
        }
    }

    fn takes_one(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        let (set, read) = (Ordering::SeqCst, Ordering::SeqCst);
        self.left.fetch_update(set, read, less).is_ok()
    }

    async fn register(self: Arc<Self>) {
        let endpoint = self.discovery.registration_endpoint.as_ref().unwrap();
        let request = self
            .host
            .http()
            .post(endpoint)
            .header("content-type", "application/json")
            .body(registrations::CLAUDE_CODE)
            .timeout(Duration::from_secs(30));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 201);
        answer.bytes().await.unwrap();
    }

    /// Consents and is never seen again.
    async fn abandon_a_login(self: Arc<Self>) {
        let authorization = self.host.authorization(&self.discovery, &self.registration);
        let answer = self
            .host
            .http()
            .get(&authorization.url)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
        let page = answer.text().await.unwrap();
        let (_, rest) = page.split_once("name=\"request\" value=\"").unwrap();
        let request = rest.split_once('"').unwrap().0;
        let form = format!("decision=approve&request={request}");
        let answer = self
            .host
            .http()
            .post(format!("{}/consent", self.origin))
            .header("cookie", cookie.split(';').next().unwrap())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 303);
        answer.bytes().await.unwrap();
    }
}

/// Where the server is, and how many of each to send.
#[allow(clippy::disallowed_methods)]
fn from_env() -> (String, usize) {
    let origin = std::env::var("SOAK_ORIGIN").expect("SOAK_ORIGIN: run scripts/soak-anonymous");
    let count = std::env::var("SOAK_COUNT").expect("SOAK_COUNT: run scripts/soak-anonymous");
    (origin, count.parse().expect("SOAK_COUNT is a number"))
}
