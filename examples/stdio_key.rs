//! `stdio_key`: a server on the user's machine with a key for the API behind it (tier 1,
//! `UpstreamKey`).
//!
//! A host starts this program and talks to it over stdin and stdout, so nobody has to sign in at it:
//! the operating system lets the user in. What it needs is a key of its own for the API that its
//! tools call, from the environment that the host's configuration gives it. In an MCPB bundle it is
//! a `user_config` entry with `"sensitive": true`.
//!
//! Run: `UPSTREAM_API_KEY=your-key cargo run --example stdio_key`, or let a host do it:
//!
//! ```text
//! claude mcp add demo --env UPSTREAM_API_KEY=your-key -- cargo run --example stdio_key
//! ```
//!
//! You should see nothing: stdout belongs to the protocol, and logs go to stderr. Ask it by hand:
//!
//! ```text
//! (echo '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",
//! "capabilities":{},"clientInfo":{"name":"sh","version":"1"}}}' | tr -d '\n'; echo; sleep 1) |
//!   UPSTREAM_API_KEY=your-key cargo run --example stdio_key
//! ```
//!
//! The tool asks the GitHub API who the key belongs to, so a GitHub token is a key that works.

#![allow(clippy::print_stderr)] // it talks to whoever started it, but never on stdout

use std::{error::Error, process::ExitCode};

use mcp_auth::{
    UpstreamKey,
    net::{HttpClient, ReqwestClient},
};
use rmcp::{
    ServerHandler, ServiceExt,
    handler::server::router::tool::ToolRouter,
    model::{Implementation, ServerCapabilities, ServerConfig},
    tool, tool_handler, tool_router,
    transport::stdio,
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
            eprintln!("stdio_key: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    // The authentication: a key of this server's own, towards the API.
    let key = UpstreamKey::from_env("UPSTREAM_API_KEY")?;

    let server = Tools::new(key)?.serve(stdio()).await?;
    server.waiting().await?;
    Ok(())
}

/// One tool, which shows the key to the API and to nobody else.
#[derive(Debug, Clone)]
struct Tools {
    key: UpstreamKey,
    http: ReqwestClient,
    tool_router: ToolRouter<Self>,
}

#[tool_router]
impl Tools {
    fn new(key: UpstreamKey) -> Result<Self, Box<dyn Error>> {
        let (http, tool_router) = (ReqwestClient::new()?, Self::tool_router());
        Ok(Self {
            key,
            http,
            tool_router,
        })
    }

    #[tool(description = "Says as whom this server calls the API")]
    async fn whoami(&self) -> Result<String, String> {
        self.account().await.map_err(|error| error.to_string())
    }

    async fn account(&self) -> Result<String, Box<dyn Error>> {
        let request = axum::http::Request::get("https://api.github.com/user")
            .header("authorization", self.key.header_value("Bearer ")?)
            .body(Default::default())?;
        let answer = self.http.send(request, 64 * 1024).await?;
        if !answer.status().is_success() {
            return Err(format!("the API answered {}", answer.status()).into());
        }
        let account: serde_json::Value = serde_json::from_slice(answer.body())?;
        let login = account.get("login").and_then(|login| login.as_str());
        Ok(login.ok_or("the API named no account")?.to_owned())
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("stdio_key", env!("CARGO_PKG_VERSION")))
    }
}
