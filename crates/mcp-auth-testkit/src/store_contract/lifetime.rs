//! Rules of expiry, purging and capabilities.

use std::{sync::Arc, time::Duration};

use mcp_auth::{
    oauth::Timestamp,
    store::{Record, Replace, Store},
};

use super::{
    Outcome, ensure,
    sample::{Corner, HOUR, get, listed, live, now, purge, put},
};

pub(super) async fn carries_the_expiry_exactly(store: Arc<dyn Store>) -> Outcome {
    let corner = Corner::new()?;
    let lives = [1, 59, 60 * 60 + 1, 30 * 24 * 60 * 60, 400 * 24 * 60 * 60];
    for (n, life) in (1..).zip(lives) {
        let expires_at = now().plus(Duration::from_secs(life));
        put(&*store, &corner.key(n), Record::new(vec![1], expires_at)).await?;
        let found = get(&*store, &corner.key(n)).await?;
        ensure(
            found.record.expires_at == expires_at,
            "an insertion changed the expiry",
        )?;
        let shorter = Record::new(vec![1], expires_at.minus(Duration::from_secs(1)));
        let _ = store
            .replace(&corner.key(n), found.version, shorter.clone())
            .await?;
        let found = get(&*store, &corner.key(n)).await?;
        ensure(found.record == shorter, "a swap changed the expiry")?;
    }
    Ok(())
}

pub(super) async fn purges_only_what_expired_more_than_an_hour_ago(
    store: Arc<dyn Store>,
) -> Outcome {
    let corner = Corner::new()?;
    let index = corner.index(1);
    let (long_ago, lately) = (now().minus(HOUR * 3), now().minus(HOUR / 6));
    let record = |expires_at: Timestamp| {
        Record::new(b"content".to_vec(), expires_at).with_indexes(vec![index])
    };
    put(&*store, &corner.key(1), record(now().plus(HOUR))).await?;
    put(&*store, &corner.key(2), record(lately)).await?;
    put(&*store, &corner.key(3), record(long_ago)).await?;
    purge(&*store).await?;
    get(&*store, &corner.key(1)).await?;
    let kept = store.load(&corner.key(2)).await?.is_some();
    ensure(
        kept,
        "a record went within the hour after its expiry: a clock set wrong loses grants",
    )?;
    let gone = store.load(&corner.key(3)).await?.is_none();
    ensure(
        gone,
        "a record that expired three hours ago outlived a purge",
    )?;
    let keys = listed(&*store, &index).await?;
    ensure(
        keys.contains(&corner.key(1)),
        "a purge took a live record from its index",
    )?;
    ensure(
        !keys.contains(&corner.key(3)),
        "a purge left an index entry behind",
    )
}

pub(super) async fn purges_no_more_than_its_limit(store: Arc<dyn Store>) -> Outcome {
    let corner = Corner::new()?;
    for n in 0..20 {
        let expired = Record::new(vec![1], now().minus(HOUR * 3));
        put(&*store, &corner.key(n), expired).await?;
    }
    for limit in [0, 1, 3] {
        let purged = store.purge_expired(limit).await?;
        ensure(
            purged <= limit,
            format!("{purged} were purged where {limit} were asked for"),
        )?;
    }
    purge(&*store).await?;
    for n in 0..20 {
        let gone = store.load(&corner.key(n)).await?.is_none();
        ensure(gone, "an expired record outlived every purge")?;
    }
    Ok(())
}

pub(super) async fn spares_a_record_whose_life_was_extended(store: Arc<dyn Store>) -> Outcome {
    let corner = Corner::new()?;
    let key = corner.key(1);
    put(&*store, &key, Record::new(vec![1], now().minus(HOUR / 2))).await?;
    let version = get(&*store, &key).await?.version;
    let answer = store.replace(&key, version, live("lives on")).await?;
    ensure(
        answer == Replace::Replaced,
        "a record could not be extended",
    )?;
    purge(&*store).await?;
    let found = get(&*store, &key).await?.record.sealed;
    ensure(found == b"lives on", "the record is not the one swapped in")
}

pub(super) async fn states_its_capabilities_the_same_every_time(store: Arc<dyn Store>) -> Outcome {
    let stated = store.capabilities();
    put(&*store, &Corner::new()?.key(1), live("content")).await?;
    ensure(
        store.capabilities() == stated,
        "the store changed what it promises",
    )?;
    ensure(
        stated.durable || !stated.survives_failover,
        "what survives no crash of its process survives no failover",
    )
}
