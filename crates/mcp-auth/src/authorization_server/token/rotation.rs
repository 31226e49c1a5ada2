//! Refresh tokens: the grant's handle, a generation, and a MAC over both under a key that lies sealed
//! in the grant.
//!
//! Any generation can be made again from the grant, so a lost answer is answered again with the same
//! successor, and nothing about a token is stored.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    access_token::{GrantHandle, RefreshState},
    oauth::RefreshToken,
};

/// A refresh token as it was presented; nothing says yet that it is ours.
pub(in super::super) struct PresentedToken {
    pub(in super::super) handle: GrantHandle,
    pub(super) generation: u32,
    tag: [u8; TAG_LEN],
}

impl PresentedToken {
    pub(in super::super) fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let (handle, rest) = bytes.split_first_chunk::<{ GrantHandle::LEN }>()?;
        let (generation, tag) = rest.split_first_chunk::<4>()?;
        Some(Self {
            handle: GrantHandle::from_bytes(*handle),
            generation: u32::from_be_bytes(*generation),
            tag: tag.try_into().ok()?,
        })
    }

    /// Whether this grant gave it, in constant time.
    pub(in super::super) fn is_of(&self, state: &RefreshState) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, state.mac_key.as_bytes());
        hmac::verify(&key, &message(&self.handle, self.generation), &self.tag).is_ok()
    }
}

/// The current refresh token of a grant.
pub(super) fn current(handle: &GrantHandle, state: &RefreshState) -> RefreshToken {
    let key = hmac::Key::new(hmac::HMAC_SHA256, state.mac_key.as_bytes());
    let mut bytes = message(handle, state.generation).to_vec();
    bytes.extend_from_slice(hmac::sign(&key, &bytes).as_ref());
    RefreshToken::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

fn message(handle: &GrantHandle, generation: u32) -> [u8; GrantHandle::LEN + 4] {
    let mut message = [0; GrantHandle::LEN + 4];
    let parts = handle
        .as_bytes()
        .iter()
        .copied()
        .chain(generation.to_be_bytes());
    for (to, from) in message.iter_mut().zip(parts) {
        *to = from;
    }
    message
}

const PREFIX: &str = "mcprt_";
const TAG_LEN: usize = 32;
