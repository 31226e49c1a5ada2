//! `private_key_jwt`: a client proves itself with a key (RFC 7523 §3, OpenID Connect Core §9).

use jsonwebtoken::{DecodingKey, Validation, jwk::JwkSet};
use serde::Deserialize;

use super::server::{self, Server};

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    jti: String,
    exp: u64,
}

/// The client that an assertion speaks for, and that has the key it is signed with.
pub(super) fn verify(
    server: &Server,
    assertion: &str,
    parameters: &[(String, String)],
) -> Result<String, &'static str> {
    if server::first(parameters, "client_assertion_type") != Some(JWT_BEARER) {
        return Err("client_assertion_type is not that of a JWT");
    }
    let keys = server.records().client_keys.clone();
    let keys = keys.and_then(|keys| serde_json::from_value::<JwkSet>(keys).ok());
    let keys = keys.ok_or("the client has no keys here")?;
    let header = jsonwebtoken::decode_header(assertion).map_err(|_| "no JWT")?;
    let key = header.kid.and_then(|kid| keys.find(&kid).cloned());
    let key = key.ok_or("signed with a key that the client does not have")?;
    let key = DecodingKey::from_jwk(&key).map_err(|_| "a key of an unknown kind")?;
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&[format!("{}/token", server.issuer)]);
    validation.validate_exp = false; // by our clock, below
    let claims = jsonwebtoken::decode::<Claims>(assertion, &key, &validation);
    let claims = claims.map_err(|_| "a wrong signature or audience")?.claims;
    let named = server::first(parameters, "client_id").unwrap_or(super::CLIENT_ID);
    if [claims.iss.as_str(), &claims.sub, named] != [super::CLIENT_ID; 3] {
        return Err("it speaks for another client");
    }
    let now = server.now().as_seconds();
    if claims.exp <= now || now + LONGEST < claims.exp {
        return Err("it is over, or good for too long");
    }
    if !server.records().assertions.insert(claims.jti) {
        return Err("it was shown before");
    }
    Ok(claims.sub)
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Seconds.
const LONGEST: u64 = 300;
