//! `GET /callback`: the upstream sends the browser back to us (RFC 6749 §4.1.2).
//!
//! Two kinds of login come back here, for the upstream knows one redirection URI of ours: a client's,
//! and a person's own visit to the connected apps page. The cookie under the `state` says which one
//! it is by the key that opens it, so neither can be finished as the other.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use serde::{Deserialize, Serialize};

use super::{
    AuthorizationServer, Lifetimes, NotAdmitted,
    authorization_request::CheckedRequest,
    connected_apps::{self, PendingVisit},
    consent::{self, Basis},
    not_admitted,
    pages::ErrorPageKind,
    paths,
    pending::{LoginHandle, PendingAuthorization},
};
use crate::{
    access_token::{CodeState, Grant, GrantHandle, UpstreamClaims, UpstreamState, code_key},
    audit::AuditAction,
    metering,
    net::Causes,
    oauth::{AuthorizationCode, ClientId, CodeVerifier, Form, OAuthErrorCode, Scopes, Timestamp},
    store::{Insert, RecordKey, StoreError},
    upstream::{Upstream, UpstreamError, UpstreamLogin},
};

/// A code's record: where its grant is. What the code may do is the grant's own state.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CodePointer {
    #[serde(rename = "g")]
    pub(super) grant: [u8; GrantHandle::LEN],
}

pub(super) async fn finish(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
) -> Response<Bytes> {
    if !server
        .limits
        .callback
        .take(request.extensions(), &*server.clock)
    {
        return server.page(
            request,
            ErrorPageKind::TooManyRequests,
            "rate limit of /callback",
        );
    }
    if let Some(elsewhere) = server.at_own_host(request) {
        return elsewhere;
    }
    match Callback::parse(server, request) {
        Ok(callback) => callback.finish(server, request).await,
        Err((kind, reason)) => server.page(request, kind, reason),
    }
}

/// An answer of the upstream for a login that this browser began.
struct Callback {
    form: Form,
    handle: LoginHandle,
    upstream: Arc<dyn Upstream>,
    pending: Pending,
}

/// Whose login it is.
enum Pending {
    /// A client's, which the user consented to.
    Client(Box<PendingAuthorization>),
    /// A person's own, begun on the connected apps page.
    Visit(PendingVisit),
}

/// Proof that nobody finished this login before; made by [`Callback::use_once`] alone.
struct FirstUse(());

/// How a login ends that does not end well.
pub(super) enum LoginError {
    /// The person can do something about it; the pending login stays as it is.
    Page(ErrorPageKind, &'static str),
    /// Whoever began the login is told; it is over.
    Over(OAuthErrorCode),
    /// The operator does not let this user in; the login is over.
    NotAdmitted(NotAdmitted),
}

impl LoginError {
    /// In fixed words.
    const fn reason(&self) -> &'static str {
        match self {
            Self::Page(_, reason) => reason,
            Self::Over(code) => code.as_str(),
            Self::NotAdmitted(refusal) => refusal.reason,
        }
    }
}

impl Pending {
    /// Whose login it is, if it is a client's.
    fn client(&self) -> Option<&ClientId> {
        match self {
            Self::Client(pending) => Some(pending.request().client()),
            Self::Visit(_) => None,
        }
    }

    fn take(server: &AuthorizationServer, handle: &LoginHandle, sent: &HeaderMap) -> Option<Self> {
        PendingAuthorization::take(server, handle, sent)
            .map(|pending| Self::Client(Box::new(pending)))
            .or_else(|| PendingVisit::take(server, handle, sent).map(Self::Visit))
    }

    /// The name of the upstream that it was begun at.
    fn upstream(&self) -> &str {
        match self {
            Self::Client(pending) => pending.upstream(),
            Self::Visit(pending) => pending.upstream(),
        }
    }

    fn verifier(&self) -> Option<CodeVerifier> {
        match self {
            Self::Client(pending) => pending.verifier(),
            Self::Visit(pending) => pending.verifier(),
        }
    }

    /// Whether the user must not see a page on the way.
    fn is_silent(&self) -> bool {
        match self {
            Self::Client(pending) => pending.request().prompt().is_none(),
            Self::Visit(_) => false,
        }
    }

