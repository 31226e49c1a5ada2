//! `remote_dcr`: any host signs in, although the upstream registers no clients (tier 2b, `DcrShim`).
//!
//! Hosts register at this server, you consent on its page and sign in at the upstream; tools get the
//! upstream's tokens, hosts get ours. Without configuration the upstream is a small demo provider in
//! this process, with the users alice / wonderland and bob / builder.
//!
//! Run: `cargo run --example remote_dcr`
//!
//! You should see the MCP URL and how to connect a host to it. Point one there: it opens your
//! browser, you approve, sign in, and call `whoami`; `write_guest_book` makes it
//! ask you for one more scope. With curl you can follow the first steps:
//!
//! ```text
//! curl -i -X POST http://127.0.0.1:8000/mcp        # 401, and where to look
//! curl http://127.0.0.1:8000/.well-known/oauth-protected-resource/mcp
//! curl http://127.0.0.1:8000/.well-known/oauth-authorization-server
//! curl http://127.0.0.1:8000/register -H 'content-type: application/json' \
//!   -d '{"redirect_uris":["http://127.0.0.1:33418/callback"],"client_name":"curl"}'
//! ```
//!
//! For a real upstream set UPSTREAM_ISSUER, UPSTREAM_CLIENT_ID and UPSTREAM_CLIENT_SECRET; our
//! redirect URI there is MCP_AUTH_PUBLIC_URL + `/callback`. All variables: docs/environment.md.

#![allow(clippy::print_stdout, clippy::print_stderr)] // it talks to whoever started it

use std::{
    collections::BTreeSet, error::Error, net::SocketAddr, process::ExitCode, sync::Arc,
    time::Duration,
};

use axum::{Router, extract::ConnectInfo, extract::Request, middleware::map_request};
use mcp_auth::{
    BuildError, DcrShim, Environment, Principal, Tier,
    net::{HttpClient, ReqwestClient},
    oauth::{ClientSecret, Scopes},
    resource_server::OperationScopes,
    rmcp::{scoped, server_config},
    store::{MemoryStore, Store},
    upstream::OAuthUpstream,
};
#[cfg(feature = "redis")]
use mcp_auth_redis::RedisStore;
#[cfg(feature = "sql")]
use mcp_auth_sql::SqlStore;
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

