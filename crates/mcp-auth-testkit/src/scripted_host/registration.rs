//! Becoming a client (RFC 7591 §3).

use mcp_auth::oauth::ClientSecret;
use serde_json::Value;

use super::{Discovery, HostError, ScriptedHost};

/// A client of an authorization server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Registration {
    /// Its identifier.
    pub client_id: String,
    /// Its secret, if it was given one.
    pub client_secret: Option<ClientSecret>,
    /// The answer, whole; null for a client that did not register.
    pub answer: Value,
}

impl Registration {
    /// A public client that is known already.
    #[must_use]
    pub fn known(client_id: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            client_secret: None,
            answer: Value::Null,
        }
    }
}

impl ScriptedHost {
    /// Registers, and checks that what was registered is what was asked for.
    ///
    /// # Errors
    ///
    /// When the answer is not 201 with an identifier and our redirect URI.
    pub async fn register(&self, discovery: &Discovery) -> Result<Registration, HostError> {
        let broken = |rule| HostError::Broken("register", rule);
        let endpoint = discovery
            .registration_endpoint
            .as_ref()
            .ok_or(broken("there is no registration endpoint"))?;
        let answer = self
            .http
            .post(endpoint)
            .json(&self.registration)
            .send()
            .await?;
        if answer.status() != 201 {
            return Err(HostError::status("register", answer).await);
        }
        if answer
            .headers()
            .get("cache-control")
            .is_none_or(|value| value != "no-store")
        {
            return Err(broken("the answer may be cached"));
        }
        let answer: Value = answer.json().await?;
        let text = |name: &str| answer.get(name).and_then(Value::as_str);
        let client_id = text("client_id").ok_or(broken("no client_id"))?.to_owned();
        let kept = answer.get("redirect_uris").and_then(Value::as_array);
        if !kept.is_some_and(|uris| uris.iter().any(|uri| uri == self.redirect_uri.as_str())) {
            return Err(broken("our redirect URI was not registered"));
        }
        let client_secret = text("client_secret").map(ClientSecret::new);
        if client_secret.is_some() && answer.get("client_secret_expires_at").is_none() {
            return Err(broken("a secret without client_secret_expires_at"));
        }
        Ok(Registration {
            client_id,
            client_secret,
            answer,
        })
    }
}
