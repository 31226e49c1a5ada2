//! Every rule of the contract, on both databases.

use std::{sync::Arc, time::Duration};

use mcp_auth::store::Store;
use mcp_auth_sql::SqlStore;
use mcp_auth_testkit::{
    services::{PostgresServer, Scratch},
    store_contract::two_handles,
};

use crate::{
    held::Held,
    sample::{database, file},
};

mod sqlite {
    use super::*;

    async fn fresh() -> Held {
        let folder = Scratch::new("sqlite").unwrap();
        let store = patient(&file(&folder)).await;
        Held::new(store, Some(folder))
    }

    mcp_auth_testkit::store_contract!(fresh);
}

mod postgres {
    use super::*;

    async fn fresh() -> Held {
        let Some(server) = PostgresServer::shared() else {
            return Held::skipped();
        };
        Held::new(patient(&database(server)).await, None)
    }

    mcp_auth_testkit::store_contract!(fresh);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_handles_of_one_file_act_as_one_store() {
    let folder = Scratch::new("sqlite").unwrap();
    let url = file(&folder);
    two_handles(opened(&url).await, opened(&url).await)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_handles_of_one_database_act_as_one_store() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let url = database(server);
    two_handles(opened(&url).await, opened(&url).await)
        .await
        .unwrap();
}

async fn opened(url: &str) -> Arc<dyn Store> {
    Arc::new(patient(url).await)
}

/// Races of many tasks over a busy machine: what is tried here is not the deadline.
async fn patient(url: &str) -> SqlStore {
    let store = SqlStore::builder(url).with_deadline(Duration::from_secs(20));
    store.open().await.unwrap()
}
