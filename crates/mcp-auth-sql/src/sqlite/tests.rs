use mcp_auth_testkit::services::Scratch;

use super::*;

#[tokio::test]
async fn every_statement_finds_its_rows_by_an_index() {
    let folder = Scratch::new("sqlite").unwrap();
    let file = File {
        path: folder.path().join("store.db"),
        create: true,
    };
    let store = SqliteStore::open(file, Duration::from_secs(10))
        .await
        .unwrap();
    let mut connection = connect(&store.file.path, Role::Writer).await.unwrap();
    for (sql, index) in [
        (
            LOAD,
            "USING INDEX sqlite_autoindex_mcp_auth_record_1 (key=?)",
        ),
        (
            REPLACE,
            "USING INDEX sqlite_autoindex_mcp_auth_record_1 (key=?)",
        ),
        (
            REMOVE,
            "USING INDEX sqlite_autoindex_mcp_auth_record_1 (key=?)",
        ),
        (UNLIST, "USING PRIMARY KEY (name=? AND key=?)"),
        (UNLIST_OTHERS, "USING PRIMARY KEY (name=? AND key=?)"),
        (LIST, "USING PRIMARY KEY (name=? AND key>?)"),
        (
            PURGE_RECORDS,
            "USING COVERING INDEX mcp_auth_record_expires_at (expires_at>? AND expires_at<?)",
        ),
        (
            PURGE_INDEX,
            "USING COVERING INDEX mcp_auth_index_expires_at (expires_at<?)",
        ),
    ] {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let steps = sqlx::query(explain)
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let steps: Vec<String> = steps.iter().map(|step| step.get("detail")).collect();
        let plan = steps.join("\n");
        assert!(
            plan.contains(index) || plan.contains(&index.replace("COVERING ", "")),
            "{sql}\n{plan}"
        );
        for step in steps {
            let whole = step.starts_with("SCAN") && step.contains("mcp_auth");
            assert!(
                !whole && !step.contains("TEMP B-TREE FOR ORDER BY"),
                "{sql}\n{plan}"
            );
        }
    }
}