    /// The request that has to be answered without a page, where this page would only say to come
    /// again.
    fn without_a_page(&self, kind: ErrorPageKind) -> Option<&CheckedRequest> {
        use ErrorPageKind::{StoreUnavailable, UpstreamUnavailable};
        match self {
            Self::Client(pending)
                if pending.request().prompt().is_none()
                    && matches!(kind, StoreUnavailable | UpstreamUnavailable) =>
            {
                Some(pending.request())
            }
            _ => None,
        }
    }

    /// The record that says this login was finished, and how long that has to be remembered.
    fn used_marker(&self, handle: &LoginHandle) -> (RecordKey, Timestamp) {
        match self {
            Self::Client(pending) => pending.used_marker(handle),
            Self::Visit(pending) => (handle.used_marker(), pending.expires_at()),
        }
    }
}

impl Callback {
    fn parse(
        server: &AuthorizationServer,
        request: &Request<Bytes>,
    ) -> Result<Self, (ErrorPageKind, &'static str)> {
        let malformed = |reason| (ErrorPageKind::MalformedRequest, reason);
        let form = Form::parse(request.uri().query().unwrap_or_default().as_bytes())
            .map_err(|_| malformed("parameters cannot be read"))?;
        if form.repeats_any() {
            return Err(malformed("a parameter was sent twice"));
        }
        let state = form.get("state").ok_or(malformed("no state"))?;
        let unknown = (
            ErrorPageKind::LoginExpired,
            "no pending login of this browser has this state",
        );
        let handle = LoginHandle::parse(state).ok_or(unknown)?;
        let pending = Pending::take(server, &handle, request.headers()).ok_or(unknown)?;
        // One callback for each upstream: an answer of one is none of another (OAuth 2.1 §7.15).
        let upstream = paths::upstream_at(request.uri().path());
        let upstream = upstream.filter(|name| *name == pending.upstream());
        let upstream = upstream.and_then(|name| server.upstreams.named(name));
        let upstream = upstream.ok_or((
            ErrorPageKind::LoginExpired,
            "this login was begun at another upstream",
        ))?;
        Ok(Self {
            form,
            handle,
            upstream: Arc::clone(upstream),
            pending,
        })
    }

    async fn finish(
        self,
        server: &AuthorizationServer,
        request: &Request<Bytes>,
    ) -> Response<Bytes> {
        let ended = match (self.login(server).await, &self.pending) {
            (Ok(login), Pending::Client(pending)) => let_in(server, request, pending, &login).await,
            (Ok(login), Pending::Visit(_)) => connected_apps::enter(server, &login).await,
            (Err(error), _) => Err(error),
        };
        if let Err(error) = &ended {
            server
                .grants
                .audit
                .record(AuditAction::LoginRefused, |event| {
                    event.client = self.pending.client().cloned();
                    event.reason = Some(error.reason());
                });
        }
        let mut response = match (ended, &self.pending) {
            (Ok(response), _) => response,
            (Err(LoginError::Page(kind, reason)), pending) => match pending.without_a_page(kind) {
                Some(asked) => asked.fail(server, OAuthErrorCode::TemporarilyUnavailable),
                None => return server.page(request, kind, reason),
            },
            (Err(LoginError::Over(error)), Pending::Client(pending)) => {
                pending.request().fail(server, error)
            }
            (Err(LoginError::NotAdmitted(refusal)), Pending::Client(pending)) => {
                not_admitted::turn_back(server, request, pending.request(), &refusal)
            }
            (Err(LoginError::Over(error)), Pending::Visit(_)) => {
                connected_apps::not_signed_in(server, request, error)
            }
            (Err(LoginError::NotAdmitted(refusal)), Pending::Visit(_)) => {
                not_admitted::tell(server, request, &refusal, None)
            }
        };
        self.handle.forget(&server.public_url, &mut response);
        response
    }

    /// Who signed in at the upstream, learned once.
    async fn login(&self, server: &AuthorizationServer) -> Result<UpstreamLogin, LoginError> {
        self.check_issuer().await?;
        let code = self.code()?;
        let first = self.use_once(server).await?;
        self.redeem(server, first, &code).await
    }

    /// The four rows of RFC 9207 §2.4: nothing of an answer that fails them is acted on or shown.
    async fn check_issuer(&self) -> Result<(), LoginError> {
        let expected = self.upstream.expected_issuer().await.map_err(|error| {
            tracing::error!(event = "upstream_unavailable", fault = "upstream", reason = %Causes(&error));
            LoginError::Page(
                ErrorPageKind::UpstreamUnavailable,
                "the upstream's issuer is not known",
            )
        })?;
        if expected.accepts(self.form.get("iss")) {
            return Ok(());
        }
        tracing::error!(
            event = "upstream_issuer_mismatch",
            fault = "upstream",
            "the callback names another issuer"
        );
        Err(LoginError::Over(OAuthErrorCode::ServerError))
    }

