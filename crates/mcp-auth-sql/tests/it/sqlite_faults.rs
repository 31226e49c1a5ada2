//! What may happen to a file while it is open.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use mcp_auth::{
    oauth::{Clock, SystemClock, Timestamp},
    store::{Insert, Record, Replace, Store, StoreError},
};
use mcp_auth_sql::SqlStore;
use mcp_auth_testkit::services::Scratch;
use sqlx::{Connection, SqliteConnection};

use crate::sample::{file, healed, index, key, live, path, unavailable};

async fn store(folder: &Scratch) -> Arc<SqlStore> {
    let store = SqlStore::builder(&file(folder)).with_deadline(Duration::from_secs(2));
    Arc::new(store.open().await.unwrap())
}

async fn other(folder: &Scratch) -> SqliteConnection {
    SqliteConnection::connect(&file(folder)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_of_somebody_else_is_out_of_reach_within_the_deadline_and_heals() {
    let folder = Scratch::new("sqlite").unwrap();
    let store = store(&folder).await;
    let _ = store.insert(&key(1), live("first")).await.unwrap();
    let version = store.load(&key(1)).await.unwrap().unwrap().version;
    let mut other = other(&folder).await;
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();

    let start = Instant::now();
    let calls: Vec<_> = (0..200)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                match n % 4 {
                    0 => unavailable(store.insert(&key(10 + n), live("new")).await),
                    1 => unavailable(store.replace(&key(1), version, live("second")).await),
                    2 => unavailable(store.remove(&key(1)).await),
                    _ => unavailable(store.purge_expired(10).await),
                }
            })
        })
        .collect();
    // Who only reads does not wait.
    assert!(store.load(&key(1)).await.unwrap().is_some());
    for call in calls {
        call.await.unwrap();
    }
    let took = start.elapsed();
    assert!(
        took < Duration::from_secs(30),
        "{took:?} for a deadline of two seconds"
    );

    // A new process starts meanwhile.
    let second = SqlStore::open(&file(&folder)).await.unwrap();
    assert!(second.load(&key(1)).await.unwrap().is_some());

    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(
        store
            .replace(&key(1), version, live("second"))
            .await
            .unwrap(),
        Replace::Replaced
    );
}

#[tokio::test]
async fn starts_on_a_new_file_that_somebody_else_has_locked() {
    let folder = Scratch::new("sqlite").unwrap();
    let mut other = SqliteConnection::connect(&format!("{}?mode=rwc", file(&folder)))
        .await
        .unwrap();
    sqlx::query("BEGIN EXCLUSIVE")
        .execute(&mut other)
        .await
        .unwrap();
    let store = store(&folder).await;
    unavailable(store.load(&key(1)).await);
    unavailable(store.insert(&key(1), live("content")).await);
    sqlx::raw_sql("CREATE TABLE theirs (x); COMMIT")
        .execute(&mut other)
        .await
        .unwrap();
    healed(&*store).await;
    assert_eq!(
        store.insert(&key(1), live("content")).await.unwrap(),
        Insert::Inserted
    );
}

/// FLT-09.
#[tokio::test]
async fn a_full_disk_is_full_and_leaves_what_is_there_readable() {
    let folder = Scratch::new("sqlite").unwrap();
    let Some(disk) = SmallDisk::mount(folder.path()) else {
        println!("skipped: no small disk can be mounted here");
        return;
    };
    let store = store(&folder).await;
    let mut written = 0;
    let end = loop {
        match store.insert(&key(written), live(vec![7; 4_000])).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(end, StoreError::Full), "{end:?}");
    assert!(written > 10, "{written} records on a disk of 2 MiB");
    for n in 0..written {
        assert!(
            store.load(&key(n)).await.unwrap().is_some(),
            "record {n} of {written}"
        );
    }
    assert!(matches!(
        store.insert(&key(written), live(vec![7; 100_000])).await,
        Err(StoreError::Full)
    ));
    // The same file, on a disk that grew.
    disk.grow();
    assert_eq!(
        store.insert(&key(written), live("content")).await.unwrap(),
        Insert::Inserted
    );
    drop(store);
    let store = SqlStore::open(&file(&folder)).await.unwrap();
    for n in 0..=written {
        assert!(
            store.load(&key(n)).await.unwrap().is_some(),
            "record {n} of {written}"
        );
    }
    drop(store);
    drop(disk);
}

/// A file system of 2 MiB in memory; only root can have one.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(folder: &'a Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
            .arg(folder);
        let output = mount.output().ok()?;
        output.status.success().then_some(Self(folder))
    }

    fn grow(&self) {
        let mut mount = Command::new("mount");
        mount.args(["-o", "remount,size=8m"]).arg(self.0);
        assert!(mount.status().unwrap().success());
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(self.0).status());
    }
}

