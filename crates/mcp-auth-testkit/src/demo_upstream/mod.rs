//! A small OAuth 2 and OpenID provider that really runs, on its own loopback port.
//!
//! Tests put it behind the authorization server under test, and the examples use it when no other
//! upstream is configured. Nothing in it is scripted: it shows a login page, keeps a session
//! cookie, checks PKCE, rotates refresh tokens strictly and signs its `id_token`s. What goes wrong
//! at real providers is switched on as [`Faults`], from Rust or at `/_faults`.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use mcp_auth_testkit::{Browser, DemoUpstream, browser::Decision};
//!
//! let upstream = DemoUpstream::start().await?;
//! upstream.register_redirect("http://127.0.0.1:8000/callback");
//!
//! let url = format!(
//!     "{}/authorize?response_type=code&client_id={}&state=abc&scope=openid\
//!      &redirect_uri=http://127.0.0.1:8000/callback\
//!      &code_challenge_method=S256&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
//!     upstream.issuer(),
//!     upstream.client_id(),
//! );
//! let mut browser = Browser::new();
//! let callback = browser
//!     .walk(&url, "http://127.0.0.1:8000/callback", Decision::Approve)
//!     .await?;
//! assert_eq!(callback.iss(), Some(upstream.issuer()));
//! # Ok(())
//! # }
//! ```

mod authorize;
mod broken_body;
mod client_assertion;
mod clients;
mod discovery;
mod faults;
mod id_token;
mod login;
mod observed;
mod page;
mod records;
mod revoke;
mod server;
mod token;
mod userinfo;
mod users;

pub use faults::{Faults, IdTokenFault};
pub use observed::{Counters, SeenRequest};

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use mcp_auth::oauth::{Clock, Random, SystemClock, SystemRandom};
use tokio::{net::TcpListener, sync::oneshot};

use self::{id_token::SigningKey, observed::Observed, records::Records, server::Server};

/// The running demo upstream; it stops when this is dropped.
#[derive(Debug)]
pub struct DemoUpstream {
    server: Arc<Server>,
    address: SocketAddr,
    // Dropping the sender is what tells the server to stop.
    _running: oneshot::Sender<()>,
}

impl DemoUpstream {
    /// Starts with the defaults on a free port of `127.0.0.1`.
    ///
    /// # Errors
    ///
    /// When no port can be bound.
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// Starts with the defaults on this address.
    ///
    /// # Errors
    ///
    /// When the address is not loopback or cannot be bound.
    pub async fn start_on(address: SocketAddr) -> io::Result<Self> {
        Self::builder().start_on(address).await
    }

    /// For everything that can be set before the start.
    #[must_use]
    pub fn builder() -> DemoUpstreamBuilder {
        DemoUpstreamBuilder::default()
    }

    /// The issuer identifier: the origin, without a trailing slash.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.server.issuer
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The one client that the operator registered here.
    #[must_use]
    pub fn client_id(&self) -> &str {
        CLIENT_ID
    }

    /// That client's secret, fresh at every start unless it was given.
    #[must_use]
    pub fn client_secret(&self) -> &str {
        &self.server.client_secret
    }

    /// Adds a redirect URI of the client; it is compared byte for byte.
    pub fn register_redirect(&self, uri: &str) {
        self.server.records().redirect_uris.push(uri.to_owned());
    }

    /// From now on its client may prove itself with one of these public keys instead of the secret
    /// (`private_key_jwt`, RFC 7523 §2.2): a JWK set (RFC 7517 §5). The secret goes on.
    pub fn register_client_keys(&self, key_set: serde_json::Value) {
        self.server.records().client_keys = Some(key_set);
    }

    /// From now on issues tokens for this MCP server too; see [`DemoUpstreamBuilder::with_resource`].
    pub fn register_resource(&self, resource: &str) {
        self.server.records().add_resource(resource);
    }

    /// From now on `/authorize` signs this user in without a page; `None` brings the page back.
    pub fn auto_sign_in(&self, user: Option<&str>) {
        self.server.records().auto_sign_in = user.map(str::to_owned);
    }

    /// What currently goes wrong.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.server.faults()
    }

    /// Replaces what goes wrong.
    pub fn set_faults(&self, faults: Faults) {
        self.server.set_faults(faults);
    }

    /// Changes what goes wrong and leaves the rest as it is.
    pub fn change_faults(&self, change: impl FnOnce(&mut Faults)) {
        let mut faults = self.server.faults();
        change(&mut faults);
        self.server.set_faults(faults);
    }

    /// How often each endpoint was asked.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.server.observed().counters
    }

    /// The latest requests to `/authorize`, oldest first.
    #[must_use]
    pub fn authorize_requests(&self) -> Vec<SeenRequest> {
        self.server.observed().authorize_requests()
    }

    /// The latest requests to `/token`, oldest first.
    #[must_use]
    pub fn token_requests(&self) -> Vec<SeenRequest> {
        self.server.observed().token_requests()
    }

    /// The latest requests to `/revoke`, oldest first.
    #[must_use]
    pub fn revocation_requests(&self) -> Vec<SeenRequest> {
        self.server.observed().revocation_requests()
    }

    /// Ends everything this user has here: tokens, codes and browser sessions.
    pub fn revoke_everything_of(&self, user: &str) {
        self.server.records().revoke_everything_of(user);
    }

    /// Every access and refresh token that was issued and not forgotten yet, for a search where none
    /// may be.
    #[must_use]
    pub fn issued_tokens(&self) -> Vec<String> {
        self.server.records().issued_tokens()
    }

    /// Whether `/userinfo` would take this access token now.
    #[must_use]
    pub fn is_live_access_token(&self, token: &str) -> bool {
        let now = self.server.now();
        self.server
            .records()
            .live_access_token(token, now)
            .is_some()
    }

    /// Whether this refresh token could be used now.
    #[must_use]
    pub fn is_live_refresh_token(&self, token: &str) -> bool {
        self.server.records().is_live_refresh_token(token)
    }
}

