//! The `WWW-Authenticate` header of a refusal (RFC 6750 §3, RFC 9728 §5.1).

use http::HeaderValue;

use crate::{
    BuildError,
    oauth::{OAuthErrorCode, Scopes},
};

/// Every challenge of one resource, built once: nothing from a request can get into them.
#[derive(Debug)]
pub(super) struct Challenges {
    bare: HeaderValue,
    invalid_token: HeaderValue,
    invalid_request: HeaderValue,
    insufficient_scope: HeaderValue,
    unavailable: HeaderValue,
}

impl Challenges {
    /// The challenges of a resource with this metadata document, naming these scopes.
    pub(super) fn new(metadata_url: Option<&str>, scopes: &Scopes) -> Result<Self, BuildError> {
        let build = |code, scopes| challenge(metadata_url, code, scopes);
        Ok(Self {
            bare: build(None, Some(scopes))?,
            invalid_token: build(Some(OAuthErrorCode::InvalidToken), Some(scopes))?,
            invalid_request: build(Some(OAuthErrorCode::InvalidRequest), None)?,
            insufficient_scope: build(Some(OAuthErrorCode::InsufficientScope), Some(scopes))?,
            unavailable: build(None, None)?,
        })
    }

    /// Nothing was sent: no `error`, which a host would take for a broken token (RFC 6750 §3.1).
    pub(super) fn bare(&self) -> HeaderValue {
        self.bare.clone()
    }

    /// The token is not good.
    pub(super) fn invalid_token(&self) -> HeaderValue {
        self.invalid_token.clone()
    }

    /// Two credentials at once.
    pub(super) fn invalid_request(&self) -> HeaderValue {
        self.invalid_request.clone()
    }

    /// The token is good but too weak; all needed scopes are named at once.
    pub(super) fn insufficient_scope(&self) -> HeaderValue {
        self.insufficient_scope.clone()
    }

    /// Nothing is wrong with the token; only where the metadata is.
    pub(super) fn unavailable(&self) -> HeaderValue {
        self.unavailable.clone()
    }
}

fn challenge(
    metadata_url: Option<&str>,
    code: Option<OAuthErrorCode>,
    scopes: Option<&Scopes>,
) -> Result<HeaderValue, BuildError> {
    let mut parameters = Vec::new();
    if let Some(code) = code {
        parameters.push(format!("error=\"{code}\""));
        parameters.push(format!("error_description=\"{}\"", code.description()));
    }
    match metadata_url {
        Some(url) => parameters.push(format!("resource_metadata=\"{url}\"")),
        // Without metadata a challenge that named some would start a discovery that must fail.
        None => parameters.insert(0, "realm=\"mcp\"".to_owned()),
    }
    if let Some(scopes) = scopes.filter(|scopes| !scopes.is_empty()) {
        parameters.push(format!("scope=\"{scopes}\""));
    }
    HeaderValue::try_from(format!("Bearer {}", parameters.join(", ")))
        .map_err(|_| BuildError::argument("public URL", "it does not fit into a header"))
}

#[cfg(test)]
mod tests {
    use super::*;

    // RS-10
    #[test]
    fn challenges_have_these_words() {
        let scopes = Scopes::parse("mcp:tools files:read").unwrap();
        let url = "https://h.example/.well-known/oauth-protected-resource/mcp";
        let with = Challenges::new(Some(url), &scopes).unwrap();
        assert_eq!(
            with.bare().to_str().unwrap(),
            format!("Bearer resource_metadata=\"{url}\", scope=\"mcp:tools files:read\"")
        );
        assert_eq!(
            with.invalid_token().to_str().unwrap(),
            format!(
                "Bearer error=\"invalid_token\", error_description=\"The access token is invalid, \
                 expired, revoked, or meant for another resource.\", resource_metadata=\"{url}\", \
                 scope=\"mcp:tools files:read\""
            )
        );
        let without = Challenges::new(None, &Scopes::empty()).unwrap();
        assert_eq!(without.bare().to_str().unwrap(), "Bearer realm=\"mcp\"");
    }
}
