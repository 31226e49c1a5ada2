//! The public keys of clients that sign (RFC 7517, RFC 7518).

use std::sync::Arc;

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use serde_json::Value;

/// The algorithms that signatures of clients and of their enterprises may have: asymmetric, and none
/// that needs a curve of its own.
pub(crate) const SIGNING_ALGORITHMS: [Algorithm; 4] = [
    Algorithm::ES256,
    Algorithm::EdDSA,
    Algorithm::RS256,
    Algorithm::PS256,
];

/// Their names (RFC 7518 §3.1, RFC 8037 §3.1).
pub(crate) const SIGNING_ALGORITHM_NAMES: [&str; 4] = ["ES256", "EdDSA", "RS256", "PS256"];

/// Public keys by their `kid`; parsed once.
#[derive(Debug, Clone)]
pub(crate) struct KeySet(Arc<[VerificationKey]>);

/// One public key and what it may verify.
#[derive(Debug, Clone)]
struct VerificationKey {
    kid: Option<String>,
    family: Family,
    algorithm: Option<Algorithm>,
    key: DecodingKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Ec,
    Ed,
    Rsa,
}

/// Keys of one set that are read; a client has a few.
const MAX_KEYS: usize = 32;
/// Keys that are tried for one signature without a `kid`.
const MAX_TRIED: usize = 4;
/// Members that only a private or a symmetric key has (RFC 7518 §6).
const SECRET_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

impl KeySet {
    /// Reads a JWK set; keys of kinds that are not used here are passed over.
    ///
    /// The error says what is wrong with the set as a whole: a private or symmetric key in it, or no
    /// usable key at all.
    pub(crate) fn parse(jwks: &Value) -> Result<Self, &'static str> {
        let keys = jwks.get("keys").and_then(Value::as_array);
        let keys = keys.ok_or("its key set has no keys")?;
        if keys.len() > MAX_KEYS {
            return Err("its key set has too many keys");
        }
        if Self::has_secrets(jwks) {
            return Err("its key set has a private or symmetric key in it");
        }
        let keys: Vec<_> = keys.iter().filter_map(VerificationKey::parse).collect();
        if keys.is_empty() {
            return Err("its key set has no key that can verify signatures");
        }
        Ok(Self(keys.into()))
    }

    /// Whether a private or symmetric key is in this JWK set.
    pub(crate) fn has_secrets(jwks: &Value) -> bool {
        let keys = jwks.get("keys").and_then(Value::as_array);
        let secret = |key: &Value| SECRET_MEMBERS.iter().any(|name| key.get(name).is_some());
        keys.is_some_and(|keys| keys.iter().any(secret))
    }

    /// The keys that may have made a signature with this algorithm and, if it names one, this `kid`.
    pub(crate) fn candidates(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &DecodingKey> {
        // A signature may name a key that its set has no name for.
        let named = kid.filter(|kid| self.0.iter().any(|key| key.kid.as_deref() == Some(*kid)));
        let unnamed = kid.is_some() && named.is_none();
        let fits = move |key: &&VerificationKey| {
            let named = match named {
                Some(kid) => key.kid.as_deref() == Some(kid),
                None => !unnamed || key.kid.is_none(),
            };
            named && key.verifies(algorithm)
        };
        self.0
            .iter()
            .filter(fits)
            .map(|key| &key.key)
            .take(MAX_TRIED)
    }
}

impl VerificationKey {
    fn parse(value: &Value) -> Option<Self> {
        let mut members = value.clone();
        members.as_object_mut()?.remove("alg"); // read below, by more names than the library knows
        let jwk: Jwk = serde_json::from_value(members).ok()?;
        if !matches!(
            jwk.common.public_key_use,
            None | Some(PublicKeyUse::Signature)
        ) {
            return None;
        }
        let operations = jwk.common.key_operations.as_ref();
        if operations.is_some_and(|operations| !operations.contains(&KeyOperations::Verify)) {
            return None;
        }
        let family = match &jwk.algorithm {
            AlgorithmParameters::EllipticCurve(parameters)
                if parameters.curve == EllipticCurve::P256 =>
            {
                Family::Ec
            }
            AlgorithmParameters::OctetKeyPair(parameters)
                if parameters.curve == EllipticCurve::Ed25519 =>
            {
                Family::Ed
            }
            AlgorithmParameters::RSA(_) => Family::Rsa,
            _ => return None,
        };
        let algorithm = match value.get("alg") {
            None | Some(Value::Null) => None,
            Some(name) => Some(algorithm(name.as_str()?)?),
        };
        Some(Self {
            kid: jwk.common.key_id.clone(),
            family,
            algorithm,
            key: DecodingKey::from_jwk(&jwk).ok()?,
        })
    }

