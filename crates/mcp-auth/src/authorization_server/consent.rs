//! The user's consent: asked on our own page before the upstream is ever contacted, and decided by
//! `POST /consent` (MCP security considerations, confused deputy).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use serde::{Deserialize, Serialize};

use super::{
    AuthorizationServer, ConsentRule, Lifetimes,
    authorization_request::CheckedRequest,
    cookies, form_body,
    own_page::PostedByOwnPage,
    pages::{
        ConsentPage, ErrorPageKind, FormFields, ShownText, UpstreamChoice, document_host,
        page_response,
    },
    paths,
    pending::PendingAuthorization,
    remembered_consent::Recalled,
    response,
};
use crate::{
    audit::AuditAction,
    net::Causes,
    oauth::{Form, OAuthErrorCode, Timestamp, constant_time_eq, sha256},
    upstream::{UpstreamAuthorization, UpstreamError},
};

/// What the form carries, sealed: the request, for one browser, for ten minutes.
#[derive(Serialize, Deserialize)]
struct ConsentForm {
    #[serde(rename = "q")]
    request: CheckedRequest,
    #[serde(rename = "b")]
    browser: String,
    #[serde(rename = "t")]
    created_at: Timestamp,
}

/// A request that the user, in this browser, said yes to.
///
/// Made here alone: by the form, by what this browser remembers, or by the rule for unattended
/// development.
pub(super) struct Consented {
    pub(super) request: CheckedRequest,
    pub(super) basis: Basis,
    /// The name of the upstream that was chosen; the main one has none.
    pub(super) upstream: Box<str>,
}

/// What a consent rests on.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) enum Basis {
    /// The user's answer, or the rule for unattended development.
    #[default]
    #[serde(rename = "a")]
    Now,
    /// The user's answer, which is to be remembered.
    #[serde(rename = "k")]
    FromNowOn,
    /// An earlier answer, of a user who has yet to be recognised.
    #[serde(rename = "r")]
    Before(Recalled),
}

/// Shows the consent page. Nothing is stored and nothing about the login is set in a cookie.
pub(super) async fn ask(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
    checked: CheckedRequest,
) -> Response<Bytes> {
    if !PendingAuthorization::fits(server, &checked) {
        tracing::info!(
            event = "authorize_refused",
            fault = "client",
            reason = "too large for a cookie"
        );
        return checked.fail(server, OAuthErrorCode::InvalidRequest);
    }
    let silent = checked.prompt().is_none();
    // Where there is a choice somebody has to make it.
    let only = server.upstreams.only();
    let may_be_silent = only.is_some_and(|only| only.upstream.honours_prompt());
    if server.consent == ConsentRule::InsecureApprove && (may_be_silent || !silent) {
        tracing::warn!(
            event = "consent_skipped",
            "consent was not asked: unattended development"
        );
        return Consented::at_main(checked, Basis::Now)
            .go_to_upstream(server, request)
            .await;
    }
    let remembered = server.remembered.as_ref();
    let recalled = remembered.and_then(|all| all.recall(server, request.headers(), &checked));
    match recalled {
        // An upstream that does not know `prompt` may well show a page.
        Some(_) if silent && !may_be_silent => {
            checked.fail(server, OAuthErrorCode::InteractionRequired)
        }
        Some(recalled) => {
            let consented = Consented::at_main(checked, Basis::Before(recalled));
            consented.go_to_upstream(server, request).await
        }
        None if silent => checked.fail(server, OAuthErrorCode::ConsentRequired),
        None => show(server, request, checked, server.clock.now()),
    }
}

/// Asks after a login that a remembered consent began, and does not cover: the user is another one,
/// or took it back. Nothing was granted.
pub(super) fn ask_after_login(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
    checked: &CheckedRequest,
) -> Response<Bytes> {
    let mut response = if checked.prompt().is_none() {
        checked.fail(server, OAuthErrorCode::ConsentRequired)
    } else {
        let checked = checked.clone().without_its_push();
        show(server, request, checked, server.clock.now())
    };
    if let Some(remembered) = &server.remembered {
        remembered.forget(server, request.headers(), &mut response, checked);
    }
    response
}

fn show(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
    checked: CheckedRequest,
    created_at: Timestamp,
) -> Response<Bytes> {
    let (browser, is_new) =
        cookies::browser(request.headers(), &server.public_url, &*server.random);
    let form = ConsentForm {
        browser: browser_hash(&browser),
        request: checked,
        created_at,
    };
    let sealed = server
        .consent_forms
        .seal_text(b"", &serde_json::to_vec(&form).unwrap_or_default());
    let mut response = render(server, &form.request, &sealed);
    if is_new {
        cookies::set(
            &mut response,
            &server.public_url,
            cookies::BROWSER,
            &browser,
            None,
        );
    }
    response
}

