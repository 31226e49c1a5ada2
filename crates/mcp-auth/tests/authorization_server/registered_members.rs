//! What a client says of how it is to be served: held to, and told again, wherever it says it.

use http::Method;
use mcp_auth::{
    DcrShim,
    access_token::Dpop,
    authorization_server::clients::{ClientDocuments, StoredRegistrations},
    store::KeyRing,
    tier::ShimBuilder,
};
use mcp_auth_testkit::{DocumentHost, document_host::document};
use serde_json::{Value, json};

use crate::{
    client::{Answer, Client, REDIRECT, answer, approve, authorize, register, send},
    client_documents,
    harness::{KEY, Server},
};

const PUSH: &str = "require_pushed_authorization_requests";
const BOUND: &str = "dpop_bound_access_tokens";

type Change = fn(ShimBuilder<DcrShim>) -> ShimBuilder<DcrShim>;

/// The two ways of keeping a registration.
const MODES: [Change; 2] = [
    |tier| tier,
    |tier| tier.with_stored_registrations(StoredRegistrations::new()),
];

fn metadata(member: &str, value: Option<bool>) -> Value {
    let mut metadata = json!({ "redirect_uris": [REDIRECT] });
    if let Some(value) = value {
        metadata[member] = json!(value);
    }
    metadata
}

/// Asks for, or replaces, the registration that this answer is of.
async fn manage(server: &Server, registered: &Value, new: Option<&Value>) -> Answer {
    let text = |name: &str| registered[name].as_str().unwrap();
    let path = text("registration_client_uri").strip_prefix(server.issuer());
    let method = new.map_or(Method::GET, |_| Method::PUT);
    let mut request =
        send(server, method, path.unwrap()).bearer_auth(text("registration_access_token"));
    if let Some(new) = new {
        let mut new = new.clone();
        new["client_id"] = registered["client_id"].clone();
        request = request
            .header("content-type", "application/json")
            .body(new.to_string());
    }
    answer(request).await
}

/// What the browser carries once this client has pushed a good request.
async fn pushed(server: &Server, client: &Client) -> crate::client::Parameters {
    let request = send(server, Method::POST, "/par")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(client.request(server).encoded());
    let uri = answer(request).await.json()["request_uri"].clone();
    crate::client::Parameters::default()
        .and("client_id", &client.id)
        .and("request_uri", uri.as_str().unwrap())
}

async fn logs_in_only_by_pushing(server: &Server, client: &Client) {
    let direct = authorize(server, &client.request(server)).await;
    direct.sends_error(server, &client.redirect_uri, "invalid_request");
    let request = pushed(server, client).await;
    let callback = approve(server, &mut server.browser(), client, &request).await;
    assert!(callback.code().is_some());
}

/// ASZ-43, DCR-02. RFC 9126 §6.
#[tokio::test]
async fn a_client_that_registers_to_push_logs_in_no_other_way() {
    for mode in MODES {
        let server = Server::builder(move |tier| mode(tier).with_pushed_authorization_requests())
            .start()
            .await;
        for asked in [None, Some(false), Some(true)] {
            let registered = register(&server, &metadata(PUSH, asked)).await.json();
            assert_eq!(registered.get(PUSH), asked.map(|said| json!(said)).as_ref());
            let client = Client {
                id: registered["client_id"].as_str().unwrap().to_owned(),
                secret: None,
                redirect_uri: REDIRECT.to_owned(),
            };
            if asked == Some(true) {
                logs_in_only_by_pushing(&server, &client).await;
            } else {
                client.tokens(&server).await;
            }
        }
        let other = json!({ "redirect_uris": [REDIRECT], PUSH: "true" });
        let refused = register(&server, &other).await;
        refused.refuses(400, "invalid_client_metadata");
    }
}

/// ASZ-43, CIM-05.
#[tokio::test]
async fn a_client_whose_document_says_so_logs_in_only_by_pushing() {
    let host = DocumentHost::start().await.unwrap();
    let client = client_documents::client(&host.url("/client.json"));
    let mut described = document(&client.id, &[client_documents::CALLBACK]);
    described[PUSH] = json!(true);
    host.serve("/client.json", &described);
    let ca = host.ca_pem().to_owned();
    let documents = move || ClientDocuments::new().with_development_ca(ca.as_str());
    let with = documents();
    let server = Server::builder(|tier| {
        tier.with_client_documents(with)
            .with_pushed_authorization_requests()
    })
    .start()
    .await;
    logs_in_only_by_pushing(&server, &client).await;
    // Where nothing can be pushed it is not shut out for having wanted to.
    let server = Server::builder(move |tier| tier.with_client_documents(documents()))
        .start()
        .await;
    client.tokens(&server).await;
}

