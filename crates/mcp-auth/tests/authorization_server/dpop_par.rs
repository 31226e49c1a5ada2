//! DPoP where requests are pushed (RFC 9449 §10.1).

use std::sync::Arc;

use http::Method;
use mcp_auth::access_token::Dpop;

use crate::{
    client::{Answer, Client, Parameters, answer, approve, send},
    dpop_tokens::{at_token, only_the_key_redeems, token_with_proof},
    harness::Server,
    proofs::{Proof, ProofKey},
    storage::Witness,
};

async fn pushing(dpop: Dpop) -> Server {
    Server::builder(move |tier| tier.with_dpop(dpop).with_pushed_authorization_requests())
        .start()
        .await
}

async fn push(server: &Server, form: &Parameters, proofs: &[String]) -> Answer {
    let mut request = send(server, Method::POST, "/par")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.encoded());
    for proof in proofs {
        request = request.header("dpop", proof);
    }
    answer(request).await
}

/// A good proof for the endpoint.
fn at_par(server: &Server, key: &ProofKey) -> Proof {
    key.proof(&server.clock, "POST", &server.url("/par"))
}

/// The code of the login that a pushed request leads to.
async fn code_of(server: &Server, client: &Client, pushed: &Answer) -> String {
    assert_eq!(pushed.status, 201, "{}", pushed.body);
    let uri = pushed.json()["request_uri"].as_str().unwrap().to_owned();
    let request = Parameters::default()
        .and("client_id", &client.id)
        .and("request_uri", &uri);
    let callback = approve(server, &mut server.browser(), client, &request).await;
    callback.code().unwrap().to_owned()
}

/// ASZ-42, AX-01. Also where the parameter says the same, and where it was sent empty.
#[tokio::test]
async fn a_proof_at_par_binds_the_code_to_its_key() {
    for dpop in [Dpop::accepted(), Dpop::required()] {
        let server = pushing(dpop).await;
        let client = Client::public(&server).await;
        let key = ProofKey::p256();
        let plain = client.request(&server);
        for form in [
            plain.clone(),
            plain.clone().and("dpop_jkt", ""),
            plain.and("dpop_jkt", &key.thumbprint()),
        ] {
            let proof = key.sign(&at_par(&server, &key));
            let pushed = push(&server, &form, &[proof]).await;
            let code = code_of(&server, &client, &pushed).await;
            let form = client.redemption(&server, &code);
            only_the_key_redeems(&server, &form, &key).await;
        }
    }
}

/// AX-01. Nobody has to bring one there, also where tokens need one.
#[tokio::test]
async fn no_proof_is_asked_for_at_par() {
    let server = pushing(Dpop::required()).await;
    let client = Client::public(&server).await;
    let pushed = push(&server, &client.request(&server), &[]).await;
    let code = code_of(&server, &client, &pushed).await;
    let key = ProofKey::p256();
    let proof = key.sign(&at_token(&server, &key));
    let granted = token_with_proof(&server, &client.redemption(&server, &code), &proof).await;
    assert_eq!(granted.json()["token_type"], "DPoP", "{}", granted.body);
}

/// ASZ-42.
#[tokio::test]
async fn a_dpop_jkt_of_another_key_than_the_proofs_is_refused() {
    let server = pushing(Dpop::accepted()).await;
    let client = Client::public(&server).await;
    let (key, other) = (ProofKey::p256(), ProofKey::p256());
    for named in [&other.thumbprint(), "x"] {
        let form = client.request(&server).and("dpop_jkt", named);
        let proof = key.sign(&at_par(&server, &key));
        push(&server, &form, &[proof])
            .await
            .refuses(400, "invalid_request");
    }
    // Said twice it says nothing, whatever stands first.
    let twice = client
        .request(&server)
        .and("dpop_jkt", &key.thumbprint())
        .and("dpop_jkt", &other.thumbprint());
    let proof = key.sign(&at_par(&server, &key));
    push(&server, &twice, &[proof])
        .await
        .refuses(400, "invalid_request");
}

/// AX-03, AX-04.
#[tokio::test]
async fn a_broken_proof_at_par_is_refused() {
    let server = pushing(Dpop::accepted()).await;
    let client = Client::public(&server).await;
    let form = client.request(&server);
    let key = ProofKey::p256();
    let good = || key.sign(&at_par(&server, &key));
    for proofs in [
        vec!["garbage".to_owned()],
        vec![String::new()],
        vec![good(), good()],
        vec![key.sign(&at_token(&server, &key))],
        vec![key.sign(&at_par(&server, &key).claim("htm", "GET"))],
    ] {
        push(&server, &form, &proofs)
            .await
            .refuses(400, "invalid_dpop_proof");
    }
    let off = Server::builder(|tier| tier.with_pushed_authorization_requests());
    let off = off.start().await;
    let client = Client::public(&off).await;
    let ignored = push(&off, &client.request(&off), &["garbage".to_owned()]).await;
    assert_eq!(ignored.status, 201, "{}", ignored.body);
}

/// AX-10, DCR-13. It is used up last: by a request that is good, and by nothing else.
#[tokio::test]
async fn a_proof_at_par_is_taken_once_and_only_from_a_good_request() {
    let witness = Arc::new(Witness::default());
    let store = Arc::clone(&witness);
    let server = Server::builder(move |tier| {
        tier.with_dpop(Dpop::accepted())
            .with_pushed_authorization_requests()
            .with_store(store)
    })
    .start()
    .await;
    let client = Client::public(&server).await;
    let key = ProofKey::p256();
    let proof = [key.sign(&at_par(&server, &key))];
    let good = client.request(&server);
    for bad in [
        good.clone().with("redirect_uri", "https://evil.example/"),
        good.clone().with("code_challenge_method", "plain"),
        good.clone().with("scope", "un\"known"),
        good.clone().with("state", &"s".repeat(3000)),
    ] {
        let refused = push(&server, &bad, &proof).await;
        assert_eq!(refused.status, 400, "{}", refused.body);
    }
    assert_eq!(witness.writes(), 0);
    assert_eq!(push(&server, &good, &proof).await.status, 201);
    assert!(witness.writes() > 0);
    push(&server, &good, &proof)
        .await
        .refuses(400, "invalid_dpop_proof");
}

/// AX-08. One nonce serves `/par` and `/token`: hosts keep one for one server.
#[tokio::test]
async fn with_nonces_par_asks_for_one_and_gives_the_next() {
    let server = pushing(Dpop::accepted().with_nonces()).await;
    let client = Client::public(&server).await;
    let key = ProofKey::p256();
    let form = client.request(&server);
    let asked = push(&server, &form, &[key.sign(&at_par(&server, &key))]).await;
    asked.refuses(400, "use_dpop_nonce");
    assert_eq!(asked.headers.get_all("dpop-nonce").iter().count(), 1);
    let nonce = asked.header("dpop-nonce").unwrap();
    let proof = at_par(&server, &key).claim("nonce", nonce);
    let pushed = push(&server, &form, &[key.sign(&proof)]).await;
    let next = pushed.header("dpop-nonce").unwrap().to_owned();
    let code = code_of(&server, &client, &pushed).await;
    let proof = key.sign(&at_token(&server, &key).claim("nonce", next));
    let granted = token_with_proof(&server, &client.redemption(&server, &code), &proof).await;
    assert_eq!(granted.json()["token_type"], "DPoP", "{}", granted.body);
}
