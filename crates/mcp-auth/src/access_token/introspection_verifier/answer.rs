//! What an issuer says about a token (RFC 7662 §2.2).

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{ActiveToken, LEEWAY};
use crate::{
    access_token::{VerifyError, spoken_for::SpokenFor},
    oauth::{
        Issuer, Timestamp,
        jose::registered_claims::{maybe_moment, texts, words},
    },
};

#[derive(Deserialize)]
pub(super) struct Answer {
    active: bool,
    iss: Option<String>,
    sub: Option<String>,
    #[serde(default, deserialize_with = "texts")]
    aud: Option<Vec<String>>,
    #[serde(default, deserialize_with = "maybe_moment")]
    exp: Option<Timestamp>,
    #[serde(default, deserialize_with = "maybe_moment")]
    nbf: Option<Timestamp>,
    client_id: Option<String>,
    #[serde(default, deserialize_with = "words")]
    scope: Vec<String>,
    token_type: Option<String>,
    cnf: Option<Map<String, Value>>,
}

impl Answer {
    /// The token, if it is good for anybody, and when that ends.
    pub(super) fn active_token(
        &self,
        issuer: &Issuer,
        now: Timestamp,
    ) -> Result<(ActiveToken, Option<Timestamp>), VerifyError> {
        use VerifyError::Invalid;
        if !self.active {
            return Err(Invalid("not active, its issuer said"));
        }
        if self
            .iss
            .as_deref()
            .is_some_and(|iss| iss != issuer.as_str())
        {
            return Err(Invalid("another issuer"));
        }
        let ends = self.exp.map(|exp| exp.plus(LEEWAY));
        if ends.is_some_and(|ends| ends <= now) {
            return Err(VerifyError::Expired);
        }
        if self.nbf.is_some_and(|from| now.plus(LEEWAY) < from) {
            return Err(Invalid("not good yet"));
        }
        let bound = self.cnf.is_some();
        match self
            .token_type
            .as_deref()
            .map(str::to_ascii_lowercase)
            .as_deref()
        {
            None | Some("bearer") => {}
            Some("dpop") if bound => {}
            // RFC 7662 leaves room for other words than those of a token answer.
            Some("access_token") => {}
            _ => return Err(Invalid("a token of another type")),
        }
        let audience = self.aud.clone().unwrap_or_default();
        if audience.is_empty() {
            return Err(Invalid("its issuer names no audience"));
        }
        let spoken_for = SpokenFor {
            issuer,
            subject: self.sub.as_deref().unwrap_or_default(),
            client: self.client_id.as_deref(),
            scopes: self.scope.iter().map(String::as_str).collect(),
            expires_at: self.exp,
            confirmation: self.cnf.as_ref(),
        };
        let active = ActiveToken {
            audience: audience.into(),
            principal: spoken_for.principal()?,
        };
        Ok((active, ends))
    }
}
