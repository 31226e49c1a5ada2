//! `remote_proxy`: hosts register and sign in at the provider itself (tier 2a, `DcrProxy`).
//!
//! For a provider that registers clients (RFC 7591, or by client documents) and issues tokens for your
//! MCP URL (RFC 8707). This process checks them and keeps nothing. Without configuration the provider is
//! a small demo one in this process, with the users alice / wonderland and bob / builder.
//!
//! Run: `cargo run --example remote_proxy`
//!
//! You should see the MCP URL and how to connect a host to it. Point one there: it opens your browser
//! at the provider, you sign in and approve, and call `whoami` and `upstream_profile`. With curl you can follow the first steps:
//!
//! ```text
//! curl -i -X POST http://127.0.0.1:8000/mcp        # 401, and where to look
//! curl http://127.0.0.1:8000/.well-known/oauth-protected-resource/mcp
//! curl http://127.0.0.1:8000/.well-known/oauth-authorization-server   # the provider's own, for old hosts
//! ```
//!
//! For a real provider set UPSTREAM_ISSUER. All variables: docs/environment.md.

#![allow(clippy::print_stdout, clippy::print_stderr)] // it talks to whoever started it

use std::{error::Error, net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use axum::{Router, extract::ConnectInfo, extract::Request, middleware::map_request};
use mcp_auth::{
    DcrProxy, Environment, Principal, Tier,
    net::{HttpClient, ReqwestClient},
    oauth::{ClientSecret, Issuer},
    rmcp::server_config,
    upstream::{OAuthUpstream, TokenExchange},
};
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

use tokio::signal::ctrl_c;
#[cfg(unix)]
use tokio::signal::unix::{SignalKind, signal};

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
            eprintln!("remote_proxy: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let environment = Environment::from_env()?;
    let listener = tokio::net::TcpListener::bind(environment.listen()).await?;
    let Upstream {
        issuer,
        exchange,
        api,
        demo: _demo,
    } = upstream(&environment).await?;

    // The authentication: a tier, whose tokens it takes, what the environment says. Hosts of revision
    // 2025-03-26 look for everything at this origin; they may register from here if they return to
    // this machine.
    let mut tier = DcrProxy::builder(environment.public_url().clone(), issuer)
        .with_environment(&environment)?
        .relay_registration(RELAYED);
    if let Some(exchange) = exchange {
        tier = tier.with_token_exchange(Arc::new(exchange)); // for tools that call the provider's API
    }
    let tier = tier.discover().await?;

    // The MCP server as it would be without authentication.
    let tools = Tools::new(api)?;
    let sessions = Arc::new(LocalSessionManager::default());
    let mcp = StreamableHttpService::new(move || Ok(tools.clone()), sessions, server_config(&tier));

    // Both behind one origin; registrations are counted by the caller's address.
    let proxies = environment.trusted_proxies().clone();
    let app = Router::new()
        .fallback_service(tier.protect(mcp))
        .layer(map_request(
            move |ConnectInfo(peer): ConnectInfo<SocketAddr>, mut request: Request| {
                let address = proxies.client_address(peer, request.headers());
                request.extensions_mut().insert(address);
                std::future::ready(request)
            },
        ));
    println!("{}", how_to_connect(environment.public_url().as_str()));
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, app).with_graceful_shutdown(stop());
    // Who is still being answered has a moment; an open event stream would never end by itself.
    let patience = async {
        stop().await;
        tokio::time::sleep(Duration::from_secs(10)).await;
    };
    tokio::select! {
        ended = served => ended?,
        () = patience => {}
    }
    Ok(())
}

/// Where a host on this machine returns to, on any port.
const RELAYED: [&str; 2] = ["http://127.0.0.1/callback", "http://localhost/callback"];

/// Ctrl-C, or the signal that service managers send.
async fn stop() {
    #[cfg(unix)]
    if let Ok(mut term) = signal(SignalKind::terminate()) {
        tokio::select! { _ = ctrl_c() => {}, _ = term.recv() => {} }
        return;
    }
    drop(ctrl_c().await);
}

