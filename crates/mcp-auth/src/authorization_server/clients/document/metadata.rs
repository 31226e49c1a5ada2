//! What a client ID metadata document must say, and must not (draft -02 §4, RFC 7591 §2).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    authorization_server::{
        clients::{ApplicationType, display_name, keys::KeySet},
        token::JWT_BEARER,
    },
    oauth::{
        ClientAuthenticationMethod as Method, ClientId, ClientMetadata, RedirectUri, https_host,
        sha256,
    },
};

/// A document with every check passed.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) metadata: ClientMetadata,
    pub(super) keys: DocumentKeys,
    substance: Substance,
}

/// The keys of a client that signs.
#[derive(Debug)]
pub(super) enum DocumentKeys {
    None,
    Inline(KeySet),
    /// At this URL, which is as little trusted as the document's own.
    At(String),
}

/// What a running grant was given on the strength of.
#[derive(Debug, PartialEq)]
struct Substance {
    redirect_uris: Vec<RedirectUri>,
    method: Method,
    jwks: Option<Value>,
    jwks_uri: Option<String>,
}

/// The members that count; all others are ignored.
#[derive(Deserialize)]
struct Members {
    client_id: Option<String>,
    client_name: Option<String>,
    redirect_uris: Option<Vec<String>>,
    token_endpoint_auth_method: Option<String>,
    /// Every method the client can use, where it can use several (SEP-3149).
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    application_type: Option<Value>,
    jwks: Option<Value>,
    jwks_uri: Option<String>,
    dpop_bound_access_tokens: Option<bool>,
    require_pushed_authorization_requests: Option<bool>,
    client_secret: Option<Value>,
    client_secret_expires_at: Option<Value>,
}

impl Document {
    /// Reads the document of this client; the error is for the log.
    pub(super) fn parse(
        json: &[u8],
        id: &ClientId,
        redirect_schemes: &[String],
    ) -> Result<Self, &'static str> {
        // serde would read an array as the members in order.
        if json.trim_ascii_start().first() != Some(&b'{') {
            return Err("it is not one JSON object");
        }
        let members: Members = serde_json::from_slice(json)
            .map_err(|_| "it is not one JSON object with members of the right types, each once")?;
        if members.client_id.as_deref() != Some(id.as_str()) {
            return Err("its client_id is not its URL");
        }
        members.document(redirect_schemes)
    }

    /// A hash of what grants were given on the strength of.
    pub(super) fn digest(&self) -> String {
        let Substance {
            redirect_uris,
            method,
            jwks,
            jwks_uri,
        } = &self.substance;
        let uris: Vec<&str> = redirect_uris.iter().map(RedirectUri::as_str).collect();
        let signs = *method == Method::PrivateKeyJwt;
        let whole = serde_json::json!([uris, signs, jwks, jwks_uri]).to_string();
        URL_SAFE_NO_PAD.encode(sha256(whole.as_bytes()))
    }

    /// Whether what grants were given on the strength of is another now.
    pub(super) fn differs_from(&self, before: &Self) -> bool {
        self.substance != before.substance
    }
}

/// Whatever is read as a document of this client is one that a person can be asked about.
#[cfg(any(test, fuzzing))]
pub(super) fn holds(json: &[u8], id: &ClientId) {
    if let Ok(document) = Document::parse(json, id, &[]) {
        assert!(!document.differs_from(&document));
        let metadata = document.metadata;
        assert!(!metadata.redirect_uris.is_empty());
        let name = metadata.client_name.as_deref();
        assert!(name.is_some() && name.and_then(display_name).as_deref() == name);
    }
}

