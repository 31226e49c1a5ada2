use std::sync::Mutex as SyncMutex;

use bytes::Bytes;
use http::{Request, Response};

use super::*;
use crate::net::HttpError;

/// A provider whose metadata can hang; counts how often it is asked.
#[derive(Debug, Default)]
struct Metadata {
    hangs: SyncMutex<bool>,
    asked: AtomicU64,
}

#[async_trait]
impl HttpClient for Metadata {
    async fn send(&self, _: Request<Bytes>, _: usize) -> Result<Response<Bytes>, HttpError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if *self.hangs.lock().unwrap() {
            std::future::pending::<()>().await;
        }
        let document = serde_json::json!({
            "issuer": "https://id.example",
            "authorization_endpoint": "https://id.example/authorize",
            "token_endpoint": "https://id.example/token",
            "userinfo_endpoint": "https://id.example/userinfo",
        });
        Ok(Response::new(Bytes::from(document.to_string())))
    }
}

#[derive(Debug)]
struct At(SyncMutex<Timestamp>);

impl Clock for At {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

fn provider() -> (Arc<Metadata>, Arc<At>, OAuthUpstream) {
    let http = Arc::new(Metadata::default());
    let clock = Arc::new(At(SyncMutex::new(Timestamp::from_seconds(1_000_000))));
    let upstream = OAuthUpstream::with_issuer("https://id.example", "c")
        .with_http_client(http.clone())
        .with_clock(clock.clone())
        .build()
        .unwrap();
    (http, clock, upstream)
}

/// FLT-12.
#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_costs_a_crowd_one_deadline() {
    let (http, _, upstream) = provider();
    *http.hangs.lock().unwrap() = true;
    let started = tokio::time::Instant::now();
    let upstream = Arc::new(upstream);
    let crowd: Vec<_> = (0..30)
        .map(|_| {
            let upstream = Arc::clone(&upstream);
            tokio::spawn(async move { upstream.endpoints().await.is_err() })
        })
        .collect();
    for one in crowd {
        assert!(one.await.unwrap());
    }
    assert!(started.elapsed() <= DEADLINE, "{:?}", started.elapsed());
    *http.hangs.lock().unwrap() = false;
    assert!(upstream.endpoints().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn old_metadata_is_good_while_new_cannot_be_read() {
    let (http, clock, upstream) = provider();
    assert!(upstream.endpoints().await.is_ok());
    assert!(upstream.endpoints().await.is_ok());
    assert_eq!(http.asked.load(Ordering::SeqCst), 1, "it is read once");
    let next_day = clock.now().plus(MAX_AGE);
    *clock.0.lock().unwrap() = next_day;
    *http.hangs.lock().unwrap() = true;
    // Whoever looks may hang up; nobody looks again for a while, and everybody is served.
    let looking = tokio::time::timeout(Duration::from_secs(1), upstream.endpoints()).await;
    assert!(looking.is_err());
    let started = tokio::time::Instant::now();
    assert!(upstream.endpoints().await.is_ok());
    assert_eq!(started.elapsed(), Duration::ZERO);
    *clock.0.lock().unwrap() = next_day.plus(AFTER_FAILURE);
    assert!(upstream.endpoints().await.is_ok(), "after its own deadline");
    assert!(started.elapsed() <= DEADLINE);
    *http.hangs.lock().unwrap() = false;
    *clock.0.lock().unwrap() = next_day.plus(2 * AFTER_FAILURE);
    let before = http.asked.load(Ordering::SeqCst);
    assert!(upstream.endpoints().await.is_ok());
    assert_eq!(http.asked.load(Ordering::SeqCst), before + 1);
}

#[tokio::test(start_paused = true)]
async fn metadata_that_was_read_while_the_clock_was_ahead_is_read_again() {
    let (http, clock, upstream) = provider();
    let now = clock.now();
    *clock.0.lock().unwrap() = now.plus(365 * MAX_AGE);
    assert!(upstream.endpoints().await.is_ok());
    *clock.0.lock().unwrap() = now;
    for _ in 0..3 {
        assert!(upstream.endpoints().await.is_ok());
    }
    assert_eq!(http.asked.load(Ordering::SeqCst), 2);
}
