//! Signed assertions (RFC 7521, RFC 7523): a client's about itself, an enterprise's about a user.

use std::time::Duration;

use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;

use super::clients::{
    ClientKeys, ResolveError,
    keys::{KeySet, SIGNING_ALGORITHMS},
};
use crate::oauth::Timestamp;

/// An assertion as it was read; nothing in it is trusted.
pub(super) struct Assertion<'a> {
    jwt: &'a str,
    algorithm: Algorithm,
    kid: Option<String>,
    typ: Option<String>,
}

/// The claims of an assertion whose signature is good (RFC 7523 §3).
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: Option<String>,
    pub(super) sub: Option<String>,
    aud: Option<Audience>,
    exp: Option<f64>,
    iat: Option<f64>,
    nbf: Option<f64>,
    pub(super) jti: Option<String>,
    /// Those of an identity assertion (ID-JAG).
    pub(super) client_id: Option<String>,
    pub(super) resource: Option<String>,
    pub(super) scope: Option<String>,
    /// Whatever else is said of the subject.
    #[serde(flatten)]
    pub(super) other: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Who is said to speak; not proved.
#[derive(Deserialize)]
struct Names {
    iss: Option<String>,
    sub: Option<String>,
}

/// Assertions are small; what is larger is not read.
const MAX_BYTES: usize = 8 * 1024;
const MAX_JTI_BYTES: usize = 256;
/// How far the clocks of whoever signs and ours may differ.
const SKEW: Duration = Duration::from_secs(60);
/// No assertion is good for longer: its `jti` is remembered for as long.
const LONGEST: Duration = Duration::from_secs(3600);

impl<'a> Assertion<'a> {
    /// Reads the header; the error is for the log.
    pub(super) fn parse(jwt: &'a str) -> Result<Self, &'static str> {
        if jwt.len() > MAX_BYTES {
            return Err("the assertion is too large");
        }
        let header =
            jsonwebtoken::decode_header(jwt).map_err(|_| "the assertion is not a signed JWT")?;
        if !SIGNING_ALGORITHMS.contains(&header.alg) {
            return Err("the assertion has an algorithm that is not allowed");
        }
        // No extension is understood here (RFC 7515 §4.1.11). Where the header says that a key can
        // be found is never looked at (RFC 8725 §3.10).
        if header.crit.is_some() {
            return Err("the assertion has critical header parameters");
        }
        Ok(Self {
            jwt,
            algorithm: header.alg,
            kid: header.kid,
            typ: header.typ,
        })
    }

    /// The media type it claims, in lower case and without `application/` (RFC 7515 §4.1.9).
    pub(super) fn typ(&self) -> Option<String> {
        let typ = self.typ.as_ref()?.to_ascii_lowercase();
        Some(match typ.strip_prefix("application/") {
            Some(short) => short.to_owned(),
            None => typ,
        })
    }

    /// The issuer it names, which nobody has proved yet.
    pub(super) fn claimed_issuer(&self) -> Option<String> {
        self.names()?.iss
    }

    /// The subject it names, which nobody has proved yet.
    pub(super) fn claimed_subject(&self) -> Option<String> {
        self.names()?.sub
    }

    fn names(&self) -> Option<Names> {
        jsonwebtoken::dangerous::insecure_decode_claims(self.jwt).ok()
    }

    /// The claims, if one of these keys made the signature.
    fn verify(&self, keys: &KeySet) -> Option<Claims> {
        // Time and audience are judged by us, against our clock and with nothing forgiven.
        let mut validation = Validation::new(self.algorithm);
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        keys.candidates(self.kid.as_deref(), self.algorithm)
            .find_map(|key| jsonwebtoken::decode(self.jwt, key, &validation).ok())
            .map(|token| token.claims)
    }
}

impl ClientKeys {
    /// The claims of an assertion that one of these keys signed; looks for the keys again if whoever
    /// signed may have new ones.
    pub(super) async fn verify(
        &self,
        assertion: &Assertion<'_>,
    ) -> Result<Option<Claims>, ResolveError> {
        match self {
            Self::Fixed(keys) => Ok(assertion.verify(keys)),
            Self::At(url, sets) => match assertion.verify(&*sets.get(url).await?) {
                Some(claims) => Ok(Some(claims)),
                None => Ok(assertion.verify(&*sets.get_again(url).await?)),
            },
        }
    }
}

impl Claims {
    /// When it ends, if this moment is within its time.
    pub(super) fn check_times(&self, now: Timestamp) -> Result<Timestamp, &'static str> {
        let exp = self.exp.ok_or("the assertion has no exp")?;
        let moment = |claim: f64| claim.is_finite().then(|| seconds(claim));
        let exp = moment(exp).ok_or("the assertion has no exp")?;
        if exp.plus(SKEW) <= now {
            return Err("the assertion is expired");
        }
        if exp > now.plus(LONGEST + SKEW) {
            return Err("the assertion is good for more than an hour");
        }
        for claim in [self.iat, self.nbf].into_iter().flatten() {
            if moment(claim).is_none_or(|from| from > now.plus(SKEW)) {
                return Err("the assertion is from the future");
            }
        }
        Ok(exp.plus(SKEW))
    }

    /// Whether it was made for this one reader and nobody else (draft-ietf-oauth-rfc7523bis §4).
    pub(super) fn is_for(&self, reader: &str) -> bool {
        match &self.aud {
            Some(Audience::One(audience)) => audience == reader,
            Some(Audience::Several(audiences)) => {
                matches!(audiences.as_slice(), [only] if only == reader)
            }
            None => false,
        }
    }

    /// Whether it says when it was made.
    pub(super) const fn has_issue_time(&self) -> bool {
        self.iat.is_some()
    }

    /// What tells it from every other one of whoever signed it.
    pub(super) fn unique_name(&self) -> Result<&str, &'static str> {
        let jti = self.jti.as_deref().filter(|jti| !jti.is_empty());
        let jti = jti.ok_or("the assertion has no jti")?;
        if jti.len() > MAX_JTI_BYTES {
            return Err("the assertion has a jti of more than 256 bytes");
        }
        Ok(jti)
    }
}

/// A `NumericDate` may have a fraction and any size (RFC 7519 §2).
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates, which is meant
const fn seconds(claim: f64) -> Timestamp {
    Timestamp::from_seconds(claim as u64)
}
