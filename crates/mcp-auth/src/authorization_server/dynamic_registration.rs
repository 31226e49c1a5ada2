//! How clients register themselves at this server, if they can.

use super::{
    AuthorizationServer,
    clients::{Client, ClientKind, RegisteredClients},
    initial_access_token::InitialAccessTokens,
};
use crate::{oauth::Timestamp, store::StoreError};

/// The clients that registered, and who may become one.
#[derive(Debug)]
pub(crate) struct DynamicRegistration {
    pub(crate) clients: RegisteredClients,
    pub(crate) initial_access_tokens: InitialAccessTokens,
}

impl AuthorizationServer {
    /// Makes a client's registration outlive a grant that is about to be prolonged to this moment;
    /// false if the registration was ended meanwhile, and then the grant must not go on either.
    ///
    /// Called once every check has passed, before the grant is written.
    pub(super) async fn keep_registered(
        &self,
        client: &Client,
        grant_end: Timestamp,
    ) -> Result<bool, StoreError> {
        let stored = self.dynamic_clients.as_ref();
        let stored = stored.and_then(|registration| registration.clients.stored());
        match stored {
            Some(clients) if client.kind() == ClientKind::Dynamic => {
                clients.keep_until(client.id(), grant_end).await
            }
            _ => Ok(true),
        }
    }
}
