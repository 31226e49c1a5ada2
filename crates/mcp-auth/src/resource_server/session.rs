//! `Mcp-Session-Id`, bound to the principal that opened the session.
//!
//! Revisions before 2026-07-28 have sessions. Whoever serves them behind this layer looks only at the
//! id, so outward the id carries a MAC over itself and its principal, and nothing has to be stored.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, header::Entry};

use super::Refusal;
use crate::{access_token::Principal, oauth::ResourceIdentifier, store::Sealer};

/// Binds the session ids of one resource.
#[derive(Debug)]
pub(super) struct SessionBinding {
    sealer: Sealer,
    resource: ResourceIdentifier,
}

impl SessionBinding {
    pub(super) fn new(sealer: Sealer, resource: &ResourceIdentifier) -> Self {
        Self {
            sealer,
            resource: resource.clone(),
        }
    }

    /// Replaces the id in a request by the inner one, if this principal was given it.
    ///
    /// Without a session nothing says whose events a `Last-Event-ID` names, so it goes as well.
    pub(super) fn inward(
        &self,
        headers: &mut HeaderMap,
        principal: &Principal,
    ) -> Result<(), Refusal> {
        if has_no_sessions(headers) {
            headers.remove(MCP_SESSION_ID);
            headers.remove(LAST_EVENT_ID);
            return Ok(());
        }
        let mut ids = headers.get_all(MCP_SESSION_ID).iter();
        let inner = match (ids.next(), ids.next()) {
            (None, _) => {
                headers.remove(LAST_EVENT_ID);
                return Ok(());
            }
            (Some(id), None) => self.open(id, principal).ok_or(Refusal::Session)?,
            (Some(_), Some(_)) => return Err(Refusal::Session),
        };
        headers.insert(MCP_SESSION_ID, inner);
        Ok(())
    }

    /// Binds the id in a response to the principal.
    pub(super) fn outward(&self, headers: &mut HeaderMap, principal: &Principal) {
        if let Entry::Occupied(mut entry) = headers.entry(MCP_SESSION_ID) {
            let mac = self.with_parts(entry.get().as_bytes(), principal, |p| self.sealer.mac(p));
            let mut bound = entry.get().as_bytes().to_vec();
            bound.push(b'.');
            bound.extend_from_slice(URL_SAFE_NO_PAD.encode(mac).as_bytes());
            match HeaderValue::from_bytes(&bound) {
                Ok(bound) => drop(entry.insert(bound)),
                Err(_) => drop(entry.remove()), // an id that is no header value cannot be sent
            }
        }
    }

    fn open(&self, id: &HeaderValue, principal: &Principal) -> Option<HeaderValue> {
        let (inner, mac) = id.to_str().ok()?.rsplit_once('.')?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        let own = self.with_parts(inner.as_bytes(), principal, |parts| {
            self.sealer.verify_mac(parts, &mac)
        });
        own.then(|| HeaderValue::from_str(inner).ok()).flatten()
    }

    fn with_parts<T>(
        &self,
        id: &[u8],
        principal: &Principal,
        with: impl FnOnce(&[&[u8]]) -> T,
    ) -> T {
        let client = principal.client().map(|client| client.as_str().as_bytes());
        let parts = [
            id,
            self.resource.as_str().as_bytes(),
            principal.issuer().as_bytes(),
            principal.subject().as_bytes(),
            // No client and an empty one must not look alike; a client id is never empty.
            client.unwrap_or_default(),
        ];
        with(&parts)
    }
}

/// From 2026-07-28 on there are no sessions: an id that is sent all the same is ignored.
fn has_no_sessions(headers: &HeaderMap) -> bool {
    let mut versions = headers.get_all("mcp-protocol-version").iter();
    let (Some(version), None) = (versions.next(), versions.next()) else {
        return false;
    };
    let version = version.as_bytes();
    let date = version.len() == 10
        && version.iter().enumerate().all(|(at, b)| match at {
            4 | 7 => *b == b'-',
            _ => b.is_ascii_digit(),
        });
    date && version >= b"2026-07-28".as_slice()
}

const MCP_SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        oauth::{ClientId, SystemRandom},
        store::{KeyRing, Purpose},
    };

    fn binding(resource: &str, ring: &KeyRing) -> SessionBinding {
        let sealer = Sealer::new(ring, Purpose::SessionId, "x", Arc::new(SystemRandom));
        SessionBinding::new(sealer, &ResourceIdentifier::parse(resource).unwrap())
    }

    fn inward(binding: &SessionBinding, id: &HeaderValue, principal: &Principal) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(MCP_SESSION_ID, id.clone());
        binding.inward(&mut headers, principal).ok()?;
        Some(headers[MCP_SESSION_ID].to_str().unwrap().to_owned())
    }

    // TR-17
    #[test]
    fn an_id_opens_for_its_own_principal_and_resource_only() {
        let ring = KeyRing::ephemeral(&SystemRandom);
        let here = binding("https://h.example/mcp", &ring);
        let client = |name| ClientId::parse(name).unwrap();
        let alice = Principal::new("https://i.example", "alice").with_client(client("c"));
        let mut headers = HeaderMap::new();
        headers.insert(MCP_SESSION_ID, HeaderValue::from_static("in.ner"));
        here.outward(&mut headers, &alice);
        let id = headers[MCP_SESSION_ID].clone();
        assert_eq!(inward(&here, &id, &alice).as_deref(), Some("in.ner"));
        let there = binding("https://h.example/other", &ring);
        assert_eq!(inward(&there, &id, &alice), None);
        for other in [
            Principal::new("https://i.example", "bob").with_client(client("c")),
            Principal::new("https://j.example", "alice").with_client(client("c")),
            Principal::new("https://i.example", "alice").with_client(client("d")),
            Principal::new("https://i.example", "alice"),
        ] {
            assert_eq!(inward(&here, &id, &other), None, "{other:?}");
        }
        for forged in ["in.ner", "", ".", "in.ner.AAAA"] {
            let forged = HeaderValue::from_static(forged);
            assert_eq!(inward(&here, &forged, &alice), None, "{forged:?}");
        }
    }

    // TR-07
    #[test]
    fn sessions_end_with_2026_07_28() {
        let with = |version: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("mcp-protocol-version", HeaderValue::from_static(version));
            has_no_sessions(&headers)
        };
        assert!(with("2026-07-28") && with("2027-01-01"));
        assert!(!with("2025-11-25") && !with("zzzz") && !with("2026-07-28x"));
        assert!(!has_no_sessions(&HeaderMap::new()));
    }
}
