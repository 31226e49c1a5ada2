//! A real MCP server on rmcp, and the tier that tests put in front of it.

use std::{net::SocketAddr, sync::Arc};

use axum::Router;
use mcp_auth::{
    Principal, Tier,
    net::EndpointSet,
    oauth::{Issuer, PublicUrl, Scopes},
    resource_server::{ResourceServer, ResourceServerBuilder, ResourceServers},
};
use rmcp::{
    ServerHandler,
    handler::server::{router::tool::ToolRouter, tool::Extension},
    model::{ServerCapabilities, ServerConfig},
    tool, tool_handler, tool_router,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};

use crate::tokens::Tokens;

pub(crate) const ORIGIN: &str = "http://127.0.0.1:8000";
pub(crate) const RESOURCE: &str = "http://127.0.0.1:8000/mcp";
pub(crate) const ISSUER: &str = "https://issuer.example";

/// A tier of nothing but resource servers.
#[derive(Debug)]
pub(crate) struct Plain {
    pub(crate) servers: ResourceServers,
    pub(crate) sets: Vec<Arc<dyn EndpointSet>>,
}

impl Tier for Plain {
    fn resource_servers(&self) -> &ResourceServers {
        &self.servers
    }

    fn endpoint_sets(&self) -> Vec<Arc<dyn EndpointSet>> {
        self.sets.clone()
    }
}

impl From<ResourceServer> for Plain {
    fn from(server: ResourceServer) -> Self {
        Self {
            servers: server.into(),
            sets: Vec::new(),
        }
    }
}

/// A resource server on loopback that needs `mcp:tools` and trusts one issuer.
pub(crate) fn local(tokens: Tokens) -> ResourceServerBuilder {
    at(ORIGIN, "/mcp", tokens)
}

pub(crate) fn at(origin: &str, path: &str, tokens: Tokens) -> ResourceServerBuilder {
    let public_url = PublicUrl::parse(origin).unwrap();
    ResourceServer::builder(public_url, path, tokens.verifier())
        .with_issuer(Issuer::parse(ISSUER).unwrap())
        .with_required_scopes(Scopes::parse("mcp:tools").unwrap())
}

/// Serves the rmcp server behind this tier.
pub(crate) async fn serve(tier: &dyn Tier) -> SocketAddr {
    serve_app(Router::new().fallback_service(mcp_auth::tier::Protected::new(tier, mcp()))).await
}

/// Serves it as most tests want it: with the tokens `alice` and `bob`.
pub(crate) async fn serve_local() -> SocketAddr {
    let server = local(Tokens::for_resource(RESOURCE)).build().unwrap();
    serve(&Plain::from(server)).await
}

pub(crate) async fn serve_app(app: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

/// The MCP service, with sessions for those who still have them; its own checks are off, so that
/// only ours are seen.
pub(crate) fn mcp() -> StreamableHttpService<Tools, LocalSessionManager> {
    mcp_with(StreamableHttpServerConfig::default().disable_allowed_hosts())
}

pub(crate) fn mcp_with(
    config: StreamableHttpServerConfig,
) -> StreamableHttpService<Tools, LocalSessionManager> {
    let sessions = Arc::new(LocalSessionManager::default());
    StreamableHttpService::new(move || Ok(Tools::new()), sessions, config)
}

#[derive(Debug, Clone)]
pub(crate) struct Tools {
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
    async fn whoami(&self, Extension(parts): Extension<http::request::Parts>) -> String {
        let principal = parts.extensions.get::<Principal>();
        principal
            .map_or("nobody", |principal| principal.subject())
            .to_owned()
    }

    #[tool(description = "Says everything that a tool can see of the request")]
    async fn everything(&self, Extension(parts): Extension<http::request::Parts>) -> String {
        let principal = parts.extensions.get::<Principal>();
        format!("{} {:?} {principal:?}", parts.uri, parts.headers)
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}
