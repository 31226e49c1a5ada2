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

pub(super) use application_type::ApplicationType;
pub use client::{Client, ClientAuthenticationError, ClientKind};
pub(super) use client::{ClientKeys, sha256};
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
pub struct ClientResolvers(Vec<Arc<dyn ClientResolver>>);

impl ClientResolvers {
    /// No resolver yet: every client is unknown.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Asks this one after all the others.
    #[must_use]
    pub fn then(mut self, resolver: Arc<dyn ClientResolver>) -> Self {
        self.0.push(resolver);
        self
    }
}

#[async_trait]
impl ClientResolver for ClientResolvers {
    async fn resolve(&self, id: &ClientId) -> Result<Client, ResolveError> {
        for resolver in &self.0 {
            match resolver.resolve(id).await {
                Err(ResolveError::Unknown) => {}
                answer => return answer,
            }
        }
        Err(ResolveError::Unknown)
    }
}

#[cfg(test)]
mod tests;
