//! The memory store under the store contract, and the contract under stores that break it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod broken;

use std::{collections::BTreeSet, sync::Arc};

use broken::{BrokenStore, Fault};
use mcp_auth::store::MemoryStore;
use mcp_auth_testkit::store_contract::{self, RULES, broken_rules};

async fn fresh() -> MemoryStore {
    MemoryStore::new()
}

mcp_auth_testkit::store_contract!(fresh);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_handles_of_one_store_act_as_one() {
    let store = Arc::new(MemoryStore::new());
    store_contract::two_handles(store.clone(), store)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_stores_do_not_pass_for_one() {
    let apart = (Arc::new(MemoryStore::new()), Arc::new(MemoryStore::new()));
    store_contract::two_handles(apart.0, apart.1)
        .await
        .unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_without_a_fault_breaks_no_rule() {
    let sound = Arc::new(BrokenStore::new(Fault::None));
    assert_eq!(broken_rules(sound).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_contract_finds_every_fault_and_every_rule_can_fail() {
    let mut failed = BTreeSet::new();
    let mut missed = Vec::new();
    for (fault, rule) in broken::FAULTS {
        let broken = broken_rules(Arc::new(BrokenStore::new(*fault))).await;
        let rules: BTreeSet<_> = broken.iter().map(store_contract::Broken::rule).collect();
        if !rules.contains(rule) {
            missed.push((fault, rule, broken));
        }
        failed.extend(rules);
    }
    assert!(missed.is_empty(), "faults that went unfound: {missed:#?}");
    for rule in RULES {
        assert!(failed.contains(rule.name()), "no fault breaks {rule:?}");
    }
}
