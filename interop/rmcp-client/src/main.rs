//! rmcp's own client and its own OAuth, from the MCP URL to tool results.
//!
//! `interop-rmcp BROWSER MCP_URL legacy|modern [SECONDS_BEFORE_A_SECOND_CALL|step-up]`; the contract is the one
//! that `interop/clients/typescript.mjs` states.
#![allow(clippy::print_stdout, reason = "the report is this program's output")]

use std::{env, error::Error, time::Duration};

use oauth2::TokenResponse as _;
use rmcp::{
    RoleClient,
    model::{CallToolRequestParams, ClientConfig, ContentBlock, ProtocolVersion},
    service::{ClientLifecycleMode, ClientServiceExt, RunningService, ServiceError},
    transport::{
        StreamableHttpClientTransport,
        auth::{
            AuthClient, AuthorizationCallback, AuthorizationManager, AuthorizationRequest,
            OAuthState,
        },
        streamable_http_client::{InsufficientScopeError, StreamableHttpClientTransportConfig},
    },
};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    process::Command,
    time::sleep,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let mut args = env::args().skip(1);
    let browser = args
        .next()
        .ok_or("the first argument is the browser program")?;
    let mcp_url = args.next().ok_or("the second argument is the MCP URL")?;
    let modern = match args.next().as_deref() {
        Some("modern") => true,
        Some("legacy") => false,
        _ => return Err("the third argument is the wire: legacy or modern".into()),
    };
    let fourth = args.next();
    let step_up = fourth.as_deref() == Some("step-up");
    let wait: u64 = fourth
        .filter(|_| !step_up)
        .map_or(Ok(0), |seconds| seconds.parse())?;

    let challenge = challenge(&mcp_url, modern).await?;
    let redirect = TcpListener::bind("127.0.0.1:0").await?;
    let manager = log_in(&browser, &mcp_url, challenge, &redirect).await?;
    let http = AuthClient::new(reqwest::Client::builder().build()?, manager);
    let transport = StreamableHttpClientTransport::with_client(http.clone(), config(&mcp_url));
    let client = ClientConfig::default()
        .serve_with_lifecycle(transport, lifecycle(modern))
        .await?;

    let mut report = json!({
        "protocol": client.peer_info().map(|server| server.protocol_version.to_string()),
    });
    let tools = variable("INTEROP_TOOLS").ok_or("INTEROP_TOOLS is missing")?;
    for tool in tools.split(' ') {
        let said = call(&client, tool).await?;
        if let Some(report) = report.as_object_mut() {
            report.insert(tool.to_owned(), json!(said));
        }
    }
    if step_up {
        let asked = step_up_for(&client, &http, &browser, &redirect).await?;
        if let Some(report) = report.as_object_mut() {
            report.insert("asked".to_owned(), json!(asked));
            report.insert(
                "whoami_after".to_owned(),
                json!(call(&client, "whoami").await?),
            );
            report.insert(
                "write_guest_book".to_owned(),
                json!(call(&client, "write_guest_book").await?),
            );
        }
    }
    if wait > 0 {
        let before = held_token(&http).await?;
        sleep(Duration::from_secs(wait)).await;
        let last = tools.split(' ').next_back().unwrap_or_default();
        let again = call(&client, last).await?;
        if let Some(report) = report.as_object_mut() {
            report.insert("again".to_owned(), json!(again));
            report.insert(
                "refreshed".to_owned(),
                json!(held_token(&http).await? != before),
            );
        }
    }
    println!("{report}");
    client.cancel().await?;
    Ok(())
}

/// The `WWW-Authenticate` value that the server gives a client without a token.
async fn challenge(mcp_url: &str, modern: bool) -> Outcome<String> {
    let http = reqwest::Client::builder().build()?;
    let transport = StreamableHttpClientTransport::with_client(http, config(mcp_url));
    match ClientConfig::default()
        .serve_with_lifecycle(transport, lifecycle(modern))
        .await
    {
        Ok(_) => Err("the server let us in without a token".into()),
        Err(refusal) => match refusal.auth_challenge() {
            Some(challenge) => Ok(challenge.to_owned()),
            None => Err(format!("no challenge in: {refusal}").into()),
        },
    }
}

