//! What stops the start, and what it says then.

use std::{fs, time::Duration};

use mcp_auth::{
    BuildError,
    store::{Insert, Store},
};
use mcp_auth_sql::SqlStore;
use mcp_auth_testkit::services::{PostgresServer, Scratch};
use sqlx::Connection;

use crate::sample::{database, database_name, file, key, live, path, unavailable};

const PASSWORD: &str = "hunter2";

/// The sentence with which this URL is refused.
async fn refusal(url: &str) -> String {
    let error = SqlStore::open(url).await.expect_err(url);
    let BuildError::Argument { argument, reason } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(argument, "store URL", "{url}");
    assert!(!reason.contains('\n') && reason.len() < 400, "{reason}");
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(PASSWORD), "{shown}");
    reason.to_string()
}

#[tokio::test]
async fn refuses_urls_that_cannot_be_read_without_repeating_them() {
    for (url, says) in [
        ("", "must be `sqlite:FILE`"),
        ("mysql://root:hunter2@host/db", "must be `sqlite:FILE`"),
        ("sqlite:", "names no file"),
        ("sqlite://", "names no file"),
        ("sqlite:folder/", "names no file"),
        ("sqlite::memory:", "`memory:`"),
        ("sqlite://:memory:", "`memory:`"),
        ("sqlite:x?mode=memory", "`memory:`"),
        ("sqlite:x?mode=ro", "takes no parameters"),
        ("sqlite:x?key=hunter2", "takes no parameters"),
        (
            "postgres://user:#hunter2@host/db",
            "write special characters of the password as %XX",
        ),
        (
            "postgres://user:1#hunter2@host/db",
            "write special characters of the password as %XX",
        ),
        (
            "postgres://user:hun/ter2@host:70000/db",
            "write special characters",
        ),
        ("postgres:user:hunter2", "write special characters"),
        (
            "postgres://me:54321/hunter2@db.internal/x",
            "write special characters",
        ),
        (
            "postgres://user:12/hunter2@127.0.0.1/db",
            "write special characters",
        ),
        (
            "postgres://u@h/db?pasword=hunter2",
            "a parameter that PostgreSQL's driver does not know",
        ),
        (
            "postgres://u@h/db?hunter2=x",
            "a parameter that PostgreSQL's driver does not know",
        ),
        ("postgres://u:hunter2@h/db?sslmode=hunter2", "`sslmode`"),
        (
            "postgres://u:hunter2@h/db?sslrootcert=/hunter2",
            "`sslrootcert`",
        ),
        (
            "postgres://u:hunter2@h/db?channel_binding=require",
            "`channel_binding`",
        ),
        (
            "postgres://u:hunter2@h/db?port=hunter2",
            "a value that cannot be used",
        ),
    ] {
        let sentence = refusal(url).await;
        assert!(sentence.contains(says), "{url}: {sentence}");
    }
}

#[tokio::test]
async fn refuses_a_deadline_and_a_pool_of_nothing() {
    let deadline = SqlStore::builder("sqlite:x").with_deadline(Duration::ZERO);
    let error = deadline.open().await.unwrap_err();
    assert!(error.to_string().starts_with("store deadline:"), "{error}");
    let connections = SqlStore::builder("sqlite:x").with_connections(0);
    let error = connections.open().await.unwrap_err();
    assert!(
        error.to_string().starts_with("store connections:"),
        "{error}"
    );
}

