//! Opening the store.

use mcp_auth_testkit::services::{RedisCluster, RedisSentinel, RedisServer};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
};

use super::{network::Network, *};

#[tokio::test]
async fn refuses_to_start_with_a_wrong_password() {
    let Some(server) = RedisServer::settings().with_password("swordfish").start() else {
        return;
    };
    let port = server.port();
    for url in [
        format!("redis://:hunter2@127.0.0.1:{port}"),
        format!("redis://somebody:hunter2@127.0.0.1:{port}/3"),
        format!("redis://127.0.0.1:{port}"),
    ] {
        let error = RedisStore::open(&url).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "store URL: the server refuses these credentials"
        );
        assert!(!format!("{error:?}").contains("hunter2"));
    }
    let store = open(&server.url()).await;
    put(&store, 1).await;
    assert!(holds(&store, 1).await);
    let shown = format!("{store:?} {:?}", RedisStore::builder(&server.url()));
    assert!(shown.contains(&format!("127.0.0.1:{port}")), "{shown}");
    assert!(!shown.contains("swordfish"), "{shown}");
}

#[tokio::test]
async fn refuses_a_wrong_password_of_clusters_and_behind_sentinels_too() {
    let (Some(cluster), Some(sentinel)) = (RedisCluster::start(), RedisSentinel::start()) else {
        return;
    };
    let set = ["CONFIG", "SET", "requirepass", "swordfish"];
    for server in cluster.nodes.iter().chain([&sentinel.primary]) {
        assert_eq!(server.command(&set), "OK");
    }
    for url in [cluster.url(), sentinel.url()] {
        for wrong in ["://", "://:hunter2@"] {
            let refused = RedisStore::open(&url.replace("://", wrong)).await;
            let error = refused.unwrap_err().to_string();
            assert!(error.ends_with("refuses these credentials"), "{error}");
        }
        let store = open(&url.replace("://", "://:swordfish@")).await;
        put(&store, 1).await;
        assert!(holds(&store, 1).await);
    }
}

#[tokio::test]
async fn refuses_to_start_with_a_password_where_none_is_set() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let url = format!("redis://:hunter2@127.0.0.1:{}", server.port());
    let error = RedisStore::open(&url).await.unwrap_err();
    assert!(error.to_string().ends_with("refuses these credentials"));
}

#[tokio::test]
async fn names_the_permissions_that_a_user_lacks_and_they_are_enough() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let url = format!("redis://app:hunter2@127.0.0.1:{}", server.port());
    let permit = |rules: &str| {
        let words = ["ACL", "SETUSER", "app", "reset", "on", ">hunter2"];
        let words: Vec<&str> = words.into_iter().chain(rules.split(' ')).collect();
        assert_eq!(server.command(&words), "OK");
    };
    for too_little in [
        "~mcp-auth:* +@connection",
        "~others:* +@all",
        "~mcp-auth:* +@read +@write +@connection",
        "~mcp-auth:* +@read +@write +@connection +@scripting +info",
    ] {
        permit(too_little);
        let error = RedisStore::open(&url).await.unwrap_err().to_string();
        assert!(error.contains("does not permit"), "{too_little}: {error}");
    }
    let error = {
        permit("~mcp-auth:* +@connection");
        RedisStore::open(&url).await.unwrap_err().to_string()
    };
    let rules = error.split('`').nth(1).unwrap();
    permit(&rules.replace("PREFIX", "mcp-auth:"));
    let store = open(&url).await;
    put(&store, 1).await;
    for (operation, answer) in every_operation(&store).await {
        assert!(answer.is_ok(), "{operation}: {answer:?}");
    }
}

#[tokio::test]
async fn says_which_kind_of_server_it_found_instead() {
    let (Some(cluster), Some(server)) = (RedisCluster::start(), RedisServer::start()) else {
        return;
    };
    let table = [
        (cluster.nodes[0].url(), "write redis-cluster://"),
        (
            server
                .url()
                .replace("redis:", "redis-cluster:")
                .replace("/0", ""),
            "write redis://",
        ),
        (
            server.url().replace("/0", "/99"),
            "no database of this number",
        ),
    ];
    for (url, wanted) in table {
        let error = RedisStore::open(&url).await.unwrap_err().to_string();
        assert!(error.contains(wanted), "{url}: {error}");
    }
}

