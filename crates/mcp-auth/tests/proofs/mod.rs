//! Proofs of possession (RFC 9449), made by hand so that a test can break any part of one.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    rsa::KeyPair as RsaKeyPair,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RSA_PSS_SHA256,
    },
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use mcp_auth::oauth::{Clock, Random};
use mcp_auth_testkit::MovingClock;
use serde_json::{Value, json};

/// The key of one client.
pub enum ProofKey {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    /// With the name of the algorithm it signs under.
    Rsa(Box<RsaKeyPair>, &'static str),
}

/// A proof to be sent, or to be broken first.
#[derive(Clone)]
pub struct Proof {
    pub header: Value,
    pub claims: Value,
}

impl ProofKey {
    pub fn p256() -> Self {
        Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::generate().unwrap())
    }

    pub fn rsa(algorithm: &'static str) -> Self {
        let pem = include_str!("../signing_keys/rsa-2048.pem");
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let pair = RsaKeyPair::from_pkcs8(&STANDARD.decode(body).unwrap()).unwrap();
        Self::Rsa(Box::new(pair), algorithm)
    }

    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::P256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
            Self::Rsa(_, algorithm) => algorithm,
        }
    }

    pub fn jwk(&self) -> Value {
        let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::P256(pair) => {
                let point = pair.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256",
                    "x": encoded(&point[1..33]), "y": encoded(&point[33..]) })
            }
            Self::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key().as_ref()) })
            }
            Self::Rsa(pair, _) => {
                let key = pair.public_key();
                let n = key.modulus().big_endian_without_leading_zero();
                let e = key.exponent().big_endian_without_leading_zero();
                json!({ "kty": "RSA", "n": encoded(n), "e": encoded(e) })
            }
        }
    }

    /// By RFC 7638 §3: the required members in order, which is the order that a map here has.
    pub fn thumbprint(&self) -> String {
        let canonical = self.jwk().to_string();
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, canonical.as_bytes()))
    }

    /// A good proof for a request.
    pub fn proof(&self, clock: &MovingClock, method: &str, url: &str) -> Proof {
        let random: &dyn Random = &mcp_auth::oauth::SystemRandom;
        Proof {
            header: json!({ "typ": "dpop+jwt", "alg": self.algorithm(), "jwk": self.jwk() }),
            claims: json!({
                "jti": random.token(),
                "htm": method,
                "htu": url,
                "iat": clock.now().as_seconds(),
            }),
        }
    }

    pub fn sign(&self, proof: &Proof) -> String {
        self.sign_texts(&proof.header.to_string(), &proof.claims.to_string())
    }

    pub fn sign_texts(&self, header: &str, claims: &str) -> String {
        let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let text = format!("{}.{}", encoded(header), encoded(claims));
        let (random, message) = (SystemRandom::new(), text.as_bytes());
        let signature = match self {
            Self::P256(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Rsa(pair, algorithm) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let signed = match *algorithm {
                    "PS256" => pair.sign(&RSA_PSS_SHA256, &random, message, &mut signature),
                    _ => pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature),
                };
                signed.unwrap();
                signature
            }
        };
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

impl Proof {
    /// With the hash of the token it comes with (RFC 9449 §4.2).
    pub fn of_token(self, token: &str) -> Self {
        let hash = digest::digest(&digest::SHA256, token.as_bytes());
        self.claim("ath", URL_SAFE_NO_PAD.encode(hash))
    }

    /// With this claim; `null` takes it out.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        set(&mut self.claims, name, value.into());
        self
    }

    /// With this member of the header; `null` takes it out.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        set(&mut self.header, name, value.into());
        self
    }
}

fn set(object: &mut Value, name: &str, value: Value) {
    let members = object.as_object_mut().unwrap();
    match value {
        Value::Null => drop(members.remove(name)),
        value => drop(members.insert(name.to_owned(), value)),
    }
}
