//! The name of a key: the hash of its public members (RFC 7638).

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// The SHA-256 thumbprint of a public key (RFC 7638): 43 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct JwkThumbprint([u8; Self::LEN]);

impl JwkThumbprint {
    pub(crate) const LEN: usize = digest::SHA256_OUTPUT_LEN;

    /// Of a key's required members, in their canonical JSON.
    pub(super) fn of(canonical: &str) -> Self {
        let mut hash = [0; Self::LEN];
        let digest = digest::digest(&digest::SHA256, canonical.as_bytes());
        for (to, from) in hash.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Self(hash)
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
