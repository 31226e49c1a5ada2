//! Who vouches for an access token, and for whom it speaks.

#[cfg(feature = "authorization-server")]
mod claims;
mod dpop;
mod exchanged_token;
#[cfg(feature = "authorization-server")]
mod grant;
#[cfg(feature = "authorization-server")]
mod grant_administration;
#[cfg(feature = "authorization-server")]
mod grants;
mod introspection_verifier;
#[cfg(feature = "authorization-server")]
mod jwt;
mod jwt_verifier;
#[cfg(feature = "authorization-server")]
mod own_tokens;
mod principal;
#[cfg(feature = "authorization-server")]
mod sealed;
mod spoken_for;
mod static_tokens;
#[cfg(feature = "authorization-server")]
mod upstream_claims;
#[cfg(feature = "authorization-server")]
mod upstream_token;
mod verified_tokens;
mod verifier;
mod verifiers;

#[cfg(feature = "authorization-server")]
pub(crate) use claims::AccessTokenClaims;
pub(crate) use dpop::{Asked, CheckedProof, ProofError, ProofTarget};
pub use dpop::{Dpop, ProofVerifier};
pub(crate) use exchanged_token::ExchangedToken;
#[cfg(feature = "authorization-server")]
pub(crate) use grant::{
    CodeState, DocumentSeen, Grant, GrantHandle, Key, RefreshState, UpstreamState,
};
#[cfg(feature = "authorization-server")]
pub use grant_administration::{GrantAdministration, GrantPage, GrantSummary};
#[cfg(feature = "authorization-server")]
pub(crate) use grants::{Grants, GrantsSettings, LoadedGrant, code_key};
pub use introspection_verifier::{IntrospectionVerifier, IntrospectionVerifierBuilder};
pub use jwt_verifier::{JwtIssuer, JwtVerifier, JwtVerifierBuilder};
#[cfg(feature = "authorization-server")]
pub(crate) use own_tokens::{AccessTokenForm, NotSigned, OwnTokens};
pub(crate) use principal::UpstreamTokenSource;
pub use principal::{Principal, UpstreamTokenError};
pub use static_tokens::StaticTokens;
#[cfg(feature = "authorization-server")]
pub(crate) use upstream_claims::UpstreamClaims;
pub use verifier::{TokenVerifier, VerifyError};
pub use verifiers::Verifiers;

#[cfg(feature = "authorization-server")]
pub use crate::oauth::jose::{SigningKeys, SigningKeysError};
