//! What our own access tokens say, whatever their form.

use super::GrantHandle;
use crate::oauth::{Scopes, Timestamp};

/// What an access token of ours says; everything else is its grant's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccessTokenClaims {
    pub(crate) grant: GrantHandle,
    pub(crate) expires_at: Timestamp,
    /// Fewer scopes than the grant's, if it was narrowed.
    pub(crate) narrowed: Option<Scopes>,
}

impl AccessTokenClaims {
    /// As bytes, to be sealed.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut plain = vec![FORM];
        plain.extend_from_slice(self.grant.as_bytes());
        plain.extend_from_slice(&self.expires_at.as_seconds().to_be_bytes());
        if let Some(scopes) = &self.narrowed {
            plain.push(b' ');
            plain.extend_from_slice(scopes.to_string().as_bytes());
        }
        plain
    }

    /// From opened bytes; `None` for another version's.
    pub(super) fn from_bytes(plain: &[u8]) -> Option<Self> {
        let rest = plain.strip_prefix(&[FORM])?;
        let (grant, rest) = rest.split_first_chunk::<{ GrantHandle::LEN }>()?;
        let (expires_at, rest) = rest.split_first_chunk::<8>()?;
        let narrowed = match rest.split_first() {
            None => None,
            Some((b' ', scopes)) => Some(Scopes::parse(std::str::from_utf8(scopes).ok()?).ok()?),
            Some(_) => return None,
        };
        Some(Self {
            grant: GrantHandle::from_bytes(*grant),
            expires_at: Timestamp::from_seconds(u64::from_be_bytes(*expires_at)),
            narrowed,
        })
    }
}

const FORM: u8 = 1;
