//! `no_auth`: an MCP server without authentication, the one that the other examples start from.
//!
//! Whoever reaches the port may call its tool, so it listens on this machine only. What an author
//! adds to get to each of the other examples is shown in docs/examples.
//!
//! Run: `cargo run --example no_auth`
//!
//! You should see the MCP URL. Point a host there and call `whoami`, or ask with curl:
//!
//! ```text
//! curl http://127.0.0.1:8000/mcp -H 'content-type: application/json' \
//!   -H 'accept: application/json, text/event-stream' -d '{"jsonrpc":"2.0","id":1,
//!   "method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},
//!   "clientInfo":{"name":"curl","version":"1"}}}'
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr)] // it talks to whoever started it

use std::{error::Error, process::ExitCode, sync::Arc};

use axum::Router;
use rmcp::{
    ServerHandler,
    handler::server::router::tool::ToolRouter,
    model::{Implementation, ServerCapabilities, ServerConfig},
    tool, tool_handler, tool_router,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};

#[tokio::main]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("no_auth: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let listener = tokio::net::TcpListener::bind(listen_from_env()).await?;

    let tools = Tools::new();
    let sessions = Arc::new(LocalSessionManager::default());
    let config = StreamableHttpServerConfig::default().enforce_origin_validation();
    let mcp = StreamableHttpService::new(move || Ok(tools.clone()), sessions, config);

    let app = Router::new().route_service("/mcp", mcp);
    println!("MCP server: http://{}/mcp", listener.local_addr()?);
    axum::serve(listener, app)
        .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
        .await?;
    Ok(())
}

#[allow(clippy::disallowed_methods)] // the one place that reads the environment
fn listen_from_env() -> String {
    std::env::var("MCP_AUTH_LISTEN").unwrap_or_else(|_| "127.0.0.1:8000".to_owned())
}

/// One tool, which does not know who is calling.
#[derive(Debug, Clone)]
struct Tools {
    tool_router: ToolRouter<Self>,
}

#[tool_router]
impl Tools {
    fn new() -> Self {
        Self {
            tool_router: Self::tool_router(),
        }
    }

    #[tool(description = "Says who is calling")]
    async fn whoami(&self) -> String {
        "nobody in particular".to_owned()
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("no_auth", env!("CARGO_PKG_VERSION")))
    }
}