#[tokio::test]
async fn refuses_arguments_that_it_cannot_work_with() {
    let builder = RedisStore::builder("redis://localhost");
    let error = builder.with_deadline(Duration::ZERO).open().await;
    assert!(error.unwrap_err().to_string().starts_with("store deadline"));
    let builder = RedisStore::builder("redis://localhost");
    let error = builder.with_prefix("{all}").open().await;
    assert!(error.unwrap_err().to_string().starts_with("store prefix"));
}

/// What proxies answer while the server behind them is down, and a server that has no room.
#[tokio::test]
async fn opens_where_a_proxy_has_lost_its_server_and_heals_when_it_finds_it() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    for answer in [
        "-no upstream host\r\n",
        "-ERR upstream failure\r\n",
        "-ERR max number of clients reached\r\n",
        "-ERR Connection timed out\r\n",
    ] {
        for (before, after) in [("", ""), ("", "/3"), (":swordfish@", "")] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let proxy = tokio::spawn(proxy_without_server(listener, answer));
            let store = open(&format!("redis://{before}127.0.0.1:{port}{after}")).await;
            let away = store.load(&key(1)).await;
            assert!(matches!(away, Err(StoreError::Unavailable(_))), "{away:?}");
            proxy.abort();
            assert!(proxy.await.unwrap_err().is_cancelled());
            if before.is_empty() {
                let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
                let _network = Network::from(listener, server.port());
                heals(&store).await;
            }
        }
    }
}

async fn proxy_without_server(listener: TcpListener, answer: &str) {
    let mut connections = JoinSet::new();
    while let Ok((mut connection, _)) = listener.accept().await {
        let answer = answer.to_owned();
        connections.spawn(async move {
            let mut asked = [0; 4096];
            while let Ok(length @ 1..) = connection.read(&mut asked).await {
                // One for each command; an argument never begins with an asterisk here.
                let commands = asked[..length].iter().filter(|byte| **byte == b'*').count();
                let answers = answer.repeat(commands);
                if connection.write_all(answers.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// FLT-01.
#[tokio::test]
async fn opens_before_its_server_is_there_and_heals_when_it_comes() {
    let Some(mut server) = RedisServer::start() else {
        return;
    };
    server.kill();
    let start = Instant::now();
    let store = open(&server.url()).await;
    is_away(&store).await;
    assert!(start.elapsed() < SLACK);
    server.restart();
    heals(&store).await;
    put(&store, 1).await;
    assert!(holds(&store, 1).await);
}

#[tokio::test]
async fn opens_within_the_deadline_where_nobody_answers() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    server.pause();
    let start = Instant::now();
    let store = open(&server.url()).await;
    is_away(&store).await;
    // One for the opening and one for each operation at the most.
    assert!(start.elapsed() < 6 * DEADLINE + SLACK);
    server.resume();
    heals(&store).await;
}

#[tokio::test]
async fn promises_what_the_operator_states_and_no_more() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let stated = open(&server.url()).await.capabilities();
    assert!(stated.shared && stated.atomic);
    assert!(!stated.durable && !stated.survives_failover);
    let builder = RedisStore::builder(&server.url()).durable();
    let stated = builder.open().await.unwrap().capabilities();
    assert!(stated.durable && !stated.survives_failover);
}

#[tokio::test]
async fn stores_of_different_prefixes_do_not_see_each_other() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let ours = open(&server.url()).await;
    let theirs = RedisStore::builder(&server.url()).with_prefix("theirs:");
    let theirs = theirs.open().await.unwrap();
    put(&ours, 1).await;
    assert!(!holds(&theirs, 1).await);
    assert_eq!(listed(&theirs, "alice").await, []);
    put(&theirs, 1).await;
}
