//! `hosted_as`: somebody else runs the whole authorization server (tier 2a, `DcrProxy`).
//!
//! For a provider that registers MCP hosts itself and issues tokens for your MCP URL: WorkOS AuthKit,
//! Descope, Stytch, Scalekit, Auth0, Keycloak and others (docs/hosting.md says which, and what to switch
//! on there). You name its issuer; the audience is your MCP URL. Without configuration a small demo
//! provider in this process stands for it, with the users alice / wonderland and bob / builder.
//!
//! Run: `cargo run --example hosted_as`
//!
//! You should see the MCP URL. Point a host there: it finds the provider by itself, registers and signs
//! in there, and calls `whoami`. With curl you can follow the first steps:
//!
//! ```text
//! curl -i -X POST http://127.0.0.1:8000/mcp        # 401, and where to look
//! curl http://127.0.0.1:8000/.well-known/oauth-protected-resource/mcp
//! ```
//!
//! For a real provider set UPSTREAM_ISSUER. All variables: docs/environment.md. What more there is to
//! this tier shows `remote_proxy`.

#![allow(clippy::print_stdout, clippy::print_stderr)] // it talks to whoever started it

use std::{error::Error, process::ExitCode, sync::Arc};

use axum::Router;
use mcp_auth::{DcrProxy, Environment, Principal, Tier, oauth::Issuer, rmcp::server_config};
use mcp_auth_testkit::DemoUpstream;
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
            eprintln!("hosted_as: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let environment = Environment::from_env()?;
    let listener = tokio::net::TcpListener::bind(environment.listen()).await?;
    let (issuer, _demo) = issuer(&environment).await?;

    // The authentication: whose tokens are taken, and that they are for this server.
    let tier = DcrProxy::builder(environment.public_url().clone(), issuer)
        .with_environment(&environment)?
        .discover()
        .await?;

    // The MCP server as it would be without authentication.
    let tools = Tools::new();
    let sessions = Arc::new(LocalSessionManager::default());
    let mcp = StreamableHttpService::new(move || Ok(tools.clone()), sessions, server_config(&tier));

    let app = Router::new().fallback_service(tier.protect(mcp));
    println!("MCP server: {}/mcp", environment.public_url());
    axum::serve(listener, app)
        .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
        .await?;
    Ok(())
}

/// The provider that the environment names, or a demo one in this process.
async fn issuer(
    environment: &Environment,
) -> Result<(Issuer, Option<DemoUpstream>), Box<dyn Error>> {
    if let Some(issuer) = environment.upstream_issuer()? {
        return Ok((issuer, None));
    }
    environment.require_loopback("the built-in demo upstream")?;
    let resource = format!("{}/mcp", environment.public_url());
    let mut demo = DemoUpstream::builder().with_resource(&resource);
    if let Some(ca) = environment.development_ca() {
        demo = demo.with_client_document_ca(ca);
    }
    if environment.approves_without_asking() {
        demo = demo.with_auto_sign_in("alice");
    }
    let demo = demo.start().await?;
    println!(
        "Demo provider: {} (alice / wonderland, bob / builder)",
        demo.issuer()
    );
    Ok((Issuer::parse(demo.issuer())?, Some(demo)))
}

/// One tool that knows who is calling.
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

    #[tool(description = "Says who is signed in, through which client and with which scopes")]
    async fn whoami(&self, principal: Principal) -> String {
        serde_json::json!({
            "subject": principal.subject(),
            "client": principal.client(),
            "scopes": principal.scopes(),
        })
        .to_string()
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("hosted_as", env!("CARGO_PKG_VERSION")))
    }
}
