//! What the upstream said about a user at the login, as far as tools may see it.

use serde_json::json;

use crate::{
    rig::{Rig, Session},
    upstream_identity::Log,
};

async fn rig() -> Rig {
    Rig::plan()
        .tune(|tier| tier.with_upstream_claims(["name", "email", "groups"]))
        .start()
        .await
}

/// What a tool sees with this session's token.
async fn told(rig: &Rig, session: &Session) -> serde_json::Value {
    let answer = rig.upstream_claims(&session.tokens.access_token).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let shown = answer.body["shown"].as_str().unwrap();
    assert!(!shown.contains("Liddell") && !shown.contains("example.com"));
    answer.body["claims"].clone()
}

/// PX-09.
#[tokio::test]
async fn a_tool_sees_the_claims_that_were_named_and_no_log_does() {
    let (log, _guard) = Log::listen();
    let mut rig = rig().await;
    let mut session = rig.sign_in().await;
    let alice = json!({ "name": "Alice Liddell", "email": "alice@example.com" });
    assert_eq!(told(&rig, &session).await, alice);
    let bob = rig.sign_in_as("bob", "builder").await;
    assert_eq!(told(&rig, &bob).await["name"], "Bob Builder");

    session.renew().await;
    assert_eq!(told(&rig, &session).await, alice);
    // Another process finds them in the store, sealed, whatever it would keep itself.
    rig.redeploy(0, |tier| tier);
    assert_eq!(told(&rig, &session).await, alice);
    session.renew().await;
    assert_eq!(told(&rig, &session).await, alice);

    let logged = log.take();
    assert!(logged.contains("grant_made"), "{logged}");
    let stored = format!("{:?}", rig.store.written());
    let bytes: Vec<_> = rig.store.written().into_iter().collect();
    for personal in ["Liddell", "alice@", "Builder"] {
        assert!(!logged.contains(personal) && !stored.contains(personal));
        assert!(bytes.iter().all(|(_, record)| {
            let sealed = &record.sealed;
            !sealed
                .windows(personal.len())
                .any(|at| at == personal.as_bytes())
        }));
    }
}

#[tokio::test]
async fn none_are_kept_that_nobody_named() {
    let mut rig = Rig::start().await;
    let before = rig.sign_in().await;
    assert_eq!(told(&rig, &before).await, json!({}));
    // A grant of before has none, and goes on.
    rig.redeploy(0, |tier| tier.with_upstream_claims(["name"]));
    assert_eq!(told(&rig, &before).await, json!({}));
    let after = rig.sign_in().await;
    assert_eq!(told(&rig, &after).await, json!({ "name": "Alice Liddell" }));
}

#[tokio::test]
async fn a_claim_that_is_absent_or_too_large_is_left_out() {
    let (log, _guard) = Log::listen();
    let rig = rig().await;
    let claims = json!({ "email": null, "groups": ["y".repeat(3000)] });
    rig.upstream.change_faults(|faults| {
        faults.userinfo_claims = claims.as_object().cloned();
    });
    let session = rig.sign_in().await;
    assert_eq!(
        told(&rig, &session).await,
        json!({ "name": "Alice Liddell" })
    );
    let logged = log.take();
    assert!(logged.contains("upstream_claim_left_out") && logged.contains("groups"));
    assert!(!logged.contains("yyyy"), "{logged}");
}