/// Sets up a [`DemoUpstream`] before it starts.
#[derive(Debug)]
pub struct DemoUpstreamBuilder {
    clock: Arc<dyn Clock>,
    access_token_lifetime: Duration,
    auto_sign_in: Option<String>,
    client_secret: Option<String>,
    redirect_uris: Vec<String>,
    resources: Vec<String>,
    document_ca: Option<Vec<u8>>,
    faults: Faults,
}

impl Default for DemoUpstreamBuilder {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            access_token_lifetime: Duration::from_secs(300),
            auto_sign_in: None,
            client_secret: None,
            redirect_uris: Vec::new(),
            resources: Vec::new(),
            document_ca: None,
            faults: Faults::default(),
        }
    }
}

impl DemoUpstreamBuilder {
    /// Tells the time by this clock instead of the operating system's.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How long an access token lives; 300 seconds unless set.
    #[must_use]
    pub fn with_access_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.access_token_lifetime = lifetime;
        self
    }

    /// Signs this user in without a login page.
    #[must_use]
    pub fn with_auto_sign_in(mut self, user: &str) -> Self {
        self.auto_sign_in = Some(user.to_owned());
        self
    }

    /// A fixed client secret instead of a fresh one.
    #[must_use]
    pub fn with_client_secret(mut self, secret: &str) -> Self {
        self.client_secret = Some(secret.to_owned());
        self
    }

    /// Adds a redirect URI of the client; it is compared byte for byte.
    #[must_use]
    pub fn with_redirect(mut self, uri: &str) -> Self {
        self.redirect_uris.push(uri.to_owned());
        self
    }

    /// Issues tokens for an MCP server: clients register themselves (RFC 7591) or come with a metadata
    /// document, and a token that is asked for with this `resource` (RFC 8707) is a JWT (RFC 9068)
    /// whose audience it is. Where it is the only one, such clients need not name it.
    #[must_use]
    pub fn with_resource(mut self, resource: &str) -> Self {
        self.resources.push(resource.to_owned());
        self
    }

    /// Trusts these certificates (PEM) for client metadata documents, which it fetches from loopback
    /// alone.
    #[must_use]
    pub fn with_client_document_ca(mut self, ca_pem: impl Into<Vec<u8>>) -> Self {
        self.document_ca = Some(ca_pem.into());
        self
    }

    /// What goes wrong from the start.
    #[must_use]
    pub fn with_faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Starts on a free port of `127.0.0.1`.
    ///
    /// # Errors
    ///
    /// When no port can be bound.
    pub async fn start(self) -> io::Result<DemoUpstream> {
        self.start_on(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Starts on this address.
    ///
    /// # Errors
    ///
    /// When the address is not loopback or cannot be bound.
    ///
    /// # Security
    ///
    /// Its passwords are printed on its login page, so it never listens beyond loopback.
    pub async fn start_on(self, address: SocketAddr) -> io::Result<DemoUpstream> {
        if !address.ip().is_loopback() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the demo upstream listens on loopback only",
            ));
        }
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let random: &dyn Random = &SystemRandom;
        let mut records = Records::new(self.redirect_uris, self.auto_sign_in);
        for resource in &self.resources {
            records.add_resource(resource);
        }
        let server = Arc::new(Server::new(
            format!("http://{address}"),
            self.clock,
            self.client_secret.unwrap_or_else(|| random.token()),
            self.access_token_lifetime,
            SigningKey::generate().map_err(io::Error::other)?,
            self.document_ca,
            records,
            Observed::default(),
            self.faults,
        ));
        let (running, stopped) = oneshot::channel::<()>();
        let routes = server::router(Arc::clone(&server));
        tokio::spawn(async move {
            let serving = axum::serve(listener, routes).with_graceful_shutdown(async move {
                // The sender is never used, only dropped.
                let _ = stopped.await;
            });
            if let Err(error) = serving.await {
                tracing::error!(%error, "the demo upstream stopped");
            }
        });
        Ok(DemoUpstream {
            server,
            address,
            _running: running,
        })
    }
}

const CLIENT_ID: &str = "demo-client";
