//! ID tokens: whom the upstream vouches for (OpenID Connect Core §3.1.3.7).

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{IssuerKeys, KeysError, UpstreamError, UpstreamIdentity};
use crate::oauth::{
    CodeVerifier, Issuer, Timestamp, constant_time_eq,
    jose::{
        Compact, NotVerified, ReceivedHeader,
        registered_claims::{audience, is_usable_subject, maybe_moment, moment},
    },
    sha256,
};

/// The `nonce` of a login (OpenID Connect Core §15.5.2): made of our PKCE verifier, which is kept for the
/// login anyway and goes to nobody before the code is redeemed.
pub(super) fn nonce(verifier: &CodeVerifier) -> String {
    let text = format!("mcp-auth upstream nonce {}", verifier.expose());
    URL_SAFE_NO_PAD.encode(sha256(text.as_bytes()))
}

/// What an ID token has to say.
#[derive(Debug)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a Issuer,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) now: Timestamp,
}

/// Checks an ID token that came from the token endpoint, and takes it for the user.
pub(super) async fn verified(
    token: &str,
    keys: &Arc<IssuerKeys>,
    expected: &Expected<'_>,
) -> Result<UpstreamIdentity, UpstreamError> {
    use UpstreamError::Refused;
    let compact = Compact::<ReceivedHeader>::parse(token).ok_or(Refused(
        "its id_token is no JWT with an algorithm that is served",
    ))?;
    let header = &compact.header;
    header
        .check()
        .map_err(|_| Refused("its id_token is of a kind that is not served"))?;
    let told: IssuedAt = compact
        .unverified()
        .ok_or(Refused("claims of its id_token are missing or malformed"))?;
    let kid = header.kid.as_deref();
    let known = keys.with(kid, header.alg, Some(told.iat)).await;
    let known = known.map_err(|error| match error {
        KeysError::Unknown => Refused("its id_token is signed under an unknown key"),
        KeysError::Unavailable { .. } => {
            UpstreamError::Outage("the keys for its id_token cannot be read right now")
        }
    })?;
    let mut candidates = known.set.candidates(kid, header.alg);
    let claims = candidates.find_map(|key| match compact.verified::<Claims>(key) {
        Err(NotVerified::Signature) => None,
        read => Some(read.map_err(|_| Refused("claims of its id_token are missing or malformed"))),
    });
    let claims = claims.unwrap_or(Err(Refused("its id_token has a wrong signature")))?;
    claims.check(expected).map_err(Refused)?;
    Ok(claims.identity())
}

/// Read before anything is verified: how new the keys have to be.
#[derive(Deserialize)]
struct IssuedAt {
    #[serde(deserialize_with = "moment")]
    iat: Timestamp,
}

/// OpenID Connect Core §2; one that is read and stands there twice spoils the token.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    #[serde(deserialize_with = "audience")]
    aud: Vec<String>,
    #[serde(deserialize_with = "moment")]
    exp: Timestamp,
    #[serde(deserialize_with = "moment")]
    iat: Timestamp,
    #[serde(default, deserialize_with = "maybe_moment")]
    nbf: Option<Timestamp>,
    azp: Option<String>,
    nonce: Option<String>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

impl Claims {
    /// In the order of §3.1.3.7; the signature was its step 6.
    fn check(&self, expected: &Expected<'_>) -> Result<(), &'static str> {
        if self.iss != expected.issuer.as_str() {
            return Err("its id_token is of another issuer");
        }
        if !self.aud.iter().any(|aud| aud == expected.client_id) {
            return Err("its id_token is for another client");
        }
        match &self.azp {
            Some(azp) if azp != expected.client_id => {
                return Err("its id_token was issued to another client");
            }
            None if self.aud.len() > 1 => {
                return Err("its id_token is for several, and does not say whom it was issued to");
            }
            _ => {}
        }
        if self.exp.plus(LEEWAY) <= expected.now {
            return Err("its id_token is over");
        }
        let latest = expected.now.plus(LEEWAY);
        if latest < self.iat || self.nbf.is_some_and(|from| latest < from) {
            return Err("its id_token is of the future");
        }
        let nonce = self.nonce.as_deref().unwrap_or_default();
        if !constant_time_eq(nonce.as_bytes(), expected.nonce.as_bytes()) {
            return Err("its id_token is of another login");
        }
        if !is_usable_subject(&self.sub) {
            return Err("its id_token has no usable subject");
        }
        Ok(())
    }

    /// What is said about the user, without what is said about the token.
    fn identity(self) -> UpstreamIdentity {
        let mut claims = self.other;
        for about_the_token in ["at_hash", "c_hash", "s_hash", "jti", "sid"] {
            claims.remove(about_the_token);
        }
        claims.insert("iss".to_owned(), self.iss.into());
        claims.insert("sub".to_owned(), self.sub.clone().into());
        UpstreamIdentity::new(self.sub, claims)
    }
}

/// Between the provider's clock and ours.
const LEEWAY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_000_000;

