//! What hosts see as one server: an upstream, a front, and processes behind it.

use std::time::Duration;

use mcp_auth::oauth::{AccessToken, RefreshToken};
use mcp_auth_testkit::{
    Browser, DemoUpstream, ScriptedHost,
    scripted_host::{Discovery, HostError, Registration, TokenAnswer, Tokens},
    services::Scratch,
};

use crate::{front::Front, server::Server};

/// The key ring of every process.
pub(crate) const KEY: &str = "k1:ZmxvdyB0ZXN0cyBzaGFyZSB0aGlzIG9uZSByb290Li4=";

pub(crate) struct Site {
    /// The public URL.
    pub(crate) url: String,
    pub(crate) upstream: DemoUpstream,
    pub(crate) servers: Vec<Server>,
    pub(crate) front: Front,
    pub(crate) scratch: Scratch,
}

/// A host that is signed in.
pub(crate) struct Session {
    pub(crate) host: ScriptedHost,
    pub(crate) discovery: Discovery,
    pub(crate) registration: Registration,
    pub(crate) tokens: Tokens,
}

impl Site {
    /// This many processes on this store, and all variables that differ from the usual.
    pub(crate) async fn start(count: usize, store: &str, further: &[(&str, &str)]) -> Self {
        let mut site = Self::prepare(count, store, further).await;
        for server in &mut site.servers {
            server.begin();
        }
        site
    }

    /// The same with no process started yet.
    pub(crate) async fn prepare(count: usize, store: &str, further: &[(&str, &str)]) -> Self {
        let front = Front::start().await;
        let url = front.origin();
        let upstream = DemoUpstream::builder()
            .with_redirect(&format!("{url}/callback"))
            .start()
            .await
            .unwrap();
        let secret = upstream.client_secret().to_owned();
        let mut variables = vec![
            ("MCP_AUTH_PUBLIC_URL", url.as_str()),
            ("MCP_AUTH_STORE", store),
            ("MCP_AUTH_KEY", KEY),
            ("MCP_AUTH_RATE_LIMIT", "off"),
            ("UPSTREAM_ISSUER", upstream.issuer()),
            ("UPSTREAM_CLIENT_ID", upstream.client_id()),
            ("UPSTREAM_CLIENT_SECRET", secret.as_str()),
            ("UPSTREAM_SCOPES", "openid profile"),
        ];
        variables.extend(further);
        let scratch = Scratch::new("site").unwrap();
        let servers: Vec<_> = (0..count)
            .map(|n| Server::prepare(&variables, &scratch.path().join(format!("{n}.log"))))
            .collect();
        front.lead_to(servers.iter().map(Server::address).collect());
        Self {
            url,
            upstream,
            servers,
            front,
            scratch,
        }
    }

    /// A host with a fresh browser.
    pub(crate) fn host(&self) -> ScriptedHost {
        self.host_of("alice", "wonderland")
    }

    fn host_of(&self, user: &str, password: &str) -> ScriptedHost {
        ScriptedHost::new(format!("{}/mcp", self.url))
            .unwrap()
            .with_browser(Browser::new().with_user(user, password))
    }

    pub(crate) async fn sign_in(&self) -> Session {
        self.try_sign_in().await.unwrap()
    }

    pub(crate) async fn sign_in_as(&self, user: &str, password: &str) -> Session {
        self.finish(self.host_of(user, password)).await.unwrap()
    }

    pub(crate) async fn try_sign_in(&self) -> Result<Session, HostError> {
        self.finish(self.host()).await
    }

    async fn finish(&self, mut host: ScriptedHost) -> Result<Session, HostError> {
        let signed_in = host.sign_in().await?;
        Ok(Session {
            host,
            discovery: signed_in.discovery,
            registration: signed_in.registration,
            tokens: signed_in.tokens,
        })
    }

    /// What discovery found, with the token endpoint of one process.
    pub(crate) fn at(&self, server: usize, discovery: &Discovery) -> Discovery {
        let mut at = discovery.clone();
        let origin = self.servers[server % self.servers.len()].origin();
        at.token_endpoint = format!("{origin}/token");
        at
    }

    /// The status of a tool call at one process.
    pub(crate) async fn status_at(&self, server: usize, token: &AccessToken) -> u16 {
        let origin = self.servers[server].origin();
        let host = ScriptedHost::new(format!("{origin}/mcp")).unwrap();
        let answer = host.send_modern(Some(token), "whoami").await.unwrap();
        answer.status().as_u16()
    }
}

impl Drop for Site {
    /// Whoever reads that a test failed wants to know what the servers said.
    fn drop(&mut self) {
        if std::thread::panicking() {
            for server in &self.servers {
                let said = server.said();
                let lines: Vec<_> = said.lines().rev().take(30).collect();
                println!("-- {}", server.origin());
                lines.iter().rev().for_each(|line| println!("{line}"));
            }
        }
    }
}

impl Session {
    pub(crate) fn refresh_token(&self) -> &RefreshToken {
        self.tokens.refresh_token.as_ref().unwrap()
    }

    pub(crate) async fn refresh_at(&self, discovery: &Discovery) -> Result<TokenAnswer, HostError> {
        let token = self.refresh_token();
        self.host
            .refresh(discovery, &self.registration, token)
            .await
    }
}

/// Asks until it is so; a minute at most.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    for _ in 0..600 {
        if ask().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("in a minute it did not come to be so: {what}");
}

#[track_caller]
pub(crate) fn assert_invalid_grant(answer: &TokenAnswer) {
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(answer.error(), Some("invalid_grant"));
}

/// What a refusal for a while has to look like at the token endpoint.
#[track_caller]
pub(crate) fn assert_try_again(answer: &TokenAnswer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.error(), Some("temporarily_unavailable"));
    let seconds: u64 = answer.retry_after.as_ref().unwrap().parse().unwrap();
    assert!(seconds >= 1);
}