#[tokio::test]
async fn shows_host_and_port_and_no_password() {
    let url = format!("postgres://somebody:{PASSWORD}@127.0.0.1:1/secretly");
    let builder = SqlStore::builder(&url);
    let shown = format!("{builder:?}");
    assert!(
        !shown.contains(PASSWORD) && !shown.contains("somebody"),
        "{shown}"
    );
    // Nothing listens there, which is no error.
    let store = builder.open().await.unwrap();
    let shown = format!("{store:?} {:?}", store.load(&key(1)).await);
    assert!(shown.contains("127.0.0.1:1"), "{shown}");
    for secret in [PASSWORD, "somebody", "secretly"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn refuses_a_folder_and_a_file_in_a_folder_that_is_not_there() {
    let folder = Scratch::new("sqlite").unwrap();
    let there = folder.path().display();
    let sentence = refusal(&format!("sqlite:{there}")).await;
    assert!(
        sentence.contains("is a folder: name a file in it"),
        "{sentence}"
    );
    let sentence = refusal(&format!("sqlite:{there}/missing/store.db")).await;
    assert!(sentence.contains("does not exist: make it"), "{sentence}");
    let sentence = refusal(&format!("sqlite:{there}/store.db?mode=rw")).await;
    assert!(sentence.contains("leave out `mode=rw`"), "{sentence}");
    let sentence = refusal("sqlite:/proc/version").await;
    assert!(
        sentence.contains("the right to write it and its folder"),
        "{sentence}"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn refuses_what_is_no_regular_file() {
    let folder = Scratch::new("sqlite").unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(path(&folder)).unwrap();
    for url in ["sqlite:/dev/null", &file(&folder)] {
        let sentence = refusal(url).await;
        assert!(sentence.contains("name a file on a disk"), "{sentence}");
    }
}

#[tokio::test]
async fn refuses_a_file_that_is_no_database() {
    let folder = Scratch::new("sqlite").unwrap();
    fs::write(path(&folder), "# Notes\n".repeat(1_000)).unwrap();
    let sentence = refusal(&file(&folder)).await;
    assert!(
        sentence.contains("restore the file from a backup"),
        "{sentence}"
    );
    let kept = fs::read_to_string(path(&folder)).unwrap();
    assert!(kept.starts_with("# Notes\n# Notes"), "the file was touched");
}

#[tokio::test]
async fn refuses_a_file_that_was_cut_short_or_overwritten() {
    let folder = Scratch::new("sqlite").unwrap();
    let store = SqlStore::open(&file(&folder)).await.unwrap();
    for n in 0..200 {
        let _ = store.insert(&key(n), live(vec![7; 600])).await.unwrap();
    }
    drop(store);
    settle(&folder).await;
    let whole = fs::read(path(&folder)).unwrap();
    let mut overwritten = whole.clone();
    let middle = overwritten.len() / 2 / 4096 * 4096;
    overwritten[middle..middle + 4096].fill(0xa5);
    for damaged in [&whole[..whole.len() / 2], &whole[..5_000], &overwritten] {
        fs::write(path(&folder), damaged).unwrap();
        let sentence = refusal(&file(&folder)).await;
        assert!(
            sentence.contains("restore the file from a backup"),
            "{sentence}"
        );
    }
    fs::write(path(&folder), whole).unwrap();
    let store = SqlStore::open(&file(&folder)).await.unwrap();
    assert!(store.load(&key(199)).await.unwrap().is_some());
}

/// Waits until the log is gone. The last connection takes it along; of several that close at the
/// same moment none may be the last, so one more comes and goes alone.
async fn settle(folder: &Scratch) {
    let log = folder.path().join("store.db-wal");
    for _ in 0..1_000 {
        if !log.exists() {
            return;
        }
        let mut last = sqlx::SqliteConnection::connect(&file(folder))
            .await
            .unwrap();
        let read = sqlx::query("SELECT 1 FROM mcp_auth_record").fetch_optional(&mut last);
        read.await.unwrap();
        last.close().await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the file stays open");
}

#[cfg(unix)]
#[tokio::test]
async fn makes_a_file_that_only_its_owner_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Scratch::new("sqlite").unwrap();
    let store = SqlStore::open(&file(&folder)).await.unwrap();
    let _ = store.insert(&key(1), live("content")).await.unwrap();
    let files: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(files.len() >= 2, "there is no log beside the file");
    for file in files {
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", file.path());
    }
}

#[tokio::test]
async fn refuses_tables_of_a_newer_release_and_goes_on_with_those_that_only_added() {
    let folder = Scratch::new("sqlite").unwrap();
    drop(SqlStore::open(&file(&folder)).await.unwrap());
    run_sqlite(&folder, "UPDATE mcp_auth_schema SET version = 2").await;
    drop(SqlStore::open(&file(&folder)).await.unwrap());
    run_sqlite(&folder, "UPDATE mcp_auth_schema SET oldest = 2").await;
    let sentence = refusal(&file(&folder)).await;
    assert!(sentence.contains("newer release"), "{sentence}");

    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let name = database_name();
    let url = server.create_database(&name).unwrap();
    drop(SqlStore::open(&url).await.unwrap());
    server
        .sql(&name, "UPDATE mcp_auth_schema SET version = 2")
        .unwrap();
    drop(SqlStore::open(&url).await.unwrap());
    server
        .sql(&name, "UPDATE mcp_auth_schema SET oldest = 2")
        .unwrap();
    let sentence = refusal(&url).await;
    assert!(sentence.contains("newer release"), "{sentence}");
}

async fn run_sqlite(folder: &Scratch, sql: &'static str) {
    let mut other = sqlx::SqliteConnection::connect(&file(folder))
        .await
        .unwrap();
    sqlx::raw_sql(sql).execute(&mut other).await.unwrap();
    other.close().await.unwrap();
}

#[tokio::test]
async fn refuses_to_start_with_a_wrong_password_or_an_unknown_user() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    for user in ["mcp", "nobody"] {
        let url = format!(
            "postgres://{user}:{PASSWORD}@127.0.0.1:{}/postgres",
            server.port()
        );
        let sentence = refusal(&url).await;
        assert!(
            sentence.contains("refuses the user name or the password"),
            "{sentence}"
        );
    }
}

#[tokio::test]
async fn refuses_to_start_on_a_database_that_does_not_exist() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let sentence = refusal(&server.url_of("missing")).await;
    assert!(sentence.contains("create it with `createdb`"), "{sentence}");
}

#[tokio::test]
async fn refuses_to_start_without_the_tls_that_was_asked_for() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let sentence = refusal(&format!("{}?sslmode=verify-full", server.url())).await;
    assert!(sentence.contains("correct `sslmode`"), "{sentence}");
}

#[tokio::test]
async fn refuses_a_port_where_something_else_answers() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        while let Ok((mut caller, _)) = listener.accept().await {
            let _ = caller.read(&mut [0; 1_024]).await;
            drop(caller.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
            let _ = caller.read(&mut [0; 1_024]).await;
        }
    });
    let url = format!("postgres://u:{PASSWORD}@127.0.0.1:{port}/db");
    let sentence = refusal(&url).await;
    assert!(sentence.contains("no PostgreSQL server"), "{sentence}");
}