    fn checked(changes: Value) -> Result<(), &'static str> {
        let mut claims = json!({
            "iss": "https://id.example", "sub": "u", "aud": "us", "nonce": "n",
            "iat": NOW, "exp": NOW + 300,
        });
        let members = claims.as_object_mut().unwrap();
        members.extend(changes.as_object().unwrap().clone());
        members.retain(|_, value| !value.is_null());
        let claims: Claims = serde_json::from_value(claims).map_err(|_| "malformed")?;
        claims.check(&Expected {
            issuer: &Issuer::parse("https://id.example").unwrap(),
            client_id: "us",
            nonce: "n",
            now: Timestamp::from_seconds(NOW),
        })
    }

    /// PX-20; OpenID Connect Core §3.1.3.7.
    #[test]
    fn takes_what_was_issued_to_us_for_this_login() {
        for good in [
            json!({}),
            json!({ "aud": ["us"] }),
            json!({ "aud": ["us"], "azp": "us" }),
            json!({ "aud": ["api", "us"], "azp": "us" }),
            json!({ "exp": NOW - 59 }),
            json!({ "iat": NOW + 60 }),
            json!({ "exp": NOW as f64 + 0.5 }),
        ] {
            assert_eq!(checked(good.clone()), Ok(()), "{good}");
        }
    }

    /// PX-20; OpenID Connect Core §3.1.3.7.
    #[test]
    fn refuses_everything_else() {
        for (bad, says) in [
            (json!({ "iss": "https://id.example/" }), "another issuer"),
            (json!({ "aud": "them" }), "for another client"),
            (json!({ "aud": [] }), "for another client"),
            (json!({ "aud": ["us", "api"] }), "whom it was issued to"),
            (json!({ "azp": "them" }), "issued to another client"),
            (
                json!({ "aud": ["us", "api"], "azp": "api" }),
                "issued to another client",
            ),
            (json!({ "exp": NOW - 60 }), "over"),
            (json!({ "iat": NOW + 61 }), "future"),
            (json!({ "nbf": NOW + 61 }), "future"),
            (json!({ "nonce": "m" }), "another login"),
            (json!({ "nonce": null }), "another login"),
            (json!({ "sub": "" }), "no usable subject"),
            (json!({ "sub": "a\nb" }), "no usable subject"),
            (json!({ "sub": "x".repeat(256) }), "no usable subject"),
            (json!({ "sub": 7 }), "malformed"),
            (json!({ "sub": null }), "malformed"),
            (json!({ "aud": null }), "malformed"),
            (json!({ "iss": null }), "malformed"),
            (json!({ "exp": null }), "malformed"),
            (json!({ "iat": null }), "malformed"),
            (json!({ "exp": "1000300" }), "malformed"),
        ] {
            let said = checked(bad.clone()).unwrap_err();
            assert!(said.contains(says), "{bad}: {said}");
        }
        let twice = r#"{"iss":"i","sub":"a","sub":"b","aud":"us","iat":1,"exp":2}"#;
        assert!(serde_json::from_str::<Claims>(twice).is_err());
    }

    #[test]
    fn a_nonce_gives_the_verifier_away_to_nobody() {
        let one = CodeVerifier::parse(&"a".repeat(43)).unwrap();
        let other = CodeVerifier::parse(&"b".repeat(43)).unwrap();
        assert_eq!(nonce(&one), nonce(&one));
        assert_ne!(nonce(&one), nonce(&other));
        assert_ne!(nonce(&one), one.challenge().as_str());
    }
}
