use mcp_auth::oauth::Timestamp;
use mcp_auth_testkit::services::PostgresServer;
use sqlx::AssertSqlSafe;

use super::*;
use crate::location::Location;

#[tokio::test]
async fn a_purge_finds_the_expired_by_an_index_among_many_that_live() {
    let Some(server) = PostgresServer::shared() else {
        return;
    };
    let Ok(Location::Postgres(at)) = Location::parse(&server.url()) else {
        panic!("the URL of a server was not understood");
    };
    let store = PostgresStore::open(*at, Duration::from_secs(10), 1, false)
        .await
        .unwrap();
    server
        .sql(
            "postgres",
            "INSERT INTO mcp_auth_record
                SELECT sha256(n::text::bytea), n, extract(epoch FROM now()) + n, '\\x00', '\\x'
                FROM generate_series(1, 20000) AS n;
            INSERT INTO mcp_auth_index
                SELECT sha256((n % 100)::text::bytea), sha256(n::text::bytea), extract(epoch FROM now()) + n
                FROM generate_series(1, 20000) AS n;
            ANALYZE mcp_auth_record;
            ANALYZE mcp_auth_index",
        )
        .unwrap();
    let mut connection = connect(&store.settings).await.unwrap();
    let record = Record::new(vec![7], Timestamp::from_seconds(1));
    let columns = Columns::of(record.with_indexes(vec![IndexName::new("x", b"y")]));
    let (key, index) = (RecordKey::new("x", b"x"), IndexName::new("x", b"x"));
    for (sql, index) in [
        (
            statements::purge_records(100),
            "Index Scan using mcp_auth_record_expires_at",
        ),
        (
            statements::purge_index(100),
            "Index Scan using mcp_auth_index_expires_at",
        ),
        (
            statements::load(&key),
            "Index Scan using mcp_auth_record_pkey",
        ),
        (
            statements::list(&index, &[], 10),
            "using mcp_auth_index_pkey",
        ),
        (
            statements::replace(&key, Version(1), &columns),
            "Index Scan using mcp_auth_index_pkey",
        ),
        (
            statements::remove(&key),
            "Index Scan using mcp_auth_record_pkey",
        ),
    ] {
        let explain = sqlx::raw_sql(AssertSqlSafe(format!("EXPLAIN {sql}")));
        let plan = explain.fetch_all(&mut connection).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|line| line.get(0)).collect();
        let plan = plan.join("\n");
        assert!(plan.contains(index), "{sql}\n{plan}");
        assert!(!plan.contains("Seq Scan"), "{sql}\n{plan}");
    }
}
