//! From the MCP URL to the authorization server (RFC 9728 §5, RFC 8414 §3).

use serde_json::Value;
use url::Url;

use super::{HostError, ScriptedHost};

/// What a host knows after discovery.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Discovery {
    /// The first refusal's challenge.
    pub challenge: Challenge,
    /// The resource, identical to the MCP URL.
    pub resource: String,
    /// The authorization server's issuer.
    pub issuer: String,
    /// Where the browser is sent.
    pub authorization_endpoint: String,
    /// Where codes are redeemed.
    pub token_endpoint: String,
    /// Where to register, if that is possible.
    pub registration_endpoint: Option<String>,
    /// The protected resource metadata, whole.
    pub resource_metadata: Value,
    /// The authorization server metadata, whole.
    pub server_metadata: Value,
}

/// The parameters of a `Bearer` challenge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Challenge {
    /// Where the metadata is.
    pub resource_metadata: Option<String>,
    /// What the request needs.
    pub scope: Option<String>,
    /// Why a token was refused.
    pub error: Option<String>,
}

impl ScriptedHost {
    /// Asks without a token, and follows the challenge to both metadata documents.
    ///
    /// # Errors
    ///
    /// When a document is missing, or names another resource or issuer than it must.
    pub async fn discover(&self) -> Result<Discovery, HostError> {
        let broken = |rule| HostError::Broken("discover", rule);
        let refusal = self.http.post(&self.mcp_url).send().await?;
        if refusal.status() != 401 {
            return Err(HostError::status("discover", refusal).await);
        }
        let header = refusal
            .headers()
            .get("www-authenticate")
            .and_then(|value| value.to_str().ok());
        let challenge = Challenge::parse(header.ok_or(broken("the 401 has no challenge"))?)
            .ok_or(broken("the challenge is no Bearer challenge"))?;
        if challenge.error.is_some() {
            return Err(broken(
                "the challenge has an error although nothing was sent",
            ));
        }
        let metadata_url = challenge
            .resource_metadata
            .clone()
            .ok_or(broken("the challenge names no metadata"))?;
        let resource_metadata = self
            .document("protected resource metadata", &metadata_url)
            .await?;
        let resource =
            text(&resource_metadata, "resource").ok_or(broken("the metadata has no resource"))?;
        if resource != self.mcp_url {
            return Err(broken("the metadata is of another resource"));
        }
        let issuer = resource_metadata
            .get("authorization_servers")
            .and_then(|servers| servers.get(0))
            .and_then(Value::as_str);
        let issuer = issuer
            .ok_or(broken("the metadata names no authorization server"))?
            .to_owned();
        let server_metadata = self
            .document("authorization server metadata", &well_known(&issuer)?)
            .await?;
        if text(&server_metadata, "issuer").as_deref() != Some(issuer.as_str()) {
            return Err(broken("the metadata is of another issuer"));
        }
        let lists = |name: &str, wanted: &str| {
            let list = server_metadata.get(name).and_then(Value::as_array);
            list.is_some_and(|list| list.iter().any(|value| value == wanted))
        };
        if !lists("code_challenge_methods_supported", "S256")
            || lists("code_challenge_methods_supported", "plain")
        {
            return Err(broken("PKCE S256, and S256 alone, must be supported"));
        }
        if !lists("response_types_supported", "code") {
            return Err(broken("response type code must be supported"));
        }
        let endpoint =
            |name: &str| text(&server_metadata, name).ok_or(broken("an endpoint is missing"));
        Ok(Discovery {
            challenge,
            resource,
            issuer,
            authorization_endpoint: endpoint("authorization_endpoint")?,
            token_endpoint: endpoint("token_endpoint")?,
            registration_endpoint: text(&server_metadata, "registration_endpoint"),
            resource_metadata,
            server_metadata,
        })
    }

    async fn document(&self, step: &'static str, url: &str) -> Result<Value, HostError> {
        let answer = self.http.get(url).send().await?;
        if answer.status() != 200 {
            return Err(HostError::status(step, answer).await);
        }
        let kind = answer
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if !kind.starts_with("application/json") {
            return Err(HostError::Broken(step, "not application/json"));
        }
        Ok(answer.json().await?)
    }
}

impl Challenge {
    /// Parses the value of a `WWW-Authenticate` header with one `Bearer` challenge.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let (scheme, parameters) = header.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut challenge = Self::default();
        for parameter in parameters.split(',') {
            let (name, value) = parameter.trim().split_once('=')?;
            let value = value.strip_prefix('"')?.strip_suffix('"')?.to_owned();
            match name {
                "resource_metadata" => challenge.resource_metadata = Some(value),
                "scope" => challenge.scope = Some(value),
                "error" => challenge.error = Some(value),
                _ => {}
            }
        }
        Some(challenge)
    }
}

/// The well-known string goes between host and path (RFC 8414 §3.1).
fn well_known(issuer: &str) -> Result<String, HostError> {
    let url =
        Url::parse(issuer).map_err(|_| HostError::Broken("discover", "the issuer is no URL"))?;
    let path = url.path().trim_end_matches('/');
    Ok(format!(
        "{}/.well-known/oauth-authorization-server{path}",
        url.origin().ascii_serialization()
    ))
}

fn text(document: &Value, name: &str) -> Option<String> {
    document
        .get(name)
        .and_then(Value::as_str)
        .map(str::to_owned)
}
