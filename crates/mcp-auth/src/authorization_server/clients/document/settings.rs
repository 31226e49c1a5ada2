//! What an operator says about client documents.

use std::{collections::HashMap, sync::Arc};

use super::{
    AllowClients, Cache, Document, DocumentClients, DocumentContext, DocumentUrl, Fetcher,
};
use crate::{BuildError, net::HttpClient, oauth::ClientId};

/// How client ID metadata documents are fetched, and whose.
#[derive(Debug, Clone)]
#[must_use]
pub struct ClientDocuments {
    http: Option<Arc<dyn HttpClient>>,
    allow: AllowClients,
    pinned: Vec<String>,
    max_bytes: usize,
    development_ca: Option<Vec<u8>>,
    revoke_on_change: bool,
}

impl Default for ClientDocuments {
    fn default() -> Self {
        Self::new()
    }
}

impl ClientDocuments {
    /// Of every client, 5 KiB at most, fetched by a `GuardedClient`.
    pub fn new() -> Self {
        Self {
            http: None,
            allow: AllowClients::all(),
            pinned: Vec::new(),
            max_bytes: 5 * 1024,
            development_ca: None,
            revoke_on_change: false,
        }
    }

    /// Of the clients that this policy allows.
    pub fn with_policy(mut self, allow: AllowClients) -> Self {
        self.allow = allow;
        self
    }

    /// With a copy of a document, which is used instead of fetching it: for clients whose host does
    /// not answer servers, and for those that must not depend on it. Its `client_id` says which.
    ///
    /// A copy does not change when the document does, and another copy ends no grant.
    pub fn with_pinned(mut self, json: impl Into<String>) -> Self {
        self.pinned.push(json.into());
        self
    }

    /// With documents of up to so many bytes; 5,120 by default (draft -02 §8.7).
    pub const fn with_max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// With the grants of a client ended when the redirection URIs or keys in its document change;
    /// without, they go on, and the change counts from the next authorization on.
    ///
    /// A process that sees a change ends them at once. What was missed is found out when a grant is
    /// refreshed, for it remembers what document it was given on the strength of; an access token
    /// ends by itself then, within its lifetime.
    pub const fn revoking_on_change(mut self) -> Self {
        self.revoke_on_change = true;
        self
    }

    /// Through another client, for example one that uses a proxy.
    ///
    /// # Security
    ///
    /// Anybody can name a URL here. The client must not reach the operator's own network: this is
    /// what the built-in one (`GuardedClient`) sees to. It also counts by address how often and how
    /// many at once anybody is asked; of another one only host names can be counted.
    pub fn with_http_client(mut self, http: Arc<dyn HttpClient>) -> Self {
        self.http = Some(http);
        self
    }

    /// With documents on loopback too, on any port, and these certificates (PEM) trusted there and
    /// nowhere else: for the development of clients. Building it refuses a public URL off loopback.
    pub fn with_development_ca(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.development_ca = Some(pem.into());
        self
    }

    /// Whether loopback is reached.
    pub(crate) const fn is_development(&self) -> bool {
        self.development_ca.is_some()
    }

    /// The door that documents are fetched through; none where no client is built in.
    pub(crate) fn http_client(&self) -> Result<Option<Arc<dyn HttpClient>>, BuildError> {
        if let Some(http) = &self.http {
            return Ok(Some(Arc::clone(http)));
        }
        #[cfg(feature = "http-client")]
        {
            let mut client = crate::net::GuardedClient::builder();
            if let Some(pem) = &self.development_ca {
                client = client.insecure_allow_loopback(pem.clone());
            }
            Ok(Some(Arc::new(client.build()?)))
        }
        #[cfg(not(feature = "http-client"))]
        Ok(None)
    }

    /// The resolver of these documents.
    pub(crate) fn resolver(
        self,
        context: DocumentContext<'_>,
    ) -> Result<DocumentClients, BuildError> {
        if !(256..=MAX_MAX_BYTES).contains(&self.max_bytes) {
            return Err(BuildError::argument(
                "client documents",
                "the largest size must be from 256 bytes to 1 MiB",
            ));
        }
        let mut pinned = HashMap::new();
        for json in &self.pinned {
            let (id, document) = pin(json, context.redirect_schemes)
                .map_err(|reason| BuildError::argument("pinned client document", reason))?;
            pinned.insert(id, Arc::new(document));
        }
        let clock = context.clock;
        let fetches = context.fetches_for_a_caller;
        Ok(DocumentClients {
            fetcher: Arc::new(Fetcher::new(context.http, Arc::clone(&clock), fetches)),
            documents: Cache::new(Arc::clone(&clock)),
            key_sets: Arc::new(Cache::new(Arc::clone(&clock))),
            clock,
            allow: self.allow,
            pinned,
            redirect_schemes: context.redirect_schemes.to_vec(),
            max_bytes: self.max_bytes,
            ended_by_change: self.revoke_on_change.then_some(context.grants),
        })
    }
}

fn pin(json: &str, redirect_schemes: &[String]) -> Result<(ClientId, Document), &'static str> {
    let value: serde_json::Value = serde_json::from_str(json).map_err(|_| "it is not JSON")?;
    let id = value.get("client_id").and_then(serde_json::Value::as_str);
    let id = ClientId::parse(id.ok_or("it has no client_id")?)
        .map_err(|_| "its client_id is malformed")?;
    DocumentUrl::parse(&id)?;
    let document = Document::parse(json.as_bytes(), &id, redirect_schemes)?;
    Ok((id, document))
}

const MAX_MAX_BYTES: usize = 1024 * 1024;
