//! Who vouches for an access token, and for whom it speaks.

#[cfg(feature = "authorization-server")]
mod grant;
#[cfg(feature = "authorization-server")]
mod grant_administration;
#[cfg(feature = "authorization-server")]
mod grants;
mod principal;
#[cfg(feature = "authorization-server")]
mod sealed;
#[cfg(feature = "authorization-server")]
mod upstream_token;
mod verifier;

#[cfg(feature = "authorization-server")]
pub(crate) use grant::{CodeState, Grant, GrantHandle, Key, RefreshState, UpstreamState};
#[cfg(feature = "authorization-server")]
pub use grant_administration::{GrantAdministration, GrantSummary};
#[cfg(feature = "authorization-server")]
pub(crate) use grants::{Grants, GrantsSettings, LoadedGrant, code_key};
#[cfg(feature = "authorization-server")]
pub(crate) use principal::UpstreamTokenSource;
pub use principal::{Principal, UpstreamTokenError};
#[cfg(feature = "authorization-server")]
pub(crate) use sealed::{AccessTokenClaims, SealedTokens};
pub use verifier::{TokenVerifier, VerifyError};
