//! Private keys as JWKs (RFC 7518 §6, RFC 8037 §2).

use aws_lc_rs::{
    rsa::{KeyPair as RsaKeyPair, KeyPairComponents, PublicKeyComponents},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{
    SigningKeysError,
    signing_key::{Pair, SigningKey},
};
use crate::oauth::jose::point;

/// A set, or one key.
pub(super) fn parse(text: &str) -> Result<Vec<SigningKey>, SigningKeysError> {
    // serde's message is not passed on: it can quote the content.
    let keys = match serde_json::from_str::<JwkSet>(text) {
        Ok(set) => set.keys,
        Err(_) => {
            let one = serde_json::from_str::<PrivateJwk>(text);
            vec![one.map_err(|_| SigningKeysError::Malformed)?]
        }
    };
    keys.iter().map(PrivateJwk::signing_key).collect()
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<PrivateJwk>,
}

/// The members that are read; nothing that is only there for people is.
#[derive(Deserialize)]
struct PrivateJwk {
    kty: String,
    crv: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<Zeroizing<String>>,
    p: Option<Zeroizing<String>>,
    q: Option<Zeroizing<String>>,
    dp: Option<Zeroizing<String>>,
    dq: Option<Zeroizing<String>>,
    qi: Option<Zeroizing<String>>,
}

impl PrivateJwk {
    fn signing_key(&self) -> Result<SigningKey, SigningKeysError> {
        let signs = |ops: &Vec<String>| ops.iter().any(|op| op == "sign");
        let d = match &self.d {
            Some(d) if self.usage.as_ref().is_none_or(|usage| usage == "sig") => d,
            _ => return Err(SigningKeysError::NotForSigning),
        };
        if !self.key_ops.as_ref().is_none_or(signs) {
            return Err(SigningKeysError::NotForSigning);
        }
        let pair = match (self.kty.as_str(), self.crv.as_deref()) {
            ("EC", Some("P-256")) => self.p256(d)?,
            ("OKP", Some("Ed25519")) => self.ed25519(d)?,
            ("RSA", _) => self.rsa(d)?,
            _ => return Err(SigningKeysError::Unusable),
        };
        let key = SigningKey::of(pair)?;
        match &self.alg {
            Some(alg) if alg != key.algorithm().as_str() => Err(SigningKeysError::NotForSigning),
            _ => Ok(key),
        }
    }

    fn p256(&self, d: &str) -> Result<Pair, SigningKeysError> {
        let coordinate =
            |member| <[u8; 32]>::try_from(public(member)?).map_err(|_| SigningKeysError::Unusable);
        let public = point(&coordinate(&self.x)?, &coordinate(&self.y)?);
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        EcdsaKeyPair::from_private_key_and_public_key(algorithm, &private(d)?, &public)
            .map(Pair::P256)
            .map_err(|_| SigningKeysError::Unusable)
    }

    fn ed25519(&self, d: &str) -> Result<Pair, SigningKeysError> {
        Ed25519KeyPair::from_seed_and_public_key(&private(d)?, &public(&self.x)?)
            .map(Pair::Ed25519)
            .map_err(|_| SigningKeysError::Unusable)
    }

    fn rsa(&self, d: &str) -> Result<Pair, SigningKeysError> {
        let part = |member: &Option<Zeroizing<String>>| {
            private(member.as_ref().ok_or(SigningKeysError::NotForSigning)?)
        };
        let components: KeyPairComponents<Vec<u8>, _> = KeyPairComponents {
            public_key: PublicKeyComponents {
                n: public(&self.n)?,
                e: public(&self.e)?,
            },
            d: private(d)?,
            p: part(&self.p)?,
            q: part(&self.q)?,
            dP: part(&self.dp)?,
            dQ: part(&self.dq)?,
            qInv: part(&self.qi)?,
        };
        RsaKeyPair::from_components(&components)
            .map(Pair::Rsa)
            .map_err(|_| SigningKeysError::Unusable)
    }
}

fn public(member: &Option<String>) -> Result<Vec<u8>, SigningKeysError> {
    let member = member.as_ref().ok_or(SigningKeysError::Malformed)?;
    URL_SAFE_NO_PAD
        .decode(member)
        .map_err(|_| SigningKeysError::Malformed)
}

fn private(member: &str) -> Result<PrivatePart, SigningKeysError> {
    let decoded = URL_SAFE_NO_PAD.decode(member);
    let decoded = decoded.map_err(|_| SigningKeysError::Malformed)?;
    Ok(PrivatePart(Zeroizing::new(decoded)))
}

struct PrivatePart(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for PrivatePart {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl std::ops::Deref for PrivatePart {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
