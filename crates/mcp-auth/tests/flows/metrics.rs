//! What is counted and timed, under the names that docs/observability.md has.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

use async_trait::async_trait;
use axum::body::Body;
use http::{Request, Response};
use mcp_auth::{
    Principal,
    access_token::{Dpop, ProofVerifier, TokenVerifier, VerifyError},
    oauth::{AccessToken, JwkThumbprint, PublicUrl, ResourceIdentifier, SystemRandom},
    resource_server::ResourceServer,
    store::{KeyRing, MemoryStore, Purpose, Sealer},
};
use mcp_auth_testkit::MovingClock;
use tower::{Layer, ServiceExt, service_fn};

use crate::{
    proofs::ProofKey,
    rig::{Rig, assert_invalid_grant},
};

/// How often each metric, labels and all, was counted or timed.
#[derive(Debug, Clone, Default)]
struct Counted(Arc<Mutex<BTreeMap<String, u64>>>);

struct One(Counted, String);

impl One {
    fn add(&self, count: u64) {
        *self.0.0.lock().unwrap().entry(self.1.clone()).or_default() += count;
    }
}

impl CounterFn for One {
    fn increment(&self, count: u64) {
        self.add(count);
    }

    fn absolute(&self, _: u64) {
        panic!("nothing here is absolute");
    }
}

impl HistogramFn for One {
    fn record(&self, seconds: f64) {
        assert!((0.0..60.0).contains(&seconds));
        self.add(1);
    }
}

impl Recorder for Counted {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(One(self.clone(), text(key))))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(One(self.clone(), text(key))))
    }
}

fn text(key: &Key) -> String {
    let labels = key
        .labels()
        .map(|label| format!("{}={}", label.key(), label.value()));
    let labels: Vec<_> = labels.collect();
    format!("{}{{{}}}", key.name(), labels.join(","))
}

/// FLT-18.
#[test]
fn logins_checks_refreshes_and_what_they_wait_for_are_counted() {
    let counted = Counted::default();
    metrics::with_local_recorder(&counted, || {
        // One thread, which is the one that counts.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async {
            let rig = Rig::start().await;
            let mut session = rig.sign_in().await;
            let token = session.tokens.access_token.clone();
            assert_eq!(rig.whoami(&token).await.status, 200);
            assert_eq!(rig.whoami(&AccessToken::new("invented")).await.status, 401);
            let first = session.refresh_token().clone();
            session.renew().await;
            session.renew().await;
            assert_invalid_grant(&session.refresh_with(&first).await);
        });
    });
    let counted = counted.0.lock().unwrap();
    for (metric, count) in [
        ("mcp_auth_token_checks_total{outcome=no_credential}", 1),
        ("mcp_auth_token_checks_total{outcome=accepted}", 1),
        ("mcp_auth_token_checks_total{outcome=invalid_token}", 1),
        ("mcp_auth_events_total{action=consent_given,reason=none}", 1),
        (
            "mcp_auth_events_total{action=login_finished,reason=none}",
            1,
        ),
        ("mcp_auth_events_total{action=grant_made,reason=none}", 1),
        (
            "mcp_auth_events_total{action=token_refreshed,reason=none}",
            2,
        ),
        (
            "mcp_auth_events_total{action=token_reused,reason=an old refresh token was used again}",
            1,
        ),
        ("mcp_auth_upstream_seconds{operation=redeem,outcome=ok}", 1),
        ("mcp_auth_upstream_seconds{operation=keys,outcome=ok}", 1),
    ] {
        assert_eq!(
            counted.get(metric),
            Some(&count),
            "{metric} in {counted:#?}"
        );
    }
    for operation in ["insert", "load", "replace"] {
        let metric = format!("mcp_auth_store_seconds{{operation={operation},outcome=ok}}");
        assert!(
            counted.get(&metric).is_some_and(|count| *count > 0),
            "{metric}"
        );
    }
}

/// Every token is this principal's.
#[derive(Debug)]
struct Everybody(Principal);

#[async_trait]
impl TokenVerifier for Everybody {
    async fn verify(
        &self,
        _: &AccessToken,
        _: &ResourceIdentifier,
    ) -> Result<Principal, VerifyError> {
        Ok(self.0.clone())
    }
}

/// AX-10. A proof that was used before is a refusal, and was no acceptance on the way.
#[test]
fn a_replayed_proof_is_counted_once() {
    const ORIGIN: &str = "https://mcp.example";
    const RESOURCE: &str = "https://mcp.example/mcp";
    let (key, clock) = (ProofKey::p256(), Arc::new(MovingClock::starting_now()));
    let jkt = JwkThumbprint::parse(&key.thumbprint()).unwrap();
    let bound = Principal::new("https://id.example", "alice").with_confirmation(jkt);
    let ring = KeyRing::ephemeral(&SystemRandom);
    let nonces = Sealer::new(&ring, Purpose::DpopNonce, ORIGIN, Arc::new(SystemRandom));
    let store = Arc::new(MemoryStore::with_clock(clock.clone()));
    let proofs = ProofVerifier::new(Dpop::accepted(), nonces, store, clock.clone());
    let public_url = PublicUrl::parse(ORIGIN).unwrap();
    let server = ResourceServer::builder(public_url, "/mcp", Arc::new(Everybody(bound)));
    let server = server.with_dpop(proofs).build().unwrap();
    let proof = key.sign(&key.proof(&clock, "POST", RESOURCE).of_token("t"));
    let call = async || {
        let inner = async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Body::empty()));
        let request = Request::post(RESOURCE)
            .header("host", "mcp.example")
            .header("authorization", "DPoP t")
            .header("dpop", &proof)
            .body(Body::empty())
            .unwrap();
        let answer = server.layer().layer(service_fn(inner)).oneshot(request);
        answer.await.unwrap().status().as_u16()
    };
    let counted = Counted::default();
    metrics::with_local_recorder(&counted, || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async {
            assert_eq!((call().await, call().await), (200, 401));
        });
    });
    let counted = counted.0.lock().unwrap();
    let all: Vec<_> = counted.iter().collect();
    let outcome = |outcome| format!("mcp_auth_token_checks_total{{outcome={outcome}}}");
    let (accepted, refused) = (outcome("accepted"), outcome("invalid_dpop_proof"));
    assert_eq!(all, [(&accepted, &1), (&refused, &1)]);
}
