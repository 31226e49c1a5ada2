//! Who the user is.

use serde_json::{Map, Value};

/// Who the user is, as the upstream vouches for it: its userinfo endpoint over a fresh token, or an ID
/// token that was checked.
#[derive(Clone)]
#[non_exhaustive]
pub struct UpstreamIdentity {
    /// Unique and stable at the upstream.
    pub subject: String,
    /// Everything the upstream said.
    pub claims: Map<String, Value>,
    namespace: String,
}

impl UpstreamIdentity {
    /// A subject and what was said about it.
    #[must_use]
    pub const fn new(subject: String, claims: Map<String, Value>) -> Self {
        Self {
            subject,
            claims,
            namespace: String::new(),
        }
    }

    /// From this upstream.
    #[must_use]
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// What sets this upstream's subjects apart from another's: its issuer without the scheme, unless the
    /// operator calls it something else. [`Principal::subject`](crate::Principal::subject) is this, `|`, the subject.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The user's name here, unique among all upstreams for ever: the namespace, `|`, the subject.
    #[cfg(feature = "authorization-server")]
    pub(crate) fn full_subject(&self) -> String {
        format!("{}|{}", self.namespace, self.subject)
    }

    /// The e-mail address (OpenID Connect Core §5.1), verified or not.
    ///
    /// # Security
    ///
    /// Anybody can enter the address of somebody else: decide by
    /// [`UpstreamIdentity::verified_email`].
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        self.claims.get("email")?.as_str()
    }

    /// The e-mail address, if the upstream says that it verified it: `email_verified` is `true`, or the
    /// text `"true"` that some providers send.
    #[must_use]
    pub fn verified_email(&self) -> Option<&str> {
        let verified = match self.claims.get("email_verified")? {
            Value::Bool(verified) => *verified,
            Value::String(text) => text == "true",
            _ => false,
        };
        self.email().filter(|_| verified)
    }

    /// The texts of a claim that is a list, such as `groups`: an array of texts, or one text with spaces
    /// between them. Whatever else the claim is gives none.
    pub fn list<'a>(&'a self, claim: &str) -> impl Iterator<Item = &'a str> {
        let claim = self.claims.get(claim);
        let words = claim.and_then(Value::as_str).unwrap_or_default();
        let members = claim.and_then(Value::as_array).map(Vec::as_slice);
        let members = members.unwrap_or_default().iter().filter_map(Value::as_str);
        words
            .split(' ')
            .chain(members)
            .filter(|text| !text.is_empty())
    }
}

/// Without the claims: they are personal.
impl std::fmt::Debug for UpstreamIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpstreamIdentity")
            .field("subject", &self.subject)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn identity(claims: Value) -> UpstreamIdentity {
        UpstreamIdentity::new("u".to_owned(), claims.as_object().unwrap().clone())
    }

    #[test]
    fn an_email_counts_when_the_upstream_says_so() {
        let of = |verified: Value| {
            let identity = identity(json!({ "email": "a@b.example", "email_verified": verified }));
            assert_eq!(identity.email(), Some("a@b.example"));
            identity.verified_email().is_some()
        };
        assert!(of(json!(true)) && of(json!("true")));
        for not in [
            json!(false),
            json!("false"),
            json!("True"),
            json!(1),
            Value::Null,
            json!([true]),
        ] {
            assert!(!of(not.clone()), "{not}");
        }
        assert_eq!(
            identity(json!({ "email": "a@b.example" })).verified_email(),
            None
        );
        assert_eq!(
            identity(json!({ "email_verified": true })).verified_email(),
            None
        );
        let list = identity(json!({ "email": ["a@b.example"], "email_verified": true }));
        assert_eq!(list.verified_email(), None);
    }

    #[test]
    fn a_list_is_an_array_or_words() {
        let identity = identity(json!({
            "array": ["a b", "c", 1, null, ""], "words": " a  b ", "number": 1, "object": { "a": 1 },
        }));
        let list = |claim| identity.list(claim).collect::<Vec<_>>();
        assert_eq!(list("array"), ["a b", "c"]);
        assert_eq!(list("words"), ["a", "b"]);
        for none in ["number", "object", "missing"] {
            assert!(list(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn debug_keeps_what_is_personal() {
        let shown = format!("{:?}", identity(json!({ "email": "a@b.example" })));
        assert!(!shown.contains("b.example"), "{shown}");
    }
}
