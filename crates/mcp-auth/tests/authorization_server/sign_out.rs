//! Signing out of the connected apps page, which nothing undoes.

use std::sync::Arc;

use mcp_auth::{DcrShim, store::KeyRing, tier::ShimBuilder};
use mcp_auth_testkit::{Browser, MovingClock, browser::Form};

use crate::{
    connected_apps::{post, visit, with_page},
    harness::{KEY, OTHER_KEY, Server},
    switched_store::SwitchedStore,
};

type Tier = ShimBuilder<DcrShim>;

/// The tier with the page, on this store and under these keys.
fn on(store: &Arc<SwitchedStore>, keys: &str) -> impl FnOnce(Tier) -> Tier + Send + 'static {
    let (store, keys) = (Arc::clone(store), KeyRing::parse(keys).unwrap());
    move |tier| with_page(tier).with_store(store).with_key_ring(keys)
}

async fn start(keys: &str) -> (Server, Arc<SwitchedStore>) {
    let store = Arc::new(SwitchedStore::new(MovingClock::starting_now()));
    (Server::builder(on(&store, keys)).start().await, store)
}

/// A browser that is signed in to the page, a copy of its cookies, and the form that signs out.
async fn signed_in(server: &Server) -> (Browser, Browser, Form) {
    let mut browser = server.browser();
    let page = visit(server, &mut browser, "alice").await;
    let signs_out = |form: &&Form| form.value("grant").is_none();
    let form = page.forms.iter().find(signs_out).unwrap().clone();
    let copied = browser.clone();
    (browser, copied, form)
}

async fn is_signed_in(server: &Server, browser: &mut Browser) -> bool {
    let page = browser.get(&server.url("/connected-apps")).await.unwrap();
    page.has_button("Sign out")
}

/// ASC-14. The record that says who signed out may rot: it is there all the same.
#[tokio::test]
async fn an_unreadable_record_of_a_sign_out_signs_nobody_back_in() {
    let (server, store) = start(KEY).await;
    let (mut browser, mut copied, form) = signed_in(&server).await;
    assert!(is_signed_in(&server, &mut copied).await);
    post(&server, &mut browser, "sign-out", &form).await;
    assert!(!is_signed_in(&server, &mut copied).await);
    let (mark, _) = store.written().pop().unwrap();
    store.edit(&mark, |record| record.sealed[20] ^= 1).await;
    assert!(!is_signed_in(&server, &mut copied).await);
}

/// ASC-14. An instance that does not know the key of the record yet, or any more, sees that it is there.
#[tokio::test]
async fn keys_that_are_rotated_in_the_wrong_order_sign_nobody_back_in() {
    let new_in_front = format!("{OTHER_KEY},{KEY}");
    let (server, store) = start(KEY).await;
    let (mut browser, mut copied, form) = signed_in(&server).await;
    server.restart(on(&store, &new_in_front));
    assert!(is_signed_in(&server, &mut copied).await);
    post(&server, &mut browser, "sign-out", &form).await;
    server.restart(on(&store, KEY));
    assert!(!is_signed_in(&server, &mut copied).await);
}
