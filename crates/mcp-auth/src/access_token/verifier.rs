//! The seam between a resource server and whoever vouches for tokens.

use std::time::Duration;

use async_trait::async_trait;

use super::Principal;
use crate::oauth::{AccessToken, ResourceIdentifier};

/// Says for whom an access token speaks.
///
/// This is where a resource server and an authorization server meet: neither knows the other, so
/// either can run in another process.
///
/// # Security
///
/// A verifier answers [`VerifyError::Invalid`] for every token that was not issued for exactly
/// `resource`; there is no way to ask for less.
#[async_trait]
pub trait TokenVerifier: std::fmt::Debug + Send + Sync {
    /// The issuer names under which it vouches ([`Principal::issuer`]); none where they are not known
    /// beforehand. [`Verifiers`](super::Verifiers) holds it to them.
    fn issuers(&self) -> Vec<&str> {
        Vec::new()
    }

    /// The answer, where it can be given without waiting; `None` sends the caller to
    /// [`TokenVerifier::verify`].
    fn verify_now(
        &self,
        token: &AccessToken,
        resource: &ResourceIdentifier,
    ) -> Option<Result<Principal, VerifyError>> {
        let _ = (token, resource);
        None
    }

    /// Verifies a token for a resource.
    ///
    /// # Errors
    ///
    /// When the token is not good for it, or the verifier cannot tell right now.
    async fn verify(
        &self,
        token: &AccessToken,
        resource: &ResourceIdentifier,
    ) -> Result<Principal, VerifyError>;
}

const _: Option<&dyn TokenVerifier> = None;

/// Why a token was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The token is not good; the reason is for the log, never for the wire, and holds no part of
    /// the token. Answered with 401 `invalid_token`.
    #[error("{0}")]
    Invalid(&'static str),
    /// The token was good and is over. Answered like [`VerifyError::Invalid`]; an answer that was
    /// begun before is not cut off for it.
    #[error("expired")]
    Expired,
    /// The verifier cannot tell right now. Answered with 503: a 401 would make hosts throw a good
    /// token away.
    #[error("the verifier cannot tell right now")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
        /// What is away.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}
