//! Rules of races: real tasks, released at the same moment.

use std::{future::Future, sync::Arc};

use mcp_auth::store::{Insert, RecordKey, Replace, Store};
use tokio::{sync::Barrier, task::JoinSet};

use super::{
    Broken, Outcome, Why, ensure,
    sample::{Corner, get, live, put},
};

/// Races two handles of one store against each other, as two processes would be.
///
/// For a store that is [shared](mcp_auth::store::Capabilities::shared): give it two that were
/// connected separately.
///
/// # Errors
///
/// When they do not act as one store.
pub async fn two_handles(first: Arc<dyn Store>, second: Arc<dyn Store>) -> Result<(), Broken> {
    let both = [first, second];
    let raced = async {
        see_each_other(&both).await?;
        insert_race(&both).await?;
        swap_race(&both).await?;
        swap_loops(&both).await
    };
    raced.await.map_err(|why| Broken::new("two_handles", why))
}

pub(super) async fn lets_one_of_many_insertions_win(store: Arc<dyn Store>) -> Outcome {
    insert_race(&[store]).await
}

pub(super) async fn lets_one_of_many_swaps_win(store: Arc<dyn Store>) -> Outcome {
    swap_race(&[store]).await
}

pub(super) async fn loses_no_update_of_a_swap_loop(store: Arc<dyn Store>) -> Outcome {
    swap_loops(&[store]).await
}

pub(super) async fn orders_insertions_and_removals(store: Arc<dyn Store>) -> Outcome {
    let corner = Corner::new()?;
    let key = corner.key(1);
    // Whoever inserts removes what it inserted, so the next can: every round has a winner at least.
    let won = race(std::slice::from_ref(&store), move |store, _| async move {
        let mut won = 0_u32;
        for _ in 0..20 {
            if store.insert(&key, live("content")).await? == Insert::Inserted {
                won += 1;
                ensure(
                    store.insert(&key, live("again")).await? == Insert::Exists,
                    "the key of a record that stands was given away again",
                )?;
                store.remove(&key).await?;
            }
        }
        Ok(won)
    })
    .await?;
    ensure(won.iter().sum::<u32>() > 0, "nobody could insert")?;
    ensure(
        store.load(&key).await?.is_none(),
        "a removed record is still there",
    )?;
    put(&*store, &key, live("last")).await
}

pub(super) async fn lets_a_removal_or_a_swap_win_but_never_half_of_each(
    store: Arc<dyn Store>,
) -> Outcome {
    let corner = Corner::new()?;
    let name = corner.index(1);
    for n in 0..100 {
        let key = corner.key(n);
        put(&*store, &key, live("first").with_indexes(vec![name])).await?;
        let version = get(&*store, &key).await?.version;
        let (swapper, remover) = (store.clone(), store.clone());
        let swap = live("second").with_indexes(vec![name]);
        let swapping = tokio::spawn(async move { swapper.replace(&key, version, swap).await });
        let removing = tokio::spawn(async move { remover.remove(&key).await });
        let _ = swapping.await??;
        removing.await??;
        // Swapped and then removed, or removed and the swap lost: gone either way.
        let gone = store.load(&key).await?.is_none();
        ensure(gone, "a swap brought a removed record back")?;
    }
    Ok(())
}

async fn see_each_other([first, second]: &[Arc<dyn Store>; 2]) -> Outcome {
    let corner = Corner::new()?;
    put(
        &**first,
        &corner.key(1),
        live("content").with_indexes(vec![corner.index(1)]),
    )
    .await?;
    let seen = get(&**second, &corner.key(1)).await?;
    ensure(
        seen == get(&**first, &corner.key(1)).await?,
        "the handles see different records",
    )?;
    let page = second.list(&corner.index(1), None, 10).await?;
    ensure(
        page.keys == [corner.key(1)],
        "the handles see different indexes",
    )
}

