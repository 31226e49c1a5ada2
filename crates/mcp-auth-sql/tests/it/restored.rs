//! A database that was set back to an older state.

use mcp_auth::store::{Replace, Store, Version};
use mcp_auth_sql::SqlStore;
use mcp_auth_testkit::services::{PostgresServer, Scratch};
use sqlx::{Connection, SqliteConnection};

use crate::sample::{database_name, file, key, live};

const KEEP: &str = "CREATE TABLE kept AS SELECT * FROM mcp_auth_record";
const SET_BACK: &str =
    "DELETE FROM mcp_auth_record; INSERT INTO mcp_auth_record SELECT * FROM kept";

#[tokio::test]
async fn a_swap_that_was_prepared_on_a_lost_state_loses_on_postgres() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let name = database_name();
    let url = server.create_database(&name).unwrap();
    let store = SqlStore::open(&url).await.unwrap();
    let run = async |sql: &'static str| drop(server.sql(&name, sql).unwrap());
    a_swap_prepared_on_a_lost_state_loses(&store, run).await;
}

#[tokio::test]
async fn a_swap_that_was_prepared_on_a_lost_state_loses_on_sqlite() {
    let folder = Scratch::new("sqlite").unwrap();
    let store = SqlStore::open(&file(&folder)).await.unwrap();
    let run = async |sql: &'static str| {
        let mut other = SqliteConnection::connect(&file(&folder)).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut other).await.unwrap();
        other.close().await.unwrap();
    };
    a_swap_prepared_on_a_lost_state_loses(&store, run).await;
}

async fn a_swap_prepared_on_a_lost_state_loses(store: &SqlStore, run: impl AsyncFn(&'static str)) {
    let _ = store.insert(&key(1), live("first")).await.unwrap();
    let first = version(store).await;
    run(KEEP).await;
    assert_eq!(swap(store, first, "lost").await, Replace::Replaced);
    let lost = version(store).await;
    run(SET_BACK).await;
    assert_eq!(swap(store, first, "revoked").await, Replace::Replaced);
    assert_eq!(swap(store, lost, "lives on").await, Replace::Conflict);
    let found = store.load(&key(1)).await.unwrap().unwrap();
    assert_eq!(found.record.sealed, b"revoked");
}

async fn version(store: &SqlStore) -> Version {
    store.load(&key(1)).await.unwrap().unwrap().version
}

async fn swap(store: &SqlStore, version: Version, content: &str) -> Replace {
    store
        .replace(&key(1), version, live(content))
        .await
        .unwrap()
}
