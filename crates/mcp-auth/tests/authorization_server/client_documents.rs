//! Clients whose `client_id` is the URL of a document: who they are, and what a document changes.

use std::time::Duration;

use mcp_auth::authorization_server::{
    clients::{AllowClients, ClientDocuments, PreregisteredClients},
    pages::ErrorPageKind,
};
use mcp_auth_testkit::{DocumentAnswer, DocumentHost, client_documents, document_host::document};
use serde_json::{Value, json};

use crate::{
    client::{Client, authorize, get, opens, register, token},
    harness::Server,
};

pub const CALLBACK: &str = "http://127.0.0.1:33418/callback";

/// A server that takes documents of this host.
pub async fn server_for(
    host: &DocumentHost,
    change: impl FnOnce(ClientDocuments) -> ClientDocuments + Send + 'static,
) -> Server {
    let documents = change(ClientDocuments::new().with_development_ca(host.ca_pem()));
    Server::builder(|tier| tier.with_client_documents(documents))
        .start()
        .await
}

pub fn client(id: &str) -> Client {
    Client {
        id: id.to_owned(),
        secret: None,
        redirect_uri: CALLBACK.to_owned(),
    }
}

async fn fetches(host: &DocumentHost, path: &str) -> usize {
    host.requests(path).len()
}

/// CIM-01, CIM-14, CIM-22.
#[tokio::test]
async fn a_client_with_a_document_signs_in_with_one_fetch() {
    let host = DocumentHost::start().await.unwrap();
    let server = server_for(&host, |documents| documents).await;
    let client = client(&host.publish("/client.json", &[CALLBACK]));
    let tokens = client.tokens(&server).await;
    assert!(opens(&server, &tokens.access).await);
    let next = token(&server, &client.refreshing(&tokens.refresh))
        .await
        .tokens();
    assert!(opens(&server, &next.access).await);
    assert_eq!(fetches(&host, "/client.json").await, 1);
}

/// ASM-09, ASM-10, ASM-15.
#[tokio::test]
async fn the_metadata_says_whether_documents_are_taken() {
    let flag = "client_id_metadata_document_supported";
    let on = Server::start().await;
    let metadata = get(&on, "/.well-known/oauth-authorization-server")
        .await
        .json();
    assert_eq!(metadata[flag], true);
    let methods = &metadata["token_endpoint_auth_methods_supported"];
    for method in ["none", "private_key_jwt"] {
        assert!(methods.as_array().unwrap().contains(&json!(method)));
    }
    assert_eq!(
        metadata["token_endpoint_auth_signing_alg_values_supported"],
        json!(["ES256", "EdDSA", "RS256", "PS256"])
    );
    let off = Server::builder(|tier| tier.without_client_documents())
        .start()
        .await;
    let metadata = get(&off, "/.well-known/oauth-authorization-server")
        .await
        .json();
    assert_eq!(metadata.get(flag), None);
    let asked = client("https://client.example/client.json");
    authorize(&off, &asked.request(&off))
        .await
        .shows(ErrorPageKind::UnknownClient);
}

/// CIM-06, ASZ-06, ASZ-07.
#[tokio::test]
async fn a_loopback_redirect_of_a_document_may_have_any_port() {
    let host = DocumentHost::start().await.unwrap();
    let server = server_for(&host, |documents| documents).await;
    let listed = ["http://localhost/callback", "http://127.0.0.1/callback"];
    let id = host.publish("/client.json", &listed);
    for (redirect_uri, listed) in [
        ("http://localhost:49152/callback", true),
        ("http://127.0.0.1:53219/callback", true),
        ("http://[::1]:53219/callback", false),
        ("http://127.0.0.1:53219/other", false),
        ("http://127.0.0.1:53219/callback?x=1", false),
        ("https://127.0.0.1/callback", false),
        ("https://client.example/callback", false),
    ] {
        let asked = client(&id)
            .request(&server)
            .with("redirect_uri", redirect_uri);
        let answer = authorize(&server, &asked).await;
        if listed {
            assert_eq!(answer.status, 200, "{redirect_uri}");
        } else {
            answer.shows(ErrorPageKind::RedirectNotRegistered);
        }
    }
}

/// ASC-01, ASC-04, ASC-05, ASC-06.
#[tokio::test]
async fn consent_shows_the_host_of_the_document_and_where_the_browser_goes() {
    let host = DocumentHost::start().await.unwrap();
    let server = server_for(&host, |documents| documents).await;
    let id = host.publish("/client.json", &[CALLBACK]);
    let page = authorize(&server, &client(&id).request(&server)).await;
    assert_eq!(page.status, 200);
    let document_host = format!("localhost:{}", host.address().port());
    for shown in [
        "Document client",
        &document_host,
        "127.0.0.1:33418",
        CALLBACK,
    ] {
        assert!(page.body.contains(shown), "{shown}: {}", page.body);
    }
    let warning = "A program on your computer asks for this.";
    assert!(page.body.contains(warning), "{}", page.body);
}

