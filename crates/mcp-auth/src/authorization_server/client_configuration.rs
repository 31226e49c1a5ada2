//! `GET`, `PUT` and `DELETE` at `/register/CLIENT_ID`: a client reads, replaces and ends its own
//! registration (RFC 7592 §2).
//!
//! Only registrations in the store have such an address. Whatever is wrong with the token, and
//! whether or not there is such a client, the answer is the same.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use serde::{Deserialize, de::IgnoredAny};

use super::{
    AuthorizationServer, RegistrationAdministration,
    bearer::bearer,
    clients::{Managed, StoredClients},
    paths,
    register::{RegisterError, Registered, Submitted, refused, refused_without_token, too_many},
    response,
};
use crate::{
    net::empty,
    oauth::{AccessToken, ClientId, OAuthErrorCode},
    store::{Replace, StoreError},
};

/// The methods of a registration's address.
pub(super) const METHODS: &str = "GET, PUT, DELETE, OPTIONS";

/// Where a client finds its registration.
pub(super) fn url(server: &AuthorizationServer, id: &ClientId) -> String {
    let path = format!("{}{}", paths::REGISTRATIONS, id.as_str());
    server.public_url.join(&path)
}

pub(super) async fn configure(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
) -> Response<Bytes> {
    let stored = server.dynamic_clients.as_ref();
    let Some(clients) = stored.and_then(|registration| registration.clients.stored()) else {
        return empty(StatusCode::NOT_FOUND);
    };
    if !matches!(
        *request.method(),
        Method::GET | Method::PUT | Method::DELETE
    ) {
        return response::method_not_allowed(METHODS);
    }
    if let Some(refusal) = too_many(server, request) {
        return refusal;
    }
    match answered(server, clients, request).await {
        Ok(response) => response,
        Err(ConfigureError::Token(error)) => refused_without_token(error),
        Err(ConfigureError::Metadata(error)) => refused(&error),
    }
}

/// Why nothing was read or changed.
enum ConfigureError {
    /// None was presented, or it does not open this registration.
    Token(Option<OAuthErrorCode>),
    /// What should be registered instead is not good, or the store is away.
    Metadata(RegisterError),
}

impl From<RegisterError> for ConfigureError {
    fn from(error: RegisterError) -> Self {
        Self::Metadata(error)
    }
}

impl From<StoreError> for ConfigureError {
    fn from(error: StoreError) -> Self {
        Self::Metadata(RegisterError::Store(error))
    }
}

async fn answered(
    server: &AuthorizationServer,
    clients: &Arc<StoredClients>,
    request: &Request<Bytes>,
) -> Result<Response<Bytes>, ConfigureError> {
    let token = bearer(request.headers()).map_err(ConfigureError::Token)?;
    let unknown = ConfigureError::Token(Some(OAuthErrorCode::InvalidToken));
    let id = request.uri().path().strip_prefix(paths::REGISTRATIONS);
    let Some(id) = id.and_then(|id| ClientId::parse(id).ok()) else {
        return Err(unknown);
    };
    let Some(managed) = clients.managed(&id, &token).await? else {
        return Err(unknown);
    };
    match *request.method() {
        Method::PUT => replace(server, clients, managed, &token, request).await,
        Method::DELETE => {
            RegistrationAdministration::new(server, clients)
                .end(&id)
                .await?;
            tracing::info!(event = "registration_ended", client = id.as_str());
            Ok(response::nothing_kept(StatusCode::NO_CONTENT))
        }
        _ => Ok(described(server, clients, &managed, &token)),
    }
}

fn described(
    server: &AuthorizationServer,
    clients: &StoredClients,
    managed: &Managed,
    token: &AccessToken,
) -> Response<Bytes> {
    let registration = managed.registration();
    let served = server.served();
    let mut metadata = clients.metadata(registration);
    metadata.identity_assertions &= served.identity_assertions;
    let secret = clients.secret(registration.id(), metadata.token_endpoint_auth_method);
    let registered = Registered {
        id: registration.id(),
        issued_at: registration.issued_at(),
        secret: secret.as_ref(),
        metadata: &metadata,
        said: registration.said().held_to(served),
        access: Some((token, url(server, registration.id()))),
    };
    registered.respond(StatusCode::OK)
}

/// The members that only a replacement has (RFC 7592 §2.2).
#[derive(Deserialize)]
struct Ownership {
    client_id: Option<String>,
    client_secret: Option<String>,
    registration_access_token: Option<IgnoredAny>,
    registration_client_uri: Option<IgnoredAny>,
    client_secret_expires_at: Option<IgnoredAny>,
    client_id_issued_at: Option<IgnoredAny>,
}

impl Ownership {
    /// The client says who it is, and chooses nothing that is the server's to choose.
    fn check(&self, clients: &StoredClients, managed: &Managed) -> Result<(), RegisterError> {
        let id = self.client_id.as_deref();
        let secret = self.client_secret.as_deref();
        let of_the_server = [
            &self.registration_access_token,
            &self.registration_client_uri,
            &self.client_secret_expires_at,
            &self.client_id_issued_at,
        ];
        let own = id == Some(managed.registration().id().as_str())
            && secret.is_none_or(|secret| clients.is_secret(managed, secret))
            && of_the_server.iter().all(|member| member.is_none());
        own.then_some(()).ok_or(RegisterError::NotItsOwn)
    }
}

/// Everything that was registered before is replaced; what is left out is as if it had never been
/// there.
async fn replace(
    server: &AuthorizationServer,
    clients: &StoredClients,
    mut managed: Managed,
    token: &AccessToken,
    request: &Request<Bytes>,
) -> Result<Response<Bytes>, ConfigureError> {
    let content_type = request.headers().get(CONTENT_TYPE);
    let submitted = Submitted::parse(content_type, request.body())?;
    let ownership: Ownership =
        serde_json::from_slice(request.body()).map_err(|_| RegisterError::Json)?;
    ownership.check(clients, &managed)?;
    let accepted = submitted.check(clients.redirect_schemes(), server.served())?;
    let id = managed.registration().id().clone();
    loop {
        let written = clients.replace(&managed, accepted.metadata(), accepted.said());
        let replaced = written.await? == Replace::Replaced;
        // Somebody was faster: a refresh that prolonged it, another replacement, or its end.
        managed = match clients.managed(&id, token).await? {
            Some(managed) => managed,
            None => return Err(ConfigureError::Token(Some(OAuthErrorCode::InvalidToken))),
        };
        if replaced {
            return Ok(described(server, clients, &managed, token));
        }
    }
}
