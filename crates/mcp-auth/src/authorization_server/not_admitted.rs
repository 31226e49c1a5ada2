//! What happens to a user whom the operator does not let in.

use bytes::Bytes;
use http::{Request, Response, header::LOCATION};

use super::{
    AuthorizationServer, NotAdmitted,
    authorization_request::CheckedRequest,
    pages::{ErrorPage, ErrorPageKind, ShownText, prefers_json},
};
use crate::oauth::OAuthErrorCode;

/// Tells the person, who then goes back to the client, which is told `access_denied`; a program that
/// stands for a person, and who must not be shown a page, goes back at once.
pub(super) fn turn_back(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
    asked: &CheckedRequest,
    refusal: &NotAdmitted,
) -> Response<Bytes> {
    let back = asked.fail(server, OAuthErrorCode::AccessDenied);
    let client = back.headers().get(LOCATION).and_then(|to| to.to_str().ok());
    match client {
        Some(client) if !prefers_json(request.headers()) && !asked.prompt().is_none() => {
            tell(server, request, refusal, Some(client))
        }
        _ => back,
    }
}

/// Tells the person, with a way back to the client if there is one.
pub(super) fn tell(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
    refusal: &NotAdmitted,
    client: Option<&str>,
) -> Response<Bytes> {
    let correlation = server.correlation(request, ErrorPageKind::NotAdmitted, refusal.reason);
    let nonce = server.random.token();
    let kind = ErrorPageKind::NotAdmitted;
    let mut page = ErrorPage::new(kind, &server.server_name, &correlation, &nonce);
    page.words = refusal.words.as_deref().map(ShownText::new);
    page.back_to_client = client.map(ShownText::new);
    page.respond(server.pages.as_ref(), request.headers())
}
