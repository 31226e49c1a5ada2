//! Clients whose identifier is the URL of a document that describes them: client ID metadata
//! documents (draft-ietf-oauth-client-id-metadata-document-02, MCP authorization).
//!
//! Nobody registers and nothing is stored; the host in the identifier is something that a person
//! can recognise, and the fetch proves it.

mod allow;
mod cache;
mod fetch;
mod freshness;
mod metadata;
mod settings;
mod url;

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use http::Extensions;

pub use allow::AllowClients;
pub use settings::ClientDocuments;

use super::{Client, ClientKind, ClientResolver, ResolveError, client::ClientKeys, keys::KeySet};
use crate::{
    access_token::{DocumentSeen, GrantAdministration},
    net::{ClientAddress, HttpClient},
    oauth::{ClientId, Clock, Timestamp},
};
use cache::{Cache, FetchError, Found};
use fetch::Fetcher;
use metadata::{Document, DocumentKeys};
use url::DocumentUrl;

/// What is read as a document, and what is read as the URL of one, is held to what must be true of it.
#[cfg(any(test, fuzzing))]
pub(in crate::authorization_server) fn holds(document: &[u8], id: &ClientId) {
    metadata::holds(document, id);
    if let Ok(url) = DocumentUrl::parse(id) {
        // The host that a person is shown is the one that is asked.
        assert_eq!(url.uri().host(), url.host().split(':').next());
        assert_eq!(url.uri().to_string(), id.as_str());
    }
}

/// Resolves identifiers that are URLs.
#[derive(Debug)]
pub(crate) struct DocumentClients {
    fetcher: Arc<Fetcher>,
    documents: Cache<Document>,
    key_sets: Arc<Cache<KeySet>>,
    allow: AllowClients,
    pinned: HashMap<ClientId, Arc<Document>>,
    redirect_schemes: Vec<String>,
    max_bytes: usize,
    /// Ends the grants of a client whose document is another now, if the operator wants that.
    ended_by_change: Option<GrantAdministration>,
    clock: Arc<dyn Clock>,
}

impl DocumentClients {
    async fn document(
        &self,
        url: &DocumentUrl,
        caller: Option<ClientAddress>,
    ) -> Result<Found<Document>, ResolveError> {
        if let Some(document) = self.pinned.get(url.id()) {
            return Ok(Found {
                value: Arc::clone(document),
                fetched_at: self.clock.now(),
                replaced: None,
            });
        }
        let (id, schemes) = (url.id().clone(), &self.redirect_schemes);
        let parse = move |json: &[u8]| Document::parse(json, &id, schemes);
        let found = self
            .documents
            .get(url.id().as_str(), None, || {
                self.fetcher.fetch(url.uri(), self.max_bytes, caller, parse)
            })
            .await;
        let found = found.map_err(|error| self.without(url, error, caller))?;
        if let (Some(before), Some(grants)) = (&found.replaced, &self.ended_by_change)
            && found.value.differs_from(before)
        {
            let ended = grants.revoke_all_of_client(url.id()).await;
            let ended = ended.map_err(|error| ResolveError::Unavailable(error.into()))?;
            tracing::info!(
                event = "document_changed",
                host = url.host(),
                grants = ended
            );
        }
        Ok(found)
    }

    /// What the want of a document means, for a client that was seen before: what it and the operator
    /// said last is not forgotten because its host is away.
    fn without(
        &self,
        url: &DocumentUrl,
        error: FetchError,
        caller: Option<ClientAddress>,
    ) -> ResolveError {
        if let FetchError::Outage(_) | FetchError::Unclear(_) = error
            && let Some(last) = self.documents.last_seen(url.id().as_str())
        {
            let client = self.client(url.id(), &last, caller);
            if !self.allow.allows(&client) {
                return NOT_LET_IN;
            }
            if client.is_confidential() {
                return ResolveError::DocumentNeeded("its client has to prove itself with it");
            }
        }
        error.into()
    }

    fn client(&self, id: &ClientId, document: &Document, caller: Option<ClientAddress>) -> Client {
        let client = Client::new(id.clone(), ClientKind::Document, document.metadata.clone());
        match &document.keys {
            DocumentKeys::None => client,
            DocumentKeys::Inline(keys) => client.with_keys(ClientKeys::Fixed(keys.clone())),
            DocumentKeys::At(uri) => {
                let sets = RemoteKeySets {
                    fetcher: Arc::clone(&self.fetcher),
                    sets: Arc::clone(&self.key_sets),
                    clock: Arc::clone(&self.clock),
                    caller,
                };
                client.with_keys(ClientKeys::At(uri.as_str().into(), Arc::new(sets)))
            }
        }
    }
}

