//! The key ring: everything that is sealed or signed symmetrically here is sealed under it.

use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::oauth::{Random, constant_time_eq, sha256};

/// Root keys with their names, newest first: the newest seals, all of them open.
///
/// Rotation is adding a key in front; where several processes run, append it first, so that all of
/// them can open it before one seals with it. Dropping a key is a cut-off: whatever was sealed under
/// it is unknown from then on.
#[derive(Clone)]
pub struct KeyRing {
    keys: Vec<RootKey>,
    ephemeral: bool,
}

#[derive(Clone)]
struct RootKey {
    id: [u8; 4],
    bytes: Zeroizing<[u8; 32]>,
}

impl KeyRing {
    /// Parses `id:base64` entries of 32 bytes each, separated by commas or lines, newest first.
    ///
    /// # Errors
    ///
    /// When there is none, an entry is malformed, or two share an id or a key.
    ///
    /// # Security
    ///
    /// The keys must come from a generator such as `openssl rand -base64 32`; whoever has one can
    /// forge every client id, cookie and token of this server.
    pub fn parse(text: &str) -> Result<Self, KeyRingError> {
        let mut keys: Vec<RootKey> = Vec::new();
        // Some editors put a byte order mark before a text.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let entries = text.split([',', '\n']).map(str::trim);
        for entry in entries.filter(|entry| !entry.is_empty() && !entry.starts_with('#')) {
            let (id, encoded) = entry.split_once(':').ok_or(KeyRingError::Malformed)?;
            if !is_id(id) {
                return Err(KeyRingError::Malformed);
            }
            let decoded = STANDARD
                .decode(encoded.trim())
                .map_err(|_| KeyRingError::Malformed)?;
            let decoded = Zeroizing::new(decoded);
            let bytes =
                <[u8; 32]>::try_from(decoded.as_slice()).map_err(|_| KeyRingError::Length)?;
            if bytes.iter().all(|b| *b == 0) {
                return Err(KeyRingError::Length);
            }
            let key = RootKey {
                id: short_id(id),
                bytes: Zeroizing::new(bytes),
            };
            if keys
                .iter()
                .any(|known| known.id == key.id || constant_time_eq(&*known.bytes, &*key.bytes))
            {
                return Err(KeyRingError::Repeated);
            }
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(KeyRingError::Empty);
        }
        Ok(Self {
            keys,
            ephemeral: false,
        })
    }

    /// A fresh key that ends with the process.
    ///
    /// With it every client, login and token of before a restart is unknown after it, so the tiers
    /// take it only on loopback with the memory store.
    #[must_use]
    pub fn ephemeral(random: &dyn Random) -> Self {
        let key = RootKey {
            id: random.bytes(),
            bytes: Zeroizing::new(random.bytes()),
        };
        Self {
            keys: vec![key],
            ephemeral: true,
        }
    }

    /// A fresh entry for [`KeyRing::parse`] under this id: 32 random bytes.
    ///
    /// # Errors
    ///
    /// When the id is empty, or has a character that means something in a ring: a colon, a comma, a
    /// space, or `#` at its beginning.
    ///
    /// # Security
    ///
    /// The entry is the secret itself; write it where only the server reads it.
    pub fn new_entry(id: &str, random: &dyn Random) -> Result<Zeroizing<String>, KeyRingError> {
        if !is_id(id) {
            return Err(KeyRingError::Malformed);
        }
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(random.bytes());
        let encoded = Zeroizing::new(STANDARD.encode(*bytes));
        Ok(Zeroizing::new(format!("{id}:{}", &*encoded)))
    }

    /// Whether the keys end with the process.
    #[must_use]
    pub const fn is_ephemeral(&self) -> bool {
        self.ephemeral
    }

    /// One derived key per root key for a label, newest first (HKDF with SHA-256, RFC 5869).
    pub(crate) fn derive(&self, label: &str, context: &str) -> Vec<([u8; 4], Zeroizing<[u8; 32]>)> {
        self.keys
            .iter()
            .map(|key| (key.id, expand(&key.bytes, label, context)))
            .collect()
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing")
            .field("keys", &format_args!("[{} redacted]", self.keys.len()))
            .field("ephemeral", &self.ephemeral)
            .finish()
    }
}

