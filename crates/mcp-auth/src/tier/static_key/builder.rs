//! Setting up a [`StaticKey`].

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use http::HeaderName;
use secrecy::{ExposeSecret, SecretString};

use super::StaticKey;
use crate::{
    BuildError,
    access_token::{Principal, StaticTokens},
    oauth::{PublicUrl, Scopes, constant_time_eq},
    resource_server::{OperationScopes, ResourceServer},
    store::Sealer,
};

/// Sets up a [`StaticKey`].
#[derive(Debug)]
#[must_use]
pub struct StaticKeyBuilder {
    public_url: PublicUrl,
    path: String,
    keys: Vec<(String, SecretString)>,
    key_scopes: Vec<(String, Scopes)>,
    operations: Option<OperationScopes>,
    header: Option<HeaderName>,
    allowed_origins: Vec<String>,
    session_sealer: Option<Sealer>,
    pub(super) listen: SocketAddr,
}

impl StaticKeyBuilder {
    pub(super) fn new(public_url: PublicUrl) -> Self {
        Self {
            public_url,
            path: "/mcp".to_owned(),
            keys: Vec::new(),
            key_scopes: Vec::new(),
            operations: None,
            header: None,
            allowed_origins: Vec::new(),
            session_sealer: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 8000)),
        }
    }

    /// Adds a key. The name is the principal's subject; it shows in logs, the key does not.
    pub fn with_key(mut self, name: impl Into<String>, key: impl Into<String>) -> Self {
        self.keys
            .push((name.into(), SecretString::from(key.into())));
        self
    }

    /// Gives the key of this name these scopes; without this call it has none.
    pub fn with_key_scopes(mut self, name: impl Into<String>, scopes: Scopes) -> Self {
        self.key_scopes.push((name.into(), scopes));
        self
    }

    /// Operations that only some keys may do: those whose scopes are enough.
    ///
    /// Nobody issues keys, so a host cannot ask for more: the 403 tells the operator what is missing.
    pub fn with_operation_scopes(mut self, operations: OperationScopes) -> Self {
        self.operations = Some(operations);
        self
    }

    /// A header that may carry the key as its whole value, beside `Authorization: Bearer`.
    pub fn with_header(mut self, name: HeaderName) -> Self {
        self.header = Some(name);
        self
    }

    /// The MCP endpoint's path, `/mcp` otherwise.
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Further origins that browsers may call from, such as `https://app.example.com`.
    pub fn with_allowed_origins<I>(mut self, origins: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.allowed_origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// What binds session ids to keys, where sessions outlive this process.
    pub fn with_session_sealer(mut self, sealer: Sealer) -> Self {
        self.session_sealer = Some(sealer);
        self
    }

    /// Checks everything and makes the tier.
    ///
    /// # Errors
    ///
    /// When there is no key, one is too short or not printable, two are the same, or a name, the
    /// path, an origin or the header cannot be used. No error holds a key.
    pub fn build(self) -> Result<StaticKey, BuildError> {
        if self.keys.is_empty() {
            return Err(BuildError::missing(
                "key",
                "give at least one; a server without a key would be open to everybody",
            ));
        }
        let mut known: Vec<(&str, &str)> = Vec::new();
        for (name, key) in &self.keys {
            let key = key.expose_secret();
            check_key(name, key, self.header.is_some())?;
            if known.iter().any(|(other, _)| other == name) {
                return Err(BuildError::argument(
                    name.clone(),
                    "two keys have this name",
                ));
            }
            let same =
                |(_, other): &(&str, &str)| constant_time_eq(other.as_bytes(), key.as_bytes());
            if known.iter().any(same) {
                return Err(BuildError::argument(
                    name.clone(),
                    "the same key is there under another name; give each caller its own",
                ));
            }
            known.push((name, key));
        }
        let mut scopes = BTreeMap::new();
        for (name, of) in &self.key_scopes {
            if !known.iter().any(|(known, _)| known == name) {
                return Err(BuildError::argument(
                    name.clone(),
                    "has scopes, but there is no key of this name",
                ));
            }
            scopes.insert(name.as_str(), of);
        }
        let keys = known.into_iter().map(|(name, key)| {
            let scopes = scopes.get(name).copied().cloned();
            let principal = Principal::new(StaticTokens::ISSUER, name);
            (principal.with_scopes(scopes.unwrap_or_default()), key)
        });
        let verifier = Arc::new(StaticTokens::of(keys));
        let mut server = ResourceServer::builder(self.public_url, &self.path, verifier)
            .with_allowed_origins(self.allowed_origins);
        if let Some(operations) = self.operations {
            server = server.with_operation_scopes(operations);
        }
        if let Some(header) = self.header {
            server = server.with_credential_header(header);
        }
        if let Some(sealer) = self.session_sealer {
            server = server.with_session_sealer(sealer);
        }
        Ok(StaticKey {
            servers: server.build()?.into(),
            listen: self.listen,
        })
    }
}

/// A key that could never arrive, or could be guessed, stops the start.
fn check_key(name: &str, key: &str, own_header: bool) -> Result<(), BuildError> {
    let argument = |reason: &'static str| Err(BuildError::argument(name.to_owned(), reason));
    if name.is_empty() {
        return argument("a key needs a name");
    }
    if key.trim().is_empty() {
        return argument("the key is empty; make one with `openssl rand -hex 32`");
    }
    if key.len() < MIN_KEY_BYTES {
        return argument("the key is shorter than 16 bytes; make one with `openssl rand -hex 32`");
    }
    if key.len() > MAX_KEY_BYTES {
        return argument("the key is longer than 4,096 bytes");
    }
    let body = key.trim_end_matches('=');
    let bearer = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
    if own_header && !key.bytes().all(|b| b.is_ascii_graphic()) {
        return argument("a key has printable ASCII only, without spaces");
    }
    if !own_header && (body.is_empty() || !body.bytes().all(bearer)) {
        return argument(
            "a key has letters, digits, `-`, `.`, `_`, `~`, `+`, `/` and `=` at its end, which is \
             what fits into `Authorization: Bearer`",
        );
    }
    Ok(())
}

const MIN_KEY_BYTES: usize = 16;
const MAX_KEY_BYTES: usize = 4096;
