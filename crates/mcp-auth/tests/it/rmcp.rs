//! The glue for rmcp.

use std::{net::SocketAddr, sync::Arc};

use axum::Router;
use mcp_auth::{
    Principal, Tier,
    oauth::Scopes,
    resource_server::OperationScopes,
    rmcp::{Scoped, scoped, server_config, server_config_for},
};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    handler::server::router::tool::ToolRouter,
    model::{
        CacheScope, ListPromptsResult, ListResourcesResult, PaginatedRequestParams, Prompt,
        ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource,
        ResourceContents, ServerCapabilities, ServerConfig,
    },
    service::RequestContext,
    tool, tool_handler, tool_router,
    transport::streamable_http_server::{
        StreamableHttpService, session::local::LocalSessionManager,
    },
};

use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::{
    mcp_server::{Plain, RESOURCE, at, local, mcp_with, serve_app},
    tokens::{Tokens, principal},
    wire::{Answer, Ask},
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

/// A server with tools, a prompt and resources, some of which need more.
#[derive(Debug, Clone)]
struct Library {
    tool_router: ToolRouter<Self>,
}

#[tool_router]
impl Library {
    #[tool(description = "Reads")]
    async fn read(&self) -> String {
        "read".to_owned()
    }

    #[tool(description = "Writes")]
    async fn write(&self) -> String {
        "written".to_owned()
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Library {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_prompts()
            .enable_resources();
        ServerConfig::new(capabilities.build())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let prompts = ["open", "secret"].map(|name| Prompt::new(name, None::<&str>, None));
        Ok(
            ListPromptsResult::with_all_items(prompts.to_vec())
                .with_cache_scope(CacheScope::Public),
        )
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let resources = ["book:open", "book:secret"].map(|uri| Resource::new(uri, uri));
        Ok(ListResourcesResult::with_all_items(resources.to_vec()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let contents = vec![ResourceContents::text("once upon a time", request.uri)];
        Ok(ReadResourceResult::new(contents).into())
    }
}

fn library() -> Plain {
    let scopes = |text| Scopes::parse(text).unwrap();
    let policy = OperationScopes::new()
        .with_tool("write", scopes("book:write"))
        .with_prompt("secret", scopes("book:secret"))
        .with_resource("book:secret", scopes("book:secret"));
    let all = "mcp:tools book:write book:secret";
    let tokens = Tokens::for_resource(RESOURCE)
        .with("alice-all", RESOURCE, principal("alice", all))
        .with("all", RESOURCE, principal("librarian", all));
    Plain::from(local(tokens).with_operation_scopes(policy).build().unwrap())
}

fn scoped_library(
    tier: &dyn Tier,
    full_lists: bool,
) -> StreamableHttpService<Scoped<Library>, LocalSessionManager> {
    let library = Library {
        tool_router: Library::tool_router(),
    };
    let library = match full_lists {
        true => scoped(tier, library).with_full_lists(),
        false => scoped(tier, library),
    };
    StreamableHttpService::new(
        move || Ok(library.clone()),
        Arc::default(),
        server_config(tier),
    )
}

async fn serve_library(full_lists: bool) -> SocketAddr {
    let tier = library();
    let service = scoped_library(&tier, full_lists);
    serve_app(Router::new().fallback_service(tier.protect(service))).await
}

/// A request as 2026-07-28 sends it.
fn modern(method: &str, mut params: Value) -> Ask {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let name = params["name"].as_str().or(params["uri"].as_str());
    let name = name.map(str::to_owned);
    let ask = Ask::message(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method);
    match name {
        Some(name) => ask.header("mcp-name", &name),
        None => ask,
    }
}

/// The names in a list, and its mark.
fn listed(answer: &Answer, member: &str, name: &str) -> (Vec<String>, Value) {
    let result = message_of(&answer.body)["result"].take();
    let names = result[member].as_array().unwrap().iter();
    let names = names.map(|one| one[name].as_str().unwrap().to_owned());
    (names.collect(), result["cacheScope"].clone())
}

fn message_of(body: &str) -> Value {
    let mut messages = body.lines().filter_map(|line| {
        let line = line.strip_prefix("data:").unwrap_or(line).trim();
        serde_json::from_str::<Value>(line).ok()
    });
    messages
        .next_back()
        .unwrap_or_else(|| panic!("no message: {body}"))
}

/// RS-43, RS-44.
#[tokio::test]
async fn lists_show_what_the_token_allows_and_are_private_to_it() {
    let server = serve_library(false).await;
    for (method, member, name, open, all) in [
        (
            "tools/list",
            "tools",
            "name",
            vec!["read"],
            vec!["read", "write"],
        ),
        (
            "prompts/list",
            "prompts",
            "name",
            vec!["open"],
            vec!["open", "secret"],
        ),
        (
            "resources/list",
            "resources",
            "uri",
            vec!["book:open"],
            vec!["book:open", "book:secret"],
        ),
    ] {
        for (token, shown) in [
            ("alice", &open),
            ("all", &all),
            ("alice-all", &all),
            ("alice", &open),
        ] {
            let answer = modern(method, json!({})).bearer(token).send(server).await;
            let (names, cache_scope) = listed(&answer, member, name);
            assert_eq!(&names, shown, "{token} {method}");
            assert_eq!(cache_scope, "private", "{token} {method}");
        }
    }
}

/// RS-43: a step-up can only be found where the list shows what it is for.
#[tokio::test]
async fn full_lists_show_everything_and_open_nothing() {
    let server = serve_library(true).await;
    let list = modern("tools/list", json!({})).bearer("alice");
    let (names, _) = listed(&list.send(server).await, "tools", "name");
    assert_eq!(names, ["read", "write"]);
    let write = Ask::call("write").bearer("alice").send(server).await;
    assert_eq!(write.status, 403);
    let read = Ask::call("read").bearer("alice").send(server).await;
    assert_eq!(read.tool_text(), "read");
    assert_eq!(
        Ask::call("write")
            .bearer("all")
            .send(server)
            .await
            .tool_text(),
        "written"
    );
}

/// RS-43: one connection, two tokens.
#[tokio::test]
async fn tokens_over_one_connection_see_each_their_own_list() {
    let server = serve_library(false).await;
    let mut stream = TcpStream::connect(server).await.unwrap();
    for (token, shown) in [("all", 2), ("alice", 1), ("all", 2), ("alice", 1)] {
        let ask = modern("tools/list", json!({})).bearer(token);
        let answer = ask.send_over(&mut stream).await;
        let (names, _) = listed(&answer, "tools", "name");
        assert_eq!(names.len(), shown, "{token}");
    }
}

/// RS-43: one session of a 2025 host, whose token is upgraded and goes back.
#[tokio::test]
async fn tokens_over_one_session_see_each_their_own_list() {
    let server = serve_library(false).await;
    let initialize = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"}},
    });
    let answer = Ask::message(&initialize).bearer("alice").send(server).await;
    let session = answer.header("mcp-session-id").unwrap().to_owned();
    let within = |message: Value, token: &str| {
        Ask::message(&message)
            .header("mcp-session-id", &session)
            .header("mcp-protocol-version", "2025-11-25")
            .bearer(token)
    };
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(within(ready, "alice").send(server).await.status, 202);
    for (id, token, shown) in [(2, "alice", 1), (3, "alice-all", 2), (4, "alice", 1)] {
        let list = json!({"jsonrpc": "2.0", "id": id, "method": "tools/list"});
        let answer = within(list, token).send(server).await;
        let (names, cache_scope) = listed(&answer, "tools", "name");
        assert_eq!(names.len(), shown, "{token}");
        assert_eq!(cache_scope, Value::Null, "2025 hosts know no such mark");
    }
    let call =
        json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "write"}});
    assert_eq!(within(call.clone(), "alice").send(server).await.status, 403);
    assert_eq!(
        within(call, "alice-all").send(server).await.tool_text(),
        "written"
    );
}

