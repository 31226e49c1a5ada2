//! `purge`: removes what expired from the store that `MCP_AUTH_STORE` names, once.
//!
//! Servers do that themselves, a little every minute while people sign in. Run this from cron where a
//! server is idle for long, or where a database should be small before it is backed up:
//!
//! ```text
//! MCP_AUTH_STORE=postgres://mcp@db.internal/mcp cargo run --example purge
//! ```
//!
//! Redis needs none of this: it lets records and index entries go by itself.
//!
//! It says how many records and index entries went. What expired less than an hour ago stays: a clock
//! that was set wrong loses nobody's session.

#![allow(clippy::print_stdout, clippy::print_stderr)] // it talks to whoever started it

use std::{error::Error, process::ExitCode, sync::Arc};

use mcp_auth::{BuildError, Environment, store::Store};
#[cfg(feature = "sql")]
use mcp_auth_sql::SqlStore;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(purged) => {
            println!("purged: {purged}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("purge: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<usize, Box<dyn Error>> {
    let store = store(&Environment::from_env()?).await;
    let store = store.map_err(|error| error.named("MCP_AUTH_STORE"))?;
    let mut purged = 0;
    loop {
        let now = store.purge_expired(STRIDE).await?;
        purged += now;
        if now < STRIDE {
            return Ok(purged);
        }
    }
}

/// In strides, so that servers on the same store wait for none of them long.
const STRIDE: usize = 1000;

async fn store(environment: &Environment) -> Result<Arc<dyn Store>, BuildError> {
    let url = environment.store();
    match url.scheme() {
        #[cfg(feature = "sql")]
        "sqlite" | "postgres" | "postgresql" => Ok(Arc::new(SqlStore::open(url.expose()).await?)),
        scheme if scheme.starts_with("redis") => Err(BuildError::argument(
            "store URL",
            "Redis purges by itself: there is nothing to do",
        )),
        _ => Err(BuildError::argument(
            "store URL",
            "names no store that outlives a process: there is nothing to purge",
        )),
    }
}
