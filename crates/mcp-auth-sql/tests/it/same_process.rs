//! Several stores of one process on one file.

use std::{fs, os::unix::fs::MetadataExt};

use mcp_auth::store::Store;
use mcp_auth_sql::SqlStore;
use mcp_auth_testkit::services::Scratch;

use crate::sample::{file, key, live, path};

/// POSIX takes a process's locks off a file when the process closes any handle to it.
#[tokio::test]
async fn a_second_store_takes_no_lock_from_the_first() {
    let folder = Scratch::new("sqlite").unwrap();
    let first = SqlStore::open(&file(&folder)).await.unwrap();
    let _ = first.insert(&key(1), live("first")).await.unwrap();
    let before = locks(&folder);
    assert!(before > 0, "an open database holds a lock");
    for n in 2..5 {
        let another = SqlStore::open(&file(&folder)).await.unwrap();
        let _ = another.insert(&key(n), live("another")).await.unwrap();
        assert!(locks(&folder) >= before, "the first store lost its lock");
    }
    assert!(first.load(&key(4)).await.unwrap().is_some());
}

/// How many locks this process has on the database itself, by the system's own account.
fn locks(folder: &Scratch) -> usize {
    let inode = format!(":{}", fs::metadata(path(folder)).unwrap().ino());
    let process = std::process::id().to_string();
    let account = fs::read_to_string("/proc/locks").unwrap();
    let mine = account.lines().filter(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields.contains(&process.as_str()) && fields.iter().any(|field| field.ends_with(&inode))
    });
    mine.count()
}
