//! Clients that the operator wrote down, in the words of RFC 7591 §2.

use std::collections::HashMap;

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::{Client, ClientKind, ClientResolver, ResolveError, client::ClientKeys, keys::KeySet};
use crate::{
    BuildError,
    authorization_server::token::JWT_BEARER,
    oauth::{
        ClientAuthenticationMethod as Method, ClientId, ClientMetadata, ClientSecret, RedirectUri,
        Scopes,
    },
};

/// The clients of a configuration; their secrets are kept as hashes only.
///
/// ```
/// # use mcp_auth::authorization_server::clients::PreregisteredClients;
/// let clients = PreregisteredClients::parse_json(
///     r#"[{
///         "client_id": "desk",
///         "client_name": "Front desk",
///         "redirect_uris": ["https://desk.example/callback"],
///         "client_secret": "fKq0-an-example-of-a-long-secret"
///     }]"#,
/// )?;
/// assert_eq!(clients.len(), 1);
/// # Ok::<(), mcp_auth::BuildError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct PreregisteredClients(HashMap<ClientId, Client>);

impl PreregisteredClients {
    /// Parses a JSON array of client metadata objects.
    ///
    /// Each needs `client_id` and, unless its `grant_types` are without `authorization_code`,
    /// `redirect_uris`; `client_secret`, `client_name`, `client_uri`, `jwks`,
    /// `token_endpoint_auth_method`, `grant_types`, `scope`, `dpop_bound_access_tokens` and
    /// `require_pushed_authorization_requests` are optional. Without a method a client with a secret
    /// is `client_secret_basic`, one with keys `private_key_jwt`, and one with neither `none`; without
    /// `grant_types` it is given refresh tokens.
    ///
    /// # Errors
    ///
    /// When it is not such an array; the error says which client and which of its members.
    pub fn parse_json(json: &str) -> Result<Self, BuildError> {
        Self::parse_json_with_schemes(json, &[])
    }

