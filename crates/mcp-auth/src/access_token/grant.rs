//! A grant: this subject let this client use this resource with these scopes (RFC 6749 §1.3).

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::UpstreamClaims;
use crate::{
    oauth::{
        AccessToken, ClientId, CodeChallenge, JwkThumbprint, Random, RefreshToken,
        ResourceIdentifier, Scopes, Timestamp,
    },
    store::{IndexName, RecordKey},
    upstream::{UpstreamToken, UpstreamTokens},
};

/// What a grant is found by: random, and told to nobody but inside tokens.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct GrantHandle([u8; Self::LEN]);

impl GrantHandle {
    pub(crate) const LEN: usize = 16;

    pub(crate) fn generate(random: &dyn Random) -> Self {
        Self(random.bytes())
    }

    pub(crate) const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    pub(crate) fn record_key(&self) -> RecordKey {
        RecordKey::new("grant", &self.0)
    }

    /// A name for logs and audits: it tells grants apart and opens none.
    pub(crate) fn log_name(&self) -> String {
        self.record_key().to_string().chars().take(12).collect()
    }
}

impl std::fmt::Debug for GrantHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.log_name())
    }
}

/// The grant as it lies, sealed, in the store.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Grant {
    #[serde(rename = "s")]
    pub(crate) subject: String,
    #[serde(rename = "c")]
    pub(crate) client: ClientId,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_name: Option<String>,
    #[serde(rename = "r")]
    pub(crate) resource: ResourceIdentifier,
    #[serde(rename = "o")]
    pub(crate) scopes: Scopes,
    #[serde(rename = "a")]
    pub(crate) created_at: Timestamp,
    /// Whether its client was seen to prove itself: without its keys it cannot be told from others.
    #[serde(rename = "p", default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) confidential: bool,
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<CodeState>,
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh: Option<RefreshState>,
    /// The key that the refresh tokens of a public client are bound to (RFC 9449 §5).
    #[serde(rename = "j", default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<JwkThumbprint>,
    /// The document of its client, where it ends when that changes.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub(crate) document: Option<DocumentSeen>,
    #[serde(rename = "u")]
    pub(crate) upstream: UpstreamState,
    /// What the upstream said about its user at the login, as far as tools may see it.
    #[serde(
        rename = "v",
        default,
        skip_serializing_if = "UpstreamClaims::is_empty"
    )]
    pub(crate) claims: UpstreamClaims,
}

/// What a client's document said at some moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DocumentSeen {
    /// Of what a grant is given on the strength of.
    #[serde(rename = "h")]
    digest: String,
    #[serde(rename = "t")]
    at: Timestamp,
}

impl DocumentSeen {
    pub(crate) const fn new(digest: String, at: Timestamp) -> Self {
        Self { digest, at }
    }

    /// Whether this is another document than the one before. A copy that another process keeps from
    /// earlier is none.
    pub(crate) fn replaces(&self, before: &Self) -> bool {
        self.at > before.at && self.digest != before.digest
    }
}

/// The state of the authorization code that leads to a grant.
///
/// It stays after the redemption for as long as the code's record does, so that a second valid use
/// can be told from a wrong one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CodeState {
    #[serde(rename = "h")]
    pub(crate) challenge: CodeChallenge,
    #[serde(rename = "u")]
    pub(crate) redirect_uri: String,
    #[serde(rename = "e")]
    pub(crate) expires_at: Timestamp,
    #[serde(rename = "d", default)]
    pub(crate) redeemed: bool,
    /// The key that has to redeem it, if the client said so (RFC 9449 §10).
    #[serde(rename = "j", default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<JwkThumbprint>,
}

/// Where the rotation of a grant's refresh tokens stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RefreshState {
    #[serde(rename = "k")]
    pub(crate) mac_key: Key,
    #[serde(rename = "n")]
    pub(crate) generation: u32,
    #[serde(rename = "t")]
    pub(crate) rotated_at: Timestamp,
    /// The first generation that was issued to the grant's key, where the grant has one: those before
    /// it were nobody's in particular.
    #[serde(rename = "b", default)]
    pub(crate) bound_from: u32,
}

/// The upstream tokens behind a grant, and who is refreshing them.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct UpstreamState {
    #[serde(rename = "a")]
    access: Zeroizing<String>,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    refresh: Option<Zeroizing<String>>,
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Timestamp>,
    /// From here on it is refreshed: a little ahead of its end, less for a short life.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_from: Option<Timestamp>,
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub(crate) lease: Option<Lease>,
}

