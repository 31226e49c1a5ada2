//! One proof (RFC 9449 §4.2).

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Number;

use super::{Asked, ProofError, ProofTarget};
use crate::{
    oauth::{
        JwkThumbprint, Timestamp, constant_time_eq,
        jose::{Compact, JwkMembers, NotVerified, SigningAlgorithm},
        sha256,
    },
    store::RecordKey,
};

/// A proof whose signature is its own key's.
pub(super) struct Proof {
    key: JwkThumbprint,
    claims: Claims,
}

#[derive(Deserialize)]
struct Header {
    typ: String,
    /// Asymmetric alone: nothing else has a name here.
    alg: SigningAlgorithm,
    jwk: JwkMembers,
    /// Nothing that has to be understood is (RFC 7515 §4.1.11).
    crit: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: Number,
    nonce: Option<String>,
    ath: Option<String>,
}

const TYP: &str = "dpop+jwt";
/// Longer than one with an RSA key of 8,192 bits.
const MAX_BYTES: usize = 8 * 1024;

impl Proof {
    /// Shape, type, algorithm, key and signature: checks 2 to 7 of RFC 9449 §4.3.
    pub(super) fn verified(text: &str) -> Result<Self, ProofError> {
        use ProofError::Invalid;
        if text.len() > MAX_BYTES {
            return Err(ProofError::MALFORMED);
        }
        let compact = Compact::<Header>::parse(text).ok_or(ProofError::MALFORMED)?;
        let header = &compact.header;
        if header.typ != TYP {
            return Err(Invalid("a JWT of another type"));
        }
        if header.crit.is_some() {
            return Err(Invalid("an extension that is not known"));
        }
        let key = header.jwk.public();
        let key = key.ok_or(Invalid("no public key that is served"))?;
        let verifying = key.verifying(header.alg);
        let verifying = verifying.ok_or(Invalid("a key for another algorithm"))?;
        let claims: Claims = compact.verified(&verifying).map_err(|error| {
            Invalid(match error {
                NotVerified::Signature => "a wrong signature",
                NotVerified::Claims => "claims are missing or malformed",
            })
        })?;
        if claims.jti.is_empty() {
            return Err(Invalid("an empty jti"));
        }
        Ok(Self {
            key: key.thumbprint(),
            claims,
        })
    }

    /// Method, target and token: checks 8, 9 and 12.
    pub(super) fn is_for(&self, asked: &Asked<'_>) -> Result<(), ProofError> {
        use ProofError::Invalid;
        if self.claims.htm != asked.method {
            return Err(Invalid("for another method"));
        }
        if !asked.target.is(&self.claims.htu) {
            return Err(Invalid("for another target"));
        }
        let Some(token) = asked.token else {
            return Ok(());
        };
        let hash = URL_SAFE_NO_PAD.encode(sha256(token.expose().as_bytes()));
        let ath = self.claims.ath.as_deref().unwrap_or_default();
        if !constant_time_eq(ath.as_bytes(), hash.as_bytes()) {
            return Err(Invalid("for another token"));
        }
        Ok(())
    }

    /// When it was made, if that is about now: check 11 without a nonce.
    pub(super) fn made_within(
        &self,
        window: Duration,
        now: Timestamp,
    ) -> Result<Timestamp, ProofError> {
        let made_at = seconds(&self.claims.iat).map(Timestamp::from_seconds);
        let made_at = made_at.ok_or(ProofError::Invalid("claims are missing or malformed"))?;
        if made_at.since(now) > window || now.since(made_at) > window {
            return Err(ProofError::Invalid("made too long ago, or later than now"));
        }
        Ok(made_at)
    }

    pub(super) fn nonce(&self) -> Option<&str> {
        self.claims.nonce.as_deref()
    }

    pub(super) const fn key(&self) -> JwkThumbprint {
        self.key
    }

    /// The name of its use: key, target, `jti`.
    pub(super) fn record_key(&self, target: &ProofTarget) -> RecordKey {
        let mut name = self.key.as_bytes().to_vec();
        name.extend_from_slice(&(target.as_str().len() as u64).to_be_bytes());
        name.extend_from_slice(target.as_str().as_bytes());
        name.extend_from_slice(self.claims.jti.as_bytes());
        RecordKey::new("dpop proof", &name)
    }
}

/// A `NumericDate`, which may have a fraction (RFC 7519 §2).
fn seconds(number: &Number) -> Option<u64> {
    if let Some(seconds) = number.as_u64() {
        return Some(seconds);
    }
    let seconds = number.as_f64()?;
    // Up to the year 9999; what lies beyond is no moment of anybody's clock.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // within bounds
    (0.0..=253_402_300_799.0)
        .contains(&seconds)
        .then_some(seconds as u64)
}
