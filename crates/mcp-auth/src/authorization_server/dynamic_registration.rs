//! How clients register themselves at this server, if they can.

use super::{
    AuthorizationServer,
    clients::{Client, ClientKind, RegisteredClients, Served, StoredClients},
    initial_access_token::InitialAccessTokens,
};
use crate::{oauth::Timestamp, store::StoreError};

/// The clients that registered, and who may become one.
#[derive(Debug)]
pub(crate) struct DynamicRegistration {
    pub(crate) clients: RegisteredClients,
    /// What somebody who registers has to present; none where everybody may.
    pub(crate) initial_access_tokens: Option<InitialAccessTokens>,
}

impl AuthorizationServer {
    /// What a client that registers can have.
    pub(super) fn served(&self) -> Served {
        Served {
            dpop: self.proofs.is_some(),
            pushed_requests: self.pushed.is_some(),
            identity_assertions: !self.enterprise.is_empty(),
        }
    }

    /// Makes a client's registration outlive a grant that is about to be prolonged to this moment;
    /// false if the registration was ended meanwhile, and then the grant must not go on either.
    ///
    /// Called once every check has passed, before the grant is written.
    pub(super) async fn keep_registered(
        &self,
        client: &Client,
        grant_end: Timestamp,
    ) -> Result<bool, StoreError> {
        match self.stored(client) {
            Some(clients) => clients.keep_until(client.id(), grant_end).await,
            None => Ok(true),
        }
    }

    /// Whether a client is still registered, after a grant of it was inserted: an insert cannot lose to
    /// the end of the registration the way a swap of a grant does, which that end removes.
    pub(super) async fn is_registered(&self, client: &Client) -> Result<bool, StoreError> {
        match self.stored(client) {
            Some(clients) => clients.is_kept(client.id()).await,
            None => Ok(true),
        }
    }

    /// Where the registration of this client lies, if it is one that is stored.
    fn stored(&self, client: &Client) -> Option<&StoredClients> {
        let clients = self.dynamic_clients.as_ref()?.clients.stored()?;
        let is_theirs = client.kind() == ClientKind::Dynamic && StoredClients::names(client.id());
        is_theirs.then_some(clients)
    }
}
