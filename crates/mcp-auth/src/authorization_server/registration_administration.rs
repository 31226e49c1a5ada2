//! The stored registrations, for operators.

use std::sync::Arc;

use super::{
    AuthorizationServer,
    clients::{StoredClients, StoredRegistration},
};
use crate::{
    access_token::GrantAdministration,
    oauth::{ClientId, Timestamp},
    store::StoreError,
};

/// What can be told of a stored registration; nothing in it opens anything.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegistrationSummary {
    /// The client.
    pub client: ClientId,
    /// What it calls itself; a claim of its own.
    pub client_name: Option<String>,
    /// Where its browsers may return to, as it registered them.
    pub redirect_uris: Vec<String>,
    /// When it registered.
    pub registered_at: Timestamp,
    /// Whether its client was ever given a token.
    pub used: bool,
    /// When its registration ends, unless a grant of it is used again.
    pub expires_at: Timestamp,
}

/// Lists and ends the stored registrations of one server, also from another task.
#[derive(Debug, Clone)]
pub struct RegistrationAdministration {
    clients: Arc<StoredClients>,
    grants: GrantAdministration,
}

impl RegistrationAdministration {
    pub(super) fn new(server: &AuthorizationServer, clients: &Arc<StoredClients>) -> Self {
        Self {
            clients: Arc::clone(clients),
            grants: GrantAdministration::new(Arc::clone(&server.grants)),
        }
    }

    /// Every registration, those that were cut off among them.
    ///
    /// # Errors
    ///
    /// When the store is away.
    pub async fn list(&self) -> Result<Vec<RegistrationSummary>, StoreError> {
        let all = self.clients.all().await?;
        Ok(all.into_iter().map(summary).collect())
    }

    /// Ends a registration and every grant of its client; says whether there was one.
    ///
    /// # Errors
    ///
    /// When the store is away; some of the grants may be ended by then.
    pub async fn end(&self, client: &ClientId) -> Result<bool, StoreError> {
        // Whoever could not end the grants still has a registration, and can try again.
        self.grants.end_client(client).await?;
        let was_there = self.clients.remove(client).await?;
        // A redemption or refresh that was under way found the registration before it was removed.
        self.grants.end_client(client).await?;
        Ok(was_there)
    }
}

impl AuthorizationServer {
    /// The stored registrations, if they are stored.
    pub(crate) fn registrations(&self) -> Option<RegistrationAdministration> {
        let clients = self.dynamic_clients.as_ref()?.clients.stored()?;
        Some(RegistrationAdministration::new(self, clients))
    }
}

fn summary((registration, expires_at): (StoredRegistration, Timestamp)) -> RegistrationSummary {
    RegistrationSummary {
        client: registration.id().clone(),
        client_name: registration.client_name().map(str::to_owned),
        redirect_uris: registration.redirect_uris().to_vec(),
        registered_at: registration.issued_at(),
        used: registration.is_used(),
        expires_at,
    }
}
