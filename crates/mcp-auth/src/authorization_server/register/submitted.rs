//! What a client says of itself, checked (RFC 7591 §2): the same at `/register` and where a client
//! replaces its registration (RFC 7592 §2.2).

use http::HeaderValue;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use crate::{
    authorization_server::{
        clients::{ApplicationType, IssueError, Said, Served, display_name},
        token::JWT_BEARER,
    },
    oauth::{
        ClientAuthenticationMethod as Method, ClientMetadata, OAuthErrorCode, RedirectUri, Scopes,
    },
    store::StoreError,
};

/// What was sent. Members that are not named here are ignored (§2): a `client_id`, and whatever no
/// page shows, such as `client_uri` and `logo_uri`, for nobody could verify it.
#[derive(Deserialize)]
pub(in crate::authorization_server) struct Submitted {
    redirect_uris: Option<Value>,
    client_name: Option<String>,
    token_endpoint_auth_method: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    application_type: Option<Value>,
    scope: Option<String>,
    jwks: Option<IgnoredAny>,
    jwks_uri: Option<IgnoredAny>,
    dpop_bound_access_tokens: Option<bool>,
    require_pushed_authorization_requests: Option<bool>,
}

impl Submitted {
    pub(in crate::authorization_server) fn parse(
        content_type: Option<&HeaderValue>,
        body: &[u8],
    ) -> Result<Self, RegisterError> {
        // A form in a browser cannot send this type, so no page can register unasked.
        let content_type = content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(RegisterError::ContentType);
        }
        // serde would read an array as the members in order.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(RegisterError::Json);
        }
        serde_json::from_slice(body).map_err(|_| RegisterError::Json)
    }

    pub(in crate::authorization_server) fn check(
        self,
        redirect_schemes: &[String],
        served: Served,
    ) -> Result<Accepted, RegisterError> {
        let application_type = ApplicationType::of(self.application_type.as_ref());
        let said = Said {
            application_type,
            dpop_bound_access_tokens: self.dpop_bound_access_tokens,
            require_pushed_authorization_requests: self.require_pushed_authorization_requests,
        };
        let redirect_uris = redirect_uris(
            self.redirect_uris.as_ref(),
            application_type,
            redirect_schemes,
        )?;
        let method = method(
            self.token_endpoint_auth_method.as_deref(),
            application_type,
            &redirect_uris,
        )?;
        let has = |list: &Option<Vec<String>>, value: &str| {
            list.as_ref()
                .is_none_or(|list| list.iter().any(|one| one == value))
        };
        if !has(&self.response_types, "code") {
            return Err(RegisterError::ResponseTypes);
        }
        if !has(&self.grant_types, "authorization_code") {
            return Err(RegisterError::GrantTypes);
        }
        if self.jwks.is_some() && self.jwks_uri.is_some() {
            return Err(RegisterError::KeySets);
        }
        let mut metadata = ClientMetadata::public(redirect_uris);
        metadata.token_endpoint_auth_method = method;
        // Hosts that say nothing about grants want to stay signed in.
        metadata.refresh_tokens = has(&self.grant_types, "refresh_token");
        // Where nobody logs in, the client has to say so, and to prove itself.
        metadata.identity_assertions = served.identity_assertions
            && method.is_confidential()
            && self.grant_types.is_some()
            && has(&self.grant_types, JWT_BEARER);
        metadata.client_name = self.client_name.as_deref().and_then(display_name);
        let name_length = metadata
            .client_name
            .as_ref()
            .map_or(0, |name| name.chars().count());
        if name_length > MAX_NAME_CHARACTERS {
            return Err(RegisterError::ClientName);
        }
        let scope = Scopes::parse(self.scope.as_deref().unwrap_or_default());
        let scope = scope.map_err(|_| RegisterError::Scope)?;
        metadata.scope = (!scope.is_empty()).then_some(scope);
        // A client is told what is not served (§3.2.1).
        let said = said.held_to(served);
        said.note_in(&mut metadata);
        Ok(Accepted { metadata, said })
    }
}