const NOT_LET_IN: ResolveError = ResolveError::Document("the operator's check refused it");

#[async_trait]
impl ClientResolver for DocumentClients {
    async fn resolve(&self, id: &ClientId) -> Result<Client, ResolveError> {
        self.resolve_for(id, &Extensions::new()).await
    }

    async fn resolve_for(
        &self,
        id: &ClientId,
        caller: &Extensions,
    ) -> Result<Client, ResolveError> {
        if !DocumentUrl::is_claimed_by(id) {
            return Err(ResolveError::Unknown);
        }
        let url = DocumentUrl::parse(id).map_err(ResolveError::Document)?;
        if !self.allow.allows_fetch(id, url.host()) {
            return Err(ResolveError::Document("its host is not allowed"));
        }
        let caller = caller.get::<ClientAddress>().copied();
        let found = self.document(&url, caller).await?;
        let client = self.client(id, &found.value, caller);
        if !self.allow.allows(&client) {
            return Err(NOT_LET_IN);
        }
        // A pinned copy changes by the operator's own hand, and in one process before the other.
        if self.ended_by_change.is_none() || self.pinned.contains_key(id) {
            return Ok(client);
        }
        let seen = DocumentSeen::new(found.value.digest(), found.fetched_at);
        Ok(client.with_document(seen))
    }
}

impl From<FetchError> for ResolveError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Busy(reason) => Self::DocumentNeeded(reason),
            FetchError::Outage(reason) => Self::DocumentUnavailable(reason),
            FetchError::Unclear(reason) => Self::DocumentUnclear(reason),
            FetchError::Refused(reason) => Self::Document(reason),
        }
    }
}

/// Key sets behind the `jwks_uri` of documents, fetched for one caller.
#[derive(Debug)]
pub(crate) struct RemoteKeySets {
    fetcher: Arc<Fetcher>,
    sets: Arc<Cache<KeySet>>,
    clock: Arc<dyn Clock>,
    caller: Option<ClientAddress>,
}

/// A set of keys may be larger than a document.
const MAX_KEY_SET_BYTES: usize = 32 * 1024;
/// A key that is not in the set makes us look for it again, but not sooner than this.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

impl RemoteKeySets {
    /// Through a client of the operator's choice, for URLs of the operator's own.
    pub(in crate::authorization_server) fn through(
        http: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            fetcher: Arc::new(Fetcher::new(http, Arc::clone(&clock), 0)),
            sets: Arc::new(Cache::new(Arc::clone(&clock))),
            clock,
            caller: None,
        }
    }

    /// The keys at this URL.
    pub(in crate::authorization_server) async fn get(
        &self,
        url: &str,
    ) -> Result<Arc<KeySet>, ResolveError> {
        self.newer_than(url, None).await
    }

    /// The keys at this URL as they are now: its client used one that was not among them.
    pub(in crate::authorization_server) async fn get_again(
        &self,
        url: &str,
    ) -> Result<Arc<KeySet>, ResolveError> {
        let moment = self.clock.now().minus(LOOK_AGAIN);
        self.newer_than(url, Some(moment)).await
    }

    async fn newer_than(
        &self,
        url: &str,
        moment: Option<Timestamp>,
    ) -> Result<Arc<KeySet>, ResolveError> {
        let uri = url
            .parse()
            .map_err(|_| ResolveError::Document("its jwks_uri is not a URL"))?;
        let parse = |json: &[u8]| {
            let jwks = serde_json::from_slice(json).map_err(|_| "its key set is not JSON")?;
            KeySet::parse(&jwks)
        };
        let fetch = || {
            self.fetcher
                .fetch(&uri, MAX_KEY_SET_BYTES, self.caller, parse)
        };
        match self.sets.get(url, moment, fetch).await {
            Ok(found) => Ok(found.value),
            Err(FetchError::Refused(reason)) => Err(ResolveError::Document(reason)),
            // Whoever signs is told to come again, whatever keeps its keys away.
            Err(
                FetchError::Busy(reason) | FetchError::Outage(reason) | FetchError::Unclear(reason),
            ) => Err(ResolveError::DocumentUnavailable(reason)),
        }
    }
}

/// Everything a [`DocumentClients`] needs from the server around it.
pub(crate) struct DocumentContext<'a> {
    pub(crate) http: Arc<dyn HttpClient>,
    pub(crate) redirect_schemes: &'a [String],
    pub(crate) grants: GrantAdministration,
    /// Fetches a minute for one caller; zero is no limit.
    pub(crate) fetches_for_a_caller: u32,
    pub(crate) clock: Arc<dyn Clock>,
}
