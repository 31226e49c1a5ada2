//! One running server: a [`DcrShim`] on a loopback port in front of a [`DemoUpstream`], with a small
//! MCP service behind it that says who is calling.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request},
    middleware::{Next, from_fn},
    response::Response,
};
use mcp_auth::{
    DcrShim, Principal, Tier,
    net::{ClientAddress, TrustedProxies},
    oauth::{ClientSecret, PublicUrl},
    store::KeyRing,
    tier::ShimBuilder,
    upstream::OAuthUpstream,
};
use mcp_auth_testkit::{Browser, DemoUpstream, MovingClock, ScriptedHost};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tower::ServiceExt;

/// A key ring that stays the same over restarts.
pub const KEY: &str = "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
/// Another one.
pub const OTHER_KEY: &str = "k2:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

/// A running server; it stops when this is dropped.
pub struct Server {
    pub upstream: DemoUpstream,
    /// The time of the server, of the upstream and of [`Server::browser`].
    pub clock: MovingClock,
    pub address: SocketAddr,
    /// A plain HTTP client without cookies, which follows no redirect.
    pub http: reqwest::Client,
    public_url: String,
    upstream_scopes: Vec<&'static str>,
    tier: Arc<Mutex<Arc<DcrShim>>>,
    serving: JoinHandle<()>,
}

/// Sets up a [`Server`].
pub struct ServerBuilder {
    change: Box<dyn FnOnce(ShimBuilder<DcrShim>) -> ShimBuilder<DcrShim> + Send>,
    public_url: Option<String>,
    upstream_scopes: Vec<&'static str>,
    clock: MovingClock,
}

impl Server {
    /// With the defaults of the tier.
    pub async fn start() -> Self {
        Self::builder(|tier| tier).start().await
    }

    /// With a tier that is changed before it is built.
    pub fn builder(
        change: impl FnOnce(ShimBuilder<DcrShim>) -> ShimBuilder<DcrShim> + Send + 'static,
    ) -> ServerBuilder {
        ServerBuilder {
            change: Box::new(change),
            public_url: None,
            upstream_scopes: vec!["openid", "email"],
            clock: MovingClock::starting_now(),
        }
    }

    /// A path as hosts and browsers see it.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.public_url)
    }

    /// The public origin, which is the issuer.
    pub fn issuer(&self) -> &str {
        &self.public_url
    }

    /// A path where it really listens; the same as [`Server::url`] unless a proxy ends TLS.
    pub fn direct(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The MCP URL.
    pub fn mcp_url(&self) -> String {
        self.url("/mcp")
    }

    /// A strict host with a fresh browser.
    pub fn host(&self) -> ScriptedHost {
        ScriptedHost::new(self.mcp_url())
            .unwrap()
            .with_browser(self.browser())
    }

    /// A fresh browser that reaches this server and lives by its clock.
    pub fn browser(&self) -> Browser {
        let browser = Browser::new().with_clock(Arc::new(self.clock.clone()));
        if self.public_url.starts_with("https:") {
            return browser.with_tls_proxy(&self.public_url, self.address);
        }
        browser
    }

    /// What sets the upstream's users apart: its issuer without the scheme.
    pub fn namespace(&self) -> &str {
        self.upstream.issuer().split_once("://").unwrap().1
    }

    /// A user of the upstream, as a principal is called.
    pub fn subject(&self, user: &str) -> String {
        format!("{}|user-{user}", self.namespace())
    }

    /// What is running.
    pub fn tier(&self) -> Arc<DcrShim> {
        Arc::clone(&self.tier.lock().unwrap())
    }

    /// Replaces the server process, memory and all: the address, the upstream and the clock stay.
    pub fn restart(&self, change: impl FnOnce(ShimBuilder<DcrShim>) -> ShimBuilder<DcrShim>) {
        let tier = tier(
            &self.public_url,
            &self.upstream,
            &self.upstream_scopes,
            &self.clock,
            change,
        );
        *self.tier.lock().unwrap() = Arc::new(tier);
    }
}

impl ServerBuilder {
    /// Under this `https` origin, as behind a proxy that ends TLS.
    pub fn behind_tls(mut self, origin: &str) -> Self {
        self.public_url = Some(origin.to_owned());
        self
    }