async fn insert_race(stores: &[Arc<dyn Store>]) -> Outcome {
    let corner = Corner::new()?;
    for round in 0..ROUNDS {
        let key = corner.key(round);
        let answers = race(stores, move |store, task| async move {
            let answer = store.insert(&key, live(task.to_be_bytes())).await?;
            Ok((answer == Insert::Inserted).then_some(task))
        })
        .await?;
        let stands = get(&**one(stores)?, &key).await?.record.sealed;
        only_winner(answers, &stands)?;
    }
    Ok(())
}

async fn swap_race(stores: &[Arc<dyn Store>]) -> Outcome {
    let corner = Corner::new()?;
    let key = corner.key(1);
    put(&**one(stores)?, &key, live("start")).await?;
    for _ in 0..ROUNDS {
        let version = get(&**one(stores)?, &key).await?.version;
        let answers = race(stores, move |store, task| async move {
            let answer = store
                .replace(&key, version, live(task.to_be_bytes()))
                .await?;
            Ok((answer == Replace::Replaced).then_some(task))
        })
        .await?;
        let stands = get(&**one(stores)?, &key).await?.record.sealed;
        only_winner(answers, &stands)?;
    }
    Ok(())
}

/// Every task adds one fifty times: what is missing at the end was overwritten.
async fn swap_loops(stores: &[Arc<dyn Store>]) -> Outcome {
    let corner = Corner::new()?;
    let key = corner.key(1);
    put(&**one(stores)?, &key, live(0_u64.to_be_bytes())).await?;
    race(stores, move |store, _| async move {
        let mut lost = 0;
        for _ in 0..ADDED_BY_EACH {
            while !add_one(&*store, &key).await? {
                // Each swap that is lost was won by another task, and those are counted.
                lost += 1;
                ensure(
                    lost < TASKS * ADDED_BY_EACH,
                    "swaps are lost that nobody won",
                )?;
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    })
    .await?;
    let added = count(&get(&**one(stores)?, &key).await?.record.sealed)?;
    let wanted = TASKS * ADDED_BY_EACH;
    ensure(
        added == wanted,
        format!("{added} of {wanted} updates are left"),
    )
}

async fn add_one(store: &dyn Store, key: &RecordKey) -> Result<bool, Why> {
    let found = get(store, key).await?;
    let next = live((count(&found.record.sealed)? + 1).to_be_bytes());
    Ok(store.replace(key, found.version, next).await? == Replace::Replaced)
}

/// Runs a task on each of the stores in turn, all from the same moment on.
async fn race<T, F>(
    stores: &[Arc<dyn Store>],
    task: impl Fn(Arc<dyn Store>, u64) -> F,
) -> Result<Vec<T>, Why>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Why>> + Send + 'static,
{
    let start = Arc::new(Barrier::new(usize::try_from(TASKS).unwrap_or(1)));
    let mut running = JoinSet::new();
    for (n, store) in (0..TASKS).zip(stores.iter().cycle()) {
        let (start, run) = (start.clone(), task(store.clone(), n));
        running.spawn(async move {
            start.wait().await;
            run.await
        });
    }
    let mut done = Vec::new();
    while let Some(ended) = running.join_next().await {
        done.push(ended??);
    }
    Ok(done)
}

fn only_winner(answers: Vec<Option<u64>>, stands: &[u8]) -> Outcome {
    let winners: Vec<u64> = answers.into_iter().flatten().collect();
    let [winner] = winners[..] else {
        return Err(format!("{} of {TASKS} tasks won", winners.len()).into());
    };
    let its_own = stands == winner.to_be_bytes();
    ensure(its_own, "the record that stands is not the winner's")
}

fn count(sealed: &[u8]) -> Result<u64, Why> {
    let bytes = sealed
        .try_into()
        .map_err(|_| "the count came back changed")?;
    Ok(u64::from_be_bytes(bytes))
}

fn one(stores: &[Arc<dyn Store>]) -> Result<&Arc<dyn Store>, Why> {
    stores.first().ok_or_else(|| "there is no store".into())
}

const TASKS: u64 = 64;
const ROUNDS: u32 = 10;
const ADDED_BY_EACH: u64 = 50;
