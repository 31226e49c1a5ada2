//! Rules of listing.

use std::{
    collections::BTreeSet,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use mcp_auth::store::{IndexName, RecordKey, Replace, Store};

use super::{
    Outcome, Why, ensure,
    sample::{Corner, HOUR, get, in_an_hour, listed, listed_by, live, now, purge, put},
};

pub(super) async fn lists_the_keys_of_live_records(store: Arc<dyn Store>) -> Outcome {
    let corner = Corner::new()?;
    let (mine, theirs) = (corner.index(1), corner.index(2));
    put_listed(&*store, &corner, 0..7, mine).await?;
    put_listed(&*store, &corner, 7..10, theirs).await?;
    put(&*store, &corner.key(10), live("content")).await?;
    same(&listed(&*store, &mine).await?, &keys(&corner, 0..7))?;
    same(&listed(&*store, &theirs).await?, &keys(&corner, 7..10))?;
    let none = listed(&*store, &corner.index(3)).await?;
    ensure(
        none.is_empty(),
        "a name that nothing was put under lists something",
    )
}

pub(super) async fn lists_a_record_under_each_of_its_names(store: Arc<dyn Store>) -> Outcome {
    let corner = Corner::new()?;
    let names: Vec<IndexName> = (0..20).map(|n| corner.index(n)).collect();
    put(
        &*store,
        &corner.key(1),
        live("content").with_indexes(names.clone()),
    )
    .await?;
    for name in &names {
        same(&listed(&*store, name).await?, &[corner.key(1)])?;
    }
    Ok(())
}

pub(super) async fn lists_a_record_under_the_names_it_was_replaced_with(
    store: Arc<dyn Store>,
) -> Outcome {
    let corner = Corner::new()?;
    let key = corner.key(1);
    let (stays, comes) = (corner.index(1), corner.index(2));
    put(&*store, &key, live("first").with_indexes(vec![stays])).await?;
    let version = get(&*store, &key).await?.version;
    let second = live("second").with_indexes(vec![stays, comes]);
    let answer = store.replace(&key, version, second).await?;
    ensure(
        answer == Replace::Replaced,
        "a swap at the current version was refused",
    )?;
    same(&listed(&*store, &stays).await?, &[key])?;
    same(&listed(&*store, &comes).await?, &[key])
}

pub(super) async fn keeps_a_record_listed_when_its_life_is_extended(
    store: Arc<dyn Store>,
) -> Outcome {
    let corner = Corner::new()?;
    let (key, name) = (corner.key(1), corner.index(1));
    let mut record = live("short").with_indexes(vec![name]);
    // Past its expiry, though not by the hour that it takes until it may be dropped.
    record.expires_at = now().minus(HOUR / 2);
    put(&*store, &key, record.clone()).await?;
    let version = get(&*store, &key).await?.version;
    record.expires_at = in_an_hour();
    let answer = store.replace(&key, version, record).await?;
    ensure(
        answer == Replace::Replaced,
        "a record could not be extended",
    )?;
    purge(&*store).await?;
    same(&listed(&*store, &name).await?, &[key])
}

pub(super) async fn lists_nothing_that_loads_once_it_is_removed(store: Arc<dyn Store>) -> Outcome {
    let corner = Corner::new()?;
    let name = corner.index(1);
    put_listed(&*store, &corner, 0..10, name).await?;
    for n in 0..5 {
        store.remove(&corner.key(n)).await?;
    }
    // Dead keys may be listed; the caller loads each and drops those.
    let mut alive = Vec::new();
    for key in listed(&*store, &name).await? {
        if store.load(&key).await?.is_some() {
            alive.push(key);
        }
    }
    same(&alive, &keys(&corner, 5..10))
}

pub(super) async fn pages_through_a_listing_without_gaps_or_repeats(
    store: Arc<dyn Store>,
) -> Outcome {
    let corner = Corner::new()?;
    let name = corner.index(1);
    put_listed(&*store, &corner, 0..30, name).await?;
    for limit in [1, 7, 10, 29, 30, 31] {
        same(
            &listed_by(&*store, &name, limit).await?,
            &keys(&corner, 0..30),
        )?;
    }
    Ok(())
}

pub(super) async fn pages_right_while_keys_come_and_go(store: Arc<dyn Store>) -> Outcome {
    let corner = Corner::new()?;
    let name = corner.index(1);
    put_listed(&*store, &corner, 0..30, name).await?;
    let mut found = Vec::new();
    let mut cursor = None;
    let mut next = 30;
    loop {
        let page = store.list(&name, cursor.as_ref(), 4).await?;
        // What was listed goes, as when one revokes page by page; others come in between.
        for key in &page.keys {
            store.remove(key).await?;
        }
        found.extend(page.keys);
        if next < 60 {
            put_listed(&*store, &corner, next..next + 1, name).await?;
            next += 1;
        }
        match page.next {
            Some(after) => cursor = Some(after),
            None => break,
        }
    }
    let found: BTreeSet<_> = found.into_iter().collect();
    let missed = keys(&corner, 0..30)
        .iter()
        .filter(|key| !found.contains(key))
        .count();
    ensure(
        missed == 0,
        format!("{missed} keys that were there all along were skipped"),
    )
}

pub(super) async fn never_misses_a_live_key_while_others_change(store: Arc<dyn Store>) -> Outcome {
    let corner = Corner::new()?;
    let name = corner.index(1);
    put_listed(&*store, &corner, 0..40, name).await?;
    let listing = Arc::new(AtomicBool::new(true));
    let swaps = Arc::new(AtomicU32::new(0));
    let mut writers = tokio::task::JoinSet::new();
    for task in 0..4 {
        let (store, listing, swaps) = (store.clone(), listing.clone(), swaps.clone());
        writers.spawn(async move {
            let mut n = 1_000 * (task + 1);
            while listing.load(Ordering::Relaxed) {
                // A neighbour comes and goes; one that stays is swapped for itself.
                put(
                    &*store,
                    &corner.key(n),
                    live("new").with_indexes(vec![name]),
                )
                .await?;
                let stays = corner.key(n % 40);
                let version = get(&*store, &stays).await?.version;
                let swap = live("swapped").with_indexes(vec![name]);
                let _ = store.replace(&stays, version, swap).await?;
                store.remove(&corner.key(n)).await?;
                swaps.fetch_add(1, Ordering::Relaxed);
                n += 1;
                tokio::task::yield_now().await;
            }
            Ok::<(), Why>(())
        });
    }
    let mut outcome = Ok(());
    // Until enough has changed underneath, however the tasks come to their turns.
    while outcome.is_ok() && swaps.load(Ordering::Relaxed) < 200 {
        if let Some(writer) = writers.try_join_next() {
            writer??;
        }
        let found = listed_by(&*store, &name, 8).await?;
        outcome = holds_all(&found, &keys(&corner, 0..40));
        tokio::task::yield_now().await;
    }
    listing.store(false, Ordering::Relaxed);
    while let Some(writer) = writers.join_next().await {
        writer??;
    }
    outcome
}

pub(super) async fn lists_a_record_as_soon_as_it_loads(store: Arc<dyn Store>) -> Outcome {
    let corner = Corner::new()?;
    for n in 0..60 {
        let (key, name) = (corner.key(n), corner.index(n));
        let (looker, writer) = (store.clone(), store.clone());
        let looking = tokio::spawn(async move {
            while looker.load(&key).await?.is_none() {
                tokio::task::yield_now().await;
            }
            same(&listed(&*looker, &name).await?, &[key])
        });
        let record = live("content").with_indexes(vec![name]);
        let writing = tokio::spawn(async move { put(&*writer, &key, record).await });
        writing.await??;
        looking.await??;
    }
    Ok(())
}

/// Live records at these numbers, each under this name.
async fn put_listed(
    store: &dyn Store,
    corner: &Corner,
    range: Range<u32>,
    name: IndexName,
) -> Outcome {
    for key in keys(corner, range) {
        put(store, &key, live("content").with_indexes(vec![name])).await?;
    }
    Ok(())
}

fn keys(corner: &Corner, range: Range<u32>) -> Vec<RecordKey> {
    range.map(|n| corner.key(n)).collect()
}

fn same(found: &[RecordKey], wanted: &[RecordKey]) -> Outcome {
    holds_all(found, wanted)?;
    let distinct: BTreeSet<_> = found.iter().collect();
    ensure(distinct.len() == found.len(), "a key was listed twice")?;
    ensure(
        found.len() == wanted.len(),
        "a key was listed that does not belong there",
    )
}

fn holds_all(found: &[RecordKey], wanted: &[RecordKey]) -> Outcome {
    let missed = wanted.iter().filter(|key| !found.contains(key)).count();
    ensure(
        missed == 0,
        format!("{missed} of {} live keys were not listed", wanted.len()),
    )
}
