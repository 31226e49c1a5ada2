//! Identity providers of enterprises, whose word about their users is taken (MCP enterprise-managed
//! authorization, ID-JAG).

use std::{collections::HashMap, sync::Arc};

use serde_json::Value;

use super::clients::{ClientKeys, RemoteKeySets, keys::KeySet};
use crate::{
    BuildError,
    net::HttpClient,
    oauth::{Clock, Issuer},
};

/// An identity provider of an enterprise that says, in identity assertions (ID-JAG), which of its
/// users a client may act for.
///
/// # Security
///
/// Its word is taken without asking anybody: whoever holds its keys can name any user in its
/// namespace.
#[derive(Debug, Clone)]
#[must_use]
pub struct EnterpriseIssuer {
    issuer: Issuer,
    namespace: String,
    keys: Keys,
}

#[derive(Debug, Clone)]
enum Keys {
    Jwks(Value),
    At(String),
}

impl EnterpriseIssuer {
    /// With the keys at this URL (`jwks_uri`), fetched when they are needed and kept as its host
    /// says. The URL is the operator's own, so it may lead inside.
    pub fn with_jwks_uri(issuer: Issuer, jwks_uri: impl Into<String>) -> Self {
        Self::new(issuer, Keys::At(jwks_uri.into()))
    }

    /// With these public keys (a JWK set, RFC 7517 §5).
    pub fn with_jwks(issuer: Issuer, jwks: Value) -> Self {
        Self::new(issuer, Keys::Jwks(jwks))
    }

    fn new(issuer: Issuer, keys: Keys) -> Self {
        Self {
            namespace: issuer.as_str().to_owned(),
            issuer,
            keys,
        }
    }

    /// With another namespace for its users than its issuer identifier: a subject is
    /// `namespace|user`. With the upstream's own namespace a user who signs in there and one who is
    /// vouched for here are the same, if both call them by the same name.
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }
}

/// The issuers of one server, by their identifiers.
#[derive(Debug, Default)]
pub(crate) struct TrustedIssuers(HashMap<String, TrustedIssuer>);

/// One of them, with its keys at hand.
#[derive(Debug)]
pub(crate) struct TrustedIssuer {
    issuer: Issuer,
    namespace: String,
    keys: ClientKeys,
}

impl TrustedIssuers {
    /// Checks what an operator said of them.
    pub(crate) fn new(
        issuers: Vec<EnterpriseIssuer>,
        http: Option<Arc<dyn HttpClient>>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, BuildError> {
        const ARGUMENT: &str = "enterprise issuers";
        let remote = http.map(|http| Arc::new(RemoteKeySets::through(http, Arc::clone(clock))));
        let mut trusted = HashMap::new();
        for issuer in issuers {
            if issuer.namespace.is_empty() || issuer.namespace.contains('|') {
                let rule = "a namespace must not be empty and has no `|`";
                return Err(BuildError::argument(ARGUMENT, rule));
            }
            let keys = match (issuer.keys, &remote) {
                (Keys::Jwks(jwks), _) => {
                    let keys = KeySet::parse(&jwks);
                    ClientKeys::Fixed(keys.map_err(|e| BuildError::argument(ARGUMENT, e))?)
                }
                (Keys::At(url), Some(remote)) => {
                    let path = url.split('?').next().unwrap_or_default();
                    // https, or http on loopback, as everywhere.
                    Issuer::parse(path).map_err(|e| BuildError::argument(ARGUMENT, e.rule()))?;
                    ClientKeys::At(url.into(), Arc::clone(remote))
                }
                (Keys::At(_), None) => {
                    return Err(BuildError::missing(
                        "HTTP client",
                        "the feature `http-client`",
                    ));
                }
            };
            let name = issuer.issuer.as_str().to_owned();
            let known = trusted.insert(
                name,
                TrustedIssuer {
                    issuer: issuer.issuer,
                    namespace: issuer.namespace,
                    keys,
                },
            );
            if known.is_some() {
                return Err(BuildError::argument(ARGUMENT, "one of them is there twice"));
            }
        }
        Ok(Self(trusted))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn trusted(&self, issuer: &str) -> Option<&TrustedIssuer> {
        self.0.get(issuer)
    }
}

impl TrustedIssuer {
    pub(super) fn issuer(&self) -> &str {
        self.issuer.as_str()
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(super) const fn keys(&self) -> &ClientKeys {
        &self.keys
    }
}