impl Members {
    fn document(self, redirect_schemes: &[String]) -> Result<Document, &'static str> {
        if self.client_secret.is_some() || self.client_secret_expires_at.is_some() {
            return Err("it has a client_secret, which everybody could read");
        }
        let has = |list: &Option<Vec<String>>, value: &str| {
            list.as_ref()
                .is_none_or(|list| list.iter().any(|one| one == value))
        };
        if !has(&self.response_types, "code") {
            return Err("its response_types are without code");
        }
        if !has(&self.grant_types, "authorization_code") {
            return Err("its grant_types are without authorization_code");
        }
        let name = self.client_name.as_deref().and_then(display_name);
        let name = name.ok_or("it has no client_name")?;
        if name.chars().count() > MAX_NAME_CHARACTERS {
            return Err("its client_name is longer than 200 characters");
        }
        let (method, keys) = self.authentication()?;
        let redirect_uris = self.redirect_uris(redirect_schemes)?;
        let mut metadata = ClientMetadata::public(redirect_uris.clone());
        metadata.client_name = Some(name);
        metadata.token_endpoint_auth_method = method;
        metadata.refresh_tokens = has(&self.grant_types, "refresh_token");
        // Where nobody logs in, the client has to say so, and to prove itself.
        metadata.identity_assertions = method.is_confidential()
            && self.grant_types.is_some()
            && has(&self.grant_types, JWT_BEARER);
        metadata.require_pushed_authorization_requests = self
            .require_pushed_authorization_requests
            .unwrap_or_default();
        metadata.dpop_bound_access_tokens = self.dpop_bound_access_tokens.unwrap_or_default();
        Ok(Document {
            metadata,
            keys,
            substance: Substance {
                redirect_uris,
                method,
                jwks: self.jwks,
                jwks_uri: self.jwks_uri,
            },
        })
    }

    /// The methods that document and server have in common: `none` alone makes a client public, and
    /// one that lists `none` beside `private_key_jwt` may use either.
    fn authentication(&self) -> Result<(Method, DocumentKeys), &'static str> {
        let several = self.token_endpoint_auth_methods_supported.iter().flatten();
        let named: Vec<&str> = self
            .token_endpoint_auth_method
            .iter()
            .chain(several)
            .map(String::as_str)
            .collect();
        // RFC 7591 §2 would make a missing method a shared secret, which no document can have.
        let lists = |method: &str| named.contains(&method);
        if named
            .iter()
            .any(|method| method.starts_with("client_secret_"))
        {
            return Err("it names a method with a shared secret");
        }
        if self.jwks.as_ref().is_some_and(KeySet::has_secrets) {
            return Err("its key set has a private or symmetric key in it");
        }
        let signs = lists("private_key_jwt");
        let keys = match (&self.jwks, &self.jwks_uri) {
            (Some(_), Some(_)) => return Err("it has jwks and jwks_uri"),
            // Nobody needs them; they may be what they are.
            _ if !signs => DocumentKeys::None,
            (Some(jwks), None) => DocumentKeys::Inline(KeySet::parse(jwks)?),
            (None, Some(uri)) => {
                https_host(uri).map_err(|_| "its jwks_uri is not an https URL with a path")?;
                DocumentKeys::At(uri.clone())
            }
            (None, None) => DocumentKeys::None,
        };
        if signs && matches!(keys, DocumentKeys::None) {
            return Err("it names private_key_jwt and has no keys");
        }
        match (lists("none") || named.is_empty(), signs) {
            (true, true) => Ok((Method::None, keys)),
            (true, false) => Ok((Method::None, DocumentKeys::None)),
            (false, true) => Ok((Method::PrivateKeyJwt, keys)),
            (false, false) => Err("it names no method that is served here"),
        }
    }

    /// The good ones, each once: as at registration, a document for several platforms loses only
    /// those that are refused.
    fn redirect_uris(&self, schemes: &[String]) -> Result<Vec<RedirectUri>, &'static str> {
        let listed = self.redirect_uris.as_deref().unwrap_or_default();
        if listed.is_empty() {
            return Err("it has no redirect_uris");
        }
        if listed.len() > MAX_REDIRECT_URIS {
            return Err("it has more than 32 redirect_uris");
        }
        let application_type = ApplicationType::of(self.application_type.as_ref());
        let mut good: Vec<RedirectUri> = Vec::new();
        for text in listed {
            match RedirectUri::parse_with_schemes(text, schemes) {
                Ok(uri)
                    if !good.contains(&uri) && ApplicationType::allows(application_type, &uri) =>
                {
                    good.push(uri);
                }
                _ => {}
            }
        }
        if good.is_empty() {
            return Err("none of its redirect_uris can be used");
        }
        Ok(good)
    }
}

const MAX_REDIRECT_URIS: usize = 32;
const MAX_NAME_CHARACTERS: usize = 200;

#[cfg(test)]
mod tests;
