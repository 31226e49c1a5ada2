//! What is counted and timed, under the names that docs/observability.md has.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

use mcp_auth::oauth::AccessToken;

use crate::rig::{Rig, assert_invalid_grant};

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
