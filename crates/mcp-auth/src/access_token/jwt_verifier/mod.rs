//! JWT access tokens of other issuers (RFC 9068, RFC 8725).

mod builder;
mod claims;
mod issuer;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

pub use builder::JwtVerifierBuilder;
use claims::{Claims, IssuerClaim};
pub use issuer::JwtIssuer;
use issuer::TrustedIssuer;

use super::{
    Principal, TokenVerifier, VerifyError, spoken_for::is_for, verified_tokens::VerifiedTokens,
};
use crate::{
    oauth::{
        AccessToken, Clock, ResourceIdentifier, Timestamp,
        jose::{Compact, JwkSet, NotVerified, ReceivedHeader},
    },
    upstream::{KeysError, KnownKeys},
};

/// Verifies JWT access tokens by their issuer's keys.
///
/// ```
/// use mcp_auth::{access_token::{JwtIssuer, JwtVerifier}, oauth::Issuer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let issuer = JwtIssuer::discovered(Issuer::parse("https://id.example.com")?);
/// let verifier = JwtVerifier::builder(issuer).build()?;
/// # let _ = verifier; Ok(()) }
/// ```
///
/// A token is good when it is signed under a key of the issuer that it names, with ES256, EdDSA, RS256 or
/// PS256; it says that it is an access token (`typ: at+jwt`, unless the issuer was set up otherwise); its
/// audience is the resource it came to; it is not over, and has begun, give or take the leeway.
///
/// What was found good is remembered under the token's SHA-256 until it is over or the issuer's keys are
/// read anew, which they are every 15 minutes. While the issuer is away its keys are good for a day. Tokens
/// with unknown keys make it read them at most once in 30 seconds; one that may be signed under a key newer
/// than what was read is answered with 503 until then, not with a 401 that would log its host out.
///
/// # Security
///
/// Nothing in a token leads anywhere: no `jku`, `x5u` or embedded `jwk` is looked at, and `crit` is
/// refused. Revocation at the issuer is not seen before the token is over: where that matters, use short
/// lifetimes or introspection.
#[derive(Debug)]
pub struct JwtVerifier {
    issuers: Vec<TrustedIssuer>,
    leeway: Duration,
    clock: Arc<dyn Clock>,
    verified: VerifiedTokens<VerifiedJwt>,
}

/// A token with everything verified that does not depend on the request.
#[derive(Debug, Clone)]
struct VerifiedJwt {
    audience: Arc<[String]>,
    principal: Principal,
    /// Which of the issuers, and its keys as they were.
    issuer: usize,
    keys: Arc<JwkSet>,
    ends: Timestamp,
}

/// A token that passed what can be checked without keys.
struct Presented<'a> {
    compact: Compact<'a, ReceivedHeader>,
    index: usize,
    issued_at: Option<Timestamp>,
}

/// Longer than any issuer's; read before anything is decoded.
const MAX_BYTES: usize = 16 * 1024;

impl JwtVerifier {
    /// A verifier for the tokens of this issuer.
    pub fn builder(issuer: JwtIssuer) -> JwtVerifierBuilder {
        JwtVerifierBuilder::new(issuer)
    }

    /// What is remembered of a token, as long as it is still good.
    fn remembered(&self, token: &AccessToken, now: Timestamp) -> Option<VerifiedJwt> {
        let name = VerifiedTokens::<VerifiedJwt>::name(token);
        let known = self.verified.get(&name, now)?;
        let keys = self.issuers.get(known.issuer)?.keys.known()?;
        Arc::ptr_eq(&keys.set, &known.keys).then_some(known)
    }

