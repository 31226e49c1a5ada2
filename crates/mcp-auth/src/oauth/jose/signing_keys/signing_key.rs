//! One key pair.

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeyPair as RsaKeyPair,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    },
};
use serde_json::Value;

use super::SigningKeysError;
use crate::oauth::jose::{PublicJwk, SigningAlgorithm, VerifyingKey};

/// A key pair with everything that is derived from it once.
pub(super) struct SigningKey {
    pair: Pair,
    id: String,
    public: PublicJwk,
    verifying: VerifyingKey,
}

/// aws-lc clears a key's memory when it is freed.
pub(super) enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl SigningKey {
    /// Takes an unencrypted PKCS#8 key (RFC 5958) of any type that is served.
    pub(super) fn from_pkcs8(der: &[u8]) -> Result<Self, SigningKeysError> {
        let p256 = || EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der);
        let pair = if let Ok(pair) = p256() {
            Pair::P256(pair)
        } else if let Ok(pair) = Ed25519KeyPair::from_pkcs8(der) {
            Pair::Ed25519(pair)
        } else if let Ok(pair) = RsaKeyPair::from_pkcs8(der) {
            Pair::Rsa(pair)
        } else {
            return Err(SigningKeysError::Unusable);
        };
        Self::of(pair)
    }

    pub(super) fn of(pair: Pair) -> Result<Self, SigningKeysError> {
        let public = pair.public().ok_or(SigningKeysError::Unusable)?;
        let verifying = public.verifying(pair.algorithm());
        Ok(Self {
            id: public.thumbprint().to_string(),
            verifying: verifying.ok_or(SigningKeysError::Unusable)?,
            pair,
            public,
        })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) const fn algorithm(&self) -> SigningAlgorithm {
        self.pair.algorithm()
    }

    pub(super) const fn verifying(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// The public half, as it is published.
    pub(super) fn published(&self) -> Value {
        self.public.published(self.algorithm())
    }

    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        // aws-lc takes its randomness from the operating system, whatever it is handed.
        let random = SystemRandom::new();
        match &self.pair {
            Pair::P256(pair) => Some(pair.sign(&random, message).ok()?.as_ref().to_vec()),
            Pair::Ed25519(pair) => Some(pair.try_sign(message).ok()?.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let signed = pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature);
                signed.ok().map(|()| signature)
            }
        }
    }
}

impl Pair {
    const fn algorithm(&self) -> SigningAlgorithm {
        match self {
            Self::P256(_) => SigningAlgorithm::Es256,
            Self::Ed25519(_) => SigningAlgorithm::EdDsa,
            Self::Rsa(_) => SigningAlgorithm::Rs256,
        }
    }

    fn public(&self) -> Option<PublicJwk> {
        Some(match self {
            Self::P256(pair) => {
                // A marker byte, then the coordinates (SEC 1 §2.3.3).
                let (_, coordinates) = pair.public_key().as_ref().split_first()?;
                let (x, y) = coordinates.split_first_chunk::<32>()?;
                PublicJwk::P256 {
                    x: *x,
                    y: y.try_into().ok()?,
                }
            }
            Self::Ed25519(pair) => PublicJwk::Ed25519 {
                x: pair.public_key().as_ref().try_into().ok()?,
            },
            Self::Rsa(pair) => {
                let key = pair.public_key();
                PublicJwk::Rsa {
                    n: key.modulus().big_endian_without_leading_zero().to_vec(),
                    e: key.exponent().big_endian_without_leading_zero().to_vec(),
                }
            }
        })
    }
}