/// Whose tokens are taken, and how a tool gets one for its API.
struct Upstream {
    issuer: Issuer,
    exchange: Option<TokenExchange>,
    /// Who knows where that API is.
    api: Option<Arc<OAuthUpstream>>,
    demo: Option<DemoUpstream>,
}

/// The upstream that the environment names, or the demo provider in this process.
async fn upstream(environment: &Environment) -> Result<Upstream, Box<dyn Error>> {
    if let Some(issuer) = environment.upstream_issuer()? {
        let exchange = environment.token_exchange(issuer.clone());
        let exchange = exchange.map(|exchange| exchange.build()).transpose()?;
        let api = exchange.is_some().then(|| environment.upstream());
        return Ok(Upstream {
            issuer,
            exchange,
            api: api.transpose()?.flatten(),
            demo: None,
        });
    }
    environment.require_loopback("the built-in demo upstream")?;
    let resource = format!("{}/mcp", environment.public_url());
    let mut demo = DemoUpstream::builder().with_resource(&resource);
    if let Some(ca) = environment.development_ca() {
        demo = demo.with_client_document_ca(ca);
    }
    let demo = demo.start().await?;
    if environment.approves_without_asking() {
        demo.auto_sign_in(Some("alice"));
    }
    println!(
        "Demo upstream: {} (alice / wonderland, bob / builder)",
        demo.issuer()
    );
    let issuer = Issuer::parse(demo.issuer())?;
    let secret = || ClientSecret::new(demo.client_secret());
    let exchange = TokenExchange::builder(issuer.clone(), demo.client_id(), secret());
    let api = OAuthUpstream::with_issuer(demo.issuer(), demo.client_id()).build()?;
    Ok(Upstream {
        issuer,
        exchange: Some(exchange.build()?),
        api: Some(Arc::new(api)),
        demo: Some(demo),
    })
}

/// Two tools that know who is calling.
#[derive(Debug, Clone)]
struct Tools {
    api: Option<Arc<OAuthUpstream>>,
    http: ReqwestClient,
    tool_router: ToolRouter<Self>,
}

#[tool_router]
impl Tools {
    fn new(api: Option<Arc<OAuthUpstream>>) -> Result<Self, Box<dyn Error>> {
        let (http, tool_router) = (ReqwestClient::new()?, Self::tool_router());
        Ok(Self {
            api,
            http,
            tool_router,
        })
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

    #[tool(description = "Shows your profile at the provider, asked for with an exchanged token")]
    async fn upstream_profile(&self, principal: Principal) -> Result<String, String> {
        self.profile(&principal)
            .await
            .map_err(|error| error.to_string())
    }

    async fn profile(&self, principal: &Principal) -> Result<String, Box<dyn Error>> {
        // Not the host's token, which is for this server alone: one for the API, in return for it.
        let token = principal.upstream_token().await?;
        let api = self.api.as_ref().ok_or("no API is known here")?;
        let request = axum::http::Request::get(api.userinfo_endpoint().await?)
            .header("authorization", format!("Bearer {}", token.expose()))
            .body(Default::default())?;
        let answer = self.http.send(request, 64 * 1024).await?;
        if !answer.status().is_success() {
            return Err(format!("the provider answered {}", answer.status()).into());
        }
        Ok(String::from_utf8_lossy(answer.body()).into_owned())
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build()).with_server_info(
            Implementation::new("remote_proxy", env!("CARGO_PKG_VERSION")),
        )
    }
}

fn how_to_connect(origin: &str) -> String {
    format!(
        "MCP server:    {origin}/mcp

Connect a host:
  Inspector    npx @modelcontextprotocol/inspector   (Streamable HTTP, {origin}/mcp)
  Claude Code  claude mcp add --transport http demo {origin}/mcp   (then /mcp to sign in)
  VS Code      code --add-mcp '{{\"name\":\"demo\",\"type\":\"http\",\"url\":\"{origin}/mcp\"}}'
  curl         curl -i -X POST {origin}/mcp
"
    )
}
