//! Randomness as it is handed in.

use aws_lc_rs::rand::{SecureRandom, SystemRandom as AwsRandom};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// A source of unpredictable bytes.
///
/// # Security
///
/// Every code, token, state and nonce is made of these bytes: an implementation outside tests must
/// be the operating system's generator or one seeded from it (RFC 6749 §10.10).
pub trait Random: std::fmt::Debug + Send + Sync {
    /// Fills the whole buffer.
    fn fill(&self, buffer: &mut [u8]);
}

const _: Option<&dyn Random> = None;

impl dyn Random + '_ {
    /// `N` fresh bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// 32 fresh bytes as 43 characters of base64url.
    #[must_use]
    pub fn token(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes::<32>())
    }
}

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[allow(clippy::panic)] // without randomness nothing may be issued; the process is not usable
    fn fill(&self, buffer: &mut [u8]) {
        if AwsRandom::new().fill(buffer).is_err() {
            panic!("the operating system gives no random bytes");
        }
    }
}
