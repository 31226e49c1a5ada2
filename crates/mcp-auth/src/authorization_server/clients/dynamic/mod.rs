//! Clients that registered themselves: each registration lies sealed inside its own `client_id`.
//!
//! Nothing is stored for a stranger, and nothing is forgotten in a redeploy: whoever comes back
//! with an identifier brings the registration along. [`StoredRegistrations`] is for operators who
//! have to list their clients.

mod codec;
mod cut_off;
mod dictionary;
mod registered;
mod settings;
mod stored;
mod stored_registration;

use std::sync::Arc;

use async_trait::async_trait;

use super::{Client, ClientKind, ClientResolver, ResolveError, client::derived_secret};
use crate::{
    oauth::{
        ClientAuthenticationMethod, ClientId, ClientMetadata, ClientSecret, Issuer, Random,
        Timestamp,
    },
    store::{KeyRing, OpenError, Purpose, Sealer},
};
use cut_off::CutOff;
pub(in crate::authorization_server) use registered::IssueError;
use registered::Issued;
pub(crate) use registered::RegisteredClients;
pub use settings::StoredRegistrations;
pub(in crate::authorization_server) use stored::Managed;
pub(crate) use stored::StoredClients;
pub(in crate::authorization_server) use stored_registration::StoredRegistration;

/// Gives out and resolves dynamic client identifiers (RFC 7591).
#[derive(Debug, Clone)]
pub struct DynamicClients {
    ids: Sealer,
    secrets: Sealer,
    redirect_schemes: Vec<String>,
    cut_off: CutOff,
}

impl DynamicClients {
    /// Registrations at this issuer, sealed under this key ring.
    #[must_use]
    pub fn new(ring: &KeyRing, issuer: &Issuer, random: Arc<dyn Random>) -> Self {
        let sealer = |purpose| Sealer::new(ring, purpose, issuer.as_str(), Arc::clone(&random));
        Self {
            ids: sealer(Purpose::ClientId),
            secrets: sealer(Purpose::ClientSecret),
            redirect_schemes: Vec::new(),
            cut_off: CutOff::none(),
        }
    }

    /// Allows further dotless private-use schemes in redirection URIs.
    #[must_use]
    pub fn with_redirect_schemes(
        mut self,
        schemes: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.redirect_schemes = schemes.into_iter().map(Into::into).collect();
        self
    }

    /// Cuts off every registration that was made before this moment.
    #[must_use]
    pub const fn refuse_registrations_before(mut self, moment: Timestamp) -> Self {
        self.cut_off.refuse_before(moment);
        self
    }

    /// Cuts off these clients.
    #[must_use]
    pub fn deny<'a>(mut self, ids: impl IntoIterator<Item = &'a ClientId>) -> Self {
        self.cut_off.deny(ids);
        self
    }

    /// The dotless private-use schemes that are allowed beside the well-known ones.
    pub(crate) fn redirect_schemes(&self) -> &[String] {
        &self.redirect_schemes
    }

    /// A new identifier that holds this registration, and its secret if its method needs one.
    ///
    /// # Errors
    ///
    /// When the identifier would be longer than [`ClientId::MAX_BYTES`].
    pub(crate) fn issue(
        &self,
        metadata: &ClientMetadata,
        now: Timestamp,
    ) -> Result<(ClientId, Option<ClientSecret>), ClientIdTooLong> {
        let plain = codec::encode(metadata, now);
        let sealed = self.ids.seal_text(PREFIX.as_bytes(), &plain);
        let id = ClientId::parse(&format!("{PREFIX}{sealed}")).map_err(|_| ClientIdTooLong)?;
        let secret = match metadata.token_endpoint_auth_method {
            ClientAuthenticationMethod::None => None,
            _ => Some(derived_secret(&self.secrets, &id)),
        };
        Ok((id, secret))
    }

    /// [`ClientResolver::resolve`] without waiting: the identifier is all that is needed.
    ///
    /// # Errors
    ///
    /// When it is not one of this server's, or was cut off.
    pub fn open(&self, id: &ClientId) -> Result<Client, ResolveError> {
        let sealed = id
            .as_str()
            .strip_prefix(PREFIX)
            .ok_or(ResolveError::Unknown)?;
        let plain = self
            .ids
            .open_text(PREFIX.as_bytes(), sealed)
            .map_err(|error| match error {
                OpenError::UnknownKey => ResolveError::UnknownKey,
                _ => ResolveError::Unknown,
            })?;
        let (metadata, issued_at) =
            codec::decode(&plain, &self.redirect_schemes).ok_or(ResolveError::Unknown)?;
        self.cut_off.check(id, issued_at)?;
        if metadata.redirect_uris.is_empty() {
            return Err(ResolveError::Refused(
                "none of its redirection URIs is allowed any more",
            ));
        }
        let client = Client::new(id.clone(), ClientKind::Dynamic, metadata);
        Ok(client.with_derived_secret(self.secrets.clone()))
    }
}

#[async_trait]
impl ClientResolver for DynamicClients {
    async fn resolve(&self, id: &ClientId) -> Result<Client, ResolveError> {
        self.open(id)
    }
}

/// A registration says more than fits into a client identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the registration does not fit into a client identifier of 1,500 characters")]
pub struct ClientIdTooLong;

/// What every dynamic identifier begins with; no URL does.
const PREFIX: &str = "dcr.";

#[cfg(any(test, fuzzing))]
pub(in crate::authorization_server) use codec::holds as codec_holds;

#[cfg(test)]
mod tests;