/// Anything but a mistake of the operator's is waited for.
#[tokio::test]
async fn starts_while_a_server_or_its_pooler_takes_no_connection() {
    let fatal = |code: &str| {
        let said = format!("SFATAL\0VFATAL\0C{code}\0Mno connection for {PASSWORD}\0\0");
        let length = u32::try_from(said.len() + 4).unwrap().to_be_bytes();
        [b"E", length.as_slice(), said.as_bytes()].concat()
    };
    let no_process = b"Ecould not fork new process for connection\n\0".to_vec();
    for (about_tls, answer) in [
        (no_process.as_slice(), Vec::new()),
        (b"N", no_process.clone()),
        (b"N", fatal("58000")),
        (b"N", fatal("58030")),
        (b"N", fatal("XX000")),
        (b"N", fatal("22023")),
    ] {
        let port = answers(about_tls.to_vec(), answer.clone()).await;
        let url = format!("postgres://u:{PASSWORD}@127.0.0.1:{port}/db");
        let store = SqlStore::open(&url).await;
        let store = store.unwrap_or_else(|error| panic!("{answer:?}: {error}"));
        let reason = unavailable(store.load(&key(1)).await);
        assert!(!reason.contains(PASSWORD), "{reason}");
    }
    // A pooler that does not let the user in is a mistake, as a server is.
    let port = answers(b"N".to_vec(), fatal("28P01")).await;
    let sentence = refusal(&format!("postgres://u:{PASSWORD}@127.0.0.1:{port}/db")).await;
    assert!(sentence.contains("refuses the user name"), "{sentence}");
}

