//! `/connected-apps`: a person signs in, sees which clients have access, and ends it (OAuth 2.1 §7.9).
//!
//! The page is a client of nobody: it signs its visitor in at the upstream by a login of its own kind,
//! remembers for ten minutes who that is, and shows and ends that person's grants alone.

mod form;
mod list;
mod visit;
mod visitor;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};

use super::{
    AuthorizationServer,
    callback::{LoginError, admitted},
    clients::PreregisteredClients,
    consent::chosen_upstream,
    form_body,
    limits::Limit,
    own_page::PostedByOwnPage,
    pages::{
        ErrorPageKind, FormFields, ShownText, SignInPage, SignedOutPage, UpstreamChoice,
        page_response,
    },
    paths, response,
};
use crate::{
    access_token::GrantAdministration,
    net::Causes,
    oauth::{ClientId, Form, OAuthErrorCode},
    store::{Sealer, StoreError},
    upstream::UpstreamLogin,
};
use form::FormToken;
pub(super) use visit::PendingVisit;
use visitor::Visitor;

/// What the page needs beside the authorization server.
#[derive(Debug)]
pub(crate) struct ConnectedApps {
    pub(crate) visits: Sealer,
    pub(crate) visitors: Sealer,
    pub(crate) forms: Sealer,
    /// The clients that the operator vouches for, as they are now.
    pub(crate) preregistered: Option<PreregisteredClients>,
}

/// Everything at the page's own paths.
pub(super) async fn answer(
    server: &AuthorizationServer,
    apps: &ConnectedApps,
    request: &Request<Bytes>,
) -> Response<Bytes> {
    match (request.uri().path(), request.method()) {
        (paths::CONNECTED_APPS, &Method::GET) => show(server, apps, request).await,
        (paths::CONNECTED_APPS, &Method::POST) => act(server, apps, request).await,
        (paths::SIGNED_OUT, &Method::GET) => signed_out(server, request),
        (paths::SIGNED_OUT, _) => response::method_not_allowed("GET"),
        _ => response::method_not_allowed("GET, POST"),
    }
}

/// `GET /connected-apps`.
async fn show(
    server: &AuthorizationServer,
    apps: &ConnectedApps,
    request: &Request<Bytes>,
) -> Response<Bytes> {
    if let Some(refusal) = turned_away(server, request, &server.limits.authorize) {
        return refusal;
    }
    answered(server, request, page(server, apps, request, false).await)
}

/// `GET /connected-apps/signed-out`; the same for everybody.
fn signed_out(server: &AuthorizationServer, request: &Request<Bytes>) -> Response<Bytes> {
    if let Some(refusal) = turned_away(server, request, &server.limits.authorize) {
        return refusal;
    }
    let nonce = server.random.token();
    let page = SignedOutPage {
        server_name: ShownText::new(&server.server_name),
        upstream_hosts: &hosts(server),
        connected_apps: paths::CONNECTED_APPS,
        nonce: &nonce,
    };
    let pages = server.pages.as_ref();
    page_response(pages, StatusCode::OK, pages.signed_out(&page), &nonce)
}

/// `POST /connected-apps`: one of the three things that the page's buttons do.
async fn act(
    server: &AuthorizationServer,
    apps: &ConnectedApps,
    request: &Request<Bytes>,
) -> Response<Bytes> {
    if let Some(refusal) = turned_away(server, request, &server.limits.consent) {
        return refusal;
    }
    let refuse = |kind, reason| server.page(request, kind, reason);
    let form = match form_body::read(request) {
        Ok(form) => form,
        Err(reason) => return refuse(ErrorPageKind::MalformedRequest, reason),
    };
    let own_page = match PostedByOwnPage::check(request.headers(), &server.public_url) {
        Ok(own_page) => own_page,
        Err(reason) => return refuse(ErrorPageKind::ActionFromElsewhere, reason),
    };
    let visitor = match Visitor::of(server, apps, request.headers()).await {
        Ok(visitor) => visitor,
        Err(error) => return answered(server, request, Err(error)),
    };
    let token = match FormToken::check(server, apps, request.headers(), own_page, &form, &visitor) {
        Ok(token) => token,
        Err(form::NotOurs::OtherBrowser) => {
            return refuse(
                ErrorPageKind::ActionFromElsewhere,
                "no cookie of this browser",
            );
        }
        // The page was made before the person signed in or out, in another tab for example. Nothing
        // is taken from it; what is true now is shown instead.
        Err(form::NotOurs::OtherVisitor) => {
            return answered(server, request, page(server, apps, request, true).await);
        }
    };
    let done = match (form.get("action"), visitor) {
        (Some("sign-in"), _) => {
            let Some(upstream) = chosen_upstream(server, &form) else {
                return refuse(ErrorPageKind::MalformedRequest, "no upstream was chosen");
            };
            return visit::begin(server, apps, request, token, upstream).await;
        }
        (Some("sign-out"), Some(visitor)) => visitor.sign_out(server, token).await,
        (Some("revoke"), Some(visitor)) => revoke(server, &visitor, token, &form).await,
        (Some("sign-out" | "revoke"), None) => page(server, apps, request, true).await,
        _ => return refuse(ErrorPageKind::MalformedRequest, "no action"),
    };
    answered(server, request, done)
}

