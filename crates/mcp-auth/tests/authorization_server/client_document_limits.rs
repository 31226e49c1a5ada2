//! What one caller can make us fetch, and what a flood of fetches does to others.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::Method;
use mcp_auth::{
    authorization_server::{RateLimits, clients::ClientDocuments, pages::ErrorPageKind},
    net::{GuardedClient, Resolver},
    store::{KeyRing, MemoryStore},
};
use mcp_auth_testkit::{DocumentHost, document_host::document};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    client::{Answer, Parameters, answer, authorize, send, token, token_with},
    client_documents::{CALLBACK, client, server_for},
    harness::{KEY, Server},
    signer::Signer,
};

const CALLER: &str = "203.0.113.9";
const OTHER_CALLER: &str = "203.0.113.10";

/// A request that proves nothing and names a client.
fn guess(id: &str) -> Parameters {
    Parameters::default()
        .and("grant_type", "refresh_token")
        .and("client_id", id)
        .and("refresh_token", "x")
}

async fn guess_from(server: &Server, id: &str, caller: &str) -> Answer {
    token_with(server, &guess(id), |request| {
        request.header("x-forwarded-for", caller)
    })
    .await
}

async fn post_from(server: &Server, path: &str, body: String, caller: &str) -> Answer {
    let request = send(server, Method::POST, path)
        .header("x-forwarded-for", caller)
        .header("content-type", "application/x-www-form-urlencoded");
    answer(request.body(body)).await
}

/// CIM-17. At whichever endpoint, and before anything is fetched; what is kept costs nothing.
#[tokio::test]
async fn a_caller_has_so_many_fetches_a_minute_wherever_it_asks() {
    let host = DocumentHost::start().await.unwrap();
    let documents = ClientDocuments::new().with_development_ca(host.ca_pem());
    let mut limits = RateLimits::default();
    assert_eq!(limits.document_fetches, 60);
    limits.document_fetches = 5;
    let server = Server::builder(move |tier| {
        tier.with_client_documents(documents)
            .with_pushed_authorization_requests()
            .with_rate_limits(limits)
    })
    .start()
    .await;
    let known = host.publish("/known.json", &[CALLBACK]);
    guess_from(&server, &known, OTHER_CALLER).await;
    assert_eq!(host.connections(), 1);
    for number in 0..8 {
        guess_from(&server, &host.url(&format!("/{number}.json")), CALLER).await;
    }
    assert_eq!(host.connections(), 1 + 5);
    let id = host.publish("/client.json", &[CALLBACK]);
    let refused = guess_from(&server, &id, CALLER).await;
    refused.refuses(503, "temporarily_unavailable");
    assert!(refused.header("retry-after").is_some());
    let revoked = post_from(
        &server,
        "/revoke",
        format!("token=x&client_id={id}"),
        CALLER,
    )
    .await;
    revoked.refuses(503, "temporarily_unavailable");
    let form = client(&id).request(&server).encoded();
    let pushed = post_from(&server, "/par", form, CALLER).await;
    pushed.refuses(503, "temporarily_unavailable");
    let asked = format!("/authorize?{}", client(&id).request(&server).encoded());
    let request = send(&server, Method::GET, &asked).header("x-forwarded-for", CALLER);
    let page = answer(request).await;
    page.shows(ErrorPageKind::ClientDocumentUnavailable);
    assert_eq!(host.connections(), 1 + 5);
    // What others had fetched is there for everybody, and others are not held up.
    let of_known = guess_from(&server, &known, CALLER).await;
    of_known.refuses(400, "invalid_grant");
    let of_other = guess_from(&server, &id, OTHER_CALLER).await;
    of_other.refuses(400, "invalid_grant");
    server.clock.advance(Duration::from_secs(61));
    let number = host.connections();
    guess_from(&server, &host.url("/later.json"), CALLER).await;
    assert_eq!(host.connections(), number + 1);
}

