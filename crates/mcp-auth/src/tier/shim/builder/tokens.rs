//! What our access tokens look like.

use std::sync::Arc;

use super::{ShimBuilder, ShimTier};
use crate::{
    BuildError,
    access_token::{AccessTokenForm, Dpop, SigningKeys, TokenVerifier},
};

impl<T: ShimTier> ShimBuilder<T> {
    /// With one more verifier at the MCP endpoints, asked about what is no token of ours: service keys
    /// ([`StaticTokens`](crate::access_token::StaticTokens)), or another issuer's tokens.
    ///
    /// # Security
    ///
    /// It vouches under names of its own, never under our issuer's: see
    /// [`Verifiers`](crate::access_token::Verifiers).
    pub fn with_further_verifier(mut self, verifier: Arc<dyn TokenVerifier>) -> Self {
        self.further_verifiers.push(verifier);
        self
    }

    /// With keys for JWT access tokens: they are published at `/jwks`, and what any of them signed is
    /// accepted. What is issued stays sealed until [`ShimBuilder::with_jwt_access_tokens`].
    pub fn with_signing_keys(mut self, keys: SigningKeys) -> Self {
        self.signing_keys = Some(keys);
        self
    }

    /// With access tokens that are JWTs (RFC 9068), for resource servers elsewhere that check
    /// signatures; by default they are sealed, which is faster and tells nobody anything.
    ///
    /// Needs [`ShimBuilder::with_signing_keys`]. Where several processes run, give all of them the
    /// keys first and turn this on afterwards, so that each accepts what another issues.
    ///
    /// # Security
    ///
    /// Whoever sees a JWT can read the subject, the client and the scopes. Elsewhere it is good until
    /// it expires: only this server, and whoever asks it at `/introspect`, sees a revocation.
    pub const fn with_jwt_access_tokens(mut self) -> Self {
        self.token_form = AccessTokenForm::Jwt;
        self
    }

    /// With tokens that are bound to the key of whoever proves to have it (DPoP, RFC 9449), at the token
    /// endpoint and at every MCP endpoint. Off by default: few hosts know it.
    ///
    /// Every request with a bound token writes one record into the store, so that its proof is not
    /// taken twice.
    pub const fn with_dpop(mut self, dpop: Dpop) -> Self {
        self.dpop = Some(dpop);
        self
    }

    pub(super) fn check_token_form(&self) -> Result<(), BuildError> {
        if self.token_form == AccessTokenForm::Jwt && self.signing_keys.is_none() {
            return Err(BuildError::missing(
                "MCP_AUTH_SIGNING_KEY (the signing keys)",
                "JWT access tokens need at least one (openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256)",
            ));
        }
        Ok(())
    }
}