/// Ends the named grant, if it is one of this visitor's; what is gone already is gone.
async fn revoke(
    server: &AuthorizationServer,
    visitor: &Visitor,
    _: FormToken,
    form: &Form,
) -> Result<Response<Bytes>, StoreError> {
    let grants = GrantAdministration::new(server.grants.clone());
    let name = form.get("grant").unwrap_or_default();
    let ended = grants.revoke(visitor.subject(), name).await?;
    tracing::info!(event = "connected_app_revoked", ended);
    Ok(response::see_other(
        &server.public_url.join(paths::CONNECTED_APPS),
    ))
}

/// A visitor who signed in at the upstream and is admitted.
///
/// The upstream's tokens are dropped: the page needs none of them. They are not given back either,
/// because many providers end everything of the user with them.
pub(super) async fn enter(
    server: &AuthorizationServer,
    login: &UpstreamLogin,
) -> Result<Response<Bytes>, LoginError> {
    let apps = server
        .connected_apps
        .as_ref()
        .ok_or(LoginError::Over(OAuthErrorCode::ServerError))?;
    let page = server.public_url.join(paths::CONNECTED_APPS);
    let client =
        ClientId::parse(&page).map_err(|_| LoginError::Over(OAuthErrorCode::ServerError))?;
    admitted(server, login, &client, &server.scopes).await?;
    let mut response = response::see_other(&page);
    Visitor::new(server, &login.identity).keep(server, apps, &mut response);
    tracing::info!(event = "connected_apps_entered");
    Ok(response)
}

/// The upstream did not sign the visitor in.
pub(super) fn not_signed_in(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
    error: OAuthErrorCode,
) -> Response<Bytes> {
    let kind = match error {
        OAuthErrorCode::TemporarilyUnavailable => ErrorPageKind::UpstreamUnavailable,
        _ => ErrorPageKind::NotSignedIn,
    };
    server.page(request, kind, error.as_str())
}

/// The answer to whoever comes too often, or under another name than ours.
fn turned_away(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
    limit: &Limit,
) -> Option<Response<Bytes>> {
    if !limit.take(request.extensions(), &*server.clock) {
        let reason = "rate limit of /connected-apps";
        return Some(server.page(request, ErrorPageKind::TooManyRequests, reason));
    }
    server.at_own_host(request)
}

/// What is true right now: the list of whoever is signed in, or the invitation to sign in.
async fn page(
    server: &AuthorizationServer,
    apps: &ConnectedApps,
    request: &Request<Bytes>,
    nothing_changed: bool,
) -> Result<Response<Bytes>, StoreError> {
    let headers = request.headers();
    match Visitor::of(server, apps, headers).await? {
        Some(visitor) => list::list(server, apps, headers, &visitor, nothing_changed).await,
        None => {
            let nonce = server.random.token();
            let (token, browser) = FormToken::issue(server, apps, headers, None);
            let hosts = hosts(server);
            let upstreams: Vec<_> = server
                .upstreams
                .iter()
                .zip(hosts)
                .map(|(known, host)| UpstreamChoice {
                    name: known.form_value(),
                    host,
                    scopes: &[],
                })
                .collect();
            let page = SignInPage {
                server_name: ShownText::new(&server.server_name),
                upstreams: &upstreams,
                nothing_changed,
                action: paths::CONNECTED_APPS,
                fields: FormFields::new([("token", &*token)]),
                nonce: &nonce,
            };
            let pages = server.pages.as_ref();
            let mut response = page_response(pages, StatusCode::OK, pages.sign_in(&page), &nonce);
            browser.keep(server, &mut response);
            Ok(response)
        }
    }
}

fn hosts(server: &AuthorizationServer) -> Vec<ShownText<'_>> {
    let all = server.upstreams.iter();
    all.map(|known| ShownText::new(known.upstream.display_host()))
        .collect()
}

fn answered(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
    answer: Result<Response<Bytes>, StoreError>,
) -> Response<Bytes> {
    answer.unwrap_or_else(|error| {
        tracing::error!(event = "store_unavailable", fault = "server", reason = %Causes(&error));
        server.page(
            request,
            ErrorPageKind::StoreUnavailable,
            "the store is away",
        )
    })
}