/// Why a key ring is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRingError {
    /// No entry.
    #[error("no key: give at least one `id:base64` entry (openssl rand -base64 32)")]
    Empty,
    /// An entry is not `id:base64`.
    #[error("an entry is not `id:base64`")]
    Malformed,
    /// A key is not 32 bytes of randomness.
    #[error("a key is not 32 random bytes (openssl rand -base64 32)")]
    Length,
    /// An id or a key is there twice.
    #[error("two entries share an id or a key")]
    Repeated,
}

/// Visible ASCII, and nothing that means something in a ring.
fn is_id(id: &str) -> bool {
    let legal = |b: u8| b.is_ascii_graphic() && b != b':' && b != b',';
    !id.is_empty() && !id.starts_with('#') && id.bytes().all(legal)
}

/// What travels with sealed bytes to name the key: short, and no secret.
fn short_id(id: &str) -> [u8; 4] {
    let [a, b, c, d, ..] = sha256(id.as_bytes());
    [a, b, c, d]
}

/// HKDF-SHA256 of one root key.
fn expand(root: &[u8; 32], label: &str, context: &str) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    let info = [label.as_bytes(), b"\0", context.as_bytes()];
    let filled = Salt::new(HKDF_SHA256, b"mcp-auth key ring")
        .extract(root)
        .expand(&info, HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut *out));
    debug_assert!(filled.is_ok(), "32 bytes are within what HKDF-SHA256 gives");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::SystemRandom;

    const A: &str = "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const B: &str = "b:HxECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn a_new_entry_is_a_ring() {
        let first = KeyRing::new_entry("2026-11", &SystemRandom).unwrap();
        let second = KeyRing::new_entry("2026-12", &SystemRandom).unwrap();
        let ring = KeyRing::parse(&format!("{}\n{}", &*second, &*first)).unwrap();
        assert_eq!(ring.keys.len(), 2);
        let marked = KeyRing::parse(&format!("\u{feff}{}\r\n", &*first)).unwrap();
        assert_eq!(marked.keys[0].id, ring.keys[1].id);
        for id in ["", "a:b", "a,b", "a b", "#a", "a\n", "\u{e9}"] {
            let refused = KeyRing::new_entry(id, &SystemRandom).unwrap_err();
            assert_eq!(refused, KeyRingError::Malformed, "{id:?}");
        }
    }

    #[test]
    fn parses_newest_first() {
        let ring = KeyRing::parse(&format!("{B}, {A}")).unwrap();
        let derived = ring.derive("x", "y");
        assert_eq!(derived.len(), 2);
        assert_eq!(
            derived[1].1,
            KeyRing::parse(A).unwrap().derive("x", "y")[0].1
        );
        assert_ne!(derived[0].1, derived[1].1);
        assert_ne!(ring.derive("x", "z")[0].1, derived[0].1);
    }

    #[test]
    fn refuses_what_is_no_ring() {
        assert_eq!(KeyRing::parse("").unwrap_err(), KeyRingError::Empty);
        assert_eq!(KeyRing::parse("AAEC").unwrap_err(), KeyRingError::Malformed);
        assert_eq!(KeyRing::parse("a:AAEC").unwrap_err(), KeyRingError::Length);
        assert_eq!(
            KeyRing::parse(&format!("z:{}=", "A".repeat(43))).unwrap_err(),
            KeyRingError::Length
        );
        assert_eq!(
            KeyRing::parse(&format!("{A},{A}")).unwrap_err(),
            KeyRingError::Repeated
        );
        assert_eq!(
            KeyRing::parse(&format!("{A},{}", A.replace("a:", "c:"))).unwrap_err(),
            KeyRingError::Repeated
        );
    }

    #[test]
    fn debug_tells_nothing() {
        let shown = format!("{:?}", KeyRing::parse(A).unwrap());
        assert!(
            !shown.contains("AAEC") && shown.contains("redacted"),
            "{shown}"
        );
    }
}
