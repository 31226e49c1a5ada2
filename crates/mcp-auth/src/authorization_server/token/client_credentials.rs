//! `grant_type=client_credentials`: a client that acts for itself (RFC 6749 §4.4, OAuth 2.1 §4.2).

use super::{AuthorizationServer, Granted, TokenError, proof, proof::Proof, without_user};
use crate::{
    authorization_server::clients::{Client, ClientKind},
    oauth::{Form, OAuthErrorCode},
};

/// Only for clients that the operator registered for it and that prove themselves; nobody else can
/// have it, whatever a registration or a document says.
pub(super) async fn redeem(
    server: &AuthorizationServer,
    client: &Client,
    form: &Form,
    proof: Option<Proof>,
) -> Result<Granted, TokenError> {
    if client.kind() != ClientKind::Preregistered
        || !client.is_confidential()
        || !client.metadata().client_credentials
    {
        return Err(TokenError::Refused(
            OAuthErrorCode::UnauthorizedClient,
            "the client may not act for itself",
        ));
    }
    let resource = without_user::resource(server, form)?;
    let allowed = match &client.metadata().scope {
        Some(own) => server.scopes.intersection(own),
        None => server.scopes.clone(),
    };
    let asked = without_user::asked_scopes(form)?;
    let asked = asked.unwrap_or_else(|| server.required_scopes.clone());
    let scopes = without_user::some(allowed.intersection(&asked))?;
    // RFC 9068 §5: a subject of its own kind, which no user can have.
    let subject = format!("|{}", client.id());
    let key = proof::use_once(server, proof).await?;
    without_user::grant(server, client, subject, resource, scopes, key).await
}
