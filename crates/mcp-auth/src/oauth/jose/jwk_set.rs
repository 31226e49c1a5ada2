//! Another issuer's published keys (RFC 7517 §5).

use serde::Deserialize;
use serde_json::Value;

use super::{JwkMembers, SigningAlgorithm, VerifyingKey};

/// The keys of a set that can verify signatures, parsed once.
///
/// Keys of kinds that are not served here, for another use, or with anything private or symmetric in
/// them are passed over; they do not spoil the set.
#[derive(Debug)]
pub(crate) struct JwkSet(Vec<Key>);

#[derive(Debug)]
struct Key {
    kid: Option<String>,
    algorithm: SigningAlgorithm,
    key: VerifyingKey,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

/// What says how a key is to be used (RFC 7517 §4.2 to §4.5).
#[derive(Deserialize)]
struct Usage {
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
}

/// Of one set; an issuer has a few.
const MAX_KEYS: usize = 64;
/// Tried for a token that names none.
const MAX_TRIED: usize = 4;

impl JwkSet {
    /// `None` if it is no key set at all.
    pub(crate) fn parse(document: &[u8]) -> Option<Self> {
        let document: Document = serde_json::from_slice(document).ok()?;
        let keys = document.keys.into_iter().take(MAX_KEYS);
        Some(Self(keys.flat_map(|key| Key::all_of(&key)).collect()))
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys that may have signed a token with this algorithm: those of the `kid` that it names,
    /// and without one the first few.
    pub(crate) fn candidates(
        &self,
        kid: Option<&str>,
        algorithm: SigningAlgorithm,
    ) -> impl Iterator<Item = &VerifyingKey> {
        self.0
            .iter()
            .filter(move |key| key.algorithm == algorithm)
            .filter(move |key| kid.is_none() || key.kid.as_deref() == kid)
            .take(MAX_TRIED)
            .map(|key| &key.key)
    }
}

impl Key {
    /// The key once for each algorithm that it can be used with.
    fn all_of(key: &Value) -> Vec<Self> {
        let members = JwkMembers::deserialize(key).ok();
        let usage = Usage::deserialize(key).ok();
        let Some((public, usage)) = members.and_then(|key| key.public()).zip(usage) else {
            return Vec::new();
        };
        let for_signatures = usage.r#use.as_deref().is_none_or(|used| used == "sig");
        let verifies = |ops: &Vec<String>| ops.iter().any(|op| op == "verify");
        if !for_signatures || !usage.key_ops.as_ref().is_none_or(verifies) {
            return Vec::new();
        }
        let named = |algorithm: &SigningAlgorithm| {
            let alg = usage.alg.as_deref();
            alg.is_none_or(|alg| alg == algorithm.as_str())
        };
        let algorithms = SigningAlgorithm::ALL.into_iter().filter(named);
        let key = |algorithm| {
            Some(Self {
                kid: usage.kid.clone(),
                algorithm,
                key: public.verifying(algorithm)?,
            })
        };
        algorithms.filter_map(key).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ed25519(more: Value) -> Value {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let mut key = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
        let members = more.as_object().unwrap().clone();
        key.as_object_mut().unwrap().extend(members);
        key
    }

    fn usable(keys: &[Value], kid: Option<&str>) -> usize {
        let set = JwkSet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
        set.candidates(kid, SigningAlgorithm::EdDsa).count()
    }

    // JWK-09, FLT-20
    #[test]
    fn what_cannot_verify_is_passed_over() {
        assert_eq!(usable(&[ed25519(json!({ "kid": "a" }))], Some("a")), 1);
        for other in [
            json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "a" }),
            json!({ "kty": "ML-DSA", "kid": "a" }),
            json!({ "kid": "a" }),
            json!(7),
            ed25519(json!({ "kid": "a", "use": "enc" })),
            ed25519(json!({ "kid": "a", "key_ops": ["sign"] })),
            ed25519(json!({ "kid": "a", "alg": "RS256" })),
            ed25519(json!({ "kid": "a", "d": "c2VjcmV0" })),
            ed25519(json!({ "kid": 7 })),
        ] {
            let good = ed25519(json!({ "kid": "b", "use": "sig", "alg": "EdDSA" }));
            let keys = [other.clone(), good];
            assert_eq!(usable(&keys, Some("a")), 0, "{other}");
            assert_eq!(usable(&keys, Some("b")), 1, "{other}");
        }
    }

    // FLT-20
    #[test]
    fn a_large_set_costs_a_bounded_number_of_tries() {
        let keys: Vec<_> = (0..1000)
            .map(|_| ed25519(json!({ "kid": "same" })))
            .collect();
        assert_eq!(usable(&keys, Some("same")), MAX_TRIED);
        assert_eq!(usable(&keys, None), MAX_TRIED);
        assert_eq!(usable(&keys, Some("other")), 0);
    }

    #[test]
    fn what_is_no_set_is_none() {
        for text in ["", "<html>", "[]", "{}", r#"{"keys":{}}"#] {
            assert!(JwkSet::parse(text.as_bytes()).is_none(), "{text}");
        }
        assert!(JwkSet::parse(br#"{"keys":[]}"#).unwrap().is_empty());
    }
}
