//! JWT access tokens (RFC 9068), for resource servers elsewhere that check signatures.
//!
//! What such a token may do *here* is not what its claims say, which a holder of a signing key could
//! write, but what its `jti` holds: the claims of a sealed token, sealed under the key ring for this
//! resource. So a JWT opens nothing that a sealed token would not open, names its grant to nobody,
//! and ends with it.

use serde::{Deserialize, Serialize};

use super::{AccessTokenClaims, Grant, SigningKeys, VerifyError, verified_tokens::VerifiedTokens};
use crate::{
    oauth::{
        AccessToken, Issuer, JwkThumbprint, ResourceIdentifier, Timestamp,
        jose::{Compact, NotVerified, SigningAlgorithm},
    },
    store::{OpenError, Sealer},
};

/// Issues and verifies JWT access tokens of our own.
#[derive(Debug)]
pub(super) struct JwtTokens {
    keys: SigningKeys,
    sealer: Sealer,
    issuer: Issuer,
    verified: VerifiedTokens<VerifiedJwt>,
}

/// A JWT with everything verified that does not depend on the request.
#[derive(Debug, Clone)]
struct VerifiedJwt {
    audience: Box<str>,
    claims: AccessTokenClaims,
}

/// What we sign (RFC 9068 §2.2); of the user no more than the subject.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a Issuer,
    sub: &'a str,
    aud: &'a ResourceIdentifier,
    client_id: &'a str,
    scope: String,
    iat: Timestamp,
    exp: Timestamp,
    jti: String,
    /// For resource servers elsewhere; here the sealed claims say it (RFC 9449 §6.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation>,
}

#[derive(Serialize)]
struct Confirmation {
    jkt: JwkThumbprint,
}

/// What we read of it again; the rest is the grant's to say.
#[derive(Deserialize)]
struct ReadClaims {
    iss: String,
    aud: String,
    exp: Timestamp,
    nbf: Option<Timestamp>,
    jti: String,
}

/// The header that we write; one with anything else in it is not ours, so no token can bring a key
/// along (`jwk`, `jku`, `x5u`) or an extension that nobody checks (`crit`).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: SigningAlgorithm,
    typ: String,
    kid: String,
}

/// The media type of an access token (RFC 9068 §2.1): no ID token can be taken for one.
const TYP: &str = "at+jwt";

impl JwtTokens {
    pub(super) fn new(keys: SigningKeys, sealer: Sealer, issuer: Issuer) -> Self {
        Self {
            keys,
            sealer,
            issuer,
            verified: VerifiedTokens::default(),
        }
    }

    /// `None` if the cryptographic library fails.
    pub(super) fn issue(
        &self,
        grant: &Grant,
        claims: &AccessTokenClaims,
        now: Timestamp,
    ) -> Option<AccessToken> {
        let scopes = claims.narrowed.as_ref().unwrap_or(&grant.scopes);
        let associated = associated(grant.resource.as_str());
        let claims = Claims {
            iss: &self.issuer,
            sub: &grant.subject,
            aud: &grant.resource,
            client_id: grant.client.as_str(),
            scope: scopes.to_string(),
            iat: now,
            exp: claims.expires_at,
            cnf: claims.key.map(|jkt| Confirmation { jkt }),
            jti: self
                .sealer
                .seal_text(associated.as_bytes(), &claims.to_bytes()),
        };
        self.keys.sign(TYP, &claims).map(AccessToken::new)
    }

    /// What a token says, if it is one of ours for this resource.
    ///
    /// Whether it is over is looked at by whoever asks, as for a sealed one.
    pub(super) fn open(
        &self,
        token: &AccessToken,
        resource: &ResourceIdentifier,
        now: Timestamp,
    ) -> Result<AccessTokenClaims, VerifyError> {
        let name = VerifiedTokens::<VerifiedJwt>::name(token);
        let verified = match self.verified.get(&name, now) {
            Some(known) => known,
            None => {
                let verified = self.verify(token, now)?;
                let until = verified.claims.expires_at;
                self.verified.remember(name, verified.clone(), until, now);
                verified
            }
        };
        if *verified.audience != *resource.as_str() {
            return Err(VerifyError::Invalid("issued for another resource"));
        }
        Ok(verified.claims)
    }

    /// Everything that stays true for as long as the token lives (RFC 9068 §4).
    fn verify(&self, token: &AccessToken, now: Timestamp) -> Result<VerifiedJwt, VerifyError> {
        use VerifyError::Invalid;
        let compact =
            Compact::<Header>::parse(token.expose()).ok_or(Invalid("not a token of ours"))?;
        let Header { alg, typ, kid } = &compact.header;
        if typ != TYP {
            return Err(Invalid("a JWT of another type"));
        }
        let key = self.keys.verifying(kid, *alg);
        let key = key.ok_or(Invalid("signed under an unknown key"))?;
        let read: ReadClaims = compact.verified(key).map_err(|error| match error {
            NotVerified::Signature => Invalid("a wrong signature"),
            NotVerified::Claims => Invalid("claims are missing or malformed"),
        })?;
        if read.iss != self.issuer.as_str() {
            return Err(Invalid("another issuer"));
        }
        if read.nbf.is_some_and(|from| now < from) {
            return Err(Invalid("not good yet"));
        }
        let opened = self
            .sealer
            .open_text(associated(&read.aud).as_bytes(), &read.jti)
            .map_err(|error| {
                Invalid(match error {
                    OpenError::UnknownKey => "its grant is sealed under an unknown key",
                    OpenError::Malformed | OpenError::Forged => "it names no grant of ours",
                })
            })?;
        let claims = AccessTokenClaims::from_bytes(&opened);
        let claims = claims.ok_or(Invalid("written by another version"))?;
        if claims.expires_at != read.exp {
            return Err(Invalid("another expiry than it was issued with"));
        }
        Ok(VerifiedJwt {
            audience: read.aud.into(),
            claims,
        })
    }
}

/// What the `jti` is sealed with: a resource begins with its scheme, so no `jti` opens as a sealed
/// token.
fn associated(resource: &str) -> String {
    format!("jti {resource}")
}
