//! Public keys: P-256, Ed25519 and RSA (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).

use aws_lc_rs::{
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
        RSA_PSS_2048_8192_SHA256,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::IgnoredAny};
#[cfg(feature = "authorization-server")]
use serde_json::{Map, Value};

use super::{JwkThumbprint, SigningAlgorithm};

/// The members of a key that everybody may know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PublicJwk {
    P256 { x: [u8; 32], y: [u8; 32] },
    Ed25519 { x: [u8; 32] },
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl PublicJwk {
    /// The required members in the order and the spelling that thumbprints are made of
    /// (RFC 7638 §3.2, RFC 8037 appendix A.3).
    pub(crate) fn members(&self) -> Vec<(&'static str, String)> {
        let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::P256 { x, y } => vec![
                ("crv", "P-256".to_owned()),
                ("kty", "EC".to_owned()),
                ("x", encoded(x)),
                ("y", encoded(y)),
            ],
            Self::Ed25519 { x } => vec![
                ("crv", "Ed25519".to_owned()),
                ("kty", "OKP".to_owned()),
                ("x", encoded(x)),
            ],
            Self::Rsa { n, e } => vec![
                ("e", encoded(e)),
                ("kty", "RSA".to_owned()),
                ("n", encoded(n)),
            ],
        }
    }

    pub(crate) fn thumbprint(&self) -> JwkThumbprint {
        // No member needs escaping: fixed words and base64url.
        let members = self.members().into_iter();
        let members: Vec<_> = members
            .map(|(name, value)| format!(r#""{name}":"{value}""#))
            .collect();
        JwkThumbprint::of(&format!("{{{}}}", members.join(",")))
    }

    /// As an entry of a published set, for signatures of this algorithm.
    #[cfg(feature = "authorization-server")]
    pub(crate) fn published(&self, algorithm: SigningAlgorithm) -> Value {
        let mut entry: Map<String, Value> = self
            .members()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        entry.insert("alg".to_owned(), algorithm.as_str().into());
        entry.insert("use".to_owned(), "sig".into());
        entry.insert("kid".to_owned(), self.thumbprint().to_string().into());
        entry.into()
    }

    /// What verifies with this key; `None` if the algorithm is another key type's, or the members
    /// are no key.
    pub(crate) fn verifying(&self, algorithm: SigningAlgorithm) -> Option<VerifyingKey> {
        use SigningAlgorithm::{EdDsa, Es256, Ps256, Rs256};
        let parsed = match (self, algorithm) {
            (Self::P256 { x, y }, Es256) => {
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point(x, y))
            }
            (Self::Ed25519 { x }, EdDsa) => ParsedPublicKey::new(&ED25519, x),
            (Self::Rsa { n, e }, Rs256) => {
                PublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            }
            (Self::Rsa { n, e }, Ps256) => {
                PublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PSS_2048_8192_SHA256)
            }
            _ => return None,
        };
        Some(VerifyingKey(parsed.ok()?))
    }
}

/// The members of somebody else's key, as they came.
#[derive(Deserialize)]
pub(crate) struct JwkMembers {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<IgnoredAny>,
    p: Option<IgnoredAny>,
    q: Option<IgnoredAny>,
    dp: Option<IgnoredAny>,
    dq: Option<IgnoredAny>,
    qi: Option<IgnoredAny>,
    oth: Option<IgnoredAny>,
    k: Option<IgnoredAny>,
}

impl JwkMembers {
    /// The key, if it is one of a type that is served and nothing private came with it.
    pub(crate) fn public(&self) -> Option<PublicJwk> {
        let private = [
            &self.d, &self.p, &self.q, &self.dp, &self.dq, &self.qi, &self.oth, &self.k,
        ];
        if private.iter().any(|part| part.is_some()) {
            return None;
        }
        let decoded = |member: &Option<String>| URL_SAFE_NO_PAD.decode(member.as_ref()?).ok();
        let coordinate = |member| <[u8; 32]>::try_from(decoded(member)?).ok();
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("EC", Some("P-256")) => Some(PublicJwk::P256 {
                x: coordinate(&self.x)?,
                y: coordinate(&self.y)?,
            }),
            ("OKP", Some("Ed25519")) => Some(PublicJwk::Ed25519 {
                x: coordinate(&self.x)?,
            }),
            ("RSA", _) => Some(PublicJwk::Rsa {
                n: decoded(&self.n)?,
                e: decoded(&self.e)?,
            }),
            _ => None,
        }
    }
}

/// A public key, parsed once, for one algorithm.
#[derive(Debug, Clone)]
pub(crate) struct VerifyingKey(ParsedPublicKey);

impl VerifyingKey {
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}

/// The uncompressed point (SEC 1 §2.3.3).
pub(crate) fn point(x: &[u8; 32], y: &[u8; 32]) -> [u8; 65] {
    let mut point = [4; 65];
    let coordinates = x.iter().chain(y);
    for (to, from) in point.iter_mut().skip(1).zip(coordinates) {
        *to = *from;
    }
    point
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    // JWK-06
    #[test]
    fn thumbprints_are_those_of_the_specifications() {
        // RFC 7638 §3.1.
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let rsa = PublicJwk::Rsa {
            n: decoded(n),
            e: decoded("AQAB"),
        };
        assert_eq!(
            rsa.thumbprint().to_string(),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
        // RFC 8037 appendix A.3.
        let x = decoded("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        let ed25519 = PublicJwk::Ed25519 {
            x: x.try_into().unwrap(),
        };
        assert_eq!(
            ed25519.thumbprint().to_string(),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
        // RFC 9449 §6.1, of the key in §4.2.
        let part = |text: &str| decoded(text).try_into().unwrap();
        let p256 = PublicJwk::P256 {
            x: part("l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs"),
            y: part("9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"),
        };
        assert_eq!(
            p256.thumbprint().to_string(),
            "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
        );
    }

    // JWK-04
    #[test]
    fn a_key_verifies_under_its_own_algorithm_only() {
        let ed25519 = PublicJwk::Ed25519 { x: [7; 32] };
        assert!(ed25519.verifying(SigningAlgorithm::Es256).is_none());
        assert!(ed25519.verifying(SigningAlgorithm::Rs256).is_none());
        let nowhere = PublicJwk::P256 {
            x: [1; 32],
            y: [1; 32],
        };
        assert!(nowhere.verifying(SigningAlgorithm::Es256).is_none());
    }
}