    fn verifies(&self, algorithm: Algorithm) -> bool {
        let family = match algorithm {
            Algorithm::ES256 => Family::Ec,
            Algorithm::EdDSA => Family::Ed,
            Algorithm::RS256 | Algorithm::PS256 => Family::Rsa,
            _ => return false,
        };
        self.family == family && self.algorithm.is_none_or(|own| own == algorithm)
    }
}

/// The algorithm of this name, if it is one of [`SIGNING_ALGORITHMS`].
pub(crate) fn algorithm(name: &str) -> Option<Algorithm> {
    if name == "Ed25519" {
        return Some(Algorithm::EdDSA); // the same by its full name (RFC 9864 §2.2)
    }
    SIGNING_ALGORITHM_NAMES
        .iter()
        .zip(SIGNING_ALGORITHMS)
        .find_map(|(known, algorithm)| (*known == name).then_some(algorithm))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ed25519(more: Value) -> Value {
        let mut key = json!({
            "kty": "OKP", "crv": "Ed25519", "kid": "k1",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        });
        for (name, value) in more.as_object().unwrap() {
            key[name] = value.clone();
        }
        key
    }

    fn candidates(keys: Value, kid: Option<&str>, algorithm: Algorithm) -> usize {
        let set = KeySet::parse(&json!({ "keys": keys })).unwrap();
        set.candidates(kid, algorithm).count()
    }

    /// JWK-06, JWK-09.
    #[test]
    fn a_key_verifies_what_it_is_for() {
        let plain = json!([ed25519(json!({}))]);
        assert_eq!(candidates(plain.clone(), Some("k1"), Algorithm::EdDSA), 1);
        assert_eq!(candidates(plain.clone(), None, Algorithm::EdDSA), 1);
        assert_eq!(candidates(plain.clone(), Some("k2"), Algorithm::EdDSA), 0);
        for other in [Algorithm::ES256, Algorithm::RS256, Algorithm::PS256] {
            assert_eq!(candidates(plain.clone(), Some("k1"), other), 0);
        }
        for unfit in [
            json!({ "use": "enc" }),
            json!({ "key_ops": ["sign"] }),
            json!({ "alg": "RS256" }),
            json!({ "alg": "none" }),
            json!({ "crv": "X25519" }),
            json!({ "kty": "unheard of" }),
        ] {
            // Beside a good one it is passed over; alone it is no key.
            let beside = json!([ed25519(unfit.clone()), ed25519(json!({ "kid": "k2" }))]);
            assert_eq!(
                candidates(beside, Some("k1"), Algorithm::EdDSA),
                0,
                "{unfit}"
            );
        }
        let fit = json!([ed25519(
            json!({ "use": "sig", "key_ops": ["verify"], "alg": "EdDSA" })
        )]);
        assert_eq!(candidates(fit, Some("k1"), Algorithm::EdDSA), 1);
    }

    /// JWK-09, FLT-20.
    #[test]
    fn a_set_with_secrets_or_without_end_is_refused() {
        let set = |keys: Value| KeySet::parse(&json!({ "keys": keys }));
        for bad in [
            json!([]),
            json!("keys"),
            json!([{ "kty": "oct", "k": "AAAA" }]),
            json!([ed25519(json!({})), { "kty": "oct", "k": "AAAA" }]),
            json!([ed25519(json!({ "d": "AAAA" }))]),
            Value::from(vec![ed25519(json!({})); MAX_KEYS + 1]),
        ] {
            assert!(set(bad).is_err());
        }
        // Of many keys without a name few are tried.
        let many = Value::from(vec![ed25519(json!({})); MAX_KEYS]);
        assert_eq!(candidates(many, None, Algorithm::EdDSA), MAX_TRIED);
    }
}
