//! What a JWT access token says (RFC 9068 §2.2), as providers really write it.

use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::{Map, Number, Value};

use crate::{
    access_token::{Principal, VerifyError},
    oauth::{
        ClientId, Issuer, JwkThumbprint, Scope, Scopes, Timestamp,
        jose::registered_claims::{
            audience, is_usable_subject, maybe_moment, moment, texts, timestamp,
        },
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
        use VerifyError::Invalid;
        if !is_usable_subject(&self.sub) {
            return Err(Invalid("it names no usable subject"));
        }
        let client = self.client_id.as_ref().or(self.azp.as_ref());
        let client = client.map(|id| ClientId::parse(id)).transpose();
        let client = client.map_err(|_| Invalid("its client_id is malformed"))?;
        // A client that acts for itself, which must not be taken for a user (RFC 9068 §5).
        let acts_for_itself = client
            .as_ref()
            .is_some_and(|client| client.as_str() == self.sub);
        let subject = match acts_for_itself {
            true => format!("|{}", self.sub),
            false if self.sub.starts_with('|') => {
                return Err(Invalid("its subject looks like a client"));
            }
            false => self.sub.clone(),
        };
        let words = self.scope.iter().chain(&self.scp).chain(&self.permissions);
        let scopes: Result<Scopes, _> = words.map(|word| Scope::parse(word)).collect();
        let scopes = scopes.map_err(|_| Invalid("a scope that is none"))?;
        let mut principal = Principal::new(issuer.as_str(), subject)
            .with_scopes(scopes)
            .with_expiry(self.exp);
        if let Some(client) = client {
            principal = principal.with_client(client);
        }
        match &self.cnf {
            None => Ok(principal),
            Some(confirmation) => Ok(principal.with_confirmation(key(confirmation)?)),
        }
    }
}

/// The one way of binding that is served (RFC 9449 §6.1): a token that is bound in another way is
/// nobody's.
fn key(confirmation: &Map<String, Value>) -> Result<JwkThumbprint, VerifyError> {
    let jkt = match confirmation.len() {
        1 => confirmation.get("jkt").and_then(Value::as_str),
        _ => None,
    };
    let key = jkt.and_then(|jkt| JwkThumbprint::parse(jkt).ok());
    key.ok_or(VerifyError::Invalid("bound in a way that is not served"))
}

/// A list of texts, or one text with spaces between them.
fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let texts = texts(deserializer)?.unwrap_or_default();
    let words = texts.iter().flat_map(|text| text.split(' '));
    Ok(words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect())
}