    /// In front of the same upstream, asked for these scopes.
    pub fn with_upstream_scopes(mut self, scopes: &[&'static str]) -> Self {
        self.upstream_scopes = scopes.to_vec();
        self
    }

    pub async fn start(self) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let public_url = self
            .public_url
            .unwrap_or_else(|| format!("http://{address}"));
        let upstream = DemoUpstream::builder()
            .with_clock(Arc::new(self.clock.clone()))
            .with_redirect(&format!("{public_url}/callback"))
            .start()
            .await
            .unwrap();
        let tier = tier(
            &public_url,
            &upstream,
            &self.upstream_scopes,
            &self.clock,
            self.change,
        );
        let tier = Arc::new(Mutex::new(Arc::new(tier)));
        Server {
            upstream,
            clock: self.clock,
            address,
            http: reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
            public_url,
            upstream_scopes: self.upstream_scopes,
            serving: serve(listener, Arc::clone(&tier)),
            tier,
        }
    }
}

fn tier(
    public_url: &str,
    upstream: &DemoUpstream,
    scopes: &[&'static str],
    clock: &MovingClock,
    change: impl FnOnce(ShimBuilder<DcrShim>) -> ShimBuilder<DcrShim>,
) -> DcrShim {
    let clock = Arc::new(clock.clone());
    let upstream = OAuthUpstream::with_issuer(upstream.issuer(), upstream.client_id())
        .with_client_secret(ClientSecret::new(upstream.client_secret()))
        .with_scopes(scopes.iter().copied())
        .with_clock(clock.clone())
        .build()
        .unwrap();
    let public_url = PublicUrl::parse(public_url).unwrap();
    let mut builder = DcrShim::builder(public_url.clone(), Arc::new(upstream)).with_clock(clock);
    if !public_url.is_loopback() {
        builder = builder.with_key_ring(KeyRing::parse(KEY).unwrap());
    }
    change(builder).build().unwrap()
}

fn serve(listener: TcpListener, tier: Arc<Mutex<Arc<DcrShim>>>) -> JoinHandle<()> {
    let current = tower::service_fn(move |request: Request| {
        let tier = Arc::clone(&tier.lock().unwrap());
        let mcp = tower::service_fn(|request: Request| async {
            Ok::<_, std::convert::Infallible>(answer(request).await)
        });
        tier.protect(mcp).oneshot(request)
    });
    let app = Router::new()
        .fallback_service(current)
        .layer(from_fn(with_client_address))
        .into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() })
}

/// The caller's address, for the rate limits, where a proxy says it.
async fn with_client_address(mut request: Request, next: Next) -> Response {
    if request.headers().contains_key("x-forwarded-for") {
        let ConnectInfo(peer) = *request
            .extensions()
            .get::<ConnectInfo<SocketAddr>>()
            .unwrap();
        let proxies = TrustedProxies::parse("127.0.0.1").unwrap();
        let address: ClientAddress = proxies.client_address(peer, request.headers());
        request.extensions_mut().insert(address);
    }
    next.run(request).await
}

/// A tool's result: the caller's upstream token for `upstream-token`, else who the caller is.
async fn answer(request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 64 * 1024).await.unwrap();
    let call: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let principal = parts.extensions.get::<Principal>().unwrap();
    let text = if call.pointer("/params/name") == Some(&json!("upstream-token")) {
        match principal.upstream_token().await {
            Ok(token) => token.expose().to_owned(),
            Err(error) => return message(&call, &error.to_string(), true),
        }
    } else {
        json!({
            "issuer": principal.issuer(),
            "subject": principal.subject(),
            "client": principal.client().map(|client| client.as_str()),
            "scope": principal.scopes().to_string(),
            "host_token_seen": parts.headers.contains_key("authorization"),
            "proof_seen": parts.headers.contains_key("dpop"),
            "confirmation": principal.confirmation().map(|key| key.to_string()),
        })
        .to_string()
    };
    message(&call, &text, false)
}

fn message(call: &Value, text: &str, is_error: bool) -> Response {
    let body = json!({
        "jsonrpc": "2.0",
        "id": call["id"],
        "result": { "content": [{ "type": "text", "text": text }], "isError": is_error },
    });
    Response::builder()
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