/// CIM-16, FLT-34.
#[tokio::test]
async fn a_changed_document_counts_at_the_next_authorization_and_running_grants_go_on() {
    let host = DocumentHost::start().await.unwrap();
    let server = server_for(&host, |documents| documents).await;
    let client = client(&host.publish("/client.json", &[CALLBACK]));
    let tokens = client.tokens(&server).await;
    host.publish("/client.json", &["http://127.0.0.1/elsewhere"]);
    // While the document is fresh, nothing is asked.
    assert_eq!(
        authorize(&server, &client.request(&server)).await.status,
        200
    );
    server.clock.advance(Duration::from_secs(3601));
    authorize(&server, &client.request(&server))
        .await
        .shows(ErrorPageKind::RedirectNotRegistered);
    token(&server, &client.refreshing(&tokens.refresh))
        .await
        .tokens();
}

/// CIM-16.
#[tokio::test]
async fn a_changed_document_ends_grants_where_the_operator_wants_that() {
    let host = DocumentHost::start().await.unwrap();
    let server = server_for(&host, ClientDocuments::revoking_on_change).await;
    let id = host.publish("/client.json", &[CALLBACK]);
    let client = client(&id);
    let tokens = client.tokens(&server).await;
    let mut renamed = document(&id, &[CALLBACK]);
    renamed["client_name"] = json!("Another name");
    host.serve("/client.json", &renamed);
    server.clock.advance(Duration::from_secs(3601));
    let tokens = token(&server, &client.refreshing(&tokens.refresh))
        .await
        .tokens();
    host.publish("/client.json", &[CALLBACK, "http://127.0.0.1/elsewhere"]);
    server.clock.advance(Duration::from_secs(3601));
    authorize(&server, &client.request(&server)).await;
    token(&server, &client.refreshing(&tokens.refresh))
        .await
        .refuses(400, "invalid_grant");
}

/// FLT-33.
#[tokio::test]
async fn a_refresh_never_needs_the_host_of_the_document() {
    let host = DocumentHost::start().await.unwrap();
    let documents = ClientDocuments::new().with_development_ca(host.ca_pem());
    let again = documents.clone();
    let ring = || mcp_auth::store::KeyRing::parse(crate::harness::KEY).unwrap();
    let store = std::sync::Arc::new(mcp_auth::store::MemoryStore::new());
    let kept = store.clone();
    let server = Server::builder(move |tier| {
        tier.with_client_documents(documents)
            .with_key_ring(ring())
            .with_store(store)
    })
    .start()
    .await;
    let client = client(&host.publish("/client.json", &[CALLBACK]));
    let tokens = client.tokens(&server).await;
    host.go_down();
    // Another process, which has never seen the document.
    server.restart(|tier| {
        tier.with_client_documents(again)
            .with_key_ring(ring())
            .with_store(kept)
    });
    let tokens = token(&server, &client.refreshing(&tokens.refresh))
        .await
        .tokens();
    assert!(opens(&server, &tokens.access).await);
    // Somebody else's name does not help.
    let other = Client {
        id: host.url("/other.json"),
        ..client.clone()
    };
    token(&server, &other.refreshing(&tokens.refresh))
        .await
        .refuses(400, "invalid_grant");
    authorize(&server, &client.request(&server))
        .await
        .shows(ErrorPageKind::ClientDocumentUnavailable);
}

/// FLT-33, CIM-15.
#[tokio::test]
async fn a_document_that_was_seen_stands_in_for_one_that_cannot_be_fetched() {
    let host = DocumentHost::start().await.unwrap();
    let server = server_for(&host, |documents| documents).await;
    let client = client(&host.publish("/client.json", &[CALLBACK]));
    assert_eq!(
        authorize(&server, &client.request(&server)).await.status,
        200
    );
    for down in [503, 429] {
        host.answer("/client.json", DocumentAnswer::status(down));
        server.clock.advance(Duration::from_secs(3 * 3600));
        assert_eq!(
            authorize(&server, &client.request(&server)).await.status,
            200
        );
    }
    // For a day at the most.
    server.clock.advance(Duration::from_secs(24 * 3600));
    authorize(&server, &client.request(&server))
        .await
        .shows(ErrorPageKind::ClientDocumentUnavailable);
    // A document that is withdrawn is gone at once.
    host.publish("/client.json", &[CALLBACK]);
    server.clock.advance(Duration::from_secs(60));
    assert_eq!(
        authorize(&server, &client.request(&server)).await.status,
        200
    );
    host.answer("/client.json", DocumentAnswer::status(404));
    server.clock.advance(Duration::from_secs(3601));
    authorize(&server, &client.request(&server))
        .await
        .shows(ErrorPageKind::ClientDocument);
    // And stays so, whatever its host says then, but for a new one.
    host.answer("/client.json", DocumentAnswer::status(503));
    authorize(&server, &client.request(&server))
        .await
        .shows(ErrorPageKind::ClientDocument);
    host.publish("/client.json", &[CALLBACK]);
    server.clock.advance(Duration::from_secs(60));
    assert_eq!(
        authorize(&server, &client.request(&server)).await.status,
        200
    );
}