async fn log_in(
    browser: &str,
    mcp_url: &str,
    challenge: String,
    redirect: &TcpListener,
) -> Outcome<AuthorizationManager> {
    let origin = format!("http://{}", redirect.local_addr()?);
    let mut request = AuthorizationRequest::new(format!("{origin}/callback"))
        .with_client_name("Interop rmcp")
        .with_challenge(challenge);
    if let Some(document) = variable("INTEROP_CLIENT_DOCUMENT") {
        request = request.with_client_metadata_url(document);
    }
    let mut login = OAuthState::new(mcp_url, None).await?;
    login.start_authorization(request).await?;

    let authorization_url = login.get_authorization_url().await?;
    let ((), target) = tokio::try_join!(visit(browser, &authorization_url), redirected(redirect))?;
    login
        .handle_callback_url(&format!("{origin}{target}"))
        .await?;
    login
        .into_authorization_manager()
        .ok_or_else(|| "the login did not end in a token".into())
}

/// Calls a tool that the token is too weak for, and asks the user for what the refusal names; that is
/// the answer.
async fn step_up_for(
    client: &RunningService<RoleClient, ClientConfig>,
    http: &AuthClient<reqwest::Client>,
    browser: &str,
    redirect: &TcpListener,
) -> Outcome<String> {
    let Err(refusal) = client
        .call_tool(CallToolRequestParams::new("write_guest_book"))
        .await
    else {
        return Err("the guest book was signed without its scope".into());
    };
    let ServiceError::TransportSend(transport) = &refusal else {
        return Err(format!("no refusal by the transport: {refusal}").into());
    };
    let mut cause: Option<&(dyn Error + 'static)> = Some(transport.error.as_ref());
    let asked = loop {
        let Some(error) = cause else {
            return Err(format!("no 403 in: {refusal}").into());
        };
        if let Some(insufficient) = error.downcast_ref::<InsufficientScopeError>() {
            break insufficient
                .get_required_scope()
                .ok_or("the refusal names no scope")?;
        }
        cause = error.source();
    };
    let manager = http.auth_manager.lock().await;
    let authorization_url = manager.request_scope_upgrade(asked).await?;
    let ((), target) = tokio::try_join!(visit(browser, &authorization_url), redirected(redirect))?;
    let callback = AuthorizationCallback::from_redirect_url(&format!("http://127.0.0.1{target}"))?;
    manager
        .exchange_code_for_token_with_issuer(
            &callback.code,
            &callback.csrf_token,
            callback.issuer.as_deref(),
        )
        .await?;
    Ok(asked.to_owned())
}

async fn visit(browser: &str, authorization_url: &str) -> Outcome<()> {
    if Command::new(browser)
        .arg(authorization_url)
        .status()
        .await?
        .success()
    {
        Ok(())
    } else {
        Err("the browser did not get through the authorization pages".into())
    }
}

/// The path and query with which the browser comes back to the redirect URI.
async fn redirected(listener: &TcpListener) -> Outcome<String> {
    let (mut socket, _) = listener.accept().await?;
    let mut request_line = String::new();
    BufReader::new(&mut socket)
        .read_line(&mut request_line)
        .await?;
    socket
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\ndone")
        .await?;
    let target = request_line
        .split(' ')
        .nth(1)
        .ok_or("the browser sent no request line")?;
    Ok(target.to_owned())
}

async fn call(client: &RunningService<RoleClient, ClientConfig>, tool: &str) -> Outcome<String> {
    let tool = tool.to_owned();
    let result = client
        .call_tool(CallToolRequestParams::new(tool.clone()))
        .await?;
    if result.is_error == Some(true) {
        return Err(format!("{tool}: {:?}", result.content).into());
    }
    let texts = result.content.iter().filter_map(ContentBlock::as_text);
    Ok(texts
        .map(|part| part.text.as_str())
        .collect::<Vec<_>>()
        .join(" "))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the contract of the interop clients"
)]
fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// The access token that the client holds now, without making it refresh.
async fn held_token(http: &AuthClient<reqwest::Client>) -> Outcome<Option<String>> {
    let (_, token) = http.auth_manager.lock().await.get_credentials().await?;
    Ok(token.map(|token| token.access_token().secret().clone()))
}

fn config(mcp_url: &str) -> StreamableHttpClientTransportConfig {
    StreamableHttpClientTransportConfig::with_uri(mcp_url)
}

fn lifecycle(modern: bool) -> ClientLifecycleMode {
    if modern {
        ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            legacy_version: None,
        }
    } else {
        ClientLifecycleMode::Initialize
    }
}
