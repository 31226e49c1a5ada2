//! What strangers cost where every stored registration is in use.

use std::{sync::Arc, time::Duration};

use mcp_auth::{
    authorization_server::clients::StoredRegistrations, oauth::ClientId, store::KeyRing,
};
use serde_json::json;

use crate::{
    client::{Client, REDIRECT, register},
    harness::{KEY, Server},
    storage::Witness,
};

const CAPACITY: usize = 30;
const SECOND: Duration = Duration::from_secs(1);

/// A server with so many registrations that are in use, and what its store counts.
async fn house(used: usize) -> (Server, Arc<Witness>) {
    let store = Arc::new(Witness::default());
    let kept = Arc::clone(&store);
    let server = Server::builder(move |tier| {
        tier.without_rate_limits()
            .with_store(kept)
            .with_key_ring(KeyRing::parse(KEY).unwrap())
            .with_stored_registrations(StoredRegistrations::new().with_capacity(CAPACITY))
    })
    .start()
    .await;
    for _ in 0..used {
        Client::public(&server).await.tokens(&server).await;
    }
    (server, store)
}

/// The records that were read for so many strangers, a second apart, and how many of them got in.
async fn strangers(server: &Server, store: &Witness, count: usize) -> (usize, usize) {
    let before = store.reads();
    let mut registered = 0;
    for _ in 0..count {
        server.clock.advance(SECOND);
        let answer = register(server, &json!({ "redirect_uris": [REDIRECT] })).await;
        if answer.status == 201 {
            registered += 1;
        } else {
            answer.refuses(503, "temporarily_unavailable");
        }
    }
    (store.reads() - before, registered)
}

/// DCR-12, DCR-13.
#[tokio::test]
async fn where_all_are_in_use_a_refused_stranger_costs_next_to_nothing() {
    let (server, store) = house(CAPACITY).await;
    let (reads, registered) = strangers(&server, &store, 1200).await;
    assert_eq!(registered, 0);
    // Twenty minutes of strangers: looked at twice, and nobody who is in use gave way.
    assert_eq!(reads, 2 * CAPACITY);
    let registrations = server.tier().registrations().unwrap();
    assert_eq!(registrations.list().await.unwrap().len(), CAPACITY);
}

/// DCR-12, DCR-13. The few places that change hands do not either, and a host has a minute to log in.
#[tokio::test]
async fn where_nearly_all_are_in_use_places_are_looked_for_once_a_minute() {
    let (server, store) = house(CAPACITY - 1).await;
    let (reads, registered) = strangers(&server, &store, 600).await;
    assert!((9..=11).contains(&registered), "{registered}");
    assert!(reads <= 11 * CAPACITY, "{reads}");
    let registrations = server.tier().registrations().unwrap();
    assert_eq!(registrations.list().await.unwrap().len(), CAPACITY);
}

/// DCR-12.
#[tokio::test]
async fn a_place_that_becomes_free_is_given_away_though_nothing_is_looked_for() {
    let (server, store) = house(CAPACITY).await;
    assert_eq!(strangers(&server, &store, 1).await.1, 0);
    let registrations = server.tier().registrations().unwrap();
    let one: ClientId = registrations.list().await.unwrap().remove(0).client;
    assert!(registrations.end(&one).await.unwrap());
    server.clock.advance(60 * SECOND);
    assert_eq!(strangers(&server, &store, 2).await.1, 1);
}
