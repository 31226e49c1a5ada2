//! Signed JSON (JOSE): algorithms, public keys, and the compact serialization (RFC 7515, 7517, 7518).
//!
//! The algorithms are those of [`SigningAlgorithm`], all of them asymmetric. What a signature covers can
//! be read only through [`Compact::verified`], so nothing is used that was not verified.

mod algorithm;
mod compact;
mod header;
mod jwk;
mod jwk_set;
pub(crate) mod registered_claims;
#[cfg(feature = "authorization-server")]
mod signing_keys;
mod thumbprint;

pub(crate) use algorithm::SigningAlgorithm;
#[cfg(feature = "authorization-server")]
pub(crate) use compact::compact;
pub(crate) use compact::{Compact, NotVerified};
pub(crate) use header::ReceivedHeader;
pub(crate) use jwk::{JwkMembers, VerifyingKey};
#[cfg(feature = "authorization-server")]
pub(crate) use jwk::{PublicJwk, point};
pub(crate) use jwk_set::JwkSet;
#[cfg(feature = "authorization-server")]
pub use signing_keys::{SigningKeys, SigningKeysError};
pub use thumbprint::JwkThumbprint;
