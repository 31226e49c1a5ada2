//! A pooler between the store and its server.

use std::{fs, path::Path, process::Command, sync::Arc, time::Duration};

use mcp_auth::store::{Insert, Replace, Store};
use mcp_auth_sql::SqlStore;
use mcp_auth_testkit::services::{PostgresServer, Scratch, ServerProcess, free_port};

use crate::sample::{database_name, index, key, live};

const PGBOUNCER: &str = "/usr/sbin/pgbouncer";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn works_through_pgbouncer_in_transaction_mode() {
    // Not among what the tests have to have.
    if !Path::new(PGBOUNCER).is_file() {
        println!("skipped: pgbouncer is not installed");
        return;
    }
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let name = database_name();
    let url = server.create_database(&name).unwrap();
    let folder = Scratch::new("pgbouncer").unwrap();
    let port = free_port().unwrap();
    let mut pooler = pgbouncer(&folder, server.port(), port);
    pooler
        .wait_for(([127, 0, 0, 1], port).into(), Duration::from_secs(30))
        .unwrap();
    let url = url.replace(&format!(":{}/", server.port()), &format!(":{port}/"));
    let store = SqlStore::builder(&url).with_deadline(Duration::from_secs(20));
    let store = Arc::new(store.open().await.unwrap());
    // More tasks than connections of the store, more of those than of the pooler.
    let tasks: Vec<_> = (0..32_u32)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in (0..20).map(|round| n * 20 + round) {
                    let record = live(n.to_be_bytes()).with_indexes(vec![index(n)]);
                    let done = store.insert(&key(n), record.clone()).await.unwrap();
                    assert_eq!(done, Insert::Inserted);
                    let found = store.load(&key(n)).await.unwrap().unwrap();
                    assert_eq!(found.record, record);
                    let done = store.replace(&key(n), found.version, record).await.unwrap();
                    assert_eq!(done, Replace::Replaced);
                    let page = store.list(&index(n), None, 10).await.unwrap();
                    assert_eq!(page.keys, [key(n)]);
                    store.remove(&key(n)).await.unwrap();
                    assert!(store.load(&key(n)).await.unwrap().is_none());
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

fn pgbouncer(folder: &Scratch, server: u16, port: u16) -> ServerProcess {
    let at = folder.path();
    let shown = at.display();
    let settings = format!(
        "[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {shown}/users
pool_mode = transaction
default_pool_size = 3
logfile = {shown}/log
"
    );
    fs::write(at.join("settings"), settings).unwrap();
    fs::write(at.join("users"), "\"mcp\" \"not-a-secret-of-anybody\"\n").unwrap();
    let mut pgbouncer = Command::new(PGBOUNCER);
    pgbouncer.arg("-q").arg(at.join("settings"));
    // It refuses root, as the server does.
    let user = Command::new("id").arg("-u").output().unwrap().stdout;
    if user.starts_with(b"0") {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(at, fs::Permissions::from_mode(0o777)).unwrap();
        pgbouncer.args(["-u", "nobody"]);
    }
    ServerProcess::start(&mut pgbouncer).unwrap()
}