/// `POST /consent`.
pub(super) async fn decide(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
) -> Response<Bytes> {
    if !server
        .limits
        .consent
        .take(request.extensions(), &*server.clock)
    {
        return server.page(
            request,
            ErrorPageKind::TooManyRequests,
            "rate limit of /consent",
        );
    }
    if let Some(elsewhere) = server.at_own_host(request) {
        return elsewhere;
    }
    let form = match form_body::read(request) {
        Ok(form) => form,
        Err(reason) => return server.page(request, ErrorPageKind::MalformedRequest, reason),
    };
    let checked = match opened(server, request.headers(), &form) {
        Ok(checked) => checked,
        Err(NotDecided::Page(kind, reason)) => return server.page(request, kind, reason),
        Err(NotDecided::AskAgain(form)) => {
            // The request does not become younger by being asked again.
            return show(server, request, form.request, form.created_at);
        }
    };
    match form.get("decision") {
        Some("approve") => {
            let keeps = form.get("remember") == Some("yes") && offers_to_remember(server, &checked);
            let basis = if keeps { Basis::FromNowOn } else { Basis::Now };
            let Some(upstream) = chosen_upstream(server, &form) else {
                let kind = ErrorPageKind::MalformedRequest;
                return server.page(request, kind, "no upstream was chosen");
            };
            let consented = Consented {
                request: checked,
                basis,
                upstream,
            };
            consented.go_to_upstream(server, request).await
        }
        Some("deny") => {
            tracing::info!(event = "consent_denied", client = checked.client().as_str());
            server
                .grants
                .audit
                .record(AuditAction::ConsentDenied, |event| {
                    event.client = Some(checked.client().clone());
                    event.scopes = Some(checked.scopes().clone());
                });
            let mut response = checked.fail(server, OAuthErrorCode::AccessDenied);
            if let Some(remembered) = &server.remembered {
                remembered.forget(server, request.headers(), &mut response, &checked);
            }
            response
        }
        _ => server.page(request, ErrorPageKind::MalformedRequest, "no decision"),
    }
}

/// Why an answer does not count.
enum NotDecided {
    Page(ErrorPageKind, &'static str),
    /// It comes from our own page in a browser that has got another cookie since: two pages that
    /// were opened at once in a fresh browser each bring one. Nothing is taken from the answer.
    AskAgain(Box<ConsentForm>),
}

/// The request inside a form that we sealed for this browser not long ago.
fn opened(
    server: &AuthorizationServer,
    headers: &HeaderMap,
    form: &Form,
) -> Result<CheckedRequest, NotDecided> {
    use ErrorPageKind::{ConsentExpired, ConsentFromElsewhere, MalformedRequest};
    let refuse = NotDecided::Page;
    let own_page = PostedByOwnPage::check(headers, &server.public_url)
        .map_err(|reason| refuse(ConsentFromElsewhere, reason))?;
    let sealed = form
        .get("request")
        .ok_or(refuse(MalformedRequest, "no request"))?;
    let opened = server.consent_forms.open_text(b"", sealed);
    let opened = opened.map_err(|_| refuse(ConsentExpired, "the form does not open"))?;
    let consent: ConsentForm = serde_json::from_slice(&opened)
        .map_err(|_| refuse(ConsentExpired, "the form is of another version"))?;
    if !server
        .clock
        .now()
        .is_within(consent.created_at, Lifetimes::LOGIN)
    {
        return Err(refuse(ConsentExpired, "the form is too old"));
    }
    let browser = cookies::get(headers, &server.public_url, cookies::BROWSER);
    let browser = browser.ok_or(refuse(ConsentFromElsewhere, "no cookie of this browser"))?;
    if constant_time_eq(browser_hash(browser).as_bytes(), consent.browser.as_bytes()) {
        return Ok(consent.request);
    }
    if own_page.said_by_browser {
        return Err(NotDecided::AskAgain(Box::new(consent)));
    }
    Err(refuse(ConsentFromElsewhere, "the form of another browser"))
}

impl Consented {
    /// At the main upstream, where nobody has to choose.
    fn at_main(request: CheckedRequest, basis: Basis) -> Self {
        Self {
            request,
            basis,
            upstream: Box::default(),
        }
    }

