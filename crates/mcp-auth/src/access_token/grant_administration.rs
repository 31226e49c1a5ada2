//! The grants of one user or one client, for operators and for the users themselves.

use std::sync::Arc;

use super::{Grant, Grants, LoadedGrant, grants::is_redeemed};
use crate::{
    audit::AuditAction,
    oauth::{ClientId, ResourceIdentifier, Scopes, Timestamp},
    store::{Cursor, IndexName, RecordKey, StoreError},
};

/// What can be told of a grant; nothing in it opens anything.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GrantSummary {
    /// A name for this grant, to revoke it by.
    pub name: String,
    /// Whose it is, as [`Principal::subject`](super::Principal::subject) says it.
    pub subject: String,
    /// The client that was let in.
    pub client: ClientId,
    /// What the client calls itself; a claim of its own, unless the operator registered it.
    pub client_name: Option<String>,
    /// The MCP endpoint.
    pub resource: ResourceIdentifier,
    /// What it allows.
    pub scopes: Scopes,
    /// When the user consented.
    pub created_at: Timestamp,
    /// When the host last refreshed; none before the first time, or without refresh tokens.
    pub refreshed_at: Option<Timestamp>,
    /// When it ends if it is not used again.
    pub expires_at: Timestamp,
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GrantPage {
    /// The grants; there may be none although further pages follow.
    pub grants: Vec<GrantSummary>,
    /// Where to go on; none when this was the last page.
    pub next: Option<Cursor>,
}

/// Lists and ends the live grants of one server, also from another task.
///
/// Listed is what somebody holds tokens of; ended, and counted, is also what waits for its code to be
/// redeemed. A login that is still at the upstream begins a grant of its own later: whether it may is
/// for [`Admission`](crate::authorization_server::Admission) to say.
///
/// The upstream is told of each grant that is ended, if it has a revocation endpoint (RFC 7009).
/// Other processes see the end of a grant within the revocation bound.
#[derive(Debug, Clone)]
pub struct GrantAdministration {
    grants: Arc<Grants>,
}

impl GrantAdministration {
    pub(crate) const fn new(grants: Arc<Grants>) -> Self {
        Self { grants }
    }

    /// The live grants of a user, through whichever clients.
    ///
    /// The subject is what [`Principal::subject`](crate::Principal::subject) says: the upstream's
    /// namespace, `|`, the user there.
    ///
    /// # Errors
    ///
    /// When the store is away.
    pub async fn of_subject(&self, subject: &str) -> Result<Vec<GrantSummary>, StoreError> {
        self.grants.summaries(&by_subject(subject)).await
    }

    /// The live grants of a client, for whichever users. For a client with very many of them see
    /// [`GrantAdministration::of_client_page`].
    ///
    /// # Errors
    ///
    /// When the store is away.
    pub async fn of_client(&self, client: &ClientId) -> Result<Vec<GrantSummary>, StoreError> {
        self.grants.summaries(&by_client(client)).await
    }

    /// At most 100 of the live grants of a client: the first, or those after the cursor that the page
    /// before gave.
    ///
    /// Grants that begin or end meanwhile may be missing; every other one is on exactly one page.
    ///
    /// # Errors
    ///
    /// When the store is away.
    pub async fn of_client_page(
        &self,
        client: &ClientId,
        after: Option<&Cursor>,
    ) -> Result<GrantPage, StoreError> {
        self.grants.page(&by_client(client), after).await
    }

    /// Ends one grant of a user, by the name that [`GrantAdministration::of_subject`] gives; says
    /// whether there was one.
    ///
    /// # Errors
    ///
    /// When the store is away.
    pub async fn revoke(&self, subject: &str, name: &str) -> Result<bool, StoreError> {
        let reason = "one grant of a user was ended";
        self.grants.end_named(subject, name, reason).await
    }

    /// Ends every grant of a user; says how many there were.
    ///
    /// # Errors
    ///
    /// When the store is away; some of the grants may be ended by then.
    pub async fn revoke_all_of_subject(&self, subject: &str) -> Result<usize, StoreError> {
        let reason = "the operator ended a user's grants";
        self.grants.end_all(&by_subject(subject), reason).await
    }

    /// Ends every grant of a client, for whichever users; says how many there were.
    ///
    /// # Errors
    ///
    /// When the store is away; some of the grants may be ended by then.
    pub async fn revoke_all_of_client(&self, client: &ClientId) -> Result<usize, StoreError> {
        let reason = "the operator ended a client's grants";
        self.grants.end_all(&by_client(client), reason).await
    }

    /// The same, because the client itself is no more.
    #[cfg(feature = "authorization-server")]
    pub(crate) async fn end_client(&self, client: &ClientId) -> Result<(), StoreError> {
        let reason = "the registration of its client was ended";
        self.grants.end_all(&by_client(client), reason).await?;
        Ok(())
    }
}

fn by_subject(subject: &str) -> IndexName {
    IndexName::new("subject", subject.as_bytes())
}

fn by_client(client: &ClientId) -> IndexName {
    IndexName::new("client", client.as_str().as_bytes())
}