    /// As [`PreregisteredClients::parse_json`], with further dotless private-use schemes allowed in
    /// redirection URIs.
    ///
    /// # Errors
    ///
    /// As [`PreregisteredClients::parse_json`].
    pub fn parse_json_with_schemes(json: &str, schemes: &[String]) -> Result<Self, BuildError> {
        // serde's own message may repeat a value, and a value may be a secret.
        let entries: Vec<Value> = serde_json::from_str(json).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            BuildError::argument(
                ARGUMENT,
                format!("not a JSON array: see line {line}, column {column}"),
            )
        })?;
        let mut clients = HashMap::new();
        for (index, entry) in entries.iter().enumerate() {
            let entry = Entry { index, entry };
            let client = entry.client(schemes)?;
            if clients.insert(client.id().clone(), client).is_some() {
                return Err(entry.wrong("client_id", "another client has it too"));
            }
        }
        Ok(Self(clients))
    }

    /// Whether one of them may act for itself.
    pub(crate) fn has_client_credentials(&self) -> bool {
        let mut clients = self.0.values();
        clients.any(|client| client.metadata().client_credentials)
    }

    /// What the operator wrote down of this client.
    pub(crate) fn get(&self, id: &ClientId) -> Option<&Client> {
        self.0.get(id)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether one of them has to push its requests.
    pub(crate) fn require_pushing(&self) -> bool {
        let mut clients = self.0.values();
        clients.any(|client| client.metadata().require_pushed_authorization_requests)
    }

    /// Whether one of them wants no token that is not bound to its key.
    pub(crate) fn want_bound_tokens(&self) -> bool {
        self.0.values().any(Client::wants_bound_tokens)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[async_trait]
impl ClientResolver for PreregisteredClients {
    async fn resolve(&self, id: &ClientId) -> Result<Client, ResolveError> {
        self.0.get(id).cloned().ok_or(ResolveError::Unknown)
    }
}

/// One element of the array, with its place for the error.
struct Entry<'a> {
    index: usize,
    entry: &'a Value,
}

impl Entry<'_> {
    fn client(&self, schemes: &[String]) -> Result<Client, BuildError> {
        let object = self.object()?;
        for member in object.keys() {
            if !MEMBERS.contains(&member.as_str()) {
                let known = MEMBERS.join(", ");
                return Err(self.wrong(member, format!("unknown member; known are {known}")));
            }
        }
        let id = self
            .text("client_id")?
            .ok_or_else(|| self.wrong("client_id", "missing"))?;
        let id = ClientId::parse(id).map_err(|error| self.wrong("client_id", error.rule()))?;
        let grants = self.grants()?;
        let redirect_uris = if grants.authorization_code {
            self.redirect_uris(schemes)?
        } else if self.entry.get("redirect_uris").is_some() {
            return Err(self.wrong("redirect_uris", "none are used without authorization_code"));
        } else {
            Vec::new()
        };
        let mut metadata = ClientMetadata::public(redirect_uris);
        let secret = self.text("client_secret")?;
        if secret.is_some_and(str::is_empty) {
            return Err(self.wrong("client_secret", "empty"));
        }
        let jwks = self.jwks()?;
        metadata.token_endpoint_auth_method = self.method(secret.is_some(), jwks.is_some())?;
        metadata.refresh_tokens = grants.refresh_token;
        metadata.client_credentials = grants.client_credentials;
        metadata.identity_assertions = grants.jwt_bearer;
        if !metadata.token_endpoint_auth_method.is_confidential() && grants.needs_confidence() {
            return Err(self.wrong("grant_types", "needs a client_secret or jwks"));
        }
        metadata.client_name = self.text("client_name")?.map(Into::into);
        metadata.scope = match self.text("scope")? {
            Some(text) => {
                Some(Scopes::parse(text).map_err(|error| self.wrong("scope", error.rule()))?)
            }
            None => None,
        };
        metadata.require_pushed_authorization_requests =
            self.flag("require_pushed_authorization_requests")?;
        metadata.client_uri = match self.text("client_uri")? {
            Some(uri) if uri.starts_with("https://") => Some(uri.into()),
            Some(_) => return Err(self.wrong("client_uri", "not an https URL")),
            None => None,
        };
        metadata.dpop_bound_access_tokens = self.flag("dpop_bound_access_tokens")?;
        let client = Client::new(id, ClientKind::Preregistered, metadata);
        let client = match secret {
            Some(secret) => client.with_secret(&ClientSecret::new(secret)),
            None => client,
        };
        Ok(match jwks {
            Some(keys) => client.with_keys(ClientKeys::Fixed(keys)),
            None => client,
        })
    }

    fn redirect_uris(&self, schemes: &[String]) -> Result<Vec<RedirectUri>, BuildError> {
        let texts = self.texts("redirect_uris")?.unwrap_or_default();
        if texts.is_empty() {
            return Err(self.wrong("redirect_uris", "at least one is needed"));
        }
        let parse = |text: &str| RedirectUri::parse_with_schemes(text, schemes);
        texts
            .into_iter()
            .map(|text| {
                parse(text).map_err(|error| {
                    self.wrong("redirect_uris", format!("{}: {text}", error.rule()))
                })
            })
            .collect()
    }

    fn jwks(&self) -> Result<Option<KeySet>, BuildError> {
        match self.entry.get("jwks") {
            None | Some(Value::Null) => Ok(None),
            Some(jwks) => KeySet::parse(jwks)
                .map(Some)
                .map_err(|reason| self.wrong("jwks", reason)),
        }
    }

    fn method(&self, has_secret: bool, has_keys: bool) -> Result<Method, BuildError> {
        let name = "token_endpoint_auth_method";
        let method = match self.text(name)? {
            None if has_secret => Method::ClientSecretBasic,
            None if has_keys => Method::PrivateKeyJwt,
            Some("private_key_jwt") => Method::PrivateKeyJwt,
            None | Some("none") => Method::None,
            Some("client_secret_basic") => Method::ClientSecretBasic,
            Some("client_secret_post") => Method::ClientSecretPost,
            Some(_) => {
                let known = "one of none, client_secret_basic, client_secret_post, private_key_jwt";
                return Err(self.wrong(name, known));
            }
        };
        match (method == Method::PrivateKeyJwt, has_keys, has_secret) {
            (true, false, _) => {
                return Err(self.wrong("jwks", "missing, and the method needs keys"));
            }
            (true, _, true) => {
                return Err(self.wrong(name, "private_key_jwt, but there is a client_secret"));
            }
            (false, true, _) => {
                return Err(self.wrong(name, "not private_key_jwt, but there are keys"));
            }
            (true, true, false) => return Ok(method),
            (false, false, _) => {}
        }
        match (method, has_secret) {
            (Method::None, true) => Err(self.wrong(name, "none, but there is a client_secret")),
            (Method::None, false) | (_, true) => Ok(method),
            (_, false) => Err(self.wrong("client_secret", "missing, and the method needs one")),
        }
    }

    fn grants(&self) -> Result<Grants, BuildError> {
        let name = "grant_types";
        let Some(grant_types) = self.texts(name)? else {
            return Ok(Grants {
                authorization_code: true,
                refresh_token: true,
                client_credentials: false,
                jwt_bearer: false,
            });
        };
        let has = |grant_type: &str| grant_types.contains(&grant_type);
        let grants = Grants {
            authorization_code: has("authorization_code"),
            refresh_token: has("refresh_token"),
            client_credentials: has("client_credentials"),
            jwt_bearer: has(JWT_BEARER),
        };
        let known = [
            "authorization_code",
            "refresh_token",
            "client_credentials",
            JWT_BEARER,
        ];
        if grant_types.iter().any(|grant| !known.contains(grant)) {
            return Err(self.wrong(name, format!("only {}", known.join(", "))));
        }
        if !(grants.authorization_code || grants.needs_confidence()) {
            return Err(self.wrong(name, "none that gives an access token"));
        }
        Ok(grants)
    }

    fn object(&self) -> Result<&Map<String, Value>, BuildError> {
        self.entry.as_object().ok_or_else(|| {
            BuildError::argument(ARGUMENT, format!("client {}: not an object", self.index))
        })
    }

    fn text(&self, member: &str) -> Result<Option<&str>, BuildError> {
        match self.entry.get(member) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(member, "not a string")),
        }
    }

    fn flag(&self, member: &str) -> Result<bool, BuildError> {
        match self.entry.get(member) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.wrong(member, "neither true nor false")),
        }
    }

    fn texts(&self, member: &str) -> Result<Option<Vec<&str>>, BuildError> {
        let not_texts = || self.wrong(member, "not an array of strings");
        match self.entry.get(member) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(values)) => {
                let texts = values
                    .iter()
                    .map(|value| value.as_str().ok_or_else(not_texts));
                texts.collect::<Result<_, _>>().map(Some)
            }
            Some(_) => Err(not_texts()),
        }
    }

    fn wrong(&self, member: &str, reason: impl std::fmt::Display) -> BuildError {
        let index = self.index;
        BuildError::argument(ARGUMENT, format!("client {index}, {member}: {reason}"))
    }
}

/// The grants of one client.
struct Grants {
    authorization_code: bool,
    refresh_token: bool,
    client_credentials: bool,
    jwt_bearer: bool,
}

impl Grants {
    /// Whether one of them is for clients only that prove themselves.
    const fn needs_confidence(&self) -> bool {
        self.client_credentials || self.jwt_bearer
    }
}

const ARGUMENT: &str = "preregistered clients";

const MEMBERS: [&str; 11] = [
    "client_id",
    "client_secret",
    "client_name",
    "client_uri",
    "jwks",
    "redirect_uris",
    "token_endpoint_auth_method",
    "grant_types",
    "scope",
    "require_pushed_authorization_requests",
    "dpop_bound_access_tokens",
];

#[cfg(test)]
mod tests;
