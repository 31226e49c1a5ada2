//! Rules of replacement and versions.

use std::{collections::HashSet, sync::Arc};

use mcp_auth::store::{Replace, Store, Version};

use super::{
    Outcome, ensure,
    sample::{Corner, get, live, put},
};

pub(super) async fn replaces_the_record_of_this_version(store: Arc<dyn Store>) -> Outcome {
    let corner = Corner::new()?;
    let key = corner.key(1);
    put(&*store, &key, live("first")).await?;
    for content in ["second, and longer", "3"] {
        let version = get(&*store, &key).await?.version;
        let record = live(content);
        let answer = store.replace(&key, version, record.clone()).await?;
        ensure(
            answer == Replace::Replaced,
            "a swap at the current version was refused",
        )?;
        let found = get(&*store, &key).await?.record;
        ensure(found == record, "the record is not the one swapped in")?;
    }
    Ok(())
}

pub(super) async fn refuses_to_replace_at_another_version(store: Arc<dyn Store>) -> Outcome {
    let corner = Corner::new()?;
    let key = corner.key(1);
    put(&*store, &key, live("first")).await?;
    let old = get(&*store, &key).await?.version;
    let _ = store.replace(&key, old, live("second")).await?;
    let before = get(&*store, &key).await?;
    let Version(current) = before.version;
    for other in [
        old,
        Version(current.wrapping_add(1)),
        Version(current.wrapping_sub(1)),
    ] {
        let answer = store.replace(&key, other, live("third")).await?;
        ensure(answer == Replace::Conflict, "a swap at another version won")?;
    }
    ensure(
        get(&*store, &key).await? == before,
        "a refused swap changed the record",
    )
}

pub(super) async fn refuses_to_replace_where_nothing_is(store: Arc<dyn Store>) -> Outcome {
    let corner = Corner::new()?;
    let key = corner.key(1);
    put(&*store, &key, live("first")).await?;
    let version = get(&*store, &key).await?.version;
    store.remove(&key).await?;
    for version in [version, Version(0), Version(1)] {
        let answer = store.replace(&key, version, live("second")).await?;
        ensure(
            answer == Replace::Conflict,
            "a swap made a record of nothing",
        )?;
    }
    let found = store.load(&key).await?;
    ensure(found.is_none(), "a refused swap left a record")
}

pub(super) async fn changes_the_version_even_when_the_content_is_the_same(
    store: Arc<dyn Store>,
) -> Outcome {
    let corner = Corner::new()?;
    let key = corner.key(1);
    let record = live("same");
    put(&*store, &key, record.clone()).await?;
    let version = get(&*store, &key).await?.version;
    let _ = store.replace(&key, version, record.clone()).await?;
    let again = store.replace(&key, version, record).await?;
    ensure(again == Replace::Conflict, "one version was swapped twice")
}

pub(super) async fn never_gives_a_version_twice(store: Arc<dyn Store>) -> Outcome {
    let corner = Corner::new()?;
    let key = corner.key(1);
    let mut seen = HashSet::new();
    for _ in 0..10 {
        put(&*store, &key, live("again")).await?;
        for _ in 0..5 {
            let version = get(&*store, &key).await?.version;
            ensure(seen.insert(version), format!("{version:?} was given twice"))?;
            let _ = store.replace(&key, version, live("again")).await?;
        }
        store.remove(&key).await?;
    }
    Ok(())
}

pub(super) async fn lets_a_swap_prepared_before_a_removal_lose(store: Arc<dyn Store>) -> Outcome {
    let corner = Corner::new()?;
    let key = corner.key(1);
    put(&*store, &key, live("same")).await?;
    let prepared = get(&*store, &key).await?.version;
    store.remove(&key).await?;
    put(&*store, &key, live("same")).await?;
    let answer = store.replace(&key, prepared, live("late")).await?;
    ensure(
        answer == Replace::Conflict,
        "a swap won over a record it never saw",
    )?;
    let found = get(&*store, &key).await?.record.sealed;
    ensure(found == b"same", "a lost swap changed the record")
}