/// CIM-17. The keys of a client are fetched at the same cost.
#[tokio::test]
async fn key_sets_are_fetched_for_a_caller_too() {
    let host = DocumentHost::start().await.unwrap();
    let documents = ClientDocuments::new().with_development_ca(host.ca_pem());
    let mut limits = RateLimits::default();
    limits.document_fetches = 1;
    let server = Server::builder(move |tier| {
        tier.with_client_documents(documents)
            .with_rate_limits(limits)
    })
    .start()
    .await;
    let signer = Signer::generate(jsonwebtoken::Algorithm::ES256, "k1");
    let id = host.url("/client.json");
    let mut described = document(&id, &[CALLBACK]);
    described["token_endpoint_auth_method"] = json!("private_key_jwt");
    described["jwks_uri"] = json!(host.url("/jwks.json"));
    host.serve("/client.json", &described);
    host.serve("/jwks.json", &signer.jwks());
    let assertion = signer.sign(&json!({ "iss": id, "sub": id }));
    let form = guess(&id)
        .and(
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        )
        .and("client_assertion", &assertion);
    for (caller, fetched) in [(CALLER, 0), (OTHER_CALLER, 1)] {
        let refused = token_with(&server, &form, |request| {
            request.header("x-forwarded-for", caller)
        })
        .await;
        assert_eq!(host.requests("/jwks.json").len(), fetched);
        if fetched == 0 {
            refused.refuses(503, "temporarily_unavailable");
        } else {
            refused.refuses(401, "invalid_client");
        }
    }
    assert_eq!(host.requests("/client.json").len(), 1);
}

/// Every name of `slow.test` leads to 127.0.0.2, every other one to 127.0.0.1.
#[derive(Debug)]
struct Wildcards;

#[async_trait::async_trait]
impl Resolver for Wildcards {
    async fn resolve(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
        let last = if host.ends_with("slow.test") { 2 } else { 1 };
        Ok(vec![Ipv4Addr::new(127, 0, 0, last).into()])
    }
}

async fn server_with_wildcards(host: &DocumentHost) -> Arc<Server> {
    let guarded = GuardedClient::builder()
        .with_resolver(Arc::new(Wildcards))
        .insecure_allow_loopback(host.ca_pem())
        .build()
        .unwrap();
    let documents = ClientDocuments::new().with_http_client(Arc::new(guarded));
    let server = Server::builder(|tier| tier.with_client_documents(documents))
        .start()
        .await;
    Arc::new(server)
}

/// CIM-17. Names cost nothing: who is asked is counted by where the connection goes.
#[tokio::test]
async fn ever_new_names_do_not_get_around_the_limit_of_an_address() {
    let host = DocumentHost::start().await.unwrap();
    let server = server_with_wildcards(&host).await;
    for number in 0..310 {
        let id = host.url_at(&format!("n{number}.evil.test"), "/client.json");
        token(&server, &guess(&id)).await;
    }
    assert_eq!(host.connections(), 300);
    let busy = token(&server, &guess(&host.url_at("N1.Evil.test", "/other.json"))).await;
    busy.refuses(503, "temporarily_unavailable");
}

/// A place that takes every connection and never says anything.
async fn silence() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0))
        .await
        .unwrap();
    let port = listener.local_addr().unwrap().port();
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            held.push(connection);
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, taken)
}

/// CIM-13, CIM-17. However many names a slow address has, and whoever asks for them.
#[tokio::test]
async fn slow_hosts_hold_up_each_other_and_one_caller_only_itself() {
    let host = DocumentHost::start().await.unwrap();
    let server = server_with_wildcards(&host).await;
    let (port, taken) = silence().await;
    let good = host.url_at("localhost", "/good.json");
    host.serve("/good.json", &document(&good, &[CALLBACK]));
    let mut asking = JoinSet::new();
    let ask = |asking: &mut JoinSet<u16>, number: usize, caller: String| {
        let server = Arc::clone(&server);
        let id = format!("https://n{number}.slow.test:{port}/client.json");
        asking.spawn(async move { guess_from(&server, &id, &caller).await.status.as_u16() });
    };
    // Eight under way for one caller; the others are answered at once.
    for number in 0..12 {
        ask(&mut asking, number, CALLER.to_owned());
    }
    for _ in 0..4 {
        assert_eq!(asking.join_next().await.unwrap().unwrap(), 503);
    }
    // Sixteen at one address, whoever asks.
    for number in 12..40 {
        ask(&mut asking, number, format!("198.51.100.{number}"));
    }
    for _ in 0..20 {
        assert_eq!(asking.join_next().await.unwrap().unwrap(), 503);
    }
    assert_eq!(asking.len(), 16);
    assert!(taken.load(Ordering::SeqCst) <= 16);
    let page = authorize(&server, &client(&good).request(&server)).await;
    assert_eq!(page.status, 200);
}

