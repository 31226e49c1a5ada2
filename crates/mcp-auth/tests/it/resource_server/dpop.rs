//! Proof of possession in front of a verifier of the operator's own (RFC 9449 §7).

use std::{net::SocketAddr, sync::Arc};

use mcp_auth::{
    access_token::{Dpop, ProofVerifier},
    oauth::{JwkThumbprint, SystemRandom},
    store::{KeyRing, MemoryStore, Purpose, Sealer},
};
use mcp_auth_testkit::MovingClock;

use crate::{
    mcp_server::{ORIGIN, Plain, RESOURCE, local, serve},
    proofs::ProofKey,
    tokens::{Tokens, principal},
    wire::Ask,
};

const TOKEN: &str = "token-of-alice";

/// A resource server whose verifier knows one token, which is bound to this key.
async fn serve_bound(key: &ProofKey, proofs: Option<ProofVerifier>) -> SocketAddr {
    let jkt = JwkThumbprint::parse(&key.thumbprint()).unwrap();
    let alice = principal("alice", "mcp:tools").with_confirmation(jkt);
    let tokens = Tokens::for_resource(RESOURCE).with(TOKEN, RESOURCE, alice);
    let builder = local(tokens.waiting());
    let server = match proofs {
        Some(proofs) => builder.with_dpop(proofs).build().unwrap(),
        None => builder.build().unwrap(),
    };
    serve(&Plain::from(server)).await
}

fn proofs(dpop: Dpop, clock: &MovingClock) -> ProofVerifier {
    let ring = KeyRing::ephemeral(&SystemRandom);
    let random = Arc::new(SystemRandom);
    let nonces = Sealer::new(&ring, Purpose::DpopNonce, ORIGIN, random);
    let clock = Arc::new(clock.clone());
    let store = Arc::new(MemoryStore::with_clock(clock.clone()));
    ProofVerifier::new(dpop, nonces, store, clock)
}

// AX-04, AX-10, RS-25
#[tokio::test]
async fn a_token_that_is_bound_opens_once_for_each_proof_of_its_key() {
    let (key, clock) = (ProofKey::p256(), MovingClock::starting_now());
    let server = serve_bound(&key, Some(proofs(Dpop::accepted(), &clock))).await;
    let proof = key.sign(&key.proof(&clock, "POST", RESOURCE).of_token(TOKEN));
    let ask = Ask::call("everything")
        .header("authorization", &format!("DPoP {TOKEN}"))
        .header("dpop", &proof);
    let answer = ask.send(server).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = answer.tool_text();
    assert!(!seen.contains("dpop") && !seen.contains(&proof) && !seen.contains(TOKEN));
    assert_eq!(ask.send(server).await.status, 401, "a replay");
    let bearer = Ask::call("whoami").bearer(TOKEN).send(server).await;
    assert_eq!(bearer.status, 401);
    let unbound = Ask::call("whoami").bearer("bob").send(server).await;
    assert_eq!(unbound.tool_text(), "bob");
}

// AX-04
#[tokio::test]
async fn a_proof_is_for_one_method() {
    let (key, clock) = (ProofKey::p256(), MovingClock::starting_now());
    let server = serve_bound(&key, Some(proofs(Dpop::accepted(), &clock))).await;
    for (sent, made_for) in [("GET", "POST"), ("POST", "GET"), ("DELETE", "POST")] {
        for (method, let_in) in [(made_for, false), (sent, true)] {
            let proof = key.sign(&key.proof(&clock, method, RESOURCE).of_token(TOKEN));
            let mut ask = Ask::call("whoami");
            if sent != "POST" {
                ask = Ask::new(sent, "/mcp").header("accept", "text/event-stream");
            }
            let ask = ask.header("authorization", &format!("DPoP {TOKEN}"));
            let answer = ask.header("dpop", &proof).send(server).await;
            assert_eq!(
                answer.status != 401,
                let_in,
                "{sent}, {made_for}: {answer:?}"
            );
        }
    }
}

// AX-06. A verifier that says a token is bound is believed, also where nobody set proofs up.
#[tokio::test]
async fn a_bound_token_is_never_a_bearer_token() {
    let server = serve_bound(&ProofKey::p256(), None).await;
    let answer = Ask::call("whoami").bearer(TOKEN).send(server).await;
    assert_eq!(answer.status, 401);
    assert!(answer.challenge().contains("invalid_token"), "{answer:?}");
}

// AX-08
#[tokio::test]
async fn pages_may_send_a_proof_and_read_the_nonce() {
    let (key, clock) = (ProofKey::p256(), MovingClock::starting_now());
    let verifier = proofs(Dpop::accepted().with_nonces(), &clock);
    let server = serve_bound(&key, Some(verifier)).await;
    let preflight = Ask::new("OPTIONS", "/mcp")
        .header("origin", ORIGIN)
        .header("access-control-request-headers", "authorization,dpop");
    let preflight = preflight.send(server).await;
    let allowed = preflight.header("access-control-allow-headers").unwrap();
    assert!(allowed.contains("dpop"), "{allowed}");
    let proof = key.sign(&key.proof(&clock, "POST", RESOURCE).of_token(TOKEN));
    let asked = Ask::call("whoami")
        .header("origin", ORIGIN)
        .header("authorization", &format!("DPoP {TOKEN}"))
        .header("dpop", &proof);
    let asked = asked.send(server).await;
    assert_eq!(asked.status, 401);
    assert!(asked.header("dpop-nonce").is_some());
    let exposed = asked.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("DPoP-Nonce"), "{exposed}");
}
