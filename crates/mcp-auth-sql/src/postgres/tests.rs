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
    for (sql, index) in [
        (PURGE_RECORDS, "Index Scan using mcp_auth_record_expires_at"),
        (PURGE_INDEX, "Index Scan using mcp_auth_index_expires_at"),
        (LOAD, "Index Scan using mcp_auth_record_pkey"),
        (LIST, "using mcp_auth_index_pkey"),
    ] {
        let values = match sql {
            LOAD => "('\\x00')",
            LIST => "(sha256('1'), '\\x', 10)",
            _ => "(3600, 100)",
        };
        let prepare = format!("DEALLOCATE ALL; PREPARE looked_at AS {sql}");
        sqlx::raw_sql(AssertSqlSafe(prepare))
            .execute(&mut connection)
            .await
            .unwrap();
        let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE looked_at {values}"));
        let plan = sqlx::raw_sql(explain)
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let plan: Vec<String> = plan.iter().map(|line| line.get(0)).collect();
        let plan = plan.join("\n");
        assert!(plan.contains(index), "{sql}\n{plan}");
        assert!(!plan.contains("Seq Scan"), "{sql}\n{plan}");
    }
}
