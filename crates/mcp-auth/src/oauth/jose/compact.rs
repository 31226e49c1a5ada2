//! The compact serialization of a signed text (RFC 7515 §7.1).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
#[cfg(feature = "authorization-server")]
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::VerifyingKey;

/// A signed text as it came: the header is read, and nothing is verified.
///
/// base64url is taken in its one canonical spelling, and a header member that is read must not be
/// there twice, so a text has one meaning for every parser.
#[derive(Debug)]
pub(crate) struct Compact<'a, H> {
    pub(crate) header: H,
    payload: &'a str,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a, H: DeserializeOwned> Compact<'a, H> {
    /// Splits a text and reads its header; `None` if it is not of this shape.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        if payload.contains('.') {
            return None;
        }
        Some(Self {
            header: json(header)?,
            payload,
            signed,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }
}

impl<H> Compact<'_, H> {
    /// Claims that nobody vouches for yet: to choose whose keys to try, and for nothing else.
    pub(crate) fn unverified<C: DeserializeOwned>(&self) -> Option<C> {
        json(self.payload)
    }

    /// The claims, if this key signed them.
    pub(crate) fn verified<C: DeserializeOwned>(
        &self,
        key: &VerifyingKey,
    ) -> Result<C, NotVerified> {
        if !key.verifies(self.signed.as_bytes(), &self.signature) {
            return Err(NotVerified::Signature);
        }
        json(self.payload).ok_or(NotVerified::Claims)
    }
}

/// Why the claims of a signed text are not to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotVerified {
    /// This key did not sign it.
    Signature,
    /// A claim is missing, is there twice or has another type.
    Claims,
}

/// Header and claims with their signature; `None` if they cannot be written or signed.
#[cfg(feature = "authorization-server")]
pub(crate) fn compact(
    header: &impl Serialize,
    claims: &impl Serialize,
    sign: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
) -> Option<String> {
    let mut text = URL_SAFE_NO_PAD.encode(serde_json::to_vec(header).ok()?);
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(claims).ok()?, &mut text);
    let signature = sign(text.as_bytes())?;
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut text);
    Some(text)
}

fn json<T: DeserializeOwned>(encoded: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}
