//! Clients whose document is withdrawn, changed or out of reach: what they keep, and what not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jsonwebtoken::Algorithm;
use mcp_auth::{
    DcrShim,
    authorization_server::{
        clients::{AllowClients, ClientDocuments},
        pages::ErrorPageKind,
    },
    oauth::Clock,
    store::{KeyRing, MemoryStore},
    tier::ShimBuilder,
};
use mcp_auth_testkit::{DocumentAnswer, DocumentHost, document_host::document};
use serde_json::{Value, json};

use crate::{
    client::{Answer, Client, Parameters, answer, authorize, send, token},
    client_documents::{CALLBACK, client, server_for},
    harness::{KEY, Server},
    signer::Signer,
};

/// Past every copy that was kept.
const LONG: Duration = Duration::from_secs(26 * 3600);
const HOUR: Duration = Duration::from_secs(3601);

/// Several processes after each other over one store.
struct Processes {
    server: Server,
    store: Arc<MemoryStore>,
}

impl Processes {
    async fn start(documents: ClientDocuments) -> Self {
        let store = Arc::new(MemoryStore::new());
        let kept = Arc::clone(&store);
        let server = Server::builder(move |tier| over(tier, kept, documents))
            .start()
            .await;
        Self { server, store }
    }

    fn next(&self, documents: ClientDocuments) {
        let store = Arc::clone(&self.store);
        self.server
            .restart(move |tier| over(tier, store, documents));
    }
}

fn over(
    tier: ShimBuilder<DcrShim>,
    store: Arc<MemoryStore>,
    documents: ClientDocuments,
) -> ShimBuilder<DcrShim> {
    tier.with_client_documents(documents)
        .with_key_ring(KeyRing::parse(KEY).unwrap())
        .with_store(store)
}

fn documents(host: &DocumentHost) -> ClientDocuments {
    ClientDocuments::new().with_development_ca(host.ca_pem())
}

async fn refresh(server: &Server, client: &Client, refresh_token: &str) -> Answer {
    token(server, &client.refreshing(refresh_token)).await
}

/// FLT-33, CIM-04, CIM-15. With the copy that was seen, and when that is too old by its name.
#[tokio::test]
async fn a_host_in_trouble_logs_nobody_out() {
    let html = || DocumentAnswer::json(&json!({})).with_header("content-type", "text/html");
    for trouble in [
        DocumentAnswer::status(503),
        DocumentAnswer::redirect("https://status.example/"),
        html().with_body("<h1>Back soon</h1>"),
        DocumentAnswer::json(&json!({})).with_body("{\"client_id\": "),
        DocumentAnswer::status(403),
        DocumentAnswer::status(408),
        DocumentAnswer::status(204),
    ] {
        let host = DocumentHost::start().await.unwrap();
        let server = server_for(&host, |documents| documents).await;
        let client = client(&host.publish("/client.json", &[CALLBACK]));
        let mut tokens = client.tokens(&server).await;
        host.answer("/client.json", trouble);
        for wait in [HOUR, LONG] {
            server.clock.advance(wait);
            let next = refresh(&server, &client, &tokens.refresh).await;
            tokens = next.tokens();
        }
        // Whoever signs in anew is not let in by a name, and a user can still sign out.
        let page = authorize(&server, &client.request(&server)).await;
        assert!(page.status == 400 || page.status == 503, "{}", page.status);
        let body = format!("token={}&client_id={}", tokens.refresh, client.id);
        let request = send(&server, http::Method::POST, "/revoke")
            .header("content-type", "application/x-www-form-urlencoded");
        assert_eq!(answer(request.body(body)).await.status, 200);
        refresh(&server, &client, &tokens.refresh)
            .await
            .refuses(400, "invalid_grant");
    }
}

/// CIM-04, CIM-15. Only its own word, or word that it is gone, ends what a client had.
#[tokio::test]
async fn a_withdrawal_is_remembered_while_the_host_is_away() {
    for gone in [
        DocumentAnswer::status(404),
        DocumentAnswer::status(410),
        DocumentAnswer::json(&json!({ "client_id": "https://other.example/client" })),
    ] {
        let host = DocumentHost::start().await.unwrap();
        let server = server_for(&host, |documents| documents).await;
        let client = client(&host.publish("/client.json", &[CALLBACK]));
        let tokens = client.tokens(&server).await;
        host.answer("/client.json", gone);
        server.clock.advance(HOUR);
        let answer = refresh(&server, &client, &tokens.refresh).await;
        answer.refuses(401, "invalid_client");
        for away in [DocumentAnswer::status(503), DocumentAnswer::status(403)] {
            host.answer("/client.json", away);
            for wait in [Duration::from_secs(1), LONG] {
                server.clock.advance(wait);
                let answer = refresh(&server, &client, &tokens.refresh).await;
                answer.refuses(401, "invalid_client");
            }
        }
        // Once it is back, so is its client.
        host.publish("/client.json", &[CALLBACK]);
        server.clock.advance(Duration::from_secs(60));
        refresh(&server, &client, &tokens.refresh).await.tokens();
    }
}

