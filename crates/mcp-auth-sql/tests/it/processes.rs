//! Real processes on one SQLite file.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use mcp_auth::store::{Insert, Replace, Store};
use mcp_auth_sql::SqlStore;
use mcp_auth_testkit::services::{Scratch, ServerProcess};

use crate::sample::{file, key, live, path};

const PROCESSES: usize = 4;
const ROUNDS: u64 = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_processes_one_wins_each_swap_and_no_update_is_lost() {
    let folder = Scratch::new("sqlite").unwrap();
    let store = SqlStore::open(&file(&folder)).await.unwrap();
    let mut children: Vec<_> = (0..PROCESSES)
        .map(|n| start("processes::child_that_swaps", &folder, n))
        .collect();
    for n in 0..PROCESSES {
        wait_for(|| report(&folder, n).starts_with("ready"));
    }
    let go = live(0_u64.to_be_bytes());
    assert_eq!(store.insert(&key(0), go).await.unwrap(), Insert::Inserted);
    for child in &mut children {
        assert_eq!(child.wait(Duration::from_secs(120)).unwrap(), Some(true));
    }
    let mut won: Vec<u64> = Vec::new();
    let mut winners = 0;
    for n in 0..PROCESSES {
        let rounds = report(&folder, n);
        let rounds = rounds
            .lines()
            .skip(1)
            .map(|line| line.parse::<u64>().unwrap());
        let before = won.len();
        won.extend(rounds);
        winners += u32::from(won.len() > before);
    }
    won.sort_unstable();
    assert_eq!(
        won,
        (0..ROUNDS).collect::<Vec<_>>(),
        "a round had no winner or two"
    );
    assert!(winners > 1, "there was no race");
}

#[tokio::test]
#[ignore = "started by of_several_processes_one_wins_each_swap_and_no_update_is_lost"]
async fn child_that_swaps() {
    let Some((database, mut report)) = given() else {
        return;
    };
    let store = SqlStore::builder(&format!("sqlite:{}", database.display()))
        .with_deadline(Duration::from_secs(30))
        .open()
        .await
        .unwrap();
    writeln!(report, "ready").unwrap();
    loop {
        let Some(found) = store.load(&key(0)).await.unwrap() else {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        };
        let round = u64::from_be_bytes(found.record.sealed.as_slice().try_into().unwrap());
        if round == ROUNDS {
            return;
        }
        let next = live((round + 1).to_be_bytes());
        if store.replace(&key(0), found.version, next).await.unwrap() == Replace::Replaced {
            writeln!(report, "{round}").unwrap();
        }
    }
}

/// FLT-24.
#[tokio::test]
async fn keeps_every_acknowledged_record_when_the_process_is_killed() {
    let folder = Scratch::new("sqlite").unwrap();
    for round in 0..3 {
        let mut child = start("processes::child_that_inserts", &folder, round);
        wait_for(|| report(&folder, round).lines().count() > 100);
        child.kill();
        let acknowledged = report(&folder, round);
        let store = SqlStore::open(&file(&folder)).await.unwrap();
        let mut count = 0;
        // The last line may be half of one.
        let (whole, _) = acknowledged.rsplit_once('\n').unwrap();
        for line in whole.lines().filter(|line| *line != "ready") {
            let found = store.load(&key(line.parse().unwrap())).await.unwrap();
            assert!(
                found.is_some(),
                "record {line} was acknowledged and is gone"
            );
            count += 1;
        }
        assert!(count >= 100);
    }
}

#[tokio::test]
#[ignore = "started by keeps_every_acknowledged_record_when_the_process_is_killed"]
async fn child_that_inserts() {
    let Some((database, mut report)) = given() else {
        return;
    };
    let url = format!("sqlite:{}", database.display());
    let store = SqlStore::open(&url).await.unwrap();
    let process = std::process::id();
    for n in 0.. {
        let n = process.wrapping_mul(100_000).wrapping_add(n);
        if store.insert(&key(n), live(vec![7; 600])).await.unwrap() == Insert::Inserted {
            writeln!(report, "{n}").unwrap();
        }
    }
}

/// Starts this binary again, for one test that otherwise is ignored.
fn start(test: &str, folder: &Scratch, n: usize) -> ServerProcess {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "--ignored", "--nocapture", test])
        .env(DATABASE, path(folder))
        .env(REPORT, report_path(folder, n))
        .stdout(Stdio::null());
    ServerProcess::start(&mut command).unwrap()
}

/// What a child was given; none when somebody runs the ignored tests.
fn given() -> Option<(PathBuf, fs::File)> {
    let report = env::var_os(REPORT)?;
    let report = fs::File::create(Path::new(&report)).unwrap();
    Some((env::var_os(DATABASE)?.into(), report))
}

fn report(folder: &Scratch, n: usize) -> String {
    fs::read_to_string(report_path(folder, n)).unwrap_or_default()
}

fn report_path(folder: &Scratch, n: usize) -> PathBuf {
    folder.path().join(format!("report-{n}"))
}

fn wait_for(done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < end, "a child does not get on");
        std::thread::sleep(Duration::from_millis(10));
    }
}

const DATABASE: &str = "MCP_AUTH_SQL_TEST_DATABASE";
const REPORT: &str = "MCP_AUTH_SQL_TEST_REPORT";
