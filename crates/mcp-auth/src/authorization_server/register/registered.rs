//! A registration as its client is told of it (RFC 7591 §3.2.1, RFC 7592 §3).

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Serialize;

use crate::{
    authorization_server::{
        clients::{ApplicationType, Said},
        response,
        token::JWT_BEARER,
    },
    oauth::{AccessToken, ClientId, ClientMetadata, ClientSecret, RedirectUri, Scopes, Timestamp},
};

/// Everything that is known of one registration.
pub(in crate::authorization_server) struct Registered<'a> {
    pub(in crate::authorization_server) id: &'a ClientId,
    pub(in crate::authorization_server) issued_at: Timestamp,
    pub(in crate::authorization_server) secret: Option<&'a ClientSecret>,
    pub(in crate::authorization_server) metadata: &'a ClientMetadata,
    pub(in crate::authorization_server) said: Said,
    /// The token for the registration, and where it is used.
    pub(in crate::authorization_server) access: Option<(&'a AccessToken, String)>,
}

/// Everything as it was registered, also what we chose.
#[derive(Serialize)]
struct ClientInformation<'a> {
    client_id: &'a ClientId,
    client_id_issued_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
    /// Zero: it does not expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_access_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_client_uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<&'a str>,
    redirect_uris: &'a [RedirectUri],
    grant_types: Vec<&'static str>,
    response_types: [&'a str; 1],
    token_endpoint_auth_method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a Scopes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_type: Option<ApplicationType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dpop_bound_access_tokens: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    require_pushed_authorization_requests: Option<bool>,
}

impl Registered<'_> {
    pub(in crate::authorization_server) fn respond(&self, status: StatusCode) -> Response<Bytes> {
        let (metadata, said) = (self.metadata, self.said);
        let mut grant_types = vec!["authorization_code"];
        grant_types.extend(metadata.refresh_tokens.then_some("refresh_token"));
        grant_types.extend(metadata.identity_assertions.then_some(JWT_BEARER));
        let access = self.access.as_ref();
        let body = ClientInformation {
            client_id: self.id,
            client_id_issued_at: self.issued_at,
            client_secret: self.secret.map(ClientSecret::expose),
            client_secret_expires_at: self.secret.map(|_| 0),
            registration_access_token: access.map(|(token, _)| token.expose()),
            registration_client_uri: access.map(|(_, uri)| uri.as_str()),
            client_name: metadata.client_name.as_deref(),
            redirect_uris: &metadata.redirect_uris,
            grant_types,
            response_types: ["code"],
            token_endpoint_auth_method: metadata.token_endpoint_auth_method.as_str(),
            scope: metadata.scope.as_ref(),
            application_type: said.application_type,
            dpop_bound_access_tokens: said.dpop_bound_access_tokens,
            require_pushed_authorization_requests: said.require_pushed_authorization_requests,
        };
        response::json(status, &body)
    }
}
