//! The name of a key: the hash of its public members (RFC 7638).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::oauth::{ParseError, SHA256_LEN, sha256};

/// The SHA-256 thumbprint of a public key (RFC 7638): 43 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct JwkThumbprint([u8; Self::LEN]);

impl JwkThumbprint {
    pub(crate) const LEN: usize = SHA256_LEN;

    /// Parses a thumbprint such as the `jkt` of a `cnf` claim (RFC 9449 §6.1).
    ///
    /// # Errors
    ///
    /// When it is not 32 bytes in unpadded base64url.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        let rule = "43 characters of base64url";
        let bytes = bytes.try_into();
        bytes
            .map(Self)
            .map_err(|_| ParseError::new("thumbprint", rule))
    }

    /// Of a key's required members, in their canonical JSON.
    pub(super) fn of(canonical: &str) -> Self {
        Self(sha256(canonical.as_bytes()))
    }

    #[cfg(feature = "authorization-server")]
    pub(crate) const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl std::fmt::Display for JwkThumbprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl std::fmt::Debug for JwkThumbprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "JwkThumbprint({self})")
    }
}

impl Serialize for JwkThumbprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for JwkThumbprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
