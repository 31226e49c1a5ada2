//! The clients that registered themselves, in whichever way their registrations are kept.

use std::sync::Arc;

use super::{DynamicClients, StoredClients};
use crate::{
    authorization_server::clients::{ClientResolver, Said},
    oauth::{AccessToken, ClientId, ClientMetadata, ClientSecret, Timestamp},
    store::StoreError,
};

/// Sealed in their identifiers, or stored.
#[derive(Debug, Clone)]
pub(crate) enum RegisteredClients {
    Sealed(Arc<DynamicClients>),
    Stored(Arc<StoredClients>),
}

/// A client that exists from now on.
pub(in crate::authorization_server) struct Issued {
    pub(in crate::authorization_server) id: ClientId,
    pub(in crate::authorization_server) secret: Option<ClientSecret>,
    /// What opens the client's own registration (RFC 7592 §3), where there is one to open.
    pub(in crate::authorization_server) access: Option<AccessToken>,
}

/// Why there is no new client.
#[derive(Debug)]
pub(in crate::authorization_server) enum IssueError {
    TooLong,
    Store(StoreError),
}

impl RegisteredClients {
    pub(crate) fn resolver(&self) -> Arc<dyn ClientResolver> {
        match self {
            Self::Sealed(clients) => Arc::clone(clients) as _,
            Self::Stored(clients) => Arc::clone(clients) as _,
        }
    }

    /// The stored ones, if they are.
    pub(crate) const fn stored(&self) -> Option<&Arc<StoredClients>> {
        match self {
            Self::Sealed(_) => None,
            Self::Stored(clients) => Some(clients),
        }
    }

    pub(in crate::authorization_server) fn redirect_schemes(&self) -> &[String] {
        match self {
            Self::Sealed(clients) => clients.redirect_schemes(),
            Self::Stored(clients) => clients.redirect_schemes(),
        }
    }

    pub(in crate::authorization_server) async fn issue(
        &self,
        metadata: &ClientMetadata,
        said: Said,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        match self {
            Self::Sealed(clients) => {
                let issued = clients.issue(metadata, now);
                let (id, secret) = issued.map_err(|_| IssueError::TooLong)?;
                Ok(Issued {
                    id,
                    secret,
                    access: None,
                })
            }
            Self::Stored(clients) => clients.issue(metadata, said, now).await,
        }
    }
}
