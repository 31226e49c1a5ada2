//! The one hash that names and fingerprints are made with.

use aws_lc_rs::digest;

/// Bytes of a hash.
pub(crate) const SHA256_LEN: usize = digest::SHA256_OUTPUT_LEN;

/// The SHA-256 of these bytes.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; SHA256_LEN] {
    let mut hash = [0; SHA256_LEN];
    let digest = digest::digest(&digest::SHA256, bytes);
    for (to, from) in hash.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    hash
}