// Page by page: what stays of a page are summaries, and, of grants that were ended, what the upstream
// has still to be told.
impl Grants {
    /// Whether a user has a grant of this client for this resource that was made by that time.
    #[cfg(feature = "authorization-server")]
    pub(crate) async fn has_live_since(
        &self,
        by: Timestamp,
        subject: &str,
        client: &ClientId,
        resource: &ResourceIdentifier,
    ) -> Result<bool, StoreError> {
        let index = by_subject(subject);
        let mut after = None;
        loop {
            let page = self.page(&index, after.as_ref()).await?;
            let mut grants = page.grants.iter().filter(|grant| grant.created_at <= by);
            if grants.any(|grant| grant.client == *client && grant.resource == *resource) {
                return Ok(true);
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(false),
            }
        }
    }

    async fn summaries(&self, index: &IndexName) -> Result<Vec<GrantSummary>, StoreError> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = self.page(index, after.as_ref()).await?;
            all.extend(page.grants);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// Some of the grants under an index name, without those that wait for their code.
    async fn page(
        &self,
        index: &IndexName,
        after: Option<&Cursor>,
    ) -> Result<GrantPage, StoreError> {
        let page = self.records.list(index, after, PAGE).await?;
        let mut grants = Vec::new();
        for key in &page.keys {
            if let Some(loaded) = self.records.load::<Grant>(key).await?
                && is_redeemed(&loaded.value)
            {
                grants.push(summary(key, loaded));
            }
        }
        Ok(GrantPage {
            grants,
            next: page.next,
        })
    }

    /// Ends every grant under an index name; says how many there were.
    async fn end_all(&self, index: &IndexName, reason: &'static str) -> Result<usize, StoreError> {
        let mut count = 0;
        let mut after = None;
        loop {
            let page = self.records.list(index, after.as_ref(), PAGE).await?;
            count += self.end_each(&page.keys, reason).await?;
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(count),
            }
        }
    }

    /// Ends the grant of this name, if it is this user's; says whether there was one.
    async fn end_named(
        &self,
        subject: &str,
        name: &str,
        reason: &'static str,
    ) -> Result<bool, StoreError> {
        let Some(key) = RecordKey::from_text(name) else {
            return Ok(false);
        };
        let Some(loaded) = self.records.load::<Grant>(&key).await? else {
            return Ok(false);
        };
        let grant = loaded.value;
        if grant.subject != subject {
            return Ok(false);
        }
        let ended = self.end(&key, Some(&grant), reason).await;
        self.cache.clear();
        ended?;
        self.tell_upstream([grant]);
        Ok(true)
    }

    /// Ends the grants under these keys and tells the upstream; says how many there were.
    async fn end_each(
        &self,
        keys: &[RecordKey],
        reason: &'static str,
    ) -> Result<usize, StoreError> {
        let mut ended = Vec::new();
        let mut result = Ok(());
        for key in keys {
            match self.end_if_there(key, reason).await {
                Ok(found) => ended.extend(found),
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        // Once for all of them, and also where the store went away: those before that are ended. It
        // has to be everything, because a hashed key does not say what the cache knows a grant by.
        self.cache.clear();
        let count = ended.len();
        self.tell_upstream(ended.into_iter().filter_map(|ended| ended.grant));
        result.map(|()| count)
    }

    /// Ends what lies under a key, also what cannot be read: a key that is not known here today may
    /// be known again tomorrow.
    async fn end_if_there(
        &self,
        key: &RecordKey,
        reason: &'static str,
    ) -> Result<Option<Ended>, StoreError> {
        let loaded = self.records.load::<Grant>(key).await?;
        if loaded.is_none() && !self.records.exists(key).await? {
            return Ok(None);
        }
        let grant = loaded.map(|loaded| loaded.value);
        self.end(key, grant.as_ref(), reason).await?;
        Ok(Some(Ended { grant }))
    }

    async fn end(
        &self,
        key: &RecordKey,
        grant: Option<&Grant>,
        reason: &'static str,
    ) -> Result<(), StoreError> {
        self.records.remove(key).await?;
        let client = grant.map(|grant| grant.client.as_str());
        tracing::info!(event = "grant_revoked", reason, client);
        self.audit.record(AuditAction::GrantRevoked, |event| {
            event.subject = grant.map(|grant| grant.subject.clone());
            event.client = grant.map(|grant| grant.client.clone());
            event.reason = Some(reason);
        });
        Ok(())
    }
}

/// A grant that was ended, if it could be read.
struct Ended {
    grant: Option<Grant>,
}

fn summary(key: &RecordKey, loaded: LoadedGrant) -> GrantSummary {
    let grant = loaded.value;
    let rotation = grant.refresh.filter(|state| state.generation > 1);
    GrantSummary {
        name: key.to_string(),
        subject: grant.subject,
        client: grant.client,
        client_name: grant.client_name,
        resource: grant.resource,
        scopes: grant.scopes,
        created_at: grant.created_at,
        refreshed_at: rotation.map(|state| state.rotated_at),
        expires_at: loaded.expires_at,
    }
}

const PAGE: usize = 100;
