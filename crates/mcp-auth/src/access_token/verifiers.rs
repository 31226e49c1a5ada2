//! Several verifiers on one server.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Principal, TokenVerifier, VerifyError};
use crate::{
    BuildError,
    oauth::{AccessToken, ResourceIdentifier},
};

/// Several verifiers on one server, asked one after the other: OAuth for people and service keys for
/// programs, or two providers whose tokens look nothing alike.
///
/// The first one that accepts a token decides. A token is refused when all of them refuse it; when one
/// cannot tell and none accepts, the answer is 503, never a 401 that would log a host out.
///
/// # Security
///
/// No two of them vouch under the same issuer name, and none is believed under a name that is another's:
/// a principal of one cannot be mistaken for a principal of the other.
#[derive(Debug)]
pub struct Verifiers(Vec<Arc<dyn TokenVerifier>>);

impl Verifiers {
    /// These, in this order.
    ///
    /// # Errors
    ///
    /// When there is none, or two of them vouch under one issuer name.
    pub fn new(verifiers: Vec<Arc<dyn TokenVerifier>>) -> Result<Self, BuildError> {
        if verifiers.is_empty() {
            return Err(BuildError::missing("verifier", "give at least one"));
        }
        let mut known: Vec<&str> = Vec::new();
        for verifier in &verifiers {
            let issuers = verifier.issuers();
            if let Some(twice) = issuers.iter().find(|issuer| known.contains(issuer)) {
                return Err(BuildError::Unsafe(
                    format!("two verifiers vouch under the name {twice}, so their principals could not be told apart").into(),
                ));
            }
            known.extend(issuers);
        }
        Ok(Self(verifiers))
    }

    /// A principal of this verifier's, under a name that it may use.
    fn under_its_name(
        &self,
        verifier: &Arc<dyn TokenVerifier>,
        principal: Principal,
    ) -> Result<Principal, VerifyError> {
        let its_own = verifier.issuers();
        let used = principal.issuer();
        let may_use = match its_own.is_empty() {
            // One that does not say which names are its own has those that are nobody's.
            true => !self.0.iter().any(|other| other.issuers().contains(&used)),
            false => its_own.contains(&used),
        };
        if may_use {
            return Ok(principal);
        }
        tracing::error!(
            event = "verifier_under_another_name",
            fault = "server",
            issuer = used,
            "a verifier vouches under the name of another"
        );
        Err(VerifyError::Invalid(
            "vouched for under another verifier's name",
        ))
    }
}

/// What all of those say that did not accept a token.
#[derive(Default)]
struct Refusals {
    unavailable: Option<VerifyError>,
    expired: bool,
}

impl Refusals {
    fn add(&mut self, error: VerifyError) {
        match error {
            VerifyError::Unavailable { .. } => self.unavailable = Some(error),
            VerifyError::Expired => self.expired = true,
            VerifyError::Invalid(_) => {}
        }
    }

    fn together(self) -> VerifyError {
        match (self.unavailable, self.expired) {
            (Some(unavailable), _) => unavailable,
            (None, true) => VerifyError::Expired,
            (None, false) => VerifyError::Invalid("no verifier accepts it"),
        }
    }
}

#[async_trait]
impl TokenVerifier for Verifiers {
    fn issuers(&self) -> Vec<&str> {
        self.0
            .iter()
            .flat_map(|verifier| verifier.issuers())
            .collect()
    }

    /// Where one has to wait, nobody after it is asked: who decides does not depend on how fast it is.
    fn verify_now(
        &self,
        token: &AccessToken,
        resource: &ResourceIdentifier,
    ) -> Option<Result<Principal, VerifyError>> {
        let mut refusals = Refusals::default();
        for verifier in &self.0 {
            match verifier.verify_now(token, resource)? {
                Ok(principal) => return Some(self.under_its_name(verifier, principal)),
                Err(error) => refusals.add(error),
            }
        }
        Some(Err(refusals.together()))
    }

    async fn verify(
        &self,
        token: &AccessToken,
        resource: &ResourceIdentifier,
    ) -> Result<Principal, VerifyError> {
        let mut refusals = Refusals::default();
        for verifier in &self.0 {
            let verified = match verifier.verify_now(token, resource) {
                Some(verified) => verified,
                None => verifier.verify(token, resource).await,
            };
            match verified {
                Ok(principal) => return self.under_its_name(verifier, principal),
                Err(error) => refusals.add(error),
            }
        }
        Err(refusals.together())
    }
}
