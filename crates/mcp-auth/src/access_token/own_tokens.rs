//! Our own access tokens, sealed or signed.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{
    AccessTokenClaims, Grant, GrantHandle, Grants, Principal, SigningKeys, TokenVerifier,
    VerifyError, jwt::JwtTokens, sealed::SealedTokens,
};
use crate::{
    oauth::{AccessToken, Clock, Issuer, ResourceIdentifier},
    store::Sealer,
};

/// Issues our access tokens in one form and verifies them in both.
///
/// A token names its grant, so it ends when the grant does, at the latest one revocation bound later.
/// Since both forms are verified wherever there are signing keys, a change of the form refuses no
/// token that was issued before it.
#[derive(Debug, Clone)]
pub(crate) struct OwnTokens {
    issuer: Arc<str>,
    form: AccessTokenForm,
    sealed: SealedTokens,
    jwts: Option<Arc<JwtTokens>>,
    grants: Arc<Grants>,
    clock: Arc<dyn Clock>,
}

/// The form that our access tokens are issued in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccessTokenForm {
    /// Opaque to everybody but us.
    Sealed,
    /// Signed, for resource servers elsewhere (RFC 9068).
    Jwt,
}

/// The cryptographic library failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an access token could not be signed")]
pub(crate) struct NotSigned;

impl OwnTokens {
    /// Sealed tokens; JWTs are verified as well where there are keys for them.
    pub(crate) fn new(
        sealer: Sealer,
        signing_keys: Option<SigningKeys>,
        issuer: &Issuer,
        grants: Arc<Grants>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let jwts = signing_keys.map(|keys| JwtTokens::new(keys, sealer.clone(), issuer.clone()));
        Self {
            issuer: issuer.as_str().into(),
            form: AccessTokenForm::Sealed,
            sealed: SealedTokens::new(sealer),
            jwts: jwts.map(Arc::new),
            grants,
            clock,
        }
    }

    /// The same, issued in this form.
    pub(crate) const fn issued_as(mut self, form: AccessTokenForm) -> Self {
        self.form = form;
        self
    }

    pub(crate) fn issue(
        &self,
        grant: &Grant,
        claims: &AccessTokenClaims,
    ) -> Result<AccessToken, NotSigned> {
        match (self.form, &self.jwts) {
            (AccessTokenForm::Sealed, _) => Ok(self.sealed.issue(&grant.resource, claims)),
            (AccessTokenForm::Jwt, Some(jwts)) => {
                let issued = jwts.issue(grant, claims, self.clock.now());
                issued.ok_or(NotSigned)
            }
            (AccessTokenForm::Jwt, None) => Err(NotSigned),
        }
    }

    /// The grant that a good token of one of these resources belongs to.
    pub(crate) fn grant_of(
        &self,
        token: &AccessToken,
        resources: &[ResourceIdentifier],
    ) -> Option<GrantHandle> {
        let mut claims = resources
            .iter()
            .filter_map(|resource| self.open(token, resource).ok());
        claims.next().map(|claims| claims.grant)
    }

    fn open(
        &self,
        token: &AccessToken,
        resource: &ResourceIdentifier,
    ) -> Result<AccessTokenClaims, VerifyError> {
        let now = self.clock.now();
        let claims = match (self.sealed.open(token, resource), &self.jwts) {
            (Some(opened), _) => opened?,
            (None, Some(jwts)) => jwts.open(token, resource, now)?,
            (None, None) => return Err(VerifyError::Invalid("not a token of ours")),
        };
        if claims.expires_at <= now {
            return Err(VerifyError::Expired);
        }
        Ok(claims)
    }

    fn principal(claims: AccessTokenClaims, granted: &Principal) -> Principal {
        let mut principal = granted.clone().with_expiry(claims.expires_at);
        if let Some(key) = claims.key {
            principal = principal.with_confirmation(key);
        }
        match claims.narrowed {
            Some(narrowed) => {
                let scopes = granted.scopes().intersection(&narrowed);
                principal.with_scopes(scopes)
            }
            None => principal,
        }
    }
}

#[async_trait]
impl TokenVerifier for OwnTokens {
    fn issuers(&self) -> Vec<&str> {
        vec![&self.issuer]
    }

    fn verify_now(
        &self,
        token: &AccessToken,
        resource: &ResourceIdentifier,
    ) -> Option<Result<Principal, VerifyError>> {
        let claims = match self.open(token, resource) {
            Ok(claims) => claims,
            Err(error) => return Some(Err(error)),
        };
        let granted = self.grants.cached(&claims.grant)?;
        Some(Ok(Self::principal(claims, &granted)))
    }

    async fn verify(
        &self,
        token: &AccessToken,
        resource: &ResourceIdentifier,
    ) -> Result<Principal, VerifyError> {
        let claims = self.open(token, resource)?;
        match self.grants.checked(&claims.grant).await {
            Ok(Some(granted)) => Ok(Self::principal(claims, &granted)),
            Ok(None) => Err(VerifyError::Invalid("its grant is revoked or expired")),
            Err(error) => Err(VerifyError::Unavailable {
                retry_after: RETRY_AFTER,
                source: Some(error.into()),
            }),
        }
    }
}

const RETRY_AFTER: Duration = Duration::from_secs(2);