/// One process refreshes the upstream tokens; until this moment the others wait for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    #[serde(rename = "i")]
    pub(crate) holder: u64,
    #[serde(rename = "u")]
    pub(crate) until: Timestamp,
}

impl Lease {
    /// Longer than an attempt at the upstream and the writing of its result may take together: a
    /// holder that is still alive is done before it ends.
    pub(crate) const LIFETIME: Duration = Duration::from_secs(30);

    /// Whether somebody holds it now. One that ends later than a lease can was made by a clock that
    /// was ahead, and holds nobody up.
    pub(crate) fn is_held(&self, now: Timestamp) -> bool {
        now < self.until && self.until <= now.plus(Self::LIFETIME)
    }
}

impl Grant {
    /// The names it is listed under: its subject and its client.
    pub(crate) fn indexes(&self) -> Vec<IndexName> {
        vec![
            IndexName::new("subject", self.subject.as_bytes()),
            IndexName::new("client", self.client.as_str().as_bytes()),
        ]
    }
}

impl UpstreamState {
    pub(crate) fn new(tokens: &UpstreamTokens, now: Timestamp) -> Self {
        let ahead = |end: Timestamp| (end.since(now) / 10).min(AHEAD);
        Self {
            access: tokens.access_token.expose().to_owned().into(),
            refresh: tokens
                .refresh_token
                .as_ref()
                .map(|t| t.expose().to_owned().into()),
            expires_at: tokens.expires_at,
            refresh_from: match tokens.expires_at {
                Some(end) => Some(end.minus(ahead(end))),
                // The upstream does not say when it ends, and can renew it.
                None => tokens.refresh_token.as_ref().map(|_| now.plus(RENEW_AFTER)),
            },
            lease: None,
        }
    }

    /// Behind a grant that came about without the upstream.
    pub(crate) fn not_held() -> Self {
        Self {
            access: Zeroizing::new(String::new()),
            refresh: None,
            expires_at: None,
            refresh_from: None,
            lease: None,
        }
    }

    /// Whether there is an upstream token at all.
    pub(crate) fn is_held(&self) -> bool {
        !self.access.is_empty()
    }

    pub(crate) fn access_token(&self) -> AccessToken {
        AccessToken::new(self.access.as_str())
    }

    pub(crate) fn refresh_token(&self) -> Option<RefreshToken> {
        self.refresh
            .as_ref()
            .map(|token| RefreshToken::new(token.as_str()))
    }

    /// What is given back to the upstream when the grant ends: what renews the others, or all there is.
    pub(crate) fn to_give_back(&self) -> Option<UpstreamToken> {
        match self.refresh_token() {
            Some(token) => Some(UpstreamToken::Refresh(token)),
            None => self
                .is_held()
                .then(|| UpstreamToken::Access(self.access_token())),
        }
    }

    /// Whether the access token can be used at this moment, as far as the upstream said.
    pub(crate) fn is_good(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether the refresh token is still this one.
    pub(crate) fn has_refresh_token(&self, token: &RefreshToken) -> bool {
        self.refresh_token().is_some_and(|held| held.matches(token))
    }
}

impl std::fmt::Debug for UpstreamState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpstreamState")
            .field("expires_at", &self.expires_at)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}

/// A token of unknown life is renewed after this, where it can be.
const RENEW_AFTER: Duration = Duration::from_secs(3600);
/// An upstream token is refreshed at most this long before it ends.
const AHEAD: Duration = Duration::from_secs(30);

/// 32 secret bytes; base64url in a record.
#[derive(Clone)]
pub(crate) struct Key(Zeroizing<[u8; 32]>);

impl Key {
    pub(crate) fn generate(random: &dyn Random) -> Self {
        Self(Zeroizing::new(random.bytes()))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key([redacted])")
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(URL_SAFE_NO_PAD.encode(self.as_bytes())))
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let bytes = Zeroizing::new(
            URL_SAFE_NO_PAD
                .decode(text.as_bytes())
                .map_err(serde::de::Error::custom)?,
        );
        let bytes = <[u8; 32]>::try_from(bytes.as_slice()).map_err(serde::de::Error::custom)?;
        Ok(Self(Zeroizing::new(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // CIM-16
    #[test]
    fn a_copy_from_before_is_no_change() {
        let seen = |digest: &str, at| DocumentSeen::new(digest.into(), Timestamp::from_seconds(at));
        let granted = seen("b", 100);
        assert!(seen("a", 101).replaces(&granted));
        assert!(!seen("a", 99).replaces(&granted), "another process has it");
        assert!(!seen("b", 101).replaces(&granted));
    }
}