/// The good ones, each once: a host that registers for several platforms at once loses only those
/// that are refused.
fn redirect_uris(
    submitted: Option<&Value>,
    application_type: Option<ApplicationType>,
    schemes: &[String],
) -> Result<Vec<RedirectUri>, RegisterError> {
    let submitted = submitted.ok_or(RegisterError::NoRedirectUris)?;
    let submitted = submitted.as_array().ok_or(RegisterError::RedirectUris)?;
    if submitted.len() > MAX_REDIRECT_URIS {
        return Err(RegisterError::ManyRedirectUris);
    }
    let mut good: Vec<RedirectUri> = Vec::new();
    for text in submitted.iter().filter_map(Value::as_str) {
        match RedirectUri::parse_with_schemes(text, schemes) {
            Ok(uri) if !good.contains(&uri) && ApplicationType::allows(application_type, &uri) => {
                good.push(uri);
            }
            _ => {}
        }
    }
    match (submitted.is_empty(), good.is_empty()) {
        (true, _) => Err(RegisterError::NoRedirectUris),
        (false, true) => Err(RegisterError::RedirectUris),
        (false, false) => Ok(good),
    }
}

/// The method asked for. Where none was, RFC 7591 §2 says `client_secret_basic`; but what runs on
/// the user's machine keeps no secret (OAuth 2.1 §8.1), and hosts there leave the method out when
/// they mean `none`.
fn method(
    asked: Option<&str>,
    application_type: Option<ApplicationType>,
    redirect_uris: &[RedirectUri],
) -> Result<Method, RegisterError> {
    let native = application_type == Some(ApplicationType::Native)
        || redirect_uris.iter().all(|uri| !uri.is_https());
    match asked {
        None if native => Ok(Method::None),
        None => Ok(Method::ClientSecretBasic),
        Some(name) => [
            Method::None,
            Method::ClientSecretBasic,
            Method::ClientSecretPost,
        ]
        .into_iter()
        .find(|method| method.as_str() == name)
        .ok_or(RegisterError::Method),
    }
}

/// Metadata with every check passed.
///
/// Made by [`Submitted::check`] alone.
pub(in crate::authorization_server) struct Accepted {
    metadata: ClientMetadata,
    said: Said,
}

impl Accepted {
    pub(in crate::authorization_server) const fn metadata(&self) -> &ClientMetadata {
        &self.metadata
    }

    pub(in crate::authorization_server) const fn said(&self) -> Said {
        self.said
    }
}

/// Why nothing was registered; the words are for the log.
#[derive(Debug, thiserror::Error)]
pub(in crate::authorization_server) enum RegisterError {
    #[error("the body is not application/json")]
    ContentType,
    #[error("the body is not one JSON object with members of the right types, each once")]
    Json,
    #[error("no redirect_uris")]
    NoRedirectUris,
    #[error("more than 32 redirect_uris")]
    ManyRedirectUris,
    #[error("none of the redirect_uris can be registered")]
    RedirectUris,
    #[error("token_endpoint_auth_method is not supported")]
    Method,
    #[error("response_types without code")]
    ResponseTypes,
    #[error("grant_types without authorization_code")]
    GrantTypes,
    #[error("client_name is longer than 200 characters")]
    ClientName,
    #[error("scope is malformed")]
    Scope,
    #[error("jwks and jwks_uri together")]
    KeySets,
    #[error("more than fits into a client_id")]
    TooLong,
    #[error("it names another client, another secret, or what only the server may set")]
    NotItsOwn,
    #[error("the store is away or full")]
    Store(#[source] StoreError),
}

impl RegisterError {
    pub(in crate::authorization_server) const fn code(&self) -> OAuthErrorCode {
        match self {
            Self::NoRedirectUris | Self::RedirectUris => OAuthErrorCode::InvalidRedirectUri,
            Self::Store(_) => OAuthErrorCode::TemporarilyUnavailable,
            _ => OAuthErrorCode::InvalidClientMetadata,
        }
    }
}

impl From<IssueError> for RegisterError {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::TooLong => Self::TooLong,
            IssueError::Store(error) => Self::Store(error),
        }
    }
}

const MAX_REDIRECT_URIS: usize = 32;
const MAX_NAME_CHARACTERS: usize = 200;