/// FLT-08.
#[tokio::test]
async fn a_file_that_is_emptied_or_cut_under_us_is_never_taken_for_an_empty_store() {
    for left in [0, 4_096, 5_000, 30_000] {
        let folder = Scratch::new("sqlite").unwrap();
        let store = store(&folder).await;
        fill(&store).await;
        checkpoint(&folder).await;
        let file = fs::File::options().write(true).open(path(&folder)).unwrap();
        file.set_len(left).unwrap();
        never_none(&store, left).await;
    }
}

/// FLT-08.
#[tokio::test]
async fn pages_that_are_overwritten_under_us_are_a_failure_and_no_panic() {
    let folder = Scratch::new("sqlite").unwrap();
    let store = store(&folder).await;
    fill(&store).await;
    checkpoint(&folder).await;
    let length = fs::metadata(path(&folder)).unwrap().len();
    let zeros = vec![0; usize::try_from(length).unwrap()];
    fs::write(path(&folder), zeros).unwrap();
    never_none(&store, length).await;
}

/// More than a page's worth of records.
async fn fill(store: &SqlStore) {
    for n in 0..100 {
        let record = live(vec![7; 600]).with_indexes(vec![index(1)]);
        let _ = store.insert(&key(n), record).await.unwrap();
    }
}

/// Moves everything from the log into the file.
async fn checkpoint(folder: &Scratch) {
    let mut other = other(folder).await;
    sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(&mut other)
        .await
        .unwrap();
    other.close().await.unwrap();
}

async fn never_none(store: &SqlStore, left: u64) {
    let mut failed = 0;
    for n in 0..100 {
        match store.load(&key(n)).await {
            Ok(Some(found)) => assert_eq!(found.record.sealed, vec![7; 600]),
            Ok(None) => {
                panic!("with {left} bytes left, record {n} is taken for one that never was")
            }
            Err(_) => failed += 1,
        }
    }
    assert!(failed > 0, "with {left} bytes left nothing fails");
    // No matter how, but not as if all were well.
    let listed = store.list(&index(1), None, 1_000).await;
    if let Ok(page) = listed {
        assert_eq!(page.keys.len(), 100, "with {left} bytes left");
    }
}