/// A client with a document, and what it signs.
struct Signed {
    client: Client,
    signer: Signer,
}

impl Signed {
    fn new(host: &DocumentHost) -> Self {
        Self {
            client: client(&host.url("/client.json")),
            signer: Signer::generate(Algorithm::ES256, "k1"),
        }
    }

    fn publish(&self, host: &DocumentHost, members: Value) {
        let mut described = document(&self.client.id, &[CALLBACK]);
        for (name, value) in members.as_object().unwrap() {
            described[name] = value.clone();
        }
        host.serve("/client.json", &described);
    }

    fn signs(&self, server: &Server, form: &Parameters, jti: &str) -> Parameters {
        let (id, now) = (&self.client.id, server.clock.now().as_seconds());
        let claims = json!({
            "iss": id, "sub": id, "aud": server.issuer(), "iat": now, "exp": now + 60, "jti": jti,
        });
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        form.clone()
            .and("client_assertion_type", kind)
            .and("client_assertion", &self.signer.sign(&claims))
    }
}

/// CIM-08, FLT-33. A key set in trouble is no word about its keys.
#[tokio::test]
async fn trouble_with_its_keys_does_not_log_a_client_out() {
    let host = DocumentHost::start().await.unwrap();
    let server = server_for(&host, |documents| documents).await;
    let signed = Signed::new(&host);
    signed.publish(
        &host,
        json!({
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks_uri": host.url("/jwks.json"),
        }),
    );
    host.serve("/jwks.json", &signed.signer.jwks());
    let code = signed.client.code(&server).await;
    let form = signed.client.redemption(&server, &code);
    let tokens = token(&server, &signed.signs(&server, &form, "1"))
        .await
        .tokens();
    let form = signed.client.refreshing(&tokens.refresh);
    host.answer(
        "/jwks.json",
        DocumentAnswer::redirect("https://status.example/"),
    );
    server.clock.advance(HOUR);
    let tokens = token(&server, &signed.signs(&server, &form, "2"))
        .await
        .tokens();
    let form = signed.client.refreshing(&tokens.refresh);
    server.clock.advance(LONG);
    let answer = token(&server, &signed.signs(&server, &form, "3")).await;
    answer.refuses(503, "temporarily_unavailable");
    host.answer("/jwks.json", DocumentAnswer::status(410));
    server.clock.advance(Duration::from_secs(60));
    let answer = token(&server, &signed.signs(&server, &form, "4")).await;
    answer.refuses(401, "invalid_client");
    host.serve("/jwks.json", &signed.signer.jwks());
    token(&server, &signed.signs(&server, &form, "5"))
        .await
        .tokens();
}

/// CIM-08, CIM-09. It may come unsigned while its document says so, and by its name alone never.
#[tokio::test]
async fn a_client_that_signed_is_not_let_in_by_its_name_alone() {
    let host = DocumentHost::start().await.unwrap();
    let processes = Processes::start(documents(&host)).await;
    let server = &processes.server;
    let signed = Signed::new(&host);
    signed.publish(
        &host,
        json!({
            "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
            "jwks": signed.signer.jwks(),
        }),
    );
    let code = signed.client.code(server).await;
    let form = signed.client.redemption(server, &code);
    let at_redemption = token(server, &signed.signs(server, &form, "1"))
        .await
        .tokens();
    // The same of a client that signs only later.
    let later = signed.client.tokens(server).await;
    let form = signed.client.refreshing(&later.refresh);
    let later = token(server, &signed.signs(server, &form, "2"))
        .await
        .tokens();
    let never = signed.client.tokens(server).await;
    refresh(server, &signed.client, &never.refresh)
        .await
        .tokens();
    host.go_down();
    processes.next(documents(&host));
    for signed_once in [&at_redemption, &later] {
        let answer = refresh(server, &signed.client, &signed_once.refresh).await;
        answer.refuses(503, "temporarily_unavailable");
    }
}

/// CIM-08, FLT-33. What its document said last is not forgotten with the copy.
#[tokio::test]
async fn a_client_that_has_to_sign_now_is_not_let_in_by_its_name_alone() {
    let host = DocumentHost::start().await.unwrap();
    let server = server_for(&host, |documents| documents).await;
    let signed = Signed::new(&host);
    signed.publish(&host, json!({}));
    let tokens = signed.client.tokens(&server).await;
    signed.publish(
        &host,
        json!({
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": signed.signer.jwks(),
        }),
    );
    server.clock.advance(HOUR);
    refresh(&server, &signed.client, &tokens.refresh)
        .await
        .refuses(401, "invalid_client");
    host.answer("/client.json", DocumentAnswer::status(503));
    server.clock.advance(LONG);
    refresh(&server, &signed.client, &tokens.refresh)
        .await
        .refuses(503, "temporarily_unavailable");
}

