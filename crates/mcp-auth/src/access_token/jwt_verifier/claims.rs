//! What a JWT access token says (RFC 9068 §2.2), as providers really write it.

use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::{Map, Number, Value};

use crate::{
    access_token::{Principal, VerifyError},
    oauth::{ClientId, Issuer, JwkThumbprint, Scope, Scopes, Timestamp},
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

const MAX_SUBJECT: usize = 255;

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
        let usable = !self.sub.is_empty()
            && self.sub.len() <= MAX_SUBJECT
            && !self.sub.chars().any(char::is_control);
        if !usable {
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

/// One text or a list of them (RFC 7519 §4.1.3).
fn audience<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    texts(deserializer)?.ok_or_else(|| serde::de::Error::custom("no audience"))
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

fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Texts {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Option::<Texts>::deserialize(deserializer)? {
        None => None,
        Some(Texts::One(text)) => Some(vec![text]),
        Some(Texts::Many(texts)) => Some(texts),
    })
}

fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    maybe_moment(deserializer)?.ok_or_else(|| serde::de::Error::custom("no moment"))
}

/// A `NumericDate` (RFC 7519 §2): a number, whole or not, of this age of the world.
fn maybe_moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    match Option::<Number>::deserialize(deserializer)? {
        None => Ok(None),
        Some(number) => match timestamp(&number) {
            None => Err(serde::de::Error::custom("no moment")),
            moment => Ok(moment),
        },
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // within bounds
fn timestamp(number: &Number) -> Option<Timestamp> {
    let seconds = number.as_f64()?;
    let in_this_age = seconds.is_finite() && (0.0..END_OF_TIME).contains(&seconds);
    in_this_age.then(|| Timestamp::from_seconds(seconds as u64))
}

/// The year 10000.
const END_OF_TIME: f64 = 253_402_300_800.0;