#[tokio::test]
async fn a_file_that_was_moved_or_replaced_takes_no_more_writes() {
    let folder = Scratch::new("sqlite").unwrap();
    let store = store(&folder).await;
    let _ = store.insert(&key(1), live("content")).await.unwrap();
    let away = folder.path().join("away.db");
    fs::rename(path(&folder), &away).unwrap();
    let reason = unavailable(store.insert(&key(2), live("lost")).await);
    assert!(reason.contains("moved, removed or replaced"), "{reason}");
    fs::copy(&away, path(&folder)).unwrap();
    unavailable(store.load(&key(1)).await);
    fs::rename(&away, path(&folder)).unwrap();
    assert!(store.load(&key(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_log_that_was_removed_or_replaced_takes_no_more_writes() {
    let folder = Scratch::new("sqlite").unwrap();
    let store = store(&folder).await;
    for n in 0..20 {
        let _ = store.insert(&key(n), live("content")).await.unwrap();
    }
    let log = folder.path().join("store.db-wal");
    let away = folder.path().join("away");
    fs::rename(&log, &away).unwrap();
    let reason = unavailable(store.insert(&key(20), live("lost")).await);
    assert!(reason.contains("moved, removed or replaced"), "{reason}");
    unavailable(store.load(&key(1)).await);
    fs::copy(&away, &log).unwrap();
    unavailable(store.insert(&key(21), live("lost")).await);
    unavailable(store.remove(&key(1)).await);
    fs::rename(&away, &log).unwrap();
    assert!(store.load(&key(1)).await.unwrap().is_some());
    assert!(store.load(&key(20)).await.unwrap().is_none());
}

/// Callers that leave close connections; processes come and go; none of that takes the log away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn goes_on_when_connections_close_and_other_processes_come_and_go() {
    let folder = Scratch::new("sqlite").unwrap();
    let store = store(&folder).await;
    for n in 0..50 {
        for read in [false, true] {
            let leaves = async {
                if read {
                    drop(store.load(&key(n)).await);
                } else {
                    drop(store.insert(&key(1_000 + n), live("content")).await);
                }
            };
            drop(tokio::time::timeout(Duration::from_micros(u64::from(n) * 10), leaves).await);
        }
        let mut other = other(&folder).await;
        sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&mut other)
            .await
            .unwrap();
        other.close().await.unwrap();
        let written = store.insert(&key(n), live("content")).await.unwrap();
        assert_eq!(written, Insert::Inserted);
    }
}

/// As after a kill: the log of the file that was there before lies beside the backup.
#[tokio::test]
async fn says_that_an_old_log_must_go_before_a_backup_is_restored() {
    let folder = Scratch::new("sqlite").unwrap();
    let store = store(&folder).await;
    fill(&store).await;
    let (log, backup) = (folder.path().join("log"), folder.path().join("backup.db"));
    let mut other = other(&folder).await;
    let copy = format!("VACUUM INTO '{}'", backup.display());
    sqlx::raw_sql(sqlx::AssertSqlSafe(copy))
        .execute(&mut other)
        .await
        .unwrap();
    other.close().await.unwrap();
    for n in 100..800 {
        let record = live(vec![7; 600]).with_indexes(vec![index(1)]);
        let _ = store.insert(&key(n), record).await.unwrap();
    }
    fs::copy(folder.path().join("store.db-wal"), &log).unwrap();
    drop(store);

    let restored = Scratch::new("sqlite").unwrap();
    let beside = restored.path().join("store.db-wal");
    fs::copy(&backup, path(&restored)).unwrap();
    fs::copy(&log, &beside).unwrap();
    let error = SqlStore::open(&file(&restored)).await.unwrap_err();
    let says = "move the file away together with its -wal and -shm, then restore";
    assert!(error.to_string().contains(says), "{error}");
    // What it says helps.
    for end in ["", "-wal", "-shm"] {
        drop(fs::remove_file(format!(
            "{}{end}",
            path(&restored).display()
        )));
    }
    fs::copy(&backup, path(&restored)).unwrap();
    let store = SqlStore::open(&file(&restored)).await.unwrap();
    for n in 0..100 {
        assert!(store.load(&key(n)).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn rows_that_are_not_ours_fail_for_their_key_only() {
    let folder = Scratch::new("sqlite").unwrap();
    let store = store(&folder).await;
    for n in 0..3 {
        let record = live("content").with_indexes(vec![index(n)]);
        let _ = store.insert(&key(n), record).await.unwrap();
    }
    let mut other = other(&folder).await;
    sqlx::query("UPDATE mcp_auth_record SET indexes = x'0102', version = -1 WHERE key = ?1")
        .bind(key(0).as_bytes().as_slice())
        .execute(&mut other)
        .await
        .unwrap();
    sqlx::query("UPDATE mcp_auth_index SET key = x'03' WHERE name = ?1")
        .bind(index(1).as_bytes().as_slice())
        .execute(&mut other)
        .await
        .unwrap();
    assert!(matches!(
        store.load(&key(0)).await,
        Err(StoreError::Failed(_))
    ));
    assert!(matches!(
        store.list(&index(1), None, 10).await,
        Err(StoreError::Failed(_))
    ));
    assert!(store.load(&key(1)).await.unwrap().is_some());
    assert_eq!(
        store.list(&index(2), None, 10).await.unwrap().keys,
        [key(2)]
    );
    store.remove(&key(0)).await.unwrap();
    assert!(store.load(&key(0)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_record_leaves_the_listings_of_the_names_it_loses() {
    let folder = Scratch::new("sqlite").unwrap();
    let store = store(&folder).await;
    crate::sample::leaves_the_listings_of_names_it_loses(&*store).await;
}

#[tokio::test]
async fn keeps_an_expiry_at_the_end_of_time_and_purges_it_never() {
    let folder = Scratch::new("sqlite").unwrap();
    let store = store(&folder).await;
    crate::sample::keeps_the_end_of_time(&*store).await;
}

#[tokio::test]
async fn purges_by_the_thousand_and_leaves_nothing_behind() {
    let folder = Scratch::new("sqlite").unwrap();
    let store = SqlStore::open(&file(&folder)).await.unwrap();
    let long_ago = SystemClock.now().minus(Duration::from_secs(3 * 60 * 60));
    for n in 0..2_500 {
        let record = Record::new(vec![7], long_ago).with_indexes(vec![index(n % 3)]);
        let _ = store.insert(&key(n), record).await.unwrap();
    }
    let stays =
        Record::new(vec![7], Timestamp::from_seconds(u64::MAX)).with_indexes(vec![index(0)]);
    let _ = store.insert(&key(9_999), stays).await.unwrap();
    let mut purged = 0;
    loop {
        match store.purge_expired(700).await.unwrap() {
            0 => break,
            n => {
                assert!(n <= 700);
                purged += n;
            }
        }
    }
    assert_eq!(purged, 5_000);
    assert_eq!(
        store.list(&index(0), None, 10).await.unwrap().keys,
        [key(9_999)]
    );
}
