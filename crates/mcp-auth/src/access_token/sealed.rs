//! Our own access tokens: sealed, so that checking one is a single symmetric open.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{GrantHandle, Grants, Principal, TokenVerifier, VerifyError};
use crate::{
    oauth::{AccessToken, Clock, ResourceIdentifier, Scopes, Timestamp},
    store::{OpenError, Sealer},
};

/// Issues and verifies sealed access tokens.
///
/// A token is bound to its resource as associated data: at another resource it does not open. It
/// names its grant, so it ends when the grant does, at the latest one revocation bound later.
#[derive(Debug, Clone)]
pub(crate) struct SealedTokens {
    sealer: Sealer,
    grants: Arc<Grants>,
    clock: Arc<dyn Clock>,
}

/// What a sealed access token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccessTokenClaims {
    pub(crate) grant: GrantHandle,
    pub(crate) expires_at: Timestamp,
    /// Fewer scopes than the grant's, if it was narrowed.
    pub(crate) narrowed: Option<Scopes>,
}

/// Tells our tokens from everything else before any cryptography.
const PREFIX: &str = "mcpat_";

impl SealedTokens {
    pub(crate) fn new(sealer: Sealer, grants: Arc<Grants>, clock: Arc<dyn Clock>) -> Self {
        Self {
            sealer,
            grants,
            clock,
        }
    }

    pub(crate) fn issue(
        &self,
        resource: &ResourceIdentifier,
        claims: &AccessTokenClaims,
    ) -> AccessToken {
        let mut plain = vec![FORM];
        plain.extend_from_slice(claims.grant.as_bytes());
        plain.extend_from_slice(&claims.expires_at.as_seconds().to_be_bytes());
        if let Some(scopes) = &claims.narrowed {
            plain.push(b' ');
            plain.extend_from_slice(scopes.to_string().as_bytes());
        }
        let sealed = self.sealer.seal(resource.as_str().as_bytes(), &plain);
        AccessToken::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(sealed)))
    }

    fn open(
        &self,
        token: &AccessToken,
        resource: &ResourceIdentifier,
    ) -> Result<AccessTokenClaims, VerifyError> {
        let sealed = token
            .expose()
            .strip_prefix(PREFIX)
            .ok_or(VerifyError::Invalid("not a token of ours"))?;
        let plain = self
            .sealer
            .open_text(resource.as_str().as_bytes(), sealed)
            .map_err(|error| {
                VerifyError::Invalid(match error {
                    OpenError::UnknownKey => "sealed under an unknown key",
                    OpenError::Malformed => "malformed",
                    OpenError::Forged => "changed, or issued for another resource",
                })
            })?;
        let claims = read(&plain).ok_or(VerifyError::Invalid("written by another version"))?;
        if claims.expires_at <= self.clock.now() {
            return Err(VerifyError::Expired);
        }
        Ok(claims)
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

    fn principal(claims: AccessTokenClaims, granted: &Principal) -> Principal {
        let principal = granted.clone().with_expiry(claims.expires_at);
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
impl TokenVerifier for SealedTokens {
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

const FORM: u8 = 1;
const RETRY_AFTER: Duration = Duration::from_secs(2);

fn read(plain: &[u8]) -> Option<AccessTokenClaims> {
    let rest = plain.strip_prefix(&[FORM])?;
    let (grant, rest) = rest.split_first_chunk::<{ GrantHandle::LEN }>()?;
    let (expires_at, rest) = rest.split_first_chunk::<8>()?;
    let narrowed = match rest.split_first() {
        None => None,
        Some((b' ', scopes)) => Some(Scopes::parse(std::str::from_utf8(scopes).ok()?).ok()?),
        Some(_) => return None,
    };
    Some(AccessTokenClaims {
        grant: GrantHandle::from_bytes(*grant),
        expires_at: Timestamp::from_seconds(u64::from_be_bytes(*expires_at)),
        narrowed,
    })
}