    /// The upstream's code. Without one nothing can be spent, so nothing is written down either: the
    /// store holds what logins leave behind, not what anybody sends here.
    fn code(&self) -> Result<AuthorizationCode, LoginError> {
        if let Some(error) = self.form.get("error") {
            // Only whether the user said no, or would have to be asked, is taken over; the upstream's
            // words are not.
            let denied = error == "access_denied";
            tracing::info!(event = "upstream_refused_login", fault = "upstream", denied);
            let silent = self.pending.is_silent();
            return Err(LoginError::Over(match error {
                "access_denied" => OAuthErrorCode::AccessDenied,
                "login_required" if silent => OAuthErrorCode::LoginRequired,
                "interaction_required" | "consent_required" | "account_selection_required"
                    if silent =>
                {
                    OAuthErrorCode::InteractionRequired
                }
                _ => OAuthErrorCode::ServerError,
            }));
        }
        let code = self.form.get("code").map(AuthorizationCode::new);
        code.ok_or(LoginError::Over(OAuthErrorCode::ServerError))
    }

    /// From here on this login cannot be finished a second time.
    async fn use_once(&self, server: &AuthorizationServer) -> Result<FirstUse, LoginError> {
        let (marker, until) = self.pending.used_marker(&self.handle);
        let used = server.records.insert(&marker, &(), until, Vec::new()).await;
        match used {
            Ok(Insert::Inserted) => Ok(FirstUse(())),
            Ok(Insert::Exists) => Err(LoginError::Page(
                ErrorPageKind::LoginExpired,
                "this login was finished before",
            )),
            Err(error) => {
                tracing::error!(event = "store_unavailable", fault = "server", reason = %Causes(&error));
                Err(LoginError::Page(
                    ErrorPageKind::StoreUnavailable,
                    "the store is away",
                ))
            }
        }
    }

    async fn redeem(
        &self,
        server: &AuthorizationServer,
        _: FirstUse,
        code: &AuthorizationCode,
    ) -> Result<UpstreamLogin, LoginError> {
        let verifier = self.pending.verifier();
        let verifier = verifier.ok_or(LoginError::Over(OAuthErrorCode::ServerError))?;
        let callback = paths::callback_of(self.pending.upstream());
        let callback = server.public_url.join(&callback);
        let redeeming = self.upstream.redeem(code, &verifier, &callback);
        match metering::timed(metering::UPSTREAM, "redeem", redeeming).await {
            Ok(UpstreamLogin { tokens, identity }) => {
                let identity = identity.with_namespace(self.upstream.namespace());
                Ok(UpstreamLogin::new(tokens, identity))
            }
            Err(error) => {
                tracing::error!(event = "upstream_login_failed", fault = "upstream", reason = %Causes(&error));
                Err(self.failed(server, error).await)
            }
        }
    }

    async fn failed(&self, server: &AuthorizationServer, error: UpstreamError) -> LoginError {
        match error {
            // Nobody has seen the code: reloading the page may try it again.
            UpstreamError::NotReached(_) => {
                let (marker, _) = self.pending.used_marker(&self.handle);
                match server.records.remove(&marker).await {
                    Ok(()) => LoginError::Page(
                        ErrorPageKind::UpstreamUnavailable,
                        "the upstream cannot be reached",
                    ),
                    Err(_) => LoginError::Over(OAuthErrorCode::TemporarilyUnavailable),
                }
            }
            UpstreamError::Outage(_) | UpstreamError::Unwell => {
                LoginError::Over(OAuthErrorCode::TemporarilyUnavailable)
            }
            // Not a code of the upstream's: what anybody can send here leaves nothing behind.
            UpstreamError::InvalidGrant => {
                let (marker, _) = self.pending.used_marker(&self.handle);
                let _ = server.records.remove(&marker).await;
                LoginError::Over(OAuthErrorCode::ServerError)
            }
            UpstreamError::Refused(_) => LoginError::Over(OAuthErrorCode::ServerError),
        }
    }
}

