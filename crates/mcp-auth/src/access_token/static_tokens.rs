//! Tokens that an operator hands out by himself.

use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{Digest, SHA256, digest},
};

use super::{Principal, TokenVerifier, VerifyError};
use crate::{
    BuildError,
    oauth::{AccessToken, ResourceIdentifier},
};

/// A fixed set of tokens, each for one principal: service keys beside OAuth, or a server under test.
///
/// They are kept as digests, never end, and are good for every resource of the server.
///
/// ```
/// use mcp_auth::{Principal, access_token::StaticTokens, oauth::{AccessToken, Scopes}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let nightly = Principal::new(StaticTokens::ISSUER, "nightly-report")
///     .with_scopes(Scopes::parse("mcp:tools")?);
/// let tokens = StaticTokens::new().with_token(&AccessToken::new("6d1f0c5a9b3e47d28c60"), nightly)?;
/// # let _ = tokens; Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct StaticTokens(Arc<[(Principal, Digest)]>);

const MIN_BYTES: usize = 16;

impl StaticTokens {
    /// Who vouches for such a token, unless the operator calls it otherwise: no issuer identifier, so
    /// nothing can be mistaken for it.
    pub const ISSUER: &str = "static-key";

    /// None yet: every token is refused.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more token, for this principal.
    ///
    /// # Errors
    ///
    /// When it is shorter than 16 bytes, or there already.
    pub fn with_token(self, token: &AccessToken, principal: Principal) -> Result<Self, BuildError> {
        if token.expose().len() < MIN_BYTES {
            return Err(BuildError::argument(
                "static token",
                "is shorter than 16 bytes; make one with `openssl rand -hex 32`",
            ));
        }
        if self.find(token).is_some() {
            return Err(BuildError::argument(
                "static token",
                "the same token is there for another principal",
            ));
        }
        let added = (principal, digest(&SHA256, token.expose().as_bytes()));
        let all = self.0.iter().cloned().chain([added]);
        Ok(Self(all.collect()))
    }

    /// Of keys that were checked.
    pub(crate) fn of<'a>(keys: impl Iterator<Item = (Principal, &'a str)>) -> Self {
        let digested =
            |(principal, key): (Principal, &str)| (principal, digest(&SHA256, key.as_bytes()));
        Self(keys.map(digested).collect())
    }

    /// Compares digests of one length, each in constant time and all of them, so that time tells
    /// neither how close a guess is nor which key it is close to.
    fn find(&self, token: &AccessToken) -> Option<&Principal> {
        let presented = digest(&SHA256, token.expose().as_bytes());
        let mut found = None;
        for (principal, key) in self.0.iter() {
            if verify_slices_are_equal(key.as_ref(), presented.as_ref()).is_ok() {
                found = Some(principal);
            }
        }
        found
    }
}

#[async_trait]
impl TokenVerifier for StaticTokens {
    fn issuers(&self) -> Vec<&str> {
        let mut issuers: Vec<_> = self
            .0
            .iter()
            .map(|(principal, _)| principal.issuer())
            .collect();
        issuers.sort_unstable();
        issuers.dedup();
        issuers
    }

    fn verify_now(
        &self,
        token: &AccessToken,
        _: &ResourceIdentifier,
    ) -> Option<Result<Principal, VerifyError>> {
        let found = self.find(token).cloned();
        Some(found.ok_or(VerifyError::Invalid("no such key")))
    }

    async fn verify(
        &self,
        token: &AccessToken,
        _: &ResourceIdentifier,
    ) -> Result<Principal, VerifyError> {
        let found = self.find(token).cloned();
        found.ok_or(VerifyError::Invalid("no such key"))
    }
}

impl std::fmt::Debug for StaticTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.0.iter().map(|(principal, _)| principal.subject());
        f.debug_list().entries(names).finish()
    }
}