#[cfg(unix)]
use tokio::signal::unix::{SignalKind, signal};
use tokio::{signal::ctrl_c, sync::Mutex};

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
            eprintln!("remote_dcr: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let environment = Environment::from_env()?;
    let listener = tokio::net::TcpListener::bind(environment.listen()).await?;
    let (upstream, _demo) = upstream(&environment).await?;
    let store = store(&environment).await?;

    // The authentication: a tier, its upstream, what the environment says.
    let guest_book = Scopes::parse("guestbook:write")?;
    let operations = OperationScopes::new().with_tool("write_guest_book", guest_book);
    let mut tier = DcrShim::builder(environment.public_url().clone(), upstream.clone())
        .with_scopes(Scopes::parse("mcp:tools guestbook:write")?)
        .with_operation_scopes(operations)
        .with_environment(&environment)?
        .with_store(store);
    if environment.approves_without_asking() {
        tier = tier.insecure_approve_without_consent(); // refused with anything but the demo upstream
    }
    let tier = tier.build()?;

    // The MCP server as it would be without authentication.
    let tools = scoped(&tier, Tools::new(upstream)?).with_full_lists();
    let sessions = Arc::new(LocalSessionManager::default());
    let mcp = StreamableHttpService::new(move || Ok(tools.clone()), sessions, server_config(&tier));

    // Both behind one origin; the rate limits count by the caller's address.
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

/// Ctrl-C, or the signal that service managers send.
async fn stop() {
    #[cfg(unix)]
    if let Ok(mut term) = signal(SignalKind::terminate()) {
        tokio::select! { _ = ctrl_c() => {}, _ = term.recv() => {} }
        return;
    }
    drop(ctrl_c().await);
}

/// The upstream that the environment names, or the demo provider in this process.
async fn upstream(
    environment: &Environment,
) -> Result<(Arc<OAuthUpstream>, Option<DemoUpstream>), Box<dyn Error>> {
    if let Some(upstream) = environment.upstream()? {
        return Ok((upstream, None));
    }
    environment.require_loopback("the built-in demo upstream")?;
    let demo = DemoUpstream::start().await?;
    demo.register_redirect(&format!("{}/callback", environment.public_url()));
    if environment.approves_without_asking() {
        demo.auto_sign_in(Some("alice"));
    }
    println!(
        "Demo upstream: {} (alice / wonderland, bob / builder)",
        demo.issuer()
    );
    let upstream = OAuthUpstream::with_issuer(demo.issuer(), demo.client_id())
        .with_client_secret(ClientSecret::new(demo.client_secret()))
        .with_scopes(["openid", "profile"])
        .with_namespace("demo")
        .build()?;
    Ok((Arc::new(upstream), Some(demo)))
}

/// The store that the environment names: everything in it is sealed, and its keys are hashes.
async fn store(environment: &Environment) -> Result<Arc<dyn Store>, BuildError> {
    let url = environment.store();
    let store: Result<Arc<dyn Store>, BuildError> = match url.scheme() {
        "memory" => Ok(Arc::new(MemoryStore::new())),
        #[cfg(feature = "sql")]
        "sqlite" | "postgres" | "postgresql" => opened(SqlStore::open(url.expose()).await),
        #[cfg(feature = "redis")]
        scheme if scheme.starts_with("redis") => opened(RedisStore::open(url.expose()).await),
        _ => Err(BuildError::argument(
            "store URL",
            "there is no such store: `memory:`, `sqlite:FILE`, `redis://HOST` or `postgres://HOST/DATABASE`",
        )),
    };
    store.map_err(|error| error.named("MCP_AUTH_STORE"))
}

#[cfg(any(feature = "redis", feature = "sql"))]
fn opened<S: Store + 'static>(store: Result<S, BuildError>) -> Result<Arc<dyn Store>, BuildError> {
    Ok(Arc::new(store?))
}

/// Three tools that know who is calling.
#[derive(Debug, Clone)]
struct Tools {
    upstream: Arc<OAuthUpstream>,
    http: ReqwestClient,
    guests: Arc<Mutex<BTreeSet<String>>>,
    tool_router: ToolRouter<Self>,
}

#[tool_router]
impl Tools {
    fn new(upstream: Arc<OAuthUpstream>) -> Result<Self, Box<dyn Error>> {
        let (http, tool_router) = (ReqwestClient::new()?, Self::tool_router());
        Ok(Self {
            upstream,
            http,
            guests: Arc::default(),
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

    #[tool(description = "Shows your profile at the upstream, asked for with your upstream token")]
    async fn upstream_profile(&self, principal: Principal) -> Result<String, String> {
        self.profile(&principal)
            .await
            .map_err(|error| error.to_string())
    }

    #[tool(
        description = "Writes your name into the guest book; the host has to ask you for that first"
    )]
    async fn write_guest_book(&self, principal: Principal) -> String {
        let mut guests = self.guests.lock().await;
        guests.insert(principal.subject().to_owned());
        guests
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ")
    }

    async fn profile(&self, principal: &Principal) -> Result<String, Box<dyn Error>> {
        let token = principal.upstream_token().await?;
        let endpoint = self.upstream.userinfo_endpoint().await?;
        let request = axum::http::Request::get(endpoint)
            .header("authorization", format!("Bearer {}", token.expose()))
            .body(Default::default())?;
        let answer = self.http.send(request, 64 * 1024).await?;
        if !answer.status().is_success() {
            return Err(format!("the upstream answered {}", answer.status()).into());
        }
        Ok(String::from_utf8_lossy(answer.body()).into_owned())
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("remote_dcr", env!("CARGO_PKG_VERSION")))
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
