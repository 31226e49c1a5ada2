//! Clients that the operator does not let in, by their identifier or their host.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use mcp_auth::{
    DcrShim,
    authorization_server::{
        clients::{AllowClients, ClientDocuments, PreregisteredClients},
        pages::ErrorPageKind,
    },
    net::{GuardedClient, Resolver},
    store::{KeyRing, MemoryStore},
    tier::ShimBuilder,
};
use mcp_auth_testkit::{DocumentHost, document_host::document};
use serde_json::json;

use crate::{
    client::{Client, authorize, token},
    client_documents::{CALLBACK, client},
    harness::{KEY, Server},
};

/// CIM-19, CIM-22. Whatever a client is known by, from the moment it is denied.
#[tokio::test]
async fn denied_clients_are_refused_however_they_are_known() {
    let host = DocumentHost::start().await.unwrap();
    let store = Arc::new(MemoryStore::new());
    let documents = ClientDocuments::new().with_development_ca(host.ca_pem());
    let desk = json!([{ "client_id": "desk", "redirect_uris": [CALLBACK] }]);
    let build = move |tier: ShimBuilder<DcrShim>| {
        tier.with_client_documents(documents.clone())
            .with_preregistered_clients(
                PreregisteredClients::parse_json(&desk.to_string()).unwrap(),
            )
            .with_key_ring(KeyRing::parse(KEY).unwrap())
            .with_store(store.clone())
    };
    let again = build.clone();
    let server = Server::builder(build).start().await;
    let described = client(&host.publish("/client.json", &[CALLBACK]));
    let other = client(&host.publish("/other.json", &[CALLBACK]));
    let clients = [described, client("desk"), Client::public(&server).await];
    let mut tokens = Vec::new();
    for client in &clients {
        tokens.push(client.tokens(&server).await);
    }
    // With registration or without it, as in `Cimd`.
    for registration in [true, false] {
        let denied: Vec<_> = clients.iter().map(Client::client_id).collect();
        server.restart(|tier| {
            let tier = again(tier).with_denied_clients(denied);
            if registration {
                tier
            } else {
                tier.without_registration()
            }
        });
        for (client, tokens) in clients.iter().zip(&tokens) {
            authorize(&server, &client.request(&server))
                .await
                .shows(ErrorPageKind::UnknownClient);
            token(&server, &client.refreshing(&tokens.refresh))
                .await
                .refuses(401, "invalid_client");
        }
        let page = authorize(&server, &other.request(&server)).await;
        assert_eq!(page.status, 200);
    }
}

/// Every name leads to this machine.
#[derive(Debug)]
struct Here;

#[async_trait::async_trait]
impl Resolver for Here {
    async fn resolve(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }
}

/// CIM-19. A denial denies, or it does not start.
#[tokio::test]
async fn a_denial_holds_or_is_an_error() {
    let host = DocumentHost::start().await.unwrap();
    let guarded = GuardedClient::builder()
        .with_resolver(Arc::new(Here))
        .insecure_allow_loopback(host.ca_pem())
        .build()
        .unwrap();
    let id = host.url_at("localhost", "/client.json");
    host.serve("/client.json", &document(&id, &[CALLBACK]));
    let below = host.url_at("bad.client.example", "/client.json");
    for (denied, id) in [
        ("localhost", &id),
        ("LOCALHOST", &id),
        (id.as_str(), &id),
        ("bad.client.example", &below),
        ("*.client.example", &below),
        ("*.Example", &below),
    ] {
        let policy = AllowClients::all().deny([denied]).unwrap();
        let documents = ClientDocuments::new()
            .with_http_client(Arc::new(guarded.clone()))
            .with_policy(policy);
        let server = Server::builder(|tier| tier.with_client_documents(documents))
            .start()
            .await;
        authorize(&server, &client(id).request(&server))
            .await
            .shows(ErrorPageKind::ClientDocument);
    }
    assert_eq!(host.connections(), 0);
    for silent in [
        "https://bad.client.example",
        "https://bad.client.example/",
        "bad.client.example.",
        "bad.client.example:443",
        "http://bad.client.example/client.json",
        "*",
        "",
    ] {
        assert!(AllowClients::all().deny([silent]).is_err(), "{silent}");
    }
}
