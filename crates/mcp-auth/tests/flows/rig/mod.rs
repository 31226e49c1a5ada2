//! What every test starts: instances of one server, their store, their upstream and a host.

#![allow(dead_code, unreachable_pub, unused_imports)] // each test binary uses its own part

mod switched_store;
mod wire;

use std::{
    convert::Infallible,
    fmt::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::digest;
use axum::{
    Json, Router,
    extract::Request,
    response::{IntoResponse, Response},
};
use mcp_auth::{
    DcrShim, Principal, Tier,
    access_token::UpstreamTokenError,
    oauth::{AccessToken, ClientSecret, PublicUrl, RefreshToken},
    store::KeyRing,
    tier::ShimBuilder,
    upstream::{OAuthUpstream, OAuthUpstreamBuilder},
};
use mcp_auth_testkit::{
    Browser, DemoUpstream, MovingClock, ScriptedHost,
    scripted_host::{Discovery, Registration, TokenAnswer, Tokens},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tower::ServiceExt;

pub use mcp_auth_testkit::at_once;
pub use switched_store::{State, SwitchedStore};
pub use wire::Wire;

/// The key ring of every instance.
pub const KEY: &str = "k1:ZmxvdyB0ZXN0cyBzaGFyZSB0aGlzIG9uZSByb290Li4=";

/// Instances of one server behind one public URL.
pub struct Rig {
    /// The public URL; which instance answers there is up to `front`.
    pub url: String,
    pub clock: MovingClock,
    pub upstream: DemoUpstream,
    /// Everything that went to the upstream.
    pub wire: Arc<Wire>,
    pub store: Arc<SwitchedStore>,
    pub instances: Vec<Instance>,
    pub http: reqwest::Client,
    client: Client,
    front: Arc<Front>,
    running: Vec<Running>,
    servers: Vec<JoinHandle<()>>,
}

/// What an instance runs at the moment.
type Running = Arc<Mutex<Router>>;

/// One instance at a port of its own.
pub struct Instance {
    pub url: String,
    pub tier: DcrShim,
}

/// Everything about a rig that a test may want otherwise.
pub struct Plan {
    instances: usize,
    upstream_lifetime: Duration,
    tune: fn(ShimBuilder<DcrShim>) -> ShimBuilder<DcrShim>,
    client: Client,
}

/// Sets up our client at the upstream, credentials and all.
type Client = fn(OAuthUpstreamBuilder, &DemoUpstream) -> OAuthUpstreamBuilder;

/// A host that is signed in.
pub struct Session {
    pub host: ScriptedHost,
    pub discovery: Discovery,
    pub registration: Registration,
    pub tokens: Tokens,
}

/// An answer of the MCP endpoint.
#[derive(Debug)]
pub struct McpAnswer {
    pub status: u16,
    pub challenge: Option<String>,
    pub retry_after: Option<String>,
    pub body: Value,
}

impl Rig {
    pub fn plan() -> Plan {
        Plan {
            instances: 1,
            upstream_lifetime: Duration::from_secs(7200),
            tune: |builder| builder,
            client: |client, upstream| {
                client.with_client_secret(ClientSecret::new(upstream.client_secret()))
            },
        }
    }

    pub async fn start() -> Self {
        Self::plan().start().await
    }

    /// From now on the public URL leads to this instance.
    pub fn lead_to(&self, instance: usize) {
        self.front.fixed.store(instance, Ordering::SeqCst);
    }

    /// Replaces the process of one instance, memory and all: store, upstream and clock stay.
    pub fn redeploy(
        &mut self,
        instance: usize,
        tune: impl FnOnce(ShimBuilder<DcrShim>) -> ShimBuilder<DcrShim>,
    ) {
        let builder = builder(
            self.client,
            &self.url,
            &self.upstream,
            &self.wire,
            &self.store,
            &self.clock,
        );
        let tier = tune(builder).build().unwrap();
        *self.running[instance].lock().unwrap() = router(&tier);
        self.instances[instance].tier = tier;
    }

    /// A host with a fresh browser.
    pub fn host(&self) -> ScriptedHost {
        self.host_of("alice", "wonderland")
    }

    pub fn host_of(&self, user: &str, password: &str) -> ScriptedHost {
        let browser = Browser::new()
            .with_clock(Arc::new(self.clock.clone()))
            .with_user(user, password);
        ScriptedHost::new(format!("{}/mcp", self.url))
            .unwrap()
            .with_browser(browser)
    }

    pub async fn sign_in(&self) -> Session {
        Session::of(self.host()).await
    }

    pub async fn sign_in_as(&self, user: &str, password: &str) -> Session {
        Session::of(self.host_of(user, password)).await
    }

    /// Asks the MCP service who is calling.
    pub async fn whoami(&self, token: &AccessToken) -> McpAnswer {
        mcp(&self.http, &self.url, token, "whoami").await
    }

    /// Has the MCP service take the upstream token, and tell its hash or why there is none.
    pub async fn upstream_token(&self, token: &AccessToken) -> McpAnswer {
        mcp(&self.http, &self.url, token, "upstream").await
    }

    /// Has the MCP service tell what the upstream said about the user.
    pub async fn upstream_claims(&self, token: &AccessToken) -> McpAnswer {
        mcp(&self.http, &self.url, token, "claims").await
    }

    /// The same at one instance.
    pub async fn whoami_at(&self, instance: usize, token: &AccessToken) -> McpAnswer {
        mcp(&self.http, &self.instances[instance].url, token, "whoami").await
    }

    /// What discovery found, with the token endpoint of one instance.
    pub fn at(&self, instance: usize, discovery: &Discovery) -> Discovery {
        let mut at = discovery.clone();
        at.token_endpoint = format!("{}/token", self.instances[instance].url);
        at
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        for server in &self.servers {
            server.abort();
        }
    }
}

impl Plan {
    pub fn instances(mut self, count: usize) -> Self {
        self.instances = count;
        self
    }

    /// How long an access token of the upstream lives.
    pub fn upstream_lifetime(mut self, lifetime: Duration) -> Self {
        self.upstream_lifetime = lifetime;
        self
    }

    pub fn tune(mut self, tune: fn(ShimBuilder<DcrShim>) -> ShimBuilder<DcrShim>) -> Self {
        self.tune = tune;
        self
    }

    pub fn client(mut self, client: Client) -> Self {
        self.client = client;
        self
    }

    pub async fn start(self) -> Rig {
        let clock = MovingClock::starting_now();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let upstream = DemoUpstream::builder()
            .with_clock(Arc::new(clock.clone()))
            .with_access_token_lifetime(self.upstream_lifetime)
            .with_redirect(&format!("{url}/callback"))
            .start()
            .await
            .unwrap();
        let wire = Arc::new(Wire::new());
        let store = Arc::new(SwitchedStore::new(clock.clone()));
        let (mut instances, mut running, mut servers) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.instances {
            let builder = builder(self.client, &url, &upstream, &wire, &store, &clock);
            let tier = (self.tune)(builder).build().unwrap();
            let router: Running = Arc::new(Mutex::new(router(&tier)));
            let own = TcpListener::bind("127.0.0.1:0").await.unwrap();
            instances.push(Instance {
                url: format!("http://{}", own.local_addr().unwrap()),
                tier,
            });
            servers.push(serve(own, current(router.clone())));
            running.push(router);
        }
        let front = Arc::new(Front::default());
        servers.push(serve(listener, front.clone().before(running.clone())));
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Rig {
            url,
            clock,
            upstream,
            wire,
            store,
            instances,
            http,
            client: self.client,
            front,
            running,
            servers,
        }
    }
}

/// One instance, with an upstream of its own, as in a process of its own.
fn builder(
    client: Client,
    url: &str,
    upstream: &DemoUpstream,
    wire: &Arc<Wire>,
    store: &Arc<SwitchedStore>,
    clock: &MovingClock,
) -> ShimBuilder<DcrShim> {
    let plain = OAuthUpstream::with_issuer(upstream.issuer(), upstream.client_id())
        .with_scopes(["openid", "profile"])
        .with_namespace("demo")
        .with_http_client(wire.clone())
        .with_clock(Arc::new(clock.clone()));
    let client = client(plain, upstream).build().unwrap();
    DcrShim::builder(PublicUrl::parse(url).unwrap(), Arc::new(client))
        .with_clock(Arc::new(clock.clone()))
        .with_store(store.clone())
        .with_key_ring(KeyRing::parse(KEY).unwrap())
}

fn router(tier: &DcrShim) -> Router {
    Router::new().fallback_service(tier.protect(tower::service_fn(tools)))
}

/// Whatever runs at the moment a request comes.
fn current(running: Running) -> Router {
    Router::new().fallback(move |request: Request| {
        let router = running.lock().unwrap().clone();
        router.oneshot(request)
    })
}

impl Session {
    pub async fn of(mut host: ScriptedHost) -> Self {
        let signed_in = host.sign_in().await.unwrap();
        Self {
            host,
            discovery: signed_in.discovery,
            registration: signed_in.registration,
            tokens: signed_in.tokens,
        }
    }

    pub fn refresh_token(&self) -> &RefreshToken {
        self.tokens.refresh_token.as_ref().unwrap()
    }

    pub async fn refresh(&self) -> TokenAnswer {
        self.refresh_with(self.refresh_token()).await
    }

    pub async fn refresh_with(&self, token: &RefreshToken) -> TokenAnswer {
        self.host
            .refresh(&self.discovery, &self.registration, token)
            .await
            .unwrap()
    }

    /// Refreshes and goes on with what came.
    pub async fn renew(&mut self) {
        self.tokens = self.refresh().await.granted().unwrap();
    }
}

/// What a refusal for a while has to look like at the token endpoint.
#[track_caller]
pub fn assert_try_again(answer: &TokenAnswer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.error(), Some("temporarily_unavailable"));
    let seconds: u64 = answer.retry_after.as_ref().unwrap().parse().unwrap();
    assert!(seconds >= 1);
}

#[track_caller]
pub fn assert_invalid_grant(answer: &TokenAnswer) {
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(answer.error(), Some("invalid_grant"));
}

/// How the MCP service tells a token without giving it away.
pub fn hash(token: &str) -> String {
    let mut hex = String::new();
    for byte in digest::digest(&digest::SHA256, token.as_bytes()).as_ref() {
        write!(hex, "{byte:02x}").unwrap();
    }
    hex
}

pub async fn mcp(
    http: &reqwest::Client,
    origin: &str,
    token: &AccessToken,
    ask: &str,
) -> McpAnswer {
    let answer = http
        .post(format!("{origin}/mcp"))
        .bearer_auth(token.expose())
        .header("x-ask", ask)
        .send()
        .await
        .unwrap();
    let header = |name: &str| {
        let value = answer.headers().get(name)?;
        Some(value.to_str().unwrap().to_owned())
    };
    McpAnswer {
        status: answer.status().as_u16(),
        challenge: header("www-authenticate"),
        retry_after: header("retry-after"),
        body: answer.json().await.unwrap_or(Value::Null),
    }
}

/// The MCP service: it sees what a tool would see.
async fn tools(request: Request) -> Result<Response, Infallible> {
    let principal = request.extensions().get::<Principal>().cloned().unwrap();
    let ask = request.headers().get("x-ask").map(|ask| ask.as_bytes());
    let told = match ask {
        Some(b"upstream") => match principal.upstream_token().await {
            Ok(token) => json!({ "upstream": hash(token.expose()) }),
            Err(UpstreamTokenError::GrantGone) => json!({ "none": "grant gone" }),
            Err(UpstreamTokenError::Unavailable(_)) => json!({ "none": "unavailable" }),
            Err(_) => json!({ "none": "not held" }),
        },
        Some(b"claims") => json!({
            "claims": principal.upstream_claims(),
            "shown": format!("{principal:?}"),
        }),
        _ => json!({
            "subject": principal.subject(),
            "credential": request.headers().contains_key("authorization"),
        }),
    };
    Ok(Json(told).into_response())
}

/// A load balancer without sticky sessions, or one that leads to a single instance.
#[derive(Default)]
struct Front {
    fixed: AtomicUsize,
}

impl Front {
    fn before(self: Arc<Self>, running: Vec<Running>) -> Router {
        Router::new().fallback(move |request: Request| {
            let router = running[self.fixed.load(Ordering::SeqCst)]
                .lock()
                .unwrap()
                .clone();
            router.oneshot(request)
        })
    }
}

fn serve(listener: TcpListener, router: Router) -> JoinHandle<()> {
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
}
