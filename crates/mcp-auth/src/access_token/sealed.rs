//! Sealed access tokens: checking one is a single symmetric open.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{AccessTokenClaims, VerifyError};
use crate::{
    oauth::{AccessToken, ResourceIdentifier},
    store::{OpenError, Sealer},
};

/// Issues and opens sealed access tokens.
///
/// A token is bound to its resource as associated data: at another resource it does not open.
#[derive(Debug, Clone)]
pub(super) struct SealedTokens(Sealer);

/// Tells our sealed tokens from everything else before any cryptography.
const PREFIX: &str = "mcpat_";

impl SealedTokens {
    pub(super) const fn new(sealer: Sealer) -> Self {
        Self(sealer)
    }

    pub(super) fn issue(
        &self,
        resource: &ResourceIdentifier,
        claims: &AccessTokenClaims,
    ) -> AccessToken {
        let sealed = self
            .0
            .seal(resource.as_str().as_bytes(), &claims.to_bytes());
        AccessToken::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// What a token says, if it is one of ours for this resource; `None` if it has another form.
    pub(super) fn open(
        &self,
        token: &AccessToken,
        resource: &ResourceIdentifier,
    ) -> Option<Result<AccessTokenClaims, VerifyError>> {
        let sealed = token.expose().strip_prefix(PREFIX)?;
        let opened = self.0.open_text(resource.as_str().as_bytes(), sealed);
        Some(match opened {
            Ok(plain) => AccessTokenClaims::from_bytes(&plain)
                .ok_or(VerifyError::Invalid("written by another version")),
            Err(error) => Err(VerifyError::Invalid(match error {
                OpenError::UnknownKey => "sealed under an unknown key",
                OpenError::Malformed => "malformed",
                OpenError::Forged => "changed, or issued for another resource",
            })),
        })
    }
}