/// DCR-02. RFC 7591 §3.2.1: what is not served is told as such.
#[tokio::test]
async fn a_client_is_told_that_nothing_is_pushed_here() {
    for mode in MODES {
        let ring = || KeyRing::parse(KEY).unwrap();
        let server = Server::builder(move |tier| mode(tier).with_key_ring(ring()))
            .start()
            .await;
        let registered = register(&server, &metadata(PUSH, Some(true))).await.json();
        assert_eq!(registered[PUSH], false);
        let client = Client::registered(&server, metadata(PUSH, Some(true))).await;
        client.tokens(&server).await;
    }
    // Registered while it was served, and used when it is not any more.
    let ring = || KeyRing::parse(KEY).unwrap();
    let server = Server::builder(move |tier| {
        tier.with_key_ring(ring())
            .with_pushed_authorization_requests()
    })
    .start()
    .await;
    let client = Client::registered(&server, metadata(PUSH, Some(true))).await;
    server.restart(|tier| tier.with_key_ring(ring()));
    client.tokens(&server).await;
}

/// DCR-02, DCR-15.
#[tokio::test]
async fn whatever_was_said_is_told_again_in_every_answer() {
    let server = Server::builder(|tier| {
        tier.with_stored_registrations(StoredRegistrations::new())
            .with_dpop(Dpop::accepted())
            .with_pushed_authorization_requests()
    })
    .start()
    .await;
    for member in [BOUND, PUSH] {
        let first = register(&server, &metadata(member, None)).await.json();
        for said in [Some(false), Some(true), None] {
            let told = said.map(|said| json!(said));
            let new = register(&server, &metadata(member, said)).await.json();
            let read = manage(&server, &new, None).await.json();
            let changed = metadata(member, said);
            let replaced = manage(&server, &first, Some(&changed)).await.json();
            let again = manage(&server, &first, None).await.json();
            for answer in [&new, &read, &replaced, &again] {
                assert_eq!(answer.get(member), told.as_ref(), "{member} {said:?}");
            }
        }
    }
}

/// DCR-02, DCR-15. What was turned off meanwhile is told as such.
#[tokio::test]
async fn a_stored_client_is_told_what_holds_now() {
    let store = std::sync::Arc::new(mcp_auth::store::MemoryStore::new());
    let kept = store.clone();
    let keyed = move |tier: ShimBuilder<DcrShim>| {
        tier.with_stored_registrations(StoredRegistrations::new())
            .with_store(kept.clone())
            .with_key_ring(KeyRing::parse(KEY).unwrap())
    };
    let build = keyed.clone();
    let server = Server::builder(move |tier| build(tier).with_dpop(Dpop::accepted()))
        .start()
        .await;
    let registered = register(&server, &metadata(BOUND, Some(true))).await.json();
    assert_eq!(registered[BOUND], true);
    server.restart(keyed);
    let read = manage(&server, &registered, None).await.json();
    assert_eq!(read[BOUND], false);
}

/// DCR-06, CIM-05. One rule for web clients, however they are known.
#[tokio::test]
async fn a_web_client_has_no_redirect_uri_on_the_users_machine() {
    let host = DocumentHost::start().await.unwrap();
    let server = client_documents::server_for(&host, |documents| documents).await;
    for (number, (uri, good)) in [
        ("https://client.example/cb", true),
        ("https://localhost:4000/cb", false),
        ("https://127.0.0.1/cb", false),
        ("https://[::1]:8443/cb", false),
        ("http://127.0.0.1:4000/cb", false),
        ("com.example.app:/cb", false),
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({ "redirect_uris": [uri], "application_type": "web" });
        let registered = register(&server, &body).await;
        assert_eq!(registered.status == 201, good, "{uri}");
        let path = format!("/client-{number}.json");
        let client = Client {
            redirect_uri: uri.to_owned(),
            ..client_documents::client(&host.url(&path))
        };
        let mut described = document(&client.id, &[uri]);
        described["application_type"] = json!("web");
        host.serve(&path, &described);
        let page = authorize(&server, &client.request(&server)).await;
        assert_eq!(page.status == 200, good, "{uri}: {}", page.status);
    }
}