/// A port that answers the question about TLS, and the login, with these bytes.
async fn answers(about_tls: Vec<u8>, login: Vec<u8>) -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut caller, _)) = listener.accept().await {
            for answer in [&about_tls, &login] {
                let _ = caller.read(&mut [0; 1_024]).await;
                drop(caller.write_all(answer).await);
            }
            drop(caller.shutdown().await);
        }
    });
    port
}

#[tokio::test]
async fn starts_with_a_host_whose_name_is_not_known_and_says_so() {
    let url = "postgres://u:hunter2@nowhere.invalid/db";
    let store = SqlStore::builder(url).with_deadline(Duration::from_secs(20));
    let store = store.open().await.unwrap();
    let reason = unavailable(store.load(&key(1)).await);
    assert!(reason.contains("is not known"), "{reason}");
}

#[tokio::test]
async fn says_which_rights_a_role_lacks_and_starts_once_it_has_them() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let name = database_name();
    let owner = server.create_database(&name).unwrap();
    let role = format!("role_{name}");
    server
        .sql(
            &name,
            &format!("CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'"),
        )
        .unwrap();
    let url = format!(
        "postgres://{role}:{PASSWORD}@127.0.0.1:{}/{name}",
        server.port()
    );
    // Since PostgreSQL 15 a role may not make tables in `public`.
    let sentence = refusal(&url).await;
    assert!(sentence.contains("lacks rights: grant it"), "{sentence}");
    drop(SqlStore::open(&owner).await.unwrap());
    server
        .sql(
            &name,
            &format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"),
        )
        .unwrap();
    let sentence = refusal(&url).await;
    assert!(sentence.contains("lacks rights: grant it"), "{sentence}");
    let grant = format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON mcp_auth_record, mcp_auth_index TO {role}"
    );
    server.sql(&name, &grant).unwrap();
    let store = SqlStore::open(&url).await.unwrap();
    assert_eq!(
        store.insert(&key(1), live("content")).await.unwrap(),
        Insert::Inserted
    );
    assert_eq!(store.purge_expired(10).await.unwrap(), 0);
}

#[tokio::test]
async fn takes_the_usual_parameters() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let url = database(server);
    let name = url.rsplit('/').next().unwrap();
    server.sql(name, "CREATE SCHEMA auth").unwrap();
    let url = format!(
        "{}?sslmode=prefer&application_name=test&connect_timeout=3&options[search_path]=auth&target_session_attrs=read-write",
        url.replace("postgres://", "postgresql://")
    );
    let store = SqlStore::open(&url).await.unwrap();
    let _ = store.insert(&key(1), live("content")).await.unwrap();
    assert_eq!(
        server
            .sql(name, "SELECT count(*) FROM auth.mcp_auth_record")
            .unwrap(),
        "1"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_first_starts_at_once_all_succeed() {
    for round in 0..5 {
        let folder = Scratch::new("sqlite").unwrap();
        open_all(&file(&folder), round).await;
    }
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    for round in 0..5 {
        open_all(&database(server), round).await;
    }
}

async fn open_all(url: &str, round: u32) {
    let opening: Vec<_> = (0..8)
        .map(|n| {
            let url = url.to_owned();
            tokio::spawn(async move {
                let store = SqlStore::builder(&url).with_deadline(Duration::from_secs(30));
                let store = store.open().await.unwrap();
                store.insert(&key(n), live("content")).await.unwrap()
            })
        })
        .collect();
    for opened in opening {
        assert_eq!(opened.await.unwrap(), Insert::Inserted, "round {round}");
    }
}
