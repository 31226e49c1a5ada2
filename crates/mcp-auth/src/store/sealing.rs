//! Sealing: AES-256-GCM-SIV under a key of its own per purpose and issuer (RFC 8452).

use std::sync::Arc;

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::KeyRing;
use crate::oauth::Random;

/// What a key is for; bytes sealed for one purpose never open for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// A dynamic registration inside its own `client_id`.
    ClientId,
    /// The secret of a dynamic client.
    ClientSecret,
    /// An authorization request inside the consent form.
    ConsentForm,
    /// A pending authorization inside a cookie.
    Cookie,
    /// An access token.
    AccessToken,
    /// A record in the store.
    Record,
    /// An authorization request inside its `request_uri`.
    PushedRequest,
    /// The consents that a browser remembers, inside a cookie.
    RememberedConsent,
    /// The MAC on an outward MCP session id.
    SessionId,
    /// The MAC on a nonce for proofs of possession.
    DpopNonce,
    /// A sign-in to the connected apps page that is under way, inside a cookie.
    Visit,
    /// A person signed in to the connected apps page, inside a cookie.
    Visitor,
    /// The MAC on a form of the connected apps page.
    VisitorForm,
}

impl Purpose {
    const fn label(self) -> &'static str {
        match self {
            Self::ClientId => "client id",
            Self::ClientSecret => "client secret",
            Self::ConsentForm => "consent form",
            Self::Cookie => "cookie",
            Self::AccessToken => "access token",
            Self::Record => "record",
            Self::PushedRequest => "pushed request",
            Self::RememberedConsent => "remembered consent",
            Self::SessionId => "session id",
            Self::DpopNonce => "dpop nonce",
            Self::Visit => "connected apps sign-in",
            Self::Visitor => "connected apps visitor",
            Self::VisitorForm => "connected apps form",
        }
    }
}

/// Seals and opens for one purpose of one issuer.
#[derive(Clone)]
pub struct Sealer {
    keys: Arc<[SealingKey]>,
    random: Arc<dyn Random>,
}

struct SealingKey {
    id: [u8; 4],
    seal: LessSafeKey,
    mac: hmac::Key,
}

impl Sealer {
    /// What sealing adds to a plaintext, in bytes: key id, nonce and tag.
    pub const OVERHEAD: usize = ID_LEN + NONCE_LEN + TAG_LEN;

    /// The sealer of a purpose. `context` is the issuer, or whatever else must never share keys.
    #[must_use]
    pub fn new(ring: &KeyRing, purpose: Purpose, context: &str, random: Arc<dyn Random>) -> Self {
        let seal = ring.derive(purpose.label(), context);
        let mac = ring.derive(&format!("{} mac", purpose.label()), context);
        let keys = seal.iter().zip(&mac).filter_map(|((id, seal), (_, mac))| {
            Some(SealingKey {
                id: *id,
                seal: LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &**seal).ok()?),
                mac: hmac::Key::new(hmac::HMAC_SHA256, &**mac),
            })
        });
        Self {
            keys: keys.collect(),
            random,
        }
    }

    /// Seals under the newest key: key id, nonce, ciphertext, tag.
    #[must_use]
    pub fn seal(&self, associated: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let Some(key) = self.keys.first() else {
            return Vec::new(); // a ring has at least one key; nothing opens an empty text
        };
        let nonce: [u8; NONCE_LEN] = self.random.bytes();
        let mut sealed = Vec::with_capacity(plaintext.len() + Self::OVERHEAD);
        sealed.extend_from_slice(&key.id);
        sealed.extend_from_slice(&nonce);
        let mut body = plaintext.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        if key
            .seal
            .seal_in_place_append_tag(nonce, Aad::from(associated), &mut body)
            .is_err()
        {
            return Vec::new(); // only a plaintext of 2^36 bytes; nothing opens an empty text
        }
        sealed.append(&mut body);
        sealed
    }

    /// Opens what any key of the ring sealed with the same associated data.
    ///
    /// # Errors
    ///
    /// When the bytes are too short, name an unknown key, or were not sealed so.
    pub fn open(&self, associated: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (id, rest) = sealed
            .split_at_checked(ID_LEN)
            .ok_or(OpenError::Malformed)?;
        let (nonce, body) = rest
            .split_at_checked(NONCE_LEN)
            .ok_or(OpenError::Malformed)?;
        let key = self
            .keys
            .iter()
            .find(|key| key.id == id)
            .ok_or(OpenError::UnknownKey)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| OpenError::Malformed)?;
        let mut opened = Zeroizing::new(body.to_vec());
        let length = key
            .seal
            .open_in_place(nonce, Aad::from(associated), &mut opened)
            .map_err(|_| OpenError::Forged)?
            .len();
        opened.truncate(length);
        Ok(opened)
    }

    /// [`Sealer::seal`] as base64url text.
    #[must_use]
    pub fn seal_text(&self, associated: &[u8], plaintext: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.seal(associated, plaintext))
    }

    /// [`Sealer::open`] of base64url text.
    ///
    /// # Errors
    ///
    /// As [`Sealer::open`], and when it is not base64url.
    pub fn open_text(
        &self,
        associated: &[u8],
        text: &str,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let sealed = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| OpenError::Malformed)?;
        self.open(associated, &sealed)
    }

    /// A MAC over these parts under the newest key (HMAC-SHA256), with the key's id before it.
    #[must_use]
    pub fn mac(&self, parts: &[&[u8]]) -> Vec<u8> {
        let Some(key) = self.keys.first() else {
            return Vec::new(); // a ring has at least one key; no MAC is empty
        };
        let mut out = key.id.to_vec();
        out.extend_from_slice(mac_of(&key.mac, parts).as_ref());
        out
    }

    /// Whether this is the MAC over these parts under any key of the ring, in constant time.
    #[must_use]
    pub fn verify_mac(&self, parts: &[&[u8]], mac: &[u8]) -> bool {
        let Some((id, tag)) = mac.split_at_checked(ID_LEN) else {
            return false;
        };
        let key = self.keys.iter().find(|key| key.id == id);
        key.is_some_and(|key| hmac::verify(&key.mac, &framed(parts), tag).is_ok())
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer([redacted])")
    }
}

