//! Signed JSON (JOSE): algorithms, public keys, and the compact serialization (RFC 7515, 7517, 7518).
//!
//! Four algorithms, all of them asymmetric. What a signature covers can be read only through
//! [`Compact::verified`], so nothing is used that was not verified.

mod algorithm;
mod compact;
mod jwk;
mod thumbprint;

pub(crate) use algorithm::SigningAlgorithm;
pub(crate) use compact::{Compact, NotVerified, compact};
pub(crate) use jwk::{PublicJwk, VerifyingKey, point};
pub(crate) use thumbprint::JwkThumbprint;
