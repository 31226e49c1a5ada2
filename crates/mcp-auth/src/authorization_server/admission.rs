//! Whether a user who signed in at the upstream may come in, and with which scopes.

mod email_domain;
mod rule;

use async_trait::async_trait;

pub use rule::AdmissionRule;

use crate::{
    oauth::{ClientId, Scopes},
    upstream::UpstreamIdentity,
};

/// Decides after the upstream login and before any grant exists.
///
/// [`AdmissionRule`] has the usual ones ready; this is for those of one's own.
#[async_trait]
pub trait Admission: std::fmt::Debug + Send + Sync {
    /// Admits this identity through this client, with at most the scopes it consented to.
    ///
    /// A visitor of the connected apps page comes through no client: it is asked about with the page's
    /// own URL as the client, and with every scope that is offered.
    ///
    /// # Errors
    ///
    /// [`NotAdmitted`] shows the person a page, from which the host gets `access_denied`.
    async fn admit(
        &self,
        identity: &UpstreamIdentity,
        client: &ClientId,
        scopes: &Scopes,
    ) -> Result<Admitted, NotAdmitted>;
}

const _: Option<&dyn Admission> = None;

/// An admitted user.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Admitted {
    /// What the grant will allow; scopes beyond those consented to are dropped.
    pub scopes: Scopes,
}

impl Admitted {
    /// Admitted with these scopes.
    #[must_use]
    pub const fn with_scopes(scopes: Scopes) -> Self {
        Self { scopes }
    }
}

/// A user who may not come in; the reason is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not admitted: {reason}")]
#[non_exhaustive]
pub struct NotAdmitted {
    /// Why, in fixed words.
    pub reason: &'static str,
    /// What the person is told beside the page's own words.
    pub words: Option<String>,
}

impl NotAdmitted {
    /// For this reason.
    #[must_use]
    pub const fn because(reason: &'static str) -> Self {
        Self {
            reason,
            words: None,
        }
    }

    /// With words for the person, such as whom to ask.
    #[must_use]
    pub fn with_words(mut self, words: impl Into<String>) -> Self {
        self.words = Some(words.into());
        self
    }
}

/// Whoever can sign in at the upstream comes in, with what they consented to.
#[derive(Debug, Clone, Copy, Default)]
pub struct AdmitEveryone;

#[async_trait]
impl Admission for AdmitEveryone {
    async fn admit(
        &self,
        _: &UpstreamIdentity,
        _: &ClientId,
        scopes: &Scopes,
    ) -> Result<Admitted, NotAdmitted> {
        Ok(Admitted::with_scopes(scopes.clone()))
    }
}
