//! `state`: the client's own value, carried through and never looked into.

use super::ParseError;

/// Returned to the client unchanged, in success and in error (RFC 6749 §4.1.1).
#[derive(Clone, PartialEq, Eq)]
pub struct State(Box<str>);

super::text_newtype!(State);

impl State {
    /// The longest that is taken, in bytes: it travels sealed in a form and a cookie.
    pub const MAX_BYTES: usize = 1024;

    /// Takes a client's state.
    ///
    /// # Errors
    ///
    /// When it is longer than [`State::MAX_BYTES`].
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text.len() > Self::MAX_BYTES {
            return Err(ParseError::new("state", "at most 1,024 bytes"));
        }
        Ok(Self(text.into()))
    }
}

/// Redacted: whoever knows a pending state can try to finish that login.
impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("State([redacted])")
    }
}
