//! Who asks: from a `client_id` to what is known about the client.
//!
//! A client is known in one of three ways: the operator wrote it down ([`PreregisteredClients`]),
//! it registered itself ([`DynamicClients`]), or its identifier is the URL of a document that
//! describes it ([`ClientDocuments`]). Each way is a [`ClientResolver`]; [`ClientResolvers`] asks them in order.

mod application_type;
mod client;
mod display_name;
pub(crate) mod document;
mod dynamic;
pub(crate) mod keys;
mod preregistered;
mod said;

use std::sync::Arc;

use async_trait::async_trait;
use http::Extensions;

pub(super) use application_type::ApplicationType;
pub(super) use client::ClientKeys;
pub use client::{Client, ClientAuthenticationError, ClientKind};
pub(super) use display_name::display_name;
pub(super) use document::RemoteKeySets;
#[cfg(any(test, fuzzing))]
pub(super) use document::holds as document_holds;
pub use document::{AllowClients, ClientDocuments};
#[cfg(any(test, fuzzing))]
pub(super) use dynamic::codec_holds;
pub use dynamic::{ClientIdTooLong, DynamicClients, StoredRegistrations};
pub(super) use dynamic::{IssueError, Managed, StoredRegistration};
pub(crate) use dynamic::{RegisteredClients, StoredClients};
pub use preregistered::PreregisteredClients;
pub(super) use said::{Said, Served};

use crate::oauth::ClientId;

/// Turns a client identifier into a client.
#[async_trait]
pub trait ClientResolver: std::fmt::Debug + Send + Sync {
    /// The client of this identifier.
    ///
    /// # Errors
    ///
    /// When there is none, it is refused, or that cannot be told right now.
    async fn resolve(&self, id: &ClientId) -> Result<Client, ResolveError>;

    /// The same for whoever sent a request with these extensions, where an answer costs something: a
    /// resolver that fetches counts by the [`ClientAddress`](crate::net::ClientAddress) among them. By
    /// default nothing is counted.
    ///
    /// # Errors
    ///
    /// As [`ClientResolver::resolve`].
    async fn resolve_for(
        &self,
        id: &ClientId,
        _caller: &Extensions,
    ) -> Result<Client, ResolveError> {
        self.resolve(id).await
    }
}

const _: Option<&dyn ClientResolver> = None;

/// Why an identifier gives no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// No client has this identifier.
    #[error("no client has this identifier")]
    Unknown,
    /// It was registered under a key that is not in the ring: the key was dropped, or the
    /// registration was another server's. The host has to forget it and register again.
    #[error("the client was registered under a key that this server does not have")]
    UnknownKey,
    /// The document that the identifier leads to is missing or no good; the reason is for the log.
    #[error("its document: {0}")]
    Document(&'static str),
    /// The document that the identifier leads to cannot be fetched right now.
    #[error("its document cannot be fetched right now: {0}")]
    DocumentUnavailable(&'static str),
    /// The host of the document that the identifier leads to gives something else, which says nothing
    /// about the client.
    #[error("its document cannot be told: {0}")]
    DocumentUnclear(&'static str),
    /// The document that the identifier leads to cannot be looked at right now, and nothing goes on
    /// without: we are busy, or its client has to prove itself with it.
    #[error("its document is needed and cannot be looked at right now: {0}")]
    DocumentNeeded(&'static str),
    /// The client is known and refused; the reason is for the log.
    #[error("{0}")]
    Refused(&'static str),
    /// Nobody can tell right now.
    #[error("the client cannot be looked up right now")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Several resolvers as one: the first that knows the identifier answers.
///
/// Put the operator's own clients first, so that nothing a stranger registers can take the place of
/// one of them.
#[derive(Debug, Clone, Default)]
pub struct ClientResolvers {
    resolvers: Vec<Arc<dyn ClientResolver>>,
    denied: Vec<ClientId>,
}

impl ClientResolvers {
    /// No resolver yet: every client is unknown.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            resolvers: Vec::new(),
            denied: Vec::new(),
        }
    }

    /// Asks this one after all the others.
    #[must_use]
    pub fn then(mut self, resolver: Arc<dyn ClientResolver>) -> Self {
        self.resolvers.push(resolver);
        self
    }

    /// Refuses these clients, whoever knows them.
    #[must_use]
    pub fn deny(mut self, clients: impl IntoIterator<Item = ClientId>) -> Self {
        self.denied.extend(clients);
        self
    }
}

#[async_trait]
impl ClientResolver for ClientResolvers {
    async fn resolve(&self, id: &ClientId) -> Result<Client, ResolveError> {
        self.resolve_for(id, &Extensions::new()).await
    }

    async fn resolve_for(
        &self,
        id: &ClientId,
        caller: &Extensions,
    ) -> Result<Client, ResolveError> {
        if self.denied.contains(id) {
            return Err(ResolveError::Refused("the client is denied"));
        }
        for resolver in &self.resolvers {
            match resolver.resolve_for(id, caller).await {
                Err(ResolveError::Unknown) => {}
                answer => return answer,
            }
        }
        Err(ResolveError::Unknown)
    }
}

#[cfg(test)]
mod tests;
