//! A registration as a record.

use serde::{Deserialize, Serialize};

use crate::{
    authorization_server::clients::Said,
    oauth::{ClientAuthenticationMethod, ClientId, ClientMetadata, RedirectUri, Scopes, Timestamp},
};

/// A registration as it lies, sealed, in the store.
#[derive(Serialize, Deserialize)]
pub(in crate::authorization_server) struct StoredRegistration {
    #[serde(rename = "i")]
    pub(super) id: ClientId,
    #[serde(rename = "u")]
    redirect_uris: Vec<String>,
    #[serde(rename = "m")]
    method: ClientAuthenticationMethod,
    #[serde(rename = "r")]
    refresh_tokens: bool,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    client_name: Option<String>,
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    scope: Option<Scopes>,
    /// Whether it may bring identity assertions.
    #[serde(rename = "j", default, skip_serializing_if = "std::ops::Not::not")]
    identity_assertions: bool,
    #[serde(flatten)]
    said: Said,
    #[serde(rename = "t")]
    pub(super) issued_at: Timestamp,
    /// The hash of the registration access token.
    #[serde(rename = "x")]
    pub(super) access: [u8; 32],
    /// Whether it ever led to a grant.
    #[serde(rename = "l", default)]
    pub(super) used: bool,
}

impl StoredRegistration {
    /// One that led to no grant yet.
    pub(super) fn new(
        id: ClientId,
        access: [u8; 32],
        issued_at: Timestamp,
        metadata: &ClientMetadata,
        said: Said,
    ) -> Self {
        let uris = metadata.redirect_uris.iter();
        Self {
            id,
            redirect_uris: uris.map(|uri| uri.as_str().to_owned()).collect(),
            method: metadata.token_endpoint_auth_method,
            refresh_tokens: metadata.refresh_tokens,
            client_name: metadata.client_name.clone(),
            scope: metadata.scope.clone(),
            identity_assertions: metadata.identity_assertions,
            said,
            issued_at,
            access,
            used: false,
        }
    }

    pub(super) fn metadata(&self, schemes: &[String]) -> ClientMetadata {
        let uris = self.redirect_uris.iter();
        let uris = uris.filter_map(|uri| RedirectUri::parse_with_schemes(uri, schemes).ok());
        let mut metadata = ClientMetadata::public(uris.collect());
        metadata.token_endpoint_auth_method = self.method;
        metadata.refresh_tokens = self.refresh_tokens;
        metadata.client_name.clone_from(&self.client_name);
        metadata.scope.clone_from(&self.scope);
        metadata.identity_assertions = self.identity_assertions;
        self.said.note_in(&mut metadata);
        metadata
    }

    pub(in crate::authorization_server) const fn id(&self) -> &ClientId {
        &self.id
    }

    pub(in crate::authorization_server) const fn said(&self) -> Said {
        self.said
    }

    pub(in crate::authorization_server) fn client_name(&self) -> Option<&str> {
        self.client_name.as_deref()
    }

    pub(in crate::authorization_server) fn redirect_uris(&self) -> &[String] {
        &self.redirect_uris
    }

    pub(in crate::authorization_server) const fn issued_at(&self) -> Timestamp {
        self.issued_at
    }

    pub(in crate::authorization_server) const fn is_used(&self) -> bool {
        self.used
    }
}
