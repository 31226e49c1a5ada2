//! What a JWT access token says (RFC 9068 §2.2), as providers really write it.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Number, Value};

use crate::{
    access_token::{Principal, VerifyError, spoken_for::SpokenFor},
    oauth::{
        Issuer, Timestamp,
        jose::registered_claims::{audience, maybe_moment, moment, timestamp, words},
    },
};

/// The claims that are read; one that stands there twice, or has another type, spoils the token.
#[derive(Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    sub: String,
    #[serde(deserialize_with = "audience")]
    pub(super) aud: Vec<String>,
    #[serde(deserialize_with = "moment")]
    pub(super) exp: Timestamp,
    #[serde(default, deserialize_with = "maybe_moment")]
    pub(super) nbf: Option<Timestamp>,
    #[serde(default, deserialize_with = "maybe_moment")]
    pub(super) iat: Option<Timestamp>,
    client_id: Option<String>,
    azp: Option<String>,
    #[serde(default, deserialize_with = "words")]
    scope: Vec<String>,
    #[serde(default, deserialize_with = "words")]
    scp: Vec<String>,
    #[serde(default, deserialize_with = "words")]
    permissions: Vec<String>,
    cnf: Option<Map<String, Value>>,
    // What only an ID token has, or says that it is one.
    nonce: Option<IgnoredAny>,
    at_hash: Option<IgnoredAny>,
    c_hash: Option<IgnoredAny>,
    s_hash: Option<IgnoredAny>,
    token_use: Option<String>,
    typ: Option<String>,
}

/// Read before anything is verified: whose keys to try, and how new they have to be.
#[derive(Deserialize)]
pub(super) struct IssuerClaim {
    pub(super) iss: String,
    iat: Option<Number>,
}

impl IssuerClaim {
    pub(super) fn issued_at(&self) -> Option<Timestamp> {
        self.iat.as_ref().and_then(timestamp)
    }
}

impl Claims {
    /// Whether this speaks to a client about its user, and opens nothing (OpenID Connect Core §2).
    ///
    /// Cognito says `token_use`, Keycloak says `typ` among the claims.
    pub(super) fn is_identity_token(&self) -> bool {
        let hashes = [&self.nonce, &self.at_hash, &self.c_hash, &self.s_hash];
        hashes.iter().any(|claim| claim.is_some())
            || self.token_use.as_deref().is_some_and(|is| is != "access")
            || self.typ.as_deref().is_some_and(|is| {
                is == "ID" || is == "Refresh" || is == "Offline" || is == "Logout"
            })
    }

    pub(super) fn principal(&self, issuer: &Issuer) -> Result<Principal, VerifyError> {
        let words = self.scope.iter().chain(&self.scp).chain(&self.permissions);
        let spoken_for = SpokenFor {
            issuer,
            subject: &self.sub,
            client: self.client_id.as_deref().or(self.azp.as_deref()),
            scopes: words.map(String::as_str).collect(),
            expires_at: Some(self.exp),
            confirmation: self.cnf.as_ref(),
        };
        spoken_for.principal()
    }
}
