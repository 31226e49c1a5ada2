//! `GET /authorize`: a client asks for a user's consent (RFC 6749 §4.1.1, OAuth 2.1 §4.1.1).

use bytes::Bytes;
use http::{Request, Response};

use super::{
    AuthorizationServer,
    authorization_request::{AuthorizationRequest, AuthorizeError},
    consent,
    pages::ErrorPageKind,
};

pub(super) async fn authorize(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
) -> Response<Bytes> {
    if !server
        .limits
        .authorize
        .take(request.extensions(), &*server.clock)
    {
        return server.page(
            request,
            ErrorPageKind::TooManyRequests,
            "rate limit of /authorize",
        );
    }
    if let Some(elsewhere) = server.at_own_host(request) {
        return elsewhere;
    }
    match AuthorizationRequest::parse(server, request.uri().query().unwrap_or_default()) {
        Ok(asked) => match asked.check(server, request.extensions()).await {
            Ok(checked) => consent::ask(server, request, checked).await,
            Err(error) => error.respond(server, request),
        },
        Err(error) => error.respond(server, request),
    }
}

impl AuthorizeError {
    fn respond(self, server: &AuthorizationServer, request: &Request<Bytes>) -> Response<Bytes> {
        match self {
            Self::Page(kind, reason) => server.page(request, kind, reason),
            Self::Redirect {
                redirect,
                state,
                error,
            } => {
                tracing::info!(
                    event = "authorize_refused",
                    fault = "client",
                    reason = error.as_str()
                );
                redirect.with_error(server, error, state.as_ref())
            }
        }
    }
}

impl AuthorizationServer {
    /// An error page; the reason is for the log.
    pub(super) fn page(
        &self,
        request: &Request<Bytes>,
        kind: ErrorPageKind,
        reason: &'static str,
    ) -> Response<Bytes> {
        let correlation = self.correlation(request, kind, reason);
        kind.respond(
            self.pages.as_ref(),
            &self.server_name,
            request.headers(),
            &correlation,
            &self.random.token(),
        )
    }

    /// Writes a refusal down, and gives the name that the page and the log have for it.
    pub(super) fn correlation(
        &self,
        request: &Request<Bytes>,
        kind: ErrorPageKind,
        reason: &'static str,
    ) -> String {
        let correlation = self.random.token().chars().take(10).collect::<String>();
        let path = request.uri().path();
        tracing::info!(
            event = "page_refused",
            fault = kind.fault(),
            endpoint = path,
            reason,
            correlation
        );
        correlation
    }
}
