//! `static_key`: only who has the key comes in (tier 1, `StaticKey`).
//!
//! For a server of your own or of a small team, and for hosts that can send a header: no login, no
//! tokens, no OAuth. MCP_API_KEY_2, MCP_API_KEY_3, … are further keys, so that each caller has one
//! and one can be changed without the others. MCP_API_KEY_HEADER names a header that may carry the
//! key beside `Authorization: Bearer`.
//!
//! Run: `MCP_API_KEY="$(openssl rand -hex 32)" cargo run --example static_key`
//!
//! You should see the MCP URL. Without the key a request is answered 401, with it the tool says the
//! key's name:
//!
//! ```text
//! curl -i -X POST http://127.0.0.1:8000/mcp        # 401, Bearer realm="mcp"
//! curl http://127.0.0.1:8000/mcp -H "authorization: Bearer $MCP_API_KEY" \
//!   -H 'content-type: application/json' -H 'accept: application/json, text/event-stream' \
//!   -d '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",
//!   "capabilities":{},"clientInfo":{"name":"curl","version":"1"}}}'
//! ```
//!
//! On another address than loopback set MCP_AUTH_LISTEN, and MCP_AUTH_PUBLIC_URL to the https origin
//! that hosts use. All variables: docs/environment.md.

#![allow(clippy::print_stdout, clippy::print_stderr)] // it talks to whoever started it

use std::{error::Error, process::ExitCode, sync::Arc};

use axum::Router;
use mcp_auth::{Principal, StaticKey, Tier, rmcp::server_config};
use rmcp::{
    ServerHandler,
    handler::server::router::tool::ToolRouter,
    model::{Implementation, ServerCapabilities, ServerConfig},
    tool, tool_handler, tool_router,
    transport::streamable_http_server::{
        StreamableHttpService, session::local::LocalSessionManager,
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
            eprintln!("static_key: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    // The authentication: the keys in the environment.
    let tier = StaticKey::from_env("MCP_API_KEY")?;
    let listener = tokio::net::TcpListener::bind(tier.listen()).await?;

    let tools = Tools::new();
    let sessions = Arc::new(LocalSessionManager::default());
    let config = server_config(&tier);
    let mcp = StreamableHttpService::new(move || Ok(tools.clone()), sessions, config);

    let app = Router::new().fallback_service(tier.protect(mcp));
    println!("MCP server: {}", tier.resource_servers().main().resource());
    axum::serve(listener, app)
        .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
        .await?;
    Ok(())
}

/// One tool, which knows whose key it was.
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

    #[tool(description = "Says whose key was used")]
    async fn whoami(&self, principal: Principal) -> String {
        principal.subject().to_owned()
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("static_key", env!("CARGO_PKG_VERSION")))
    }
}