/// Gives the client that asked its code, if the user consented and may come in.
async fn let_in(
    server: &AuthorizationServer,
    request: &Request<Bytes>,
    pending: &PendingAuthorization,
    login: &UpstreamLogin,
) -> Result<Response<Bytes>, LoginError> {
    let (asked, subject) = (pending.request(), login.identity.full_subject());
    if !consent_holds(server, pending, &subject).await? {
        server.grants.give_back_unused(login);
        return Ok(consent::ask_after_login(server, request, asked));
    }
    let admitted = admitted(server, login, asked.client(), asked.scopes()).await;
    let scopes = admitted.inspect_err(|_| server.grants.give_back_unused(login))?;
    let granted = grant(server, asked, login, scopes).await;
    let code = granted.map_err(|error| store_away(&error))?;
    server
        .grants
        .audit
        .record(AuditAction::LoginFinished, |event| {
            event.subject = Some(subject.clone());
            event.client = Some(asked.client().clone());
        });
    let mut response = asked.succeed(server, &code);
    match (pending.basis(), &server.remembered) {
        (Basis::FromNowOn, Some(all)) => {
            all.keep(server, request.headers(), &mut response, asked, &subject);
        }
        // Asked and answered for this time alone.
        (Basis::Now, Some(all)) => all.forget(server, request.headers(), &mut response, asked),
        _ => {}
    }
    Ok(response)
}

/// Whether a consent of before is this user's, and was not taken back: known only now.
async fn consent_holds(
    server: &AuthorizationServer,
    pending: &PendingAuthorization,
    subject: &str,
) -> Result<bool, LoginError> {
    let Basis::Before(recalled) = pending.basis() else {
        return Ok(true);
    };
    let holds = recalled.holds(server, pending.request(), subject).await;
    holds.map_err(|error| store_away(&error))
}

fn store_away(error: &StoreError) -> LoginError {
    tracing::error!(event = "login_not_stored", fault = "server", reason = %Causes(error));
    LoginError::Over(OAuthErrorCode::TemporarilyUnavailable)
}

/// What the operator lets this user have of these scopes, through this client; never nothing.
pub(super) async fn admitted(
    server: &AuthorizationServer,
    login: &UpstreamLogin,
    client: &ClientId,
    scopes: &Scopes,
) -> Result<Scopes, LoginError> {
    let admitted = server.admission.admit(&login.identity, client, scopes);
    let refused = |refusal: NotAdmitted| {
        tracing::info!(
            event = "not_admitted",
            fault = "client",
            reason = refusal.reason
        );
        LoginError::NotAdmitted(refusal)
    };
    let scopes = scopes.intersection(&admitted.await.map_err(refused)?.scopes);
    if scopes.is_empty() {
        return Err(refused(NotAdmitted::because("admitted without any scope")));
    }
    Ok(scopes)
}

/// Writes the grant, for as long as its code lives, and then the code.
async fn grant(
    server: &AuthorizationServer,
    asked: &CheckedRequest,
    login: &UpstreamLogin,
    scopes: Scopes,
) -> Result<AuthorizationCode, StoreError> {
    let now = server.clock.now();
    let expires_at = now.plus(server.lifetimes.code);
    let handle = GrantHandle::generate(&*server.random);
    let code = AuthorizationCode::new(server.random.token());
    let grant = Grant {
        subject: login.identity.full_subject(),
        client: asked.client().clone(),
        client_name: asked.client_name().map(str::to_owned),
        resource: asked.resource().clone(),
        scopes,
        created_at: now,
        confidential: false, // until its client proves itself at the token endpoint
        document: None,
        code: Some(CodeState {
            challenge: asked.challenge().clone(),
            redirect_uri: asked.redirect().uri().as_str().to_owned(),
            expires_at,
            redeemed: false,
            key: asked.key(),
        }),
        refresh: None,
        key: None,
        upstream: UpstreamState::new(&login.tokens, now),
        claims: UpstreamClaims::of(&login.identity, &server.upstream_claims),
    };
    let collision = || StoreError::Failed("a random key exists already".into());
    if server.grants.insert(&handle, &grant, expires_at).await? == Insert::Exists {
        return Err(collision());
    }
    let pointer = CodePointer {
        grant: *handle.as_bytes(),
    };
    let tombstone = expires_at.plus(Lifetimes::CODE_TOMBSTONE);
    if server
        .records
        .insert(&code_key(&code), &pointer, tombstone, Vec::new())
        .await?
        == Insert::Exists
    {
        return Err(collision());
    }
    server.grants.grant_made(&handle, &grant);
    Ok(code)
}
