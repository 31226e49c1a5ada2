//! Nonces of the server's (RFC 9449 §8, §9): a time and a MAC over it, so that nothing is stored.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::ProofTarget;
use crate::{oauth::Timestamp, store::Sealer};

/// Makes nonces and recognises them, also those of another process with the same key ring.
#[derive(Debug, Clone)]
pub(super) struct Nonces(Sealer);

/// How long a nonce is good.
pub(super) const LIFETIME: Duration = Duration::from_secs(300);

impl Nonces {
    pub(super) const fn new(sealer: Sealer) -> Self {
        Self(sealer)
    }

    /// A nonce for proofs for this target.
    pub(super) fn fresh(&self, target: &ProofTarget, now: Timestamp) -> String {
        let time = now.as_seconds().to_be_bytes();
        let mut bytes = time.to_vec();
        bytes.extend_from_slice(&self.0.mac(&[&time, target.nonces_for().as_bytes()]));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// When a nonce was made, if it is one of ours for this target and still good.
    pub(super) fn time_of(
        &self,
        nonce: Option<&str>,
        target: &ProofTarget,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let bytes = URL_SAFE_NO_PAD.decode(nonce?).ok()?;
        let (time, mac) = bytes.split_first_chunk::<8>()?;
        if !self
            .0
            .verify_mac(&[time, target.nonces_for().as_bytes()], mac)
        {
            return None;
        }
        let made_at = Timestamp::from_seconds(u64::from_be_bytes(*time));
        now.is_within(made_at, LIFETIME).then_some(made_at)
    }
}
