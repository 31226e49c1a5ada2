//! What our own access tokens say, whatever their form.

use super::GrantHandle;
use crate::oauth::{JwkThumbprint, Scopes, Timestamp};

/// What an access token of ours says; everything else is its grant's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccessTokenClaims {
    pub(crate) grant: GrantHandle,
    pub(crate) expires_at: Timestamp,
    /// Fewer scopes than the grant's, if it was narrowed.
    pub(crate) narrowed: Option<Scopes>,
    /// The key it is bound to, if it is (RFC 9449 §6).
    pub(crate) key: Option<JwkThumbprint>,
}

impl AccessTokenClaims {
    /// How such a token is presented (RFC 6749 §7.1, RFC 9449 §5).
    pub(crate) const fn token_type(&self) -> &'static str {
        match self.key {
            Some(_) => "DPoP",
            None => "Bearer",
        }
    }

    /// As bytes, to be sealed.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut plain = vec![FORM];
        plain.extend_from_slice(self.grant.as_bytes());
        plain.extend_from_slice(&self.expires_at.as_seconds().to_be_bytes());
        if let Some(key) = &self.key {
            plain.push(KEY);
            plain.extend_from_slice(key.as_bytes());
        }
        if let Some(scopes) = &self.narrowed {
            plain.push(SCOPES);
            plain.extend_from_slice(scopes.to_string().as_bytes());
        }
        plain
    }

    /// From opened bytes; `None` for another version's.
    pub(super) fn from_bytes(plain: &[u8]) -> Option<Self> {
        let rest = plain.strip_prefix(&[FORM])?;
        let (grant, rest) = rest.split_first_chunk::<{ GrantHandle::LEN }>()?;
        let (expires_at, rest) = rest.split_first_chunk::<8>()?;
        let (key, rest) = match rest.split_first() {
            Some((&KEY, rest)) => {
                let (key, rest) = rest.split_first_chunk::<{ JwkThumbprint::LEN }>()?;
                (Some(JwkThumbprint::from_bytes(*key)), rest)
            }
            _ => (None, rest),
        };
        let narrowed = match rest.split_first() {
            None => None,
            Some((&SCOPES, scopes)) => Some(Scopes::parse(std::str::from_utf8(scopes).ok()?).ok()?),
            Some(_) => return None,
        };
        Some(Self {
            grant: GrantHandle::from_bytes(*grant),
            expires_at: Timestamp::from_seconds(u64::from_be_bytes(*expires_at)),
            narrowed,
            key,
        })
    }
}

const FORM: u8 = 1;
/// What follows: a thumbprint, or scopes to the end.
const KEY: u8 = b'k';
const SCOPES: u8 = b' ';

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::SystemRandom;

    #[test]
    fn whatever_is_said_is_read_again() {
        let scopes = Scopes::parse("notes:read").unwrap();
        for narrowed in [None, Some(scopes)] {
            for key in [None, Some(JwkThumbprint::from_bytes([b' '; 32]))] {
                let claims = AccessTokenClaims {
                    grant: GrantHandle::generate(&SystemRandom),
                    expires_at: Timestamp::from_seconds(1_800_000_000),
                    narrowed: narrowed.clone(),
                    key,
                };
                let bytes = claims.to_bytes();
                assert_eq!(AccessTokenClaims::from_bytes(&bytes), Some(claims));
            }
        }
        assert_eq!(AccessTokenClaims::from_bytes(b""), None);
    }
}
