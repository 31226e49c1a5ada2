//! Redeeming codes and refresh tokens (RFC 6749 §4.1.3, §6).

use mcp_auth::oauth::{AccessToken, RefreshToken};
use serde_json::Value;

use super::{Authorization, Discovery, HostError, Registration, ScriptedHost};

/// What a token endpoint gave.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Tokens {
    /// For the resource.
    pub access_token: AccessToken,
    /// For the next access token.
    pub refresh_token: Option<RefreshToken>,
    /// Seconds the access token lives.
    pub expires_in: Option<u64>,
    /// What it allows.
    pub scope: Option<String>,
}

/// An answer of a token endpoint, good or not.
#[derive(Clone)]
#[non_exhaustive]
pub struct TokenAnswer {
    /// Its status.
    pub status: u16,
    /// Its `WWW-Authenticate` header.
    pub challenge: Option<String>,
    /// Its `Retry-After` header.
    pub retry_after: Option<String>,
    /// Its body; null if that is not JSON.
    pub body: Value,
}

impl ScriptedHost {
    /// Redeems a code the way a host must: client, redirect URI, verifier and resource all named.
    ///
    /// # Errors
    ///
    /// When there is no answer, or one that may be cached.
    pub async fn redeem(
        &self,
        discovery: &Discovery,
        registration: &Registration,
        authorization: &Authorization,
        code: &str,
    ) -> Result<TokenAnswer, HostError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.redirect_uri()),
            ("code_verifier", authorization.verifier.expose()),
            ("resource", discovery.resource.as_str()),
        ];
        self.token_request(discovery, registration, &form).await
    }

    /// Redeems a refresh token.
    ///
    /// # Errors
    ///
    /// When there is no answer, or one that may be cached.
    pub async fn refresh(
        &self,
        discovery: &Discovery,
        registration: &Registration,
        token: &RefreshToken,
    ) -> Result<TokenAnswer, HostError> {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token.expose()),
            ("resource", discovery.resource.as_str()),
        ];
        self.token_request(discovery, registration, &form).await
    }

    /// Sends this form to the token endpoint, with the client's identifier and secret added.
    ///
    /// # Errors
    ///
    /// When there is no answer, or one that may be cached.
    pub async fn token_request(
        &self,
        discovery: &Discovery,
        registration: &Registration,
        form: &[(&str, &str)],
    ) -> Result<TokenAnswer, HostError> {
        let mut form = form.to_vec();
        form.push(("client_id", registration.client_id.as_str()));
        if let Some(secret) = &registration.client_secret {
            form.push(("client_secret", secret.expose()));
        }
        let answer = self
            .http
            .post(&discovery.token_endpoint)
            .form(&form)
            .send()
            .await?;
        let header = |name: &str| {
            answer
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        if header("cache-control").as_deref() != Some("no-store") {
            return Err(HostError::Broken("token", "the answer may be cached"));
        }
        Ok(TokenAnswer {
            status: answer.status().as_u16(),
            challenge: header("www-authenticate"),
            retry_after: header("retry-after"),
            body: answer.json().await.unwrap_or(Value::Null),
        })
    }
}

impl TokenAnswer {
    /// The error code of a refusal.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.body.get("error").and_then(Value::as_str)
    }

    /// The tokens of a good answer.
    ///
    /// # Errors
    ///
    /// When it is a refusal, or lacks what RFC 6749 §5.1 requires.
    pub fn granted(&self) -> Result<Tokens, HostError> {
        let text = |name: &str| self.body.get(name).and_then(Value::as_str);
        if self.status != 200 {
            return Err(HostError::Status {
                step: "token",
                status: self.status,
                body: text("error").unwrap_or_default().to_owned(),
            });
        }
        if text("token_type") != Some("Bearer") {
            return Err(HostError::Broken("token", "token_type is not Bearer"));
        }
        Ok(Tokens {
            access_token: AccessToken::new(
                text("access_token").ok_or(HostError::Broken("token", "no access_token"))?,
            ),
            refresh_token: text("refresh_token").map(RefreshToken::new),
            expires_in: self.body.get("expires_in").and_then(Value::as_u64),
            scope: text("scope").map(str::to_owned),
        })
    }
}

/// Without the body: it may hold tokens.
impl std::fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenAnswer")
            .field("status", &self.status)
            .field("error", &self.error())
            .finish_non_exhaustive()
    }
}
