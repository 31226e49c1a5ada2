//! The keys as a token verifier.

use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{Digest, SHA256, digest},
};

use crate::{
    access_token::{Principal, TokenVerifier, VerifyError},
    oauth::{AccessToken, ResourceIdentifier, Scopes},
};

/// Named keys, kept as digests only.
#[derive(Clone)]
pub(super) struct Keys(Arc<[(Principal, Digest)]>);

impl Keys {
    pub(super) fn new<'a>(keys: impl Iterator<Item = (&'a str, &'a str, Scopes)>) -> Self {
        let keys = keys.map(|(name, key, scopes)| {
            let principal = Principal::new(ISSUER, name).with_scopes(scopes);
            (principal, digest(&SHA256, key.as_bytes()))
        });
        Self(keys.collect())
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
impl TokenVerifier for Keys {
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

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.0.iter().map(|(principal, _)| principal.subject());
        f.debug_list().entries(names).finish()
    }
}

/// Who vouches for a static key: no issuer identifier, so nothing can be mistaken for it.
const ISSUER: &str = "static-key";
