//! Initial access tokens: who may register, where the operator limits it (RFC 7591 §3).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::HeaderMap;

use super::{DynamicRegistration, bearer::bearer};
use crate::oauth::{AccessToken, OAuthErrorCode, sha256};

/// The hashes of the tokens that let somebody register: an empty list lets nobody.
#[derive(Clone)]
pub(crate) struct InitialAccessTokens(Vec<[u8; 32]>);

impl InitialAccessTokens {
    pub(crate) fn new(tokens: &[AccessToken]) -> Self {
        let hash = |token: &AccessToken| sha256(token.expose().as_bytes());
        Self(tokens.iter().map(hash).collect())
    }

    /// Compared with each of them, whichever matches, in constant time.
    fn accept(&self, presented: &AccessToken) -> bool {
        let presented = sha256(presented.expose().as_bytes());
        let matches = |hash: &[u8; 32]| verify_slices_are_equal(hash, &presented).is_ok();
        self.0.iter().filter(|hash| matches(hash)).count() > 0
    }
}

impl std::fmt::Debug for InitialAccessTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "InitialAccessTokens({} [redacted])", self.0.len())
    }
}

/// Whether this caller may register.
///
/// # Errors
///
/// What to answer with: nothing in particular where no token was sent, else `invalid_token`.
pub(super) fn check(
    registration: &DynamicRegistration,
    headers: &HeaderMap,
) -> Result<(), Option<OAuthErrorCode>> {
    let Some(tokens) = &registration.initial_access_tokens else {
        return Ok(());
    };
    if tokens.accept(&bearer(headers)?) {
        return Ok(());
    }
    Err(Some(OAuthErrorCode::InvalidToken))
}
