//! `POST /register`: a client registers itself (RFC 7591 §3).
//!
//! Anyone may call it, so it stores nothing: what is registered goes back inside the `client_id`.
//! All of it is a claim of the client's own (§5); what protects a user is consent.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::Value;

use super::{
    AuthorizationServer,
    clients::{DynamicClients, display_name},
    response,
};
use crate::{
    net::empty,
    oauth::{
        ClientAuthenticationMethod as Method, ClientId, ClientMetadata, ClientSecret,
        OAuthErrorCode, RedirectUri, Scopes, Timestamp,
    },
};

pub(super) fn register(server: &AuthorizationServer, request: &Request<Bytes>) -> Response<Bytes> {
    let Some(clients) = &server.dynamic_clients else {
        return empty(StatusCode::NOT_FOUND);
    };
    if !server
        .limits
        .register
        .take(request.extensions(), &*server.clock)
    {
        tracing::info!(
            event = "registration_refused",
            fault = "client",
            reason = "rate limit"
        );
        return response::too_many_requests();
    }
    let content_type = request.headers().get(CONTENT_TYPE);
    answer(clients, content_type, request.body(), server.clock.now())
}

/// Everything but the server around it.
pub(super) fn answer(
    clients: &DynamicClients,
    content_type: Option<&HeaderValue>,
    body: &[u8],
    now: Timestamp,
) -> Response<Bytes> {
    let registered = Submitted::parse(content_type, body)
        .and_then(|submitted| submitted.check(clients.redirect_schemes()))
        .and_then(|accepted| accepted.register(clients, now));
    match registered {
        Ok(registered) => registered.respond(),
        Err(error) => {
            let (code, reason) = (error.code(), error.to_string());
            tracing::info!(
                event = "registration_refused",
                fault = "client",
                error = code.as_str(),
                reason
            );
            response::refusal(code)
        }
    }
}

/// Why nothing was registered; the words are for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum RegisterError {
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
}

impl RegisterError {
    const fn code(self) -> OAuthErrorCode {
        match self {
            Self::NoRedirectUris | Self::RedirectUris => OAuthErrorCode::InvalidRedirectUri,
            _ => OAuthErrorCode::InvalidClientMetadata,
        }
    }
}

/// What was sent. Members that are not named here are ignored (§2): a `client_id`, and whatever no
/// page shows, such as `client_uri` and `logo_uri`, for nobody could verify it.
#[derive(Deserialize)]
struct Submitted {
    redirect_uris: Option<Value>,
    client_name: Option<String>,
    token_endpoint_auth_method: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    application_type: Option<Value>,
    scope: Option<String>,
    jwks: Option<IgnoredAny>,
    jwks_uri: Option<IgnoredAny>,
}

impl Submitted {
    fn parse(content_type: Option<&HeaderValue>, body: &[u8]) -> Result<Self, RegisterError> {
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

    fn check(self, redirect_schemes: &[String]) -> Result<Accepted, RegisterError> {
        let application_type = ApplicationType::of(self.application_type.as_ref());
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
        Ok(Accepted {
            metadata,
            application_type,
        })
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

/// Where the client runs (OpenID Connect Registration §2). Older hosts do not say, so without it
/// every redirection URI is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum ApplicationType {
    Native,
    Web,
}

impl ApplicationType {
    fn of(submitted: Option<&Value>) -> Option<Self> {
        match submitted?.as_str()? {
            "native" => Some(Self::Native),
            "web" => Some(Self::Web),
            _ => None,
        }
    }

    /// A web client has no redirection URI on the user's machine; a native one may claim an `https`
    /// URI (RFC 8252 §7.2).
    fn allows(this: Option<Self>, uri: &RedirectUri) -> bool {
        this != Some(Self::Web) || uri.is_https()
    }
}

/// A registration with every check passed.
struct Accepted {
    metadata: ClientMetadata,
    application_type: Option<ApplicationType>,
}

impl Accepted {
    fn register(
        self,
        clients: &DynamicClients,
        now: Timestamp,
    ) -> Result<Registered, RegisterError> {
        let issued = clients.issue(&self.metadata, now);
        let (client_id, client_secret) = issued.map_err(|_| RegisterError::TooLong)?;
        Ok(Registered {
            client_id,
            client_secret,
            issued_at: now,
            accepted: self,
        })
    }
}

/// A client that exists from now on.
struct Registered {
    client_id: ClientId,
    client_secret: Option<ClientSecret>,
    issued_at: Timestamp,
    accepted: Accepted,
}

/// Everything as it was registered, also what we chose (§3.2.1).
#[derive(Serialize)]
struct RegistrationResponse<'a> {
    client_id: &'a ClientId,
    client_id_issued_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
    /// Zero: it does not expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<&'a str>,
    redirect_uris: &'a [RedirectUri],
    grant_types: &'a [&'a str],
    response_types: [&'a str; 1],
    token_endpoint_auth_method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a Scopes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_type: Option<ApplicationType>,
}

impl Registered {
    fn respond(&self) -> Response<Bytes> {
        let metadata = &self.accepted.metadata;
        let grant_types: &[&str] = if metadata.refresh_tokens {
            &["authorization_code", "refresh_token"]
        } else {
            &["authorization_code"]
        };
        let body = RegistrationResponse {
            client_id: &self.client_id,
            client_id_issued_at: self.issued_at,
            client_secret: self.client_secret.as_ref().map(ClientSecret::expose),
            client_secret_expires_at: self.client_secret.as_ref().map(|_| 0),
            client_name: metadata.client_name.as_deref(),
            redirect_uris: &metadata.redirect_uris,
            grant_types,
            response_types: ["code"],
            token_endpoint_auth_method: metadata.token_endpoint_auth_method.as_str(),
            scope: metadata.scope.as_ref(),
            application_type: self.accepted.application_type,
        };
        response::json(StatusCode::CREATED, &body)
    }
}

const MAX_REDIRECT_URIS: usize = 32;
const MAX_NAME_CHARACTERS: usize = 200;

#[cfg(test)]
mod tests;
