//! The two metadata documents of a server (RFC 8414 §2, RFC 9728 §2).

use serde::{Deserialize, Serialize};

use super::{ClientAuthenticationMethod, Issuer, ResourceIdentifier, Scopes};

/// Protected resource metadata (RFC 9728 §2); fields without a value are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProtectedResourceMetadata {
    /// The resource, identical to the URL that hosts call.
    pub resource: ResourceIdentifier,
    /// Who issues tokens for it; at least one.
    pub authorization_servers: Vec<Issuer>,
    /// The minimal scopes: a client without a challenge asks for all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// Always `["header"]` here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bearer_methods_supported: Vec<String>,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    /// A page for developers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_documentation: Option<String>,
    /// Whatever else a document carries, kept as it is.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

impl ProtectedResourceMetadata {
    /// A document for this resource and its issuer.
    #[must_use]
    pub fn new(resource: ResourceIdentifier, issuer: Issuer, scopes: &Scopes) -> Self {
        Self {
            resource,
            authorization_servers: vec![issuer],
            scopes_supported: scopes.iter().map(ToString::to_string).collect(),
            bearer_methods_supported: vec!["header".into()],
            resource_name: None,
            resource_documentation: None,
            other: serde_json::Map::new(),
        }
    }
}

/// Authorization server metadata (RFC 8414 §2); fields without a value are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AuthorizationServerMetadata {
    /// The server's own name.
    pub issuer: Issuer,
    /// Where browsers are sent.
    pub authorization_endpoint: String,
    /// Where codes and refresh tokens are redeemed.
    pub token_endpoint: String,
    /// Where clients register, if they can (RFC 7591).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_endpoint: Option<String>,
    /// Where tokens are revoked (RFC 7009).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<String>,
    /// Who the user is (OpenID Connect Core §5.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_endpoint: Option<String>,
    /// Public keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// Scopes a client may ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// `["code"]`.
    #[serde(default)]
    pub response_types_supported: Vec<String>,
    /// `["query"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub response_modes_supported: Vec<String>,
    /// Grants that are really served.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grant_types_supported: Vec<String>,
    /// How clients may authenticate at the token endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// `["S256"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub code_challenge_methods_supported: Vec<String>,
    /// Whether every authorization response carries `iss` (RFC 9207 §3).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
    /// The resources this server issues tokens for (RFC 9728 §4).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protected_resources: Vec<ResourceIdentifier>,
    /// Whatever else a document carries, kept as it is.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

impl AuthorizationServerMetadata {
    /// A document for a server with `S256`, `iss` in every response and these two endpoints.
    #[must_use]
    pub fn new(issuer: Issuer, authorization_endpoint: String, token_endpoint: String) -> Self {
        let methods = [
            ClientAuthenticationMethod::None,
            ClientAuthenticationMethod::ClientSecretPost,
            ClientAuthenticationMethod::ClientSecretBasic,
        ];
        Self {
            issuer,
            authorization_endpoint,
            token_endpoint,
            registration_endpoint: None,
            revocation_endpoint: None,
            userinfo_endpoint: None,
            jwks_uri: None,
            scopes_supported: Vec::new(),
            response_types_supported: vec!["code".into()],
            response_modes_supported: vec!["query".into()],
            grant_types_supported: vec!["authorization_code".into(), "refresh_token".into()],
            token_endpoint_auth_methods_supported: methods
                .iter()
                .map(|m| m.as_str().into())
                .collect(),
            code_challenge_methods_supported: vec!["S256".into()],
            authorization_response_iss_parameter_supported: true,
            protected_resources: Vec::new(),
            other: serde_json::Map::new(),
        }
    }
}
