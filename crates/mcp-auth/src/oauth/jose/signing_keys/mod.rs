//! The keys that we sign with: JWT access tokens, and assertions at an upstream.

mod jwk;
mod pem;
mod signing_key;

use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::oauth::jose::{SigningAlgorithm, VerifyingKey, compact};
use signing_key::SigningKey;

/// The keys that we sign with: the first signs, all of them are published and verify.
///
/// They sign JWT access tokens, and are published at `/jwks` then; or they sign what our client shows at
/// an upstream in place of a secret (`private_key_jwt`), and the provider is given their public halves.
///
/// A key is P-256 (`ES256`), Ed25519 (`EdDSA`) or RSA of 2,048 to 8,192 bits (`RS256`). Its `kid` is
/// its thumbprint (RFC 7638), whatever name it came with.
///
/// # Rotation
///
/// Publish first, sign later, so that nobody meets a signature whose key it has not seen:
///
/// 1. append the new key, and wait until every process has it and every resource server has read the
///    key set again, five minutes at least;
/// 2. move it to the front: it signs from here on, and the old one still verifies;
/// 3. drop the old one when the last token that it signed is over, one lifetime of an access token
///    later.
#[derive(Clone)]
pub struct SigningKeys(Arc<[SigningKey]>);

impl SigningKeys {
    /// Parses keys, the one that signs first: unencrypted PKCS#8 blocks in PEM, or private JWKs as
    /// one key or as a set (RFC 7517 §5).
    ///
    /// # Errors
    ///
    /// When there is none, one of them cannot be used, or one is there twice.
    ///
    /// # Security
    ///
    /// Whoever has one of them can forge access tokens for every other resource server. Here a forged
    /// token opens nothing: it also has to name a grant, sealed under the key ring.
    pub fn parse(text: &str) -> Result<Self, SigningKeysError> {
        let text = text.trim();
        let keys = if text.starts_with('{') {
            jwk::parse(text)?
        } else {
            let blocks = pem::private_keys(text)?;
            let keys: Result<Vec<_>, _> = blocks
                .iter()
                .map(|der| SigningKey::from_pkcs8(der))
                .collect();
            keys?
        };
        if keys.is_empty() {
            return Err(SigningKeysError::Empty);
        }
        let mut ids: Vec<&str> = keys.iter().map(|key| key.id()).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() != keys.len() {
            return Err(SigningKeysError::Repeated);
        }
        Ok(Self(keys.into()))
    }

    /// Makes a fresh P-256 key, as the PKCS#8 text in PEM that [`SigningKeys::parse`] takes.
    ///
    /// # Errors
    ///
    /// When the cryptographic library fails.
    ///
    /// # Security
    ///
    /// The text belongs where the operator's other secrets are: whoever reads it can sign.
    pub fn generate_pem() -> Result<Zeroizing<String>, SigningKeysError> {
        let generated = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .and_then(|pair| pair.to_pkcs8v1())
            .map_err(|_| SigningKeysError::Unusable)?;
        Ok(pem::of_private_key(generated.as_ref()))
    }

    /// The public halves as a key set (RFC 7517 §5): what is published, or given to whom these keys prove us.
    #[must_use]
    pub fn published(&self) -> Value {
        let keys: Vec<Value> = self.0.iter().map(SigningKey::published).collect();
        json!({ "keys": keys })
    }

    /// Signs claims under the first key; `None` if the cryptographic library fails.
    pub(crate) fn sign(&self, typ: &'static str, claims: &impl Serialize) -> Option<String> {
        let key = self.0.first()?;
        let header = Header {
            alg: key.algorithm(),
            typ,
            kid: key.id(),
        };
        compact(&header, claims, |message| key.sign(message))
    }

    /// The key of this name, if it is one of these and verifies this algorithm.
    pub(crate) fn verifying(&self, id: &str, algorithm: SigningAlgorithm) -> Option<&VerifyingKey> {
        let key = self.0.iter().find(|key| key.id() == id)?;
        (key.algorithm() == algorithm).then(|| key.verifying())
    }
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids = self.0.iter().map(SigningKey::id);
        f.write_str("SigningKeys")?;
        f.debug_list().entries(ids).finish()
    }
}

/// Why keys cannot be used to sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningKeysError {
    /// There is none.
    #[error(
        "no key: make one with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`"
    )]
    Empty,
    /// The text is neither PEM nor JSON, or a part of it is malformed.
    #[error("neither PEM blocks nor private JWKs, or malformed")]
    Malformed,
    /// A PEM block is something else than an unencrypted private key in PKCS#8.
    #[error("a PEM block is not `PRIVATE KEY`: convert it with `openssl pkcs8 -topk8 -nocrypt`")]
    NotPkcs8,
    /// A JWK is public, or made for something else than signing.
    #[error("a JWK has no private part, or is not for signing")]
    NotForSigning,
    /// A key has another type, or its parts do not belong together.
    #[error("a key is not a sound P-256, Ed25519 or RSA key (2,048 to 8,192 bits)")]
    Unusable,
    /// A key is there twice.
    #[error("a key is there twice")]
    Repeated,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: SigningAlgorithm,
    typ: &'static str,
    kid: &'a str,
}

#[cfg(test)]
mod tests;
