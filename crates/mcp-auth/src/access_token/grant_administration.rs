//! The grants of one user or one client, for operators and for the users themselves.

use std::sync::Arc;

use super::{Grant, Grants, LoadedGrant, grants::is_redeemed};
use crate::{
    oauth::{ClientId, ResourceIdentifier, Scopes, Timestamp},
    store::{IndexName, RecordKey, StoreError},
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

/// Lists and ends the live grants of one server, also from another task.
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
        self.grants.list(&by_subject(subject)).await
    }

    /// The live grants of a client, for whichever users.
    ///
    /// # Errors
    ///
    /// When the store is away.
    pub async fn of_client(&self, client: &ClientId) -> Result<Vec<GrantSummary>, StoreError> {
        self.grants.list(&by_client(client)).await
    }

    /// Ends one grant of a user, by the name that [`GrantAdministration::of_subject`] gives; says
    /// whether there was one.
    ///
    /// # Errors
    ///
    /// When the store is away.
    pub async fn revoke(&self, subject: &str, name: &str) -> Result<bool, StoreError> {
        let reason = "one grant of a user was ended";
        self.grants
            .revoke_named(&by_subject(subject), name, reason)
            .await
    }

    /// Ends every grant of a user; says how many there were.
    ///
    /// # Errors
    ///
    /// When the store is away; some of the grants may be ended by then.
    pub async fn revoke_all_of_subject(&self, subject: &str) -> Result<usize, StoreError> {
        let reason = "the operator ended a user's grants";
        self.grants.revoke_all(&by_subject(subject), reason).await
    }

    /// Ends every grant of a client, for whichever users; says how many there were.
    ///
    /// # Errors
    ///
    /// When the store is away; some of the grants may be ended by then.
    pub async fn revoke_all_of_client(&self, client: &ClientId) -> Result<usize, StoreError> {
        let reason = "the operator ended a client's grants";
        self.grants.revoke_all(&by_client(client), reason).await
    }

    /// Ends everything a client was granted, also where its code was not redeemed yet.
    #[cfg(feature = "authorization-server")]
    pub(crate) async fn end_client(&self, client: &ClientId) -> Result<(), StoreError> {
        let reason = "the registration of its client was ended";
        let found = self.grants.with_unredeemed(&by_client(client)).await?;
        self.grants.end_each(found, reason).await?;
        Ok(())
    }
}

fn by_subject(subject: &str) -> IndexName {
    IndexName::new("subject", subject.as_bytes())
}

fn by_client(client: &ClientId) -> IndexName {
    IndexName::new("client", client.as_str().as_bytes())
}

impl Grants {
    /// Whether a user has a live grant of this client for this resource.
    #[cfg(feature = "authorization-server")]
    pub(crate) async fn has_live(
        &self,
        subject: &str,
        client: &ClientId,
        resource: &ResourceIdentifier,
    ) -> Result<bool, StoreError> {
        let grants = self.under(&by_subject(subject)).await?;
        let mut grants = grants.iter().map(|(_, loaded)| &loaded.value);
        Ok(grants.any(|grant| grant.client == *client && grant.resource == *resource))
    }

    /// The live grants under an index name.
    async fn list(&self, index: &IndexName) -> Result<Vec<GrantSummary>, StoreError> {
        let found = self.under(index).await?;
        Ok(found
            .into_iter()
            .map(|(key, loaded)| summary(&key, loaded))
            .collect())
    }

    /// Ends every grant under an index name; says how many there were.
    async fn revoke_all(
        &self,
        index: &IndexName,
        reason: &'static str,
    ) -> Result<usize, StoreError> {
        let found = self.under(index).await?;
        self.end_each(found, reason).await
    }

    /// Ends the one grant of this name under an index name; says whether there was one.
    async fn revoke_named(
        &self,
        index: &IndexName,
        name: &str,
        reason: &'static str,
    ) -> Result<bool, StoreError> {
        for (key, loaded) in self.under(index).await? {
            if key.to_string() == name {
                self.end(&key, &loaded.value, reason).await?;
                self.tell_upstream([loaded.value]);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The grants under an index name that somebody can use.
    async fn under(&self, index: &IndexName) -> Result<Vec<(RecordKey, LoadedGrant)>, StoreError> {
        let mut found = self.with_unredeemed(index).await?;
        found.retain(|(_, loaded)| is_redeemed(&loaded.value));
        Ok(found)
    }

    /// The same, and those that wait for their code.
    async fn with_unredeemed(
        &self,
        index: &IndexName,
    ) -> Result<Vec<(RecordKey, LoadedGrant)>, StoreError> {
        let mut found = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.records.list(index, cursor.as_ref(), PAGE).await?;
            for key in page.keys {
                if let Some(loaded) = self.records.load::<Grant>(&key).await? {
                    found.push((key, loaded));
                }
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(found),
            }
        }
    }

    /// Ends these grants and tells the upstream of those that were; says how many there were.
    async fn end_each(
        &self,
        found: Vec<(RecordKey, LoadedGrant)>,
        reason: &'static str,
    ) -> Result<usize, StoreError> {
        let mut ended = Vec::new();
        let mut result = Ok(());
        for (key, loaded) in found {
            result = self.end(&key, &loaded.value, reason).await;
            if result.is_err() {
                break;
            }
            ended.push(loaded.value);
        }
        let count = ended.len();
        self.tell_upstream(ended);
        result.map(|()| count)
    }

    async fn end(
        &self,
        key: &RecordKey,
        grant: &Grant,
        reason: &'static str,
    ) -> Result<(), StoreError> {
        self.records.remove(key).await?;
        // An index holds hashed keys, which do not say what the cache knows the grant by.
        self.cache.clear();
        tracing::info!(
            event = "grant_revoked",
            reason,
            client = grant.client.as_str()
        );
        Ok(())
    }
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