/// CIM-18. Whoever has no document is shown a page, and a program gets JSON.
#[tokio::test]
async fn a_document_that_is_no_good_is_never_answered_with_a_redirect() {
    let host = DocumentHost::start().await.unwrap();
    let server = server_for(&host, |documents| documents).await;
    let id = host.url("/nothing.json");
    let asked = client(&id).request(&server);
    authorize(&server, &asked)
        .await
        .shows(ErrorPageKind::ClientDocument);
    let request = crate::client::send(
        &server,
        http::Method::GET,
        &format!("/authorize?{}", asked.encoded()),
    );
    let answer = crate::client::answer(request.header("accept", "application/json")).await;
    answer.refuses(400, "invalid_client");
    token(&server, &client(&id).refreshing("x"))
        .await
        .refuses(401, "invalid_client");
}

/// CIM-19.
#[tokio::test]
async fn the_operator_says_whose_documents_are_taken() {
    let host = DocumentHost::start().await.unwrap();
    let only = AllowClients::of_hosts(["client.example"]).unwrap();
    let server = server_for(&host, |documents| documents.with_policy(only)).await;
    let refused = client(&host.publish("/client.json", &[CALLBACK]));
    authorize(&server, &refused.request(&server))
        .await
        .shows(ErrorPageKind::ClientDocument);
    assert_eq!(host.connections(), 0);

    let denied = host.url("/denied.json");
    let policy = AllowClients::all()
        .deny([denied.as_str()])
        .unwrap()
        .when(|client| client.metadata().client_name.as_deref() != Some("Not me"));
    let server = server_for(&host, |documents| documents.with_policy(policy)).await;
    host.publish("/denied.json", &[CALLBACK]);
    authorize(&server, &client(&denied).request(&server))
        .await
        .shows(ErrorPageKind::ClientDocument);
    let mut named = document(&host.url("/named.json"), &[CALLBACK]);
    named["client_name"] = json!("Not me");
    host.serve("/named.json", &named);
    authorize(&server, &client(&host.url("/named.json")).request(&server))
        .await
        .shows(ErrorPageKind::ClientDocument);
    assert_eq!(
        authorize(&server, &refused.request(&server)).await.status,
        200
    );
}

/// CIM-19, CIM-05, CIM-09. What live hosts publish, pinned: no fetch, whole or in its good part.
#[tokio::test]
async fn the_documents_that_live_hosts_publish_are_accepted() {
    let pinned = client_documents::ALL
        .into_iter()
        .fold(ClientDocuments::new(), |documents, (_, json)| {
            documents.with_pinned(json)
        });
    let server = Server::builder(|tier| tier.with_client_documents(pinned))
        .start()
        .await;
    for (name, json) in client_documents::ALL {
        let document: Value = serde_json::from_str(json).unwrap();
        let id = document["client_id"].as_str().unwrap();
        for redirect_uri in document["redirect_uris"].as_array().unwrap() {
            let redirect_uri = redirect_uri.as_str().unwrap();
            let used = redirect_uri.replace("http://localhost/", "http://localhost:49152/");
            let asked = client(id).request(&server).with("redirect_uri", &used);
            let page = authorize(&server, &asked).await;
            assert_eq!(page.status, 200, "{name}: {redirect_uri}: {}", page.body);
            assert!(page.body.contains(name), "{name}");
        }
        // As public clients all of them can redeem their code.
        let client = Client {
            redirect_uri: document["redirect_uris"][0].as_str().unwrap().to_owned(),
            ..client(id)
        };
        client.tokens(&server).await;
    }
}

/// DCR-19, CIM-20.
#[tokio::test]
async fn clients_of_all_three_kinds_stand_side_by_side() {
    let host = DocumentHost::start().await.unwrap();
    let documents = ClientDocuments::new().with_development_ca(host.ca_pem());
    let desk = json!([{ "client_id": "desk", "redirect_uris": [CALLBACK] }]);
    let preregistered = PreregisteredClients::parse_json(&desk.to_string()).unwrap();
    let server = Server::builder(|tier| {
        tier.with_client_documents(documents)
            .with_preregistered_clients(preregistered)
    })
    .start()
    .await;
    let registered = register(&server, &json!({ "redirect_uris": [CALLBACK] })).await;
    let dynamic = registered.json()["client_id"].as_str().unwrap().to_owned();
    assert!(!dynamic.starts_with("https://"));
    for id in ["desk", &dynamic, &host.publish("/client.json", &[CALLBACK])] {
        let tokens = client(id).tokens(&server).await;
        assert!(opens(&server, &tokens.access).await);
    }
}