/// RS-20, TR-09: without the layer nobody is anybody.
#[tokio::test]
async fn dispatch_refuses_what_comes_past_the_layer() {
    let tier = library();
    let server = serve_app(Router::new().route_service("/mcp", scoped_library(&tier, false))).await;
    for ask in [
        Ask::call("write"),
        Ask::call("read"),
        modern("tools/list", json!({})),
        modern("resources/read", json!({"uri": "book:secret"})),
    ] {
        let answer = ask.send(server).await;
        let message = message_of(&answer.body);
        assert_eq!(message["error"]["code"], -32600, "{answer:?}");
        assert_eq!(message["result"], Value::Null);
    }
}

/// TR-09: with the principal but without the decision of the layer it is taken at dispatch.
#[tokio::test]
async fn dispatch_decides_again_for_the_principal() {
    let tier = library();
    let service = scoped_library(&tier, false);
    let alice = principal("alice", "mcp:tools");
    let app = Router::new().route_service("/mcp", service);
    let app = app.layer(axum::Extension(alice));
    let server = serve_app(app).await;
    assert_eq!(Ask::call("read").send(server).await.tool_text(), "read");
    for ask in [
        Ask::call("write"),
        modern("resources/read", json!({"uri": "book:secret"})),
        modern("prompts/get", json!({"name": "secret"})),
    ] {
        let answer = ask.send(server).await;
        let message = message_of(&answer.body);
        assert_eq!(message["error"]["code"], -32600, "{answer:?}");
    }
    let open = modern("resources/read", json!({"uri": "book:open"}));
    assert!(open.send(server).await.body.contains("once upon a time"));
}