    fn presented<'a>(&self, token: &'a AccessToken) -> Result<Presented<'a>, VerifyError> {
        use VerifyError::Invalid;
        let text = token.expose();
        if text.len() > MAX_BYTES {
            return Err(Invalid("longer than any token"));
        }
        let compact = Compact::<ReceivedHeader>::parse(text)
            .ok_or(Invalid("no JWT with a served algorithm"))?;
        let header = &compact.header;
        header.check().map_err(Invalid)?;
        let claim: IssuerClaim = compact.unverified().ok_or(Invalid("it names no issuer"))?;
        let named = |issuer: &TrustedIssuer| issuer.issuer.as_str() == claim.iss;
        let index = self.issuers.iter().position(named);
        let index = index.ok_or(Invalid("another issuer"))?;
        let issuer = self.issuers.get(index).ok_or(Invalid("another issuer"))?;
        issuer.check_type(header.typ.as_deref())?;
        if !issuer.algorithms.contains(&header.alg) {
            return Err(Invalid(
                "signed with an algorithm that its issuer does not use",
            ));
        }
        let issued_at = claim.issued_at();
        let latest = self.clock.now().plus(self.leeway);
        if issued_at.is_some_and(|issued| latest < issued) {
            return Err(Invalid("issued in the future"));
        }
        Ok(Presented {
            compact,
            index,
            issued_at,
        })
    }

    /// Everything that stays true for as long as the token lives (RFC 9068 §4).
    fn verified(
        &self,
        presented: &Presented<'_>,
        keys: &KnownKeys,
        now: Timestamp,
    ) -> Result<VerifiedJwt, VerifyError> {
        use VerifyError::Invalid;
        let header = &presented.compact.header;
        let issuer = self
            .issuers
            .get(presented.index)
            .ok_or(Invalid("another issuer"))?;
        let mut candidates = keys.set.candidates(header.kid.as_deref(), header.alg);
        let claims = candidates.find_map(|key| match presented.compact.verified::<Claims>(key) {
            Err(NotVerified::Signature) => None,
            read => Some(read.map_err(|_| Invalid("claims are missing or malformed"))),
        });
        let claims = claims.unwrap_or(Err(Invalid("a wrong signature")))?;
        if claims.iss != issuer.issuer.as_str() {
            return Err(Invalid("another issuer"));
        }
        let ends = claims.exp.plus(self.leeway);
        if ends <= now {
            return Err(VerifyError::Expired);
        }
        let latest = now.plus(self.leeway);
        if claims.nbf.is_some_and(|from| latest < from) {
            return Err(Invalid("not good yet"));
        }
        if claims.iat.is_some_and(|issued| latest < issued) {
            return Err(Invalid("issued in the future"));
        }
        if issuer.takes_plain_jwts() && claims.is_identity_token() {
            return Err(Invalid("an ID token"));
        }
        Ok(VerifiedJwt {
            audience: claims.aud.clone().into(),
            principal: claims.principal(&issuer.issuer)?,
            issuer: presented.index,
            keys: Arc::clone(&keys.set),
            ends,
        })
    }

    /// What depends on the request: whom the token was issued for.
    fn for_resource(
        &self,
        verified: VerifiedJwt,
        resource: &ResourceIdentifier,
    ) -> Result<Principal, VerifyError> {
        let issuer = self.issuers.get(verified.issuer);
        if issuer.is_some_and(|issuer| is_for(&verified.audience, resource, &issuer.audiences)) {
            return Ok(verified.principal);
        }
        Err(VerifyError::Invalid("issued for another resource"))
    }

    fn remember(&self, token: &AccessToken, verified: &VerifiedJwt, now: Timestamp) {
        let name = VerifiedTokens::<VerifiedJwt>::name(token);
        self.verified
            .remember(name, verified.clone(), verified.ends, now);
    }
}

#[async_trait]
impl TokenVerifier for JwtVerifier {
    fn issuers(&self) -> Vec<&str> {
        let all = self.issuers.iter();
        all.map(|issuer| issuer.issuer.as_str()).collect()
    }

    fn verify_now(
        &self,
        token: &AccessToken,
        resource: &ResourceIdentifier,
    ) -> Option<Result<Principal, VerifyError>> {
        let now = self.clock.now();
        if let Some(known) = self.remembered(token, now) {
            // Where its keys are due, `verify` sees to that.
            self.issuers.get(known.issuer)?.keys.fresh()?;
            return Some(self.for_resource(known, resource));
        }
        let presented = match self.presented(token) {
            Ok(presented) => presented,
            Err(error) => return Some(Err(error)),
        };
        let header = &presented.compact.header;
        let keys = self.issuers.get(presented.index)?.keys.fresh()?;
        keys.set
            .candidates(header.kid.as_deref(), header.alg)
            .next()?;
        let verified = self.verified(&presented, &keys, now);
        Some(verified.and_then(|verified| {
            self.remember(token, &verified, now);
            self.for_resource(verified, resource)
        }))
    }

    async fn verify(
        &self,
        token: &AccessToken,
        resource: &ResourceIdentifier,
    ) -> Result<Principal, VerifyError> {
        if let Some(known) = self.remembered(token, self.clock.now()) {
            if let Some(issuer) = self.issuers.get(known.issuer) {
                issuer.keys.read_if_due();
            }
            return self.for_resource(known, resource);
        }
        let presented = self.presented(token)?;
        let header = &presented.compact.header;
        let issuer = self.issuers.get(presented.index);
        let issuer = issuer.ok_or(VerifyError::Invalid("another issuer"))?;
        let (kid, algorithm) = (header.kid.as_deref(), header.alg);
        let keys = issuer.keys.with(kid, algorithm, presented.issued_at).await;
        let keys = keys.map_err(|error| match error {
            KeysError::Unknown => VerifyError::Invalid("signed under an unknown key"),
            KeysError::Unavailable {
                retry_after,
                source,
            } => VerifyError::Unavailable {
                retry_after: retry_after.max(RETRY_AFTER),
                source: source.map(Into::into),
            },
        })?;
        let now = self.clock.now();
        let verified = self.verified(&presented, &keys, now)?;
        self.remember(token, &verified, now);
        self.for_resource(verified, resource)
    }
}

const RETRY_AFTER: Duration = Duration::from_secs(2);
