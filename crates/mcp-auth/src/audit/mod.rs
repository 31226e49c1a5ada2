//! Who let whom do what, for whoever has to answer for it later.
//!
//! An [`AuditSink`] is told of every login, consent, grant, refresh, reuse, revocation and step-up.
//! [`JsonLines`] writes one line for each:
//!
//! ```
//! use mcp_auth::{audit::{AuditAction, AuditEvent, AuditSink, JsonLines}, oauth::Timestamp};
//!
//! let sink = JsonLines::new(std::io::stdout());
//! sink.record(&AuditEvent::new(Timestamp::from_seconds(1_800_000_000), AuditAction::ConsentGiven));
//! // {"at":1800000000,"action":"consent_given"}
//! ```

mod json_lines;

use std::sync::Arc;

pub use json_lines::JsonLines;
use serde::Serialize;

use crate::oauth::{ClientId, Clock, Scopes, Timestamp};

/// Takes audit events.
///
/// It is told in the course of a request, after what happened was written down, and cannot stop it.
/// What takes long belongs on a thread of its own.
pub trait AuditSink: std::fmt::Debug + Send + Sync {
    /// One event.
    fn record(&self, event: &AuditEvent);
}

const _: Option<&dyn AuditSink> = None;

/// One thing that happened; what does not belong to it is left out.
///
/// It holds no token, no code and no key. A subject is a person's identifier at the upstream: keep the
/// record as you keep those.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditEvent {
    /// When, in seconds since 1970.
    pub at: Timestamp,
    /// What.
    pub action: AuditAction,
    /// Whom it is about, as [`Principal::subject`](crate::Principal::subject) names them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Through which client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientId>,
    /// The grant, by the name that logs have for it; it opens nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
    /// The scopes that were given, or asked for in vain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Scopes>,
    /// Why, in fixed words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(into = "&'static str")]
#[non_exhaustive]
pub enum AuditAction {
    /// The user let a client in on our page. Who the user is, is not known yet.
    ConsentGiven,
    /// The user kept it out.
    ConsentDenied,
    /// The user signed in at the upstream and was admitted.
    LoginFinished,
    /// A login came back from the upstream and did not end well.
    LoginRefused,
    /// A client was given access.
    GrantMade,
    /// A client renewed its tokens.
    TokenRefreshed,
    /// A code or a refresh token came a second time: somebody else may have it. The grant was revoked.
    TokenReused,
    /// Access ended before its time.
    GrantRevoked,
    /// A request needed scopes that its token does not have.
    StepUp,
}

impl AuditAction {
    /// Its stable name, in records and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConsentGiven => "consent_given",
            Self::ConsentDenied => "consent_denied",
            Self::LoginFinished => "login_finished",
            Self::LoginRefused => "login_refused",
            Self::GrantMade => "grant_made",
            Self::TokenRefreshed => "token_refreshed",
            Self::TokenReused => "token_reused",
            Self::GrantRevoked => "grant_revoked",
            Self::StepUp => "step_up",
        }
    }
}

impl From<AuditAction> for &'static str {
    fn from(action: AuditAction) -> Self {
        action.as_str()
    }
}

impl AuditEvent {
    /// An event that nothing more is known of.
    #[must_use]
    pub const fn new(at: Timestamp, action: AuditAction) -> Self {
        Self {
            at,
            action,
            subject: None,
            client: None,
            grant: None,
            scopes: None,
            reason: None,
        }
    }
}

/// Tells the sink, if there is one.
#[derive(Debug, Clone)]
pub(crate) struct Auditor {
    sink: Option<Arc<dyn AuditSink>>,
    clock: Arc<dyn Clock>,
}

impl Auditor {
    pub(crate) const fn new(sink: Option<Arc<dyn AuditSink>>, clock: Arc<dyn Clock>) -> Self {
        Self { sink, clock }
    }

    /// What happened, with what `about` knows of it.
    pub(crate) fn record(&self, action: AuditAction, about: impl FnOnce(&mut AuditEvent)) {
        if self.sink.is_none() && !cfg!(feature = "metrics") {
            return;
        }
        let mut event = AuditEvent::new(self.clock.now(), action);
        about(&mut event);
        #[cfg(feature = "metrics")]
        crate::metering::event(action.as_str(), event.reason);
        if let Some(sink) = &self.sink {
            sink.record(&event);
        }
    }
}
