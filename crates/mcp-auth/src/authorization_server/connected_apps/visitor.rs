//! Who is signed in to the page: sealed in a cookie, for ten minutes.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    super::{AuthorizationServer, Lifetimes, cookies, paths, response},
    ConnectedApps, FormToken,
};
use crate::{
    oauth::Timestamp,
    store::{RecordKey, StoreError},
    upstream::UpstreamIdentity,
};

/// A person who signed in at the upstream for this page not long ago, and did not sign out.
#[derive(Serialize, Deserialize)]
pub(super) struct Visitor {
    #[serde(rename = "s")]
    subject: String,
    /// What the upstream calls them, for them to see which account it is.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(rename = "i")]
    id: String,
    #[serde(rename = "t")]
    signed_in_at: Timestamp,
}

/// What seals a visitor's cookie to its purpose, beside the key.
const ASSOCIATED: &[u8] = b"";
/// How much longer than the visit the record stays that says it was ended.
const EDGE: Duration = Duration::from_secs(60);
/// Characters of a name that are kept.
const MAX_NAME: usize = 100;

impl Visitor {
    pub(super) fn new(server: &AuthorizationServer, identity: &UpstreamIdentity) -> Self {
        let claims = ["email", "preferred_username", "login", "name"];
        let name = claims.iter().find_map(|claim| {
            let text = identity.claims.get(*claim)?.as_str()?;
            Some(text.chars().take(MAX_NAME).collect())
        });
        Self {
            subject: identity.full_subject(),
            name,
            id: server.random.token(),
            signed_in_at: server.clock.now(),
        }
    }

    /// Whoever this browser says it is, if we sealed that, it is in time, and nobody signed out.
    pub(super) async fn of(
        server: &AuthorizationServer,
        apps: &ConnectedApps,
        sent: &HeaderMap,
    ) -> Result<Option<Self>, StoreError> {
        let Some(visitor) = Self::opened(server, apps, sent) else {
            return Ok(None);
        };
        let ended = server.records.exists(&visitor.ended_marker()).await?;
        Ok((!ended).then_some(visitor))
    }

    fn opened(
        server: &AuthorizationServer,
        apps: &ConnectedApps,
        sent: &HeaderMap,
    ) -> Option<Self> {
        let sealed = cookies::get(sent, &server.public_url, cookies::VISITOR)?;
        let opened = apps.visitors.open_text(ASSOCIATED, sealed).ok()?;
        let visitor: Self = serde_json::from_slice(&opened).ok()?;
        let now = server.clock.now();
        now.is_within(visitor.signed_in_at, Lifetimes::VISITOR)
            .then_some(visitor)
    }

    /// Gives it to the browser.
    pub(super) fn keep(
        &self,
        server: &AuthorizationServer,
        apps: &ConnectedApps,
        response: &mut Response<Bytes>,
    ) {
        let plain = Zeroizing::new(serde_json::to_vec(self).unwrap_or_default());
        let sealed = apps.visitors.seal_text(ASSOCIATED, &plain);
        let age = Some(Lifetimes::VISITOR.as_secs());
        cookies::set(response, &server.public_url, cookies::VISITOR, &sealed, age);
    }

    /// Ends it, in this browser and wherever else its cookie may lie.
    pub(super) async fn sign_out(
        self,
        server: &AuthorizationServer,
        _: FormToken,
    ) -> Result<Response<Bytes>, StoreError> {
        // Longer than the visit itself: a request on its very edge still finds it.
        let until = self.signed_in_at.plus(Lifetimes::VISITOR + EDGE);
        let marker = self.ended_marker();
        // There already: it was signed out of another tab at the same moment.
        let _ = server
            .records
            .insert(&marker, &(), until, Vec::new())
            .await?;
        let mut response = response::see_other(&server.public_url.join(paths::SIGNED_OUT));
        cookies::remove(&mut response, &server.public_url, cookies::VISITOR);
        Ok(response)
    }

    pub(super) fn subject(&self) -> &str {
        &self.subject
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The record that says this visitor signed out.
    fn ended_marker(&self) -> RecordKey {
        RecordKey::new("visitor", self.id.as_bytes())
    }
}
