//! The glue for rmcp.

use std::sync::Arc;

use axum::Router;
use mcp_auth::{
    Principal, Tier,
    rmcp::{server_config, server_config_for},
};
use rmcp::{
    ServerHandler,
    handler::server::router::tool::ToolRouter,
    model::{ServerCapabilities, ServerConfig},
    tool, tool_handler, tool_router,
    transport::streamable_http_server::{
        StreamableHttpService, session::local::LocalSessionManager,
    },
};

use crate::{
    mcp_server::{Plain, RESOURCE, at, local, mcp_with, serve_app},
    tokens::Tokens,
    wire::Ask,
};

#[derive(Debug, Clone)]
struct Greeter {
    tool_router: ToolRouter<Self>,
}

#[tool_router]
impl Greeter {
    #[tool(description = "Greets whoever is calling")]
    async fn whoami(&self, principal: Principal) -> String {
        format!("{} at {}", principal.subject(), principal.issuer())
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Greeter {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

fn greeter(tier: &dyn Tier) -> StreamableHttpService<Greeter, LocalSessionManager> {
    let make = || {
        Ok(Greeter {
            tool_router: Greeter::tool_router(),
        })
    };
    StreamableHttpService::new(make, Arc::default(), server_config(tier))
}

// RS-01
#[tokio::test]
async fn a_tool_takes_the_principal_as_a_parameter() {
    let tier = Plain::from(local(Tokens::for_resource(RESOURCE)).build().unwrap());
    let server = serve_app(Router::new().fallback_service(tier.protect(greeter(&tier)))).await;
    let answer = Ask::call("whoami").bearer("alice").send(server).await;
    assert_eq!(answer.tool_text(), "alice at https://issuer.example");
}

// RS-20: forgetting the layer is an error, not an anonymous caller
#[tokio::test]
async fn a_tool_without_the_layer_gets_no_principal() {
    let tier = Plain::from(local(Tokens::default()).build().unwrap());
    let server = serve_app(Router::new().route_service("/mcp", greeter(&tier))).await;
    let answer = Ask::call("whoami").send(server).await;
    assert!(answer.body.contains("no layer"), "{answer:?}");
}

// TR-04
#[tokio::test]
async fn a_public_server_is_not_answered_403_by_rmcp() {
    let tokens = Tokens::for_resource("https://mcp.example.com/mcp");
    let builder = at("https://mcp.example.com", "/mcp", tokens);
    let builder = builder.with_allowed_origins(["https://app.example.com", "vscode-webview://abc"]);
    let tier = Plain::from(builder.build().unwrap());
    let mcp = mcp_with(server_config(&tier));
    let server = serve_app(Router::new().fallback_service(tier.protect(mcp))).await;
    let ask = Ask::call("whoami").host("mcp.example.com").bearer("alice");
    assert_eq!(ask.send(server).await.status, 200);
    for origin in [
        "https://mcp.example.com",
        "https://app.example.com",
        "vscode-webview://abc",
    ] {
        let answer = ask.clone().header("origin", origin).send(server).await;
        assert_eq!(answer.status, 200, "{origin}: {answer:?}");
    }
}

// TR-01, TR-04: rmcp checks again, should the layer ever be left out
#[tokio::test]
async fn rmcp_behind_the_layer_is_not_open_to_rebinding() {
    let main = local(Tokens::for_resource(RESOURCE)).build().unwrap();
    let bare = Router::new().route_service("/mcp", mcp_with(server_config_for(&main)));
    let server = serve_app(bare).await;
    assert_eq!(Ask::call("whoami").send(server).await.status, 200);
    for host in ["localhost:9", "[::1]:8000"] {
        assert_eq!(
            Ask::call("whoami").host(host).send(server).await.status,
            200,
            "{host}"
        );
    }
    assert_eq!(
        Ask::call("whoami")
            .host("evil.example")
            .send(server)
            .await
            .status,
        403
    );
    let page = |origin| Ask::call("whoami").header("origin", origin);
    assert_eq!(page("http://localhost:6274").send(server).await.status, 200);
    assert_eq!(page("https://evil.example").send(server).await.status, 403);
}
