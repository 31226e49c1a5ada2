//! A strict MCP host: it does what a host has to do, and checks what a server has to answer.
//!
//! [`ScriptedHost::sign_in`] goes the whole way from the MCP URL to tokens. Each step is a call of
//! its own too, so that a test can do one of them differently.

mod call;
mod discovery;
mod error;
mod registration;
mod tokens;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use mcp_auth::oauth::{CodeVerifier, Random, SystemRandom};
use serde_json::{Value, json};

pub use call::Wire;
pub use discovery::{Challenge, Discovery};
pub use error::HostError;
pub use registration::Registration;
pub use tokens::{TokenAnswer, Tokens};

use crate::browser::{Browser, BrowserError, Callback, Decision};

/// One host with one browser.
#[derive(Debug, Clone)]
pub struct ScriptedHost {
    mcp_url: String,
    redirect_uri: String,
    registration: Value,
    wire: Wire,
    browser: Browser,
    http: reqwest::Client,
}

/// What a host sends its browser away with, and what it must remember.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Authorization {
    /// The URL to open.
    pub url: String,
    /// The value that must come back.
    pub state: String,
    /// What the token request will show.
    pub verifier: CodeVerifier,
}

/// A finished sign-in.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SignedIn {
    /// What discovery found.
    pub discovery: Discovery,
    /// The client the host became.
    pub registration: Registration,
    /// The tokens.
    pub tokens: Tokens,
}

impl ScriptedHost {
    /// A host that knows nothing but the MCP URL; it registers as a public native client.
    ///
    /// # Errors
    ///
    /// When no HTTP client can be built.
    pub fn new(mcp_url: impl Into<String>) -> Result<Self, HostError> {
        let redirect_uri = "http://127.0.0.1:33418/callback".to_owned();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build();
        Ok(Self {
            mcp_url: mcp_url.into(),
            registration: json!({
                "client_name": "Scripted host",
                "redirect_uris": [redirect_uri],
                "grant_types": ["authorization_code", "refresh_token"],
                "response_types": ["code"],
                "token_endpoint_auth_method": "none",
                "application_type": "native",
            }),
            redirect_uri,
            wire: Wire::Modern,
            browser: Browser::new(),
            http: http.map_err(HostError::Http)?,
        })
    }

    /// Registers with this body, and returns to this redirect URI.
    #[must_use]
    pub fn with_registration(mut self, registration: Value, redirect_uri: &str) -> Self {
        self.registration = registration;
        redirect_uri.clone_into(&mut self.redirect_uri);
        self
    }

    /// Signs in with this browser.
    #[must_use]
    pub fn with_browser(mut self, browser: Browser) -> Self {
        self.browser = browser;
        self
    }

    /// Speaks this revision of the protocol.
    #[must_use]
    pub const fn with_wire(mut self, wire: Wire) -> Self {
        self.wire = wire;
        self
    }

    /// The MCP URL.
    #[must_use]
    pub fn mcp_url(&self) -> &str {
        &self.mcp_url
    }

    /// Where its browser returns to.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// The browser.
    pub const fn browser(&mut self) -> &mut Browser {
        &mut self.browser
    }

    /// The HTTP client, which follows no redirect.
    #[must_use]
    pub const fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// From the MCP URL to tokens: discovery, registration, browser, code.
    ///
    /// # Errors
    ///
    /// At the first answer that a strict host would not accept.
    pub async fn sign_in(&mut self) -> Result<SignedIn, HostError> {
        let discovery = self.discover().await?;
        let registration = self.register(&discovery).await?;
        let tokens = self.sign_in_as(&discovery, &registration).await?;
        Ok(SignedIn {
            discovery,
            registration,
            tokens,
        })
    }

    /// The same for a client that is known already.
    ///
    /// # Errors
    ///
    /// As [`ScriptedHost::sign_in`].
    pub async fn sign_in_as(
        &mut self,
        discovery: &Discovery,
        registration: &Registration,
    ) -> Result<Tokens, HostError> {
        let authorization = self.authorization(discovery, registration);
        let code = self.authorize(discovery, &authorization).await?;
        let answer = self
            .redeem(discovery, registration, &authorization, &code)
            .await?;
        answer.granted()
    }

    /// What it would open the browser with: PKCE, state, resource and the challenge's scope.
    #[must_use]
    pub fn authorization(
        &self,
        discovery: &Discovery,
        registration: &Registration,
    ) -> Authorization {
        let random: &dyn Random = &SystemRandom;
        let state = URL_SAFE_NO_PAD.encode(random.bytes::<12>());
        let verifier = CodeVerifier::generate(random);
        let challenge = verifier.challenge();
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs([
            ("response_type", "code"),
            ("client_id", registration.client_id.as_str()),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
            ("state", state.as_str()),
            ("resource", discovery.resource.as_str()),
        ]);
        if let Some(scope) = &discovery.challenge.scope {
            query.append_pair("scope", scope);
        }
        let url = format!("{}?{}", discovery.authorization_endpoint, query.finish());
        Authorization {
            url,
            state,
            verifier,
        }
    }

    /// Walks the browser through consent and sign-in, and checks what it comes back with.
    ///
    /// # Errors
    ///
    /// When it does not come back, comes back without a code, or with another `state` or `iss`.
    pub async fn authorize(
        &mut self,
        discovery: &Discovery,
        authorization: &Authorization,
    ) -> Result<String, HostError> {
        let callback = self.visit(authorization, Decision::Approve).await?;
        check_callback(discovery, authorization, &callback)?;
        let code = callback
            .code()
            .ok_or(HostError::Broken("authorize", "the callback has no code"))?;
        Ok(code.to_owned())
    }

    /// Walks the browser until it comes back, whatever it comes back with.
    ///
    /// # Errors
    ///
    /// When it does not come back.
    pub async fn visit(
        &mut self,
        authorization: &Authorization,
        decision: Decision,
    ) -> Result<Callback, BrowserError> {
        self.browser
            .walk(&authorization.url, &self.redirect_uri, decision)
            .await
    }
}

/// RFC 6749 §4.1.2 and RFC 9207 §2.4: exactly our state and exactly the expected issuer, once each.
fn check_callback(
    discovery: &Discovery,
    authorization: &Authorization,
    callback: &Callback,
) -> Result<(), HostError> {
    let broken = |rule| Err(HostError::Broken("authorize", rule));
    let count = |name: &str| {
        callback
            .parameters
            .iter()
            .filter(|(known, _)| known == name)
            .count()
    };
    if ["code", "state", "iss"].iter().any(|name| count(name) > 1) {
        return broken("a parameter of the callback is there twice");
    }
    if let Some(error) = callback.error() {
        return Err(HostError::Refused(error.to_owned()));
    }
    if callback.state() != Some(authorization.state.as_str()) {
        return broken("the callback has another state");
    }
    if callback.iss() != Some(discovery.issuer.as_str()) {
        return broken("the callback has another iss");
    }
    Ok(())
}
