//! What stops the start, and what does not.

use mcp_auth_testkit::services::Scratch;

use crate::{server::Server, site::KEY};

fn refusal(store: &str, further: &[(&str, &str)]) -> String {
    let scratch = Scratch::new("start").unwrap();
    let mut variables = vec![("MCP_AUTH_STORE", store), ("RUST_LOG", "error")];
    variables.extend(further);
    let said = Server::refusal(&variables, &scratch.path().join("log"));
    assert_eq!(said.trim().lines().count(), 1, "one sentence: {said}");
    said
}

#[test]
fn a_store_that_cannot_be_meant_stops_the_start_with_one_sentence() {
    let scratch = Scratch::new("unusable").unwrap();
    let text = scratch.path().join("notes.txt");
    std::fs::write(&text, "these are notes and no database".repeat(200)).unwrap();
    let key = [("MCP_AUTH_KEY", KEY)];
    for store in [
        "mysql://127.0.0.1/mcp".to_owned(),
        "redis://:hunter2@".to_owned(),
        "redis://127.0.0.1:port".to_owned(),
        "postgres://user:hunter2@127.0.0.1:port/mcp".to_owned(),
        format!(
            "sqlite:{}",
            scratch.path().join("nowhere/store.db").display()
        ),
        format!("sqlite:{}", text.display()),
        format!("sqlite:{}", scratch.path().display()),
    ] {
        let said = refusal(&store, &key);
        assert!(said.contains("MCP_AUTH_STORE"), "{store}: {said}");
        assert!(
            !said.contains("hunter2") && !said.contains("panicked"),
            "{said}"
        );
    }
}

#[test]
fn a_store_that_outlives_the_process_needs_a_key_that_does_so_too() {
    let scratch = Scratch::new("no-key").unwrap();
    let store = format!("sqlite:{}", scratch.path().join("store.db").display());
    let said = refusal(&store, &[]);
    assert!(said.contains("MCP_AUTH_KEY"), "{said}");
}