/// CIM-15, CIM-17. That we are busy is no word of the client's host: nothing of it is remembered, and
/// it makes nobody trusted by name alone.
#[tokio::test]
async fn a_flood_lets_nobody_in_without_proof() {
    let host = DocumentHost::start().await.unwrap();
    let store = Arc::new(MemoryStore::new());
    let documents = ClientDocuments::new().with_development_ca(host.ca_pem());
    let (again, kept) = (documents.clone(), Arc::clone(&store));
    let ring = || KeyRing::parse(KEY).unwrap();
    let server = Server::builder(move |tier| {
        tier.with_client_documents(documents)
            .with_key_ring(ring())
            .with_store(store)
    })
    .start()
    .await;
    let client = client(&host.publish("/client.json", &[CALLBACK]));
    let tokens = client.tokens(&server).await;
    // Its client has to prove itself from here on; this process has not seen that yet.
    let signer = Signer::generate(jsonwebtoken::Algorithm::ES256, "k1");
    let mut signed = document(&client.id, &[CALLBACK]);
    signed["token_endpoint_auth_method"] = json!("private_key_jwt");
    signed["jwks"] = signer.jwks();
    host.serve("/client.json", &signed);
    server.restart(|tier| {
        tier.with_client_documents(again)
            .with_key_ring(ring())
            .with_store(kept)
    });
    for number in 0..300 {
        token(&server, &guess(&host.url(&format!("/{number}.json")))).await;
    }
    let busy = token(&server, &client.refreshing(&tokens.refresh)).await;
    busy.refuses(503, "temporarily_unavailable");
    assert!(busy.header("retry-after").is_some());
    let page = authorize(&server, &client.request(&server)).await;
    page.shows(ErrorPageKind::ClientDocumentUnavailable);
    assert!(page.header("retry-after").is_some());
    assert_eq!(host.requests("/client.json").len(), 1);
    server.clock.advance(Duration::from_secs(60));
    let page = authorize(&server, &client.request(&server)).await;
    assert_eq!(page.status, 200);
    token(&server, &client.refreshing(&tokens.refresh))
        .await
        .refuses(401, "invalid_client");
}

/// CIM-15. A copy stands in while we are busy, for ten minutes: whoever keeps us busy does not keep a
/// change from being seen.
#[tokio::test]
async fn a_flood_keeps_no_change_from_being_seen() {
    let host = DocumentHost::start().await.unwrap();
    let server = server_for(&host, |documents| documents).await;
    let client = client(&host.publish("/client.json", &[CALLBACK]));
    let status = async || {
        for number in 0..300 {
            token(&server, &guess(&host.url(&format!("/{number}.json")))).await;
        }
        authorize(&server, &client.request(&server)).await.status
    };
    assert_eq!(
        authorize(&server, &client.request(&server)).await.status,
        200
    );
    server.clock.advance(Duration::from_secs(3601));
    assert_eq!(status().await, 200);
    server.clock.advance(Duration::from_secs(600));
    assert_eq!(status().await, 503);
    assert_eq!(host.requests("/client.json").len(), 1);
}

/// GRW-03. However many documents there are not.
#[tokio::test]
async fn failures_take_no_place_of_a_document() {
    let host = DocumentHost::start().await.unwrap();
    let server = server_for(&host, |documents| documents).await;
    let client = client(&host.publish("/client.json", &[CALLBACK]));
    assert_eq!(
        authorize(&server, &client.request(&server)).await.status,
        200
    );
    for number in 0..2200 {
        if number % 250 == 0 {
            server.clock.advance(Duration::from_secs(61));
        }
        token(&server, &guess(&host.url(&format!("/{number}.json")))).await;
    }
    assert_eq!(
        authorize(&server, &client.request(&server)).await.status,
        200
    );
    assert_eq!(host.requests("/client.json").len(), 1);
}
