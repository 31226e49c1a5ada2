//! Who vouches for an access token, and for whom it speaks.

mod principal;
mod verifier;

pub(crate) use principal::UpstreamTokenSource;
pub use principal::{Principal, UpstreamTokenError};
pub use verifier::{TokenVerifier, VerifyError};
