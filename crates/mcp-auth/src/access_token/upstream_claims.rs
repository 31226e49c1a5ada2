//! What the upstream said about a user at the login, as far as tools may see it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::upstream::UpstreamIdentity;

/// The claims that the operator named, as they were at the login.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(from = "Map<String, Value>", into = "Map<String, Value>")]
pub(crate) struct UpstreamClaims(Option<Arc<Map<String, Value>>>);

impl UpstreamClaims {
    /// All of them together, as JSON.
    const MAX_BYTES: usize = 2048;

    /// Those of an identity that are named, in this order; what is too much is left out.
    pub(crate) fn of(identity: &UpstreamIdentity, named: &[String]) -> Self {
        let mut claims = Map::new();
        let mut left = Self::MAX_BYTES.saturating_sub("{}".len());
        for name in named {
            let Some(value) = identity.claims.get(name).filter(|value| !value.is_null()) else {
                continue;
            };
            let key = Value::String(name.clone()).to_string();
            let size = key.len() + ":,".len() + value.to_string().len();
            if size > left {
                tracing::warn!(
                    event = "upstream_claim_left_out",
                    fault = "upstream",
                    reason = "the claims are too large together",
                    claim = name
                );
                continue;
            }
            left -= size;
            claims.insert(name.clone(), value.clone());
        }
        claims.into()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn shared(&self) -> Option<Arc<Map<String, Value>>> {
        self.0.clone()
    }
}

impl From<Map<String, Value>> for UpstreamClaims {
    fn from(claims: Map<String, Value>) -> Self {
        Self((!claims.is_empty()).then(|| Arc::new(claims)))
    }
}

impl From<UpstreamClaims> for Map<String, Value> {
    fn from(claims: UpstreamClaims) -> Self {
        claims.0.map_or_else(Self::new, Arc::unwrap_or_clone)
    }
}

/// How many there are: they are personal.
impl std::fmt::Debug for UpstreamClaims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = self.0.as_ref().map_or(0, |claims| claims.len());
        write!(f, "UpstreamClaims({count})")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(claims: Value, named: &[&str]) -> UpstreamClaims {
        let identity = UpstreamIdentity::new("u".to_owned(), claims.as_object().unwrap().clone());
        let named: Vec<_> = named.iter().map(|name| (*name).to_owned()).collect();
        UpstreamClaims::of(&identity, &named)
    }

    #[test]
    fn what_is_too_much_is_left_out_and_the_rest_stays() {
        let whole = json!({ "name": "Alice", "picture": "x".repeat(3000), "email": "a@b.example",
            "phone": null, "secret": "s" });
        let kept: Map<_, _> = of(whole, &["picture", "email", "name", "phone", "groups"]).into();
        assert_eq!(
            Value::Object(kept),
            json!({ "email": "a@b.example", "name": "Alice" })
        );
        for size in 1900..2100 {
            let kept = of(json!({ "a": "x".repeat(size), "b": 1 }), &["a", "b"]);
            let written = serde_json::to_string(&kept).unwrap();
            assert!(written.len() <= UpstreamClaims::MAX_BYTES, "{size}");
            assert!(written.contains("\"b\":1") || size > 2000, "{size}");
        }
        assert!(of(json!({ "name": "Alice" }), &[]).is_empty());
    }

    #[test]
    fn debug_says_how_many_there_are() {
        let shown = format!("{:?}", of(json!({ "name": "Alice" }), &["name"]));
        assert_eq!(shown, "UpstreamClaims(1)");
    }
}