/// CIM-19, FLT-33.
#[tokio::test]
async fn what_the_operator_refuses_stays_refused_while_the_host_is_away() {
    let host = DocumentHost::start().await.unwrap();
    let allowed = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&allowed);
    let check = AllowClients::all().when(move |_| asked.load(Ordering::SeqCst));
    let processes = Processes::start(documents(&host).with_policy(check)).await;
    let server = &processes.server;
    let client = client(&host.publish("/client.json", &[CALLBACK]));
    let tokens = client.tokens(server).await;
    host.answer("/client.json", DocumentAnswer::status(503));
    server.clock.advance(LONG);
    let tokens = refresh(server, &client, &tokens.refresh).await.tokens();
    allowed.store(false, Ordering::SeqCst);
    refresh(server, &client, &tokens.refresh)
        .await
        .refuses(401, "invalid_client");
    // A process that never saw the document knows hosts and identifiers all the same.
    for policy in [
        AllowClients::of_hosts(["client.example"]).unwrap(),
        AllowClients::all().deny(["localhost"]).unwrap(),
        AllowClients::all().deny([client.id.as_str()]).unwrap(),
    ] {
        processes.next(documents(&host).with_policy(policy));
        refresh(server, &client, &tokens.refresh)
            .await
            .refuses(401, "invalid_client");
    }
    processes.next(documents(&host));
    refresh(server, &client, &tokens.refresh).await.tokens();
}

/// CIM-16. One bad answer between the two documents hides nothing.
#[tokio::test]
async fn a_change_behind_a_refusal_ends_grants() {
    for between in [404, 403, 503] {
        let host = DocumentHost::start().await.unwrap();
        let server = server_for(&host, ClientDocuments::revoking_on_change).await;
        let client = client(&host.publish("/client.json", &[CALLBACK]));
        let tokens = client.tokens(&server).await;
        host.answer("/client.json", DocumentAnswer::status(between));
        server.clock.advance(HOUR);
        authorize(&server, &client.request(&server)).await;
        host.publish("/client.json", &["https://other.example/cb", CALLBACK]);
        server.clock.advance(Duration::from_secs(60));
        authorize(&server, &client.request(&server)).await;
        refresh(&server, &client, &tokens.refresh)
            .await
            .refuses(400, "invalid_grant");
    }
}

/// CIM-16. A grant remembers what it was given on the strength of.
#[tokio::test]
async fn a_change_that_no_process_saw_ends_a_grant_when_it_is_refreshed() {
    let host = DocumentHost::start().await.unwrap();
    let revoking = || documents(&host).revoking_on_change();
    let processes = Processes::start(revoking()).await;
    let server = &processes.server;
    let client = client(&host.publish("/client.json", &[CALLBACK]));
    let tokens = client.tokens(server).await;
    let mut renamed = document(&client.id, &[CALLBACK]);
    renamed["client_name"] = json!("Another name");
    host.serve("/client.json", &renamed);
    server.clock.advance(HOUR);
    processes.next(revoking());
    let tokens = refresh(server, &client, &tokens.refresh).await.tokens();
    host.publish("/client.json", &[CALLBACK, "https://other.example/cb"]);
    server.clock.advance(HOUR);
    processes.next(revoking());
    refresh(server, &client, &tokens.refresh)
        .await
        .refuses(400, "invalid_grant");
    // It is over for good.
    host.publish("/client.json", &[CALLBACK]);
    server.clock.advance(HOUR);
    refresh(server, &client, &tokens.refresh)
        .await
        .refuses(400, "invalid_grant");
    // Where the operator does not want it, a change ends nothing.
    processes.next(documents(&host));
    let tokens = client.tokens(server).await;
    host.publish("/client.json", &[CALLBACK, "https://other.example/cb"]);
    server.clock.advance(HOUR);
    processes.next(documents(&host));
    refresh(server, &client, &tokens.refresh).await.tokens();
}

/// CIM-08, CIM-09. Keys that nobody needs may be what they are, but for those that nobody may publish.
#[tokio::test]
async fn a_client_that_does_not_sign_may_have_any_public_keys() {
    let host = DocumentHost::start().await.unwrap();
    let server = server_for(&host, |documents| documents).await;
    let signed = Signed::new(&host);
    let p384 = json!({ "kty": "EC", "crv": "P-384", "x": "AA", "y": "AA" });
    let mut private = signed.signer.jwk();
    private["d"] = json!("AAAA");
    for (members, taken) in [
        (json!({ "jwks": { "keys": [] } }), true),
        (json!({ "jwks": { "keys": [p384] } }), true),
        (json!({ "jwks_uri": "https://client.example" }), true),
        (json!({ "jwks": { "keys": [private] } }), false),
        (
            json!({ "jwks": { "keys": [{ "kty": "oct", "k": "AAAA" }] } }),
            false,
        ),
    ] {
        let mut members = members;
        members["token_endpoint_auth_method"] = json!("none");
        signed.publish(&host, members.clone());
        server.clock.advance(HOUR);
        let page = authorize(&server, &signed.client.request(&server)).await;
        if taken {
            assert_eq!(page.status, 200, "{members}");
        } else {
            page.shows(ErrorPageKind::ClientDocument);
        }
        members["token_endpoint_auth_method"] = json!("private_key_jwt");
        signed.publish(&host, members);
        server.clock.advance(HOUR);
        authorize(&server, &signed.client.request(&server))
            .await
            .shows(ErrorPageKind::ClientDocument);
    }
}
