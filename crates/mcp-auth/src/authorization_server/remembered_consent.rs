//! "Do not ask again": consents that this browser remembers, where the operator allows it.
//!
//! The question protects from a client that is not the one the user knows, and from one that asks
//! for more than before (the confused deputy). What is remembered leads around it only where that
//! protection is still there:
//!
//! - The client is one that the operator vouches for, or whose document its host vouches for, and
//!   the code goes to an `https` address of it. Whoever registers himself, or listens on the user's
//!   machine, can be anybody, so he is asked for each time.
//! - The client itself made the request: it proved who it is and pushed it (RFC 9126). A browser that
//!   another authorization server sent here looks like one that the user sent, redirects do not show
//!   in `Sec-Fetch-Site`; but nobody else can push for the client.
//! - Client, redirection URI, resource and scopes are the same.
//! - No page of another site led here, as `Sec-Fetch-Site` says. A browser that does not send it is
//!   asked.
//! - The user is the same one. Who that is is known only after the upstream's login, so it is held
//!   to then, before any code: another user of this browser is asked.
//! - The user still has a grant of this client, from then or before. Whoever ended it, on whichever
//!   page, is asked, and a later yes without the box brings nothing back.
//!
//! It lies sealed in one cookie: nothing is stored, and it ends with its key.

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, Response};
use serde::{Deserialize, Serialize};

use super::{AuthorizationServer, authorization_request::CheckedRequest, cookies};
use crate::{
    oauth::{Timestamp, constant_time_eq},
    store::{Sealer, StoreError},
};

/// That consents can be remembered, and for how long.
#[derive(Debug)]
pub(crate) struct RememberedConsents {
    pub(crate) sealer: Sealer,
    pub(crate) lifetime: std::time::Duration,
}

/// One consent; names and subjects as hashes.
#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    #[serde(rename = "c")]
    client: String,
    #[serde(rename = "w")]
    what: String,
    #[serde(rename = "s")]
    subject: String,
    #[serde(rename = "t")]
    given_at: Timestamp,
}

/// A consent that this browser remembers, by a user who has yet to prove to be the same one.
///
/// Made by [`RememberedConsents::recall`] alone.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Recalled {
    #[serde(rename = "s")]
    subject: String,
    #[serde(rename = "t")]
    given_at: Timestamp,
}

impl RememberedConsents {
    /// What this browser remembers of exactly this request, if it may count.
    pub(super) fn recall(
        &self,
        server: &AuthorizationServer,
        sent: &HeaderMap,
        request: &CheckedRequest,
    ) -> Option<Recalled> {
        let may_count = request.may_be_remembered()
            && !request.prompt().asks_for_consent()
            && not_from_elsewhere(sent);
        if !may_count {
            return None;
        }
        let what = what(request);
        let known = self.entries(server, sent).into_iter();
        let mut known = known.filter(|entry| entry.what == what);
        known.next().map(|entry| Recalled {
            subject: entry.subject,
            given_at: entry.given_at,
        })
    }

    /// Has the browser remember that this user said yes to this request.
    pub(super) fn keep(
        &self,
        server: &AuthorizationServer,
        sent: &HeaderMap,
        response: &mut Response<Bytes>,
        request: &CheckedRequest,
        subject: &str,
    ) {
        let new = Entry {
            client: hash(&[request.client().as_str()]),
            what: what(request),
            subject: hash(&[subject]),
            given_at: server.clock.now(),
        };
        let mut entries = self.entries(server, sent);
        entries.retain(|entry| entry.what != new.what);
        entries.insert(0, new);
        entries.truncate(MAX_ENTRIES);
        self.write(server, response, &entries);
    }

    /// Has the browser forget everything about the client of this request.
    pub(super) fn forget(
        &self,
        server: &AuthorizationServer,
        sent: &HeaderMap,
        response: &mut Response<Bytes>,
        request: &CheckedRequest,
    ) {
        let client = hash(&[request.client().as_str()]);
        let mut entries = self.entries(server, sent);
        let before = entries.len();
        entries.retain(|entry| entry.client != client);
        if entries.len() < before {
            self.write(server, response, &entries);
        }
    }

    /// What the browser remembers and is still in time, the newest first.
    fn entries(&self, server: &AuthorizationServer, sent: &HeaderMap) -> Vec<Entry> {
        let opened = cookies::get(sent, &server.public_url, cookies::REMEMBERED)
            .and_then(|sealed| self.sealer.open_text(b"", sealed).ok());
        let entries = opened.and_then(|plain| serde_json::from_slice(&plain).ok());
        let mut entries: Vec<Entry> = entries.unwrap_or_default();
        let now = server.clock.now();
        entries.retain(|entry| now.is_within(entry.given_at, self.lifetime));
        entries
    }

    fn write(
        &self,
        server: &AuthorizationServer,
        response: &mut Response<Bytes>,
        entries: &[Entry],
    ) {
        let (url, name) = (&server.public_url, cookies::REMEMBERED);
        if entries.is_empty() {
            return cookies::remove(response, url, name);
        }
        let plain = serde_json::to_vec(entries).unwrap_or_default();
        let sealed = self.sealer.seal_text(b"", &plain);
        cookies::set(response, url, name, &sealed, Some(self.lifetime.as_secs()));
    }
}

impl Recalled {
    /// Whether it is this user's, who still has a grant of the client that is as old as the consent.
    pub(super) async fn holds(
        &self,
        server: &AuthorizationServer,
        request: &CheckedRequest,
        subject: &str,
    ) -> Result<bool, StoreError> {
        if !constant_time_eq(hash(&[subject]).as_bytes(), self.subject.as_bytes()) {
            return Ok(false);
        }
        let (client, resource) = (request.client(), request.resource());
        let grants = &server.grants;
        grants
            .has_live_since(self.given_at, subject, client, resource)
            .await
    }

    /// One as long as any.
    pub(super) fn longest() -> Self {
        Self {
            subject: hash(&[]),
            given_at: Timestamp::from_seconds(u64::MAX),
        }
    }
}

/// Whether no page of another site led the browser here, as far as it says (Fetch metadata).
fn not_from_elsewhere(sent: &HeaderMap) -> bool {
    let mut sites = sent.get_all("sec-fetch-site").iter();
    match (sites.next(), sites.next()) {
        (Some(site), None) => site == "none" || site == "same-origin",
        _ => false,
    }
}

fn what(request: &CheckedRequest) -> String {
    let scopes = request.scopes().to_string();
    hash(&[
        request.client().as_str(),
        request.redirect().uri().as_str(),
        request.resource().as_str(),
        &scopes,
    ])
}

/// Each part with its length before it, so that no two lists hash the same bytes.
fn hash(parts: &[&str]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(context.finish())
}

/// Past these the oldest is forgotten; together they stay below 2 KiB of a cookie.
const MAX_ENTRIES: usize = 8;
