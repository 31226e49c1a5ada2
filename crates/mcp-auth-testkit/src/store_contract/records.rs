//! Rules of insertion, loading and removal.

use std::sync::Arc;

use mcp_auth::store::{Insert, RecordKey, Store};

use super::{
    Outcome, ensure,
    sample::{Corner, get, live, put},
};

pub(super) async fn inserts_a_record_and_loads_it_as_it_was(store: Arc<dyn Store>) -> Outcome {
    let corner = Corner::new()?;
    let names = vec![corner.index(1), corner.index(2)];
    let record = live("content").with_indexes(names.clone());
    put(&*store, &corner.key(1), record.clone()).await?;
    let mut found = get(&*store, &corner.key(1)).await?.record;
    // Names are a set: a backend may keep them in its own order.
    found.indexes.sort_unstable();
    let mut names = names;
    names.sort_unstable();
    ensure(
        found == record.with_indexes(names),
        "the record came back changed",
    )
}

pub(super) async fn loads_nothing_where_nothing_is(store: Arc<dyn Store>) -> Outcome {
    let found = store.load(&Corner::new()?.key(1)).await?;
    ensure(found.is_none(), "there is a record that nobody wrote")
}

pub(super) async fn refuses_to_insert_over_a_record_and_changes_nothing(
    store: Arc<dyn Store>,
) -> Outcome {
    let corner = Corner::new()?;
    let key = corner.key(1);
    put(&*store, &key, live("first")).await?;
    let before = get(&*store, &key).await?;
    for content in ["second", "first"] {
        let answer = store.insert(&key, live(content)).await?;
        ensure(answer == Insert::Exists, "a taken key was given away again")?;
    }
    ensure(
        get(&*store, &key).await? == before,
        "a refused insertion changed the record or its version",
    )
}

pub(super) async fn keeps_records_under_neighbouring_keys_apart(store: Arc<dyn Store>) -> Outcome {
    let mut bytes = *Corner::new()?.key(1).as_bytes();
    let mut keys = Vec::new();
    // Bytes that a backend which takes keys for text would cut, fold or reject.
    for last in [0x00, 0x0a, 0x22, 0x27, 0x41, 0x61, 0x80, 0xff] {
        if let Some(end) = bytes.last_mut() {
            *end = last;
        }
        keys.push((RecordKey::from_bytes(bytes), vec![last]));
    }
    for (key, content) in &keys {
        put(&*store, key, live(content.clone())).await?;
    }
    for (key, content) in &keys {
        let found = get(&*store, key).await?.record.sealed;
        ensure(found == *content, "one key reads the record of another")?;
    }
    Ok(())
}

pub(super) async fn keeps_every_byte_of_binary_content(store: Arc<dyn Store>) -> Outcome {
    let corner = Corner::new()?;
    let every: Vec<u8> = (0..=u8::MAX).chain((0..=u8::MAX).rev()).collect();
    for (n, content) in (1..).zip([Vec::new(), vec![0], vec![0xff, 0xfe, 0], every]) {
        put(&*store, &corner.key(n), live(content.clone())).await?;
        let found = get(&*store, &corner.key(n)).await?.record.sealed;
        ensure(
            found == content,
            format!("{} bytes came back changed", content.len()),
        )?;
    }
    Ok(())
}

pub(super) async fn keeps_a_large_record(store: Arc<dyn Store>) -> Outcome {
    let corner = Corner::new()?;
    let mut content = vec![0; 64 * 1024];
    aws_lc_rs::rand::fill(&mut content).map_err(|_| "the system gave no random bytes")?;
    put(&*store, &corner.key(1), live(content.clone())).await?;
    let found = get(&*store, &corner.key(1)).await?.record.sealed;
    ensure(found == content, "a record of 64 KiB came back changed")
}

pub(super) async fn removes_a_record_and_forgives_removing_none(store: Arc<dyn Store>) -> Outcome {
    let corner = Corner::new()?;
    put(&*store, &corner.key(1), live("goes")).await?;
    put(&*store, &corner.key(2), live("stays")).await?;
    for _ in 0..2 {
        store.remove(&corner.key(1)).await?;
        let found = store.load(&corner.key(1)).await?;
        ensure(found.is_none(), "a removed record is still there")?;
    }
    store.remove(&corner.key(3)).await?;
    let stays = get(&*store, &corner.key(2)).await?.record.sealed;
    ensure(stays == b"stays", "a removal touched another record")
}

pub(super) async fn inserts_again_after_a_removal(store: Arc<dyn Store>) -> Outcome {
    let corner = Corner::new()?;
    put(&*store, &corner.key(1), live("first")).await?;
    store.remove(&corner.key(1)).await?;
    put(&*store, &corner.key(1), live("second")).await?;
    let found = get(&*store, &corner.key(1)).await?.record.sealed;
    ensure(found == b"second", "the removed record came back")
}