    /// Sends the browser to the upstream with *our* state and *our* PKCE, and binds the login to it.
    async fn go_to_upstream(
        self,
        server: &AuthorizationServer,
        request: &Request<Bytes>,
    ) -> Response<Bytes> {
        let (handle, pending) = PendingAuthorization::new(server, self);
        let Some(verifier) = pending.verifier() else {
            return server.page(
                request,
                ErrorPageKind::LoginExpired,
                "a verifier of ours is none",
            );
        };
        let Some(upstream) = server.upstreams.named(pending.upstream()) else {
            return server.page(request, ErrorPageKind::MalformedRequest, "no such upstream");
        };
        let callback = paths::callback_of(pending.upstream());
        let callback = server.public_url.join(&callback);
        let asked = UpstreamAuthorization::new(handle.as_str(), &verifier, &callback)
            .with_prompt(pending.request().prompt().for_upstream());
        match upstream.authorization_url(&asked).await {
            Ok(url) => {
                let mut response = response::see_other(&url);
                pending.keep(server, &handle, request.headers(), &mut response);
                tracing::info!(
                    event = "consent_given",
                    client = pending.request().client().as_str(),
                    remembered = matches!(pending.basis(), Basis::Before(_))
                );
                server
                    .grants
                    .audit
                    .record(AuditAction::ConsentGiven, |event| {
                        event.client = Some(pending.request().client().clone());
                        event.scopes = Some(pending.request().scopes().clone());
                        event.reason =
                            matches!(pending.basis(), Basis::Before(_)).then_some("as remembered");
                    });
                response
            }
            Err(error) => {
                tracing::error!(event = "upstream_unavailable", fault = "upstream", reason = %Causes(&error));
                match error {
                    UpstreamError::Refused(_) | UpstreamError::InvalidGrant => {
                        pending.request().fail(server, OAuthErrorCode::ServerError)
                    }
                    _ if pending.request().prompt().is_none() => pending
                        .request()
                        .fail(server, OAuthErrorCode::TemporarilyUnavailable),
                    _ => server.page(
                        request,
                        ErrorPageKind::UpstreamUnavailable,
                        "the upstream's metadata cannot be read",
                    ),
                }
            }
        }
    }
}

/// The name of the upstream that the user chose, where there are several.
pub(super) fn chosen_upstream(server: &AuthorizationServer, form: &Form) -> Option<Box<str>> {
    if let Some(only) = server.upstreams.only() {
        return Some(only.name.clone());
    }
    server.upstreams.chosen(form.get("upstream")?)
}

/// Whether the user may say that the question need not be asked again.
fn offers_to_remember(server: &AuthorizationServer, request: &CheckedRequest) -> bool {
    server.remembered.is_some() && request.may_be_remembered()
}

fn render(server: &AuthorizationServer, request: &CheckedRequest, sealed: &str) -> Response<Bytes> {
    let nonce = server.random.token();
    let redirect = request.redirect().uri();
    let scopes = server.scope_descriptions.describe(request.scopes());
    let upstream_scopes: Vec<_> = server
        .upstreams
        .iter()
        .map(|known| known.upstream.scopes())
        .collect();
    let upstream_scopes: Vec<Vec<_>> = upstream_scopes
        .iter()
        .map(|scopes| scopes.iter().map(|scope| ShownText::new(scope)).collect())
        .collect();
    let upstreams: Vec<_> = server
        .upstreams
        .iter()
        .zip(&upstream_scopes)
        .map(|(known, scopes)| UpstreamChoice {
            name: known.form_value(),
            host: ShownText::new(known.upstream.display_host()),
            scopes,
        })
        .collect();
    let page = ConsentPage {
        server_name: ShownText::new(&server.server_name),
        client_name: request.client_name().and_then(ShownText::of_name),
        preregistered: request.is_preregistered(),
        client_host: document_host(request.client().as_str()).map(ShownText::new),
        redirect_destination: ShownText::new(redirect.destination()),
        redirect_uri: ShownText::new(redirect.as_str()),
        loopback: redirect.is_loopback(),
        scopes: &scopes,
        upstreams: &upstreams,
        can_be_remembered: offers_to_remember(server, request),
        action: paths::CONSENT,
        fields: FormFields::new([("request", sealed)]),
        nonce: &nonce,
    };
    let pages = server.pages.as_ref();
    page_response(pages, http::StatusCode::OK, pages.consent(&page), &nonce)
}

/// The form holds a hash, so that a form alone never tells the cookie.
fn browser_hash(browser: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256(browser.as_bytes()))
}