/// Why sealed bytes do not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// They are not of the shape that sealing gives.
    #[error("not sealed bytes")]
    Malformed,
    /// They name a key that is not in the ring: it was dropped, or another server's.
    #[error("sealed under an unknown key")]
    UnknownKey,
    /// They were changed, or sealed for something else.
    #[error("not sealed for this")]
    Forged,
}

fn mac_of(key: &hmac::Key, parts: &[&[u8]]) -> hmac::Tag {
    hmac::sign(key, &framed(parts))
}

/// Each part with its length before it, so that no two lists of parts give the same bytes.
fn framed(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

const ID_LEN: usize = 4;
const TAG_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::SystemRandom;

    const A: &str = "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const B: &str = "b:HxECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn sealer(ring: &str, purpose: Purpose, context: &str) -> Sealer {
        Sealer::new(
            &KeyRing::parse(ring).unwrap(),
            purpose,
            context,
            Arc::new(SystemRandom),
        )
    }

    #[test]
    fn opens_only_what_it_sealed_for_the_same_thing() {
        let here = sealer(A, Purpose::Record, "https://a.example");
        let sealed = here.seal(b"key", b"content");
        assert_eq!(sealed.len(), 7 + Sealer::OVERHEAD);
        assert_eq!(here.open(b"key", &sealed).unwrap().as_slice(), b"content");
        assert_eq!(here.open(b"other", &sealed).unwrap_err(), OpenError::Forged);
        assert_eq!(
            here.open(b"key", b"short").unwrap_err(),
            OpenError::Malformed
        );
        for other in [
            sealer(A, Purpose::Cookie, "https://a.example"),
            sealer(A, Purpose::Record, "https://b.example"),
        ] {
            assert_eq!(other.open(b"key", &sealed).unwrap_err(), OpenError::Forged);
        }
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(here.open(b"key", &changed).is_err(), "byte {at}");
        }
    }

    #[test]
    fn rotation_opens_old_and_seals_new() {
        let old = sealer(A, Purpose::Cookie, "i");
        let rotated = sealer(&format!("{B},{A}"), Purpose::Cookie, "i");
        assert_eq!(
            rotated
                .open_text(b"", &old.seal_text(b"", b"x"))
                .unwrap()
                .as_slice(),
            b"x"
        );
        assert_eq!(
            old.open_text(b"", &rotated.seal_text(b"", b"x"))
                .unwrap_err(),
            OpenError::UnknownKey
        );
        assert!(rotated.verify_mac(&[b"p"], &old.mac(&[b"p"])));
        assert!(!old.verify_mac(&[b"p"], &rotated.mac(&[b"p"])));
    }

    #[test]
    fn a_mac_covers_every_part_and_its_borders() {
        let here = sealer(A, Purpose::SessionId, "i");
        let mac = here.mac(&[b"ab", b"c"]);
        assert!(here.verify_mac(&[b"ab", b"c"], &mac));
        assert!(!here.verify_mac(&[b"a", b"bc"], &mac));
        assert!(!here.verify_mac(&[b"ab", b"c"], &mac[..10]));
        assert!(!here.verify_mac(&[b"ab", b"c"], b""));
    }
}
