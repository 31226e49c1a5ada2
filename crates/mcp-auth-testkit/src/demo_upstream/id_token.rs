//! The key of the demo upstream and what it signs (OpenID Connect Core §2).

use std::{fmt, time::Duration};

use aws_lc_rs::{
    error::Unspecified,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use mcp_auth::oauth::Timestamp;
use serde_json::{Value, json};

use super::{faults::IdTokenFault, records::Family, users::User};

/// An ES256 key pair, fresh at every start.
pub(super) struct SigningKey {
    id: String,
    private: EncodingKey,
    /// The uncompressed point: a marker byte, then x and y of 32 bytes each (SEC 1 §2.3.3).
    public: Vec<u8>,
}

impl SigningKey {
    pub(super) fn generate() -> Result<Self, Unspecified> {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new())?;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref()).map_err(|_| Unspecified)?;
        Ok(Self {
            id: super::server::fresh_token(),
            private: EncodingKey::from_ec_der(pkcs8.as_ref()),
            public: pair.public_key().as_ref().to_vec(),
        })
    }

    pub(super) fn public_jwk(&self) -> Value {
        let part = |from: usize| {
            let bytes = self.public.get(from..from + 32).unwrap_or_default();
            URL_SAFE_NO_PAD.encode(bytes)
        };
        json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig",
            "kid": self.id, "x": part(1), "y": part(33),
        })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Says who signed in, or something broken in the way the fault asks for.
pub(super) fn sign(
    key: &SigningKey,
    issuer: &str,
    user: User,
    granted: &Family,
    now: Timestamp,
    fault: Option<IdTokenFault>,
) -> Option<String> {
    let mut claims = json!({
        "iss": issuer,
        "sub": user.subject,
        "aud": granted.client,
        "iat": now.as_seconds(),
        "exp": now.plus(LIFETIME).as_seconds(),
        "auth_time": granted.signed_in_at.as_seconds(),
        "name": user.name,
        "preferred_username": user.username,
        "email": user.email,
    });
    let mut claim = |name: &str, value: Value| {
        if let Value::Object(claims) = &mut claims {
            claims.insert(name.to_owned(), value);
        }
    };
    if let Some(nonce) = &granted.nonce {
        claim("nonce", json!(nonce));
    }
    match fault {
        Some(IdTokenFault::Missing) => return None,
        Some(IdTokenFault::WrongNonce) => claim("nonce", json!("another-nonce")),
        Some(IdTokenFault::WrongAudience) => claim("aud", json!("another-client")),
        Some(IdTokenFault::WrongAzp) => {
            claim("aud", json!([granted.client, "another-client"]));
            claim("azp", json!("another-client"));
        }
        Some(IdTokenFault::AnotherSubject) => claim("sub", json!("user-mallory")),
        Some(IdTokenFault::WrongIssuer) => claim("iss", json!("https://issuer.invalid")),
        Some(IdTokenFault::Expired) => {
            claim("iat", json!(now.minus(LIFETIME * 2).as_seconds()));
            claim("exp", json!(now.minus(LIFETIME).as_seconds()));
        }
        Some(IdTokenFault::Unsigned) => return Some(unsigned(&claims)),
        Some(IdTokenFault::WrongKey) | None => {}
    }
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(key.id.clone());
    let stranger = match fault {
        Some(IdTokenFault::WrongKey) => SigningKey::generate().ok(),
        _ => None,
    };
    let private = stranger.as_ref().map_or(&key.private, |key| &key.private);
    match jsonwebtoken::encode(&header, &claims, private) {
        Ok(token) => Some(token),
        Err(error) => {
            tracing::error!(%error, "the demo upstream could not sign an id_token");
            None
        }
    }
}

/// A JWT access token (RFC 9068 §2).
pub(super) fn sign_access_token(key: &SigningKey, claims: &Value) -> Option<String> {
    let mut header = Header::new(Algorithm::ES256);
    header.typ = Some("at+jwt".to_owned());
    header.kid = Some(key.id.clone());
    jsonwebtoken::encode(&header, claims, &key.private).ok()
}

fn unsigned(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({ "alg": "none", "typ": "JWT" });
    format!("{}.{}.", part(&header), part(claims))
}

const LIFETIME: Duration = Duration::from_secs(3_600);
