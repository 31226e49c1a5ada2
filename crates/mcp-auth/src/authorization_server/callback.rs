//! `GET /callback`: the upstream sends the browser back to us (RFC 6749 §4.1.2).

use bytes::Bytes;
use http::{Request, Response};
use serde::{Deserialize, Serialize};

use super::{
    AuthorizationServer, Lifetimes,
    authorization_request::CheckedRequest,
    consent::{self, Basis},
    pages::ErrorPageKind,
    paths,
    pending::{LoginHandle, PendingAuthorization},
};
use crate::{
    access_token::{CodeState, Grant, GrantHandle, UpstreamState, code_key},
    net::Causes,
    oauth::{AuthorizationCode, Form, OAuthErrorCode, Scopes},
    store::{Insert, StoreError},
    upstream::{UpstreamError, UpstreamLogin},
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
    pending: PendingAuthorization,
}

/// Proof that nobody finished this login before; made by [`Callback::use_once`] alone.
struct FirstUse(());

/// How a login ends that does not end well.
enum LoginError {
    /// The person can do something about it; the pending login stays as it is.
    Page(ErrorPageKind, &'static str),
    /// The client is told; the pending login is over.
    Redirect(OAuthErrorCode),
    /// The consent was remembered for somebody else, or taken back; the pending login is over.
    AskAgain,
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
        let pending =
            PendingAuthorization::take(server, &handle, request.headers()).ok_or(unknown)?;
        Ok(Self {
            form,
            handle,
            pending,
        })
    }

    async fn finish(
        self,
        server: &AuthorizationServer,
        request: &Request<Bytes>,
    ) -> Response<Bytes> {
        let asked = self.pending.request();
        let mut response = match self.login(server).await {
            Ok((code, subject)) => {
                let mut response = asked.succeed(server, &code);
                if let (Basis::FromNowOn, Some(all)) = (self.pending.basis(), &server.remembered) {
                    all.keep(server, request.headers(), &mut response, asked, &subject);
                }
                response
            }
            Err(LoginError::AskAgain) => consent::ask_after_login(server, request, asked),
            Err(LoginError::Page(kind, reason)) => return server.page(request, kind, reason),
            Err(LoginError::Redirect(error)) => asked.fail(server, error),
        };
        PendingAuthorization::forget(server, &self.handle, &mut response);
        response
    }

    /// A code, and whom it is for.
    async fn login(
        &self,
        server: &AuthorizationServer,
    ) -> Result<(AuthorizationCode, String), LoginError> {
        self.check_issuer(server).await?;
        let code = self.code()?;
        let first = self.use_once(server).await?;
        let login = self.redeem(server, first, &code).await?;
        let asked = self.pending.request();
        let subject = format!("{}|{}", server.upstream.namespace(), login.identity.subject);
        self.check_consent(server, &subject).await?;
        let admitted = server
            .admission
            .admit(&login.identity, asked.client(), asked.scopes())
            .await;
        let admitted = admitted.map_err(|refusal| not_admitted(refusal.reason))?;
        let scopes = asked.scopes().intersection(&admitted.scopes);
        if scopes.is_empty() {
            return Err(not_admitted("admitted without any scope"));
        }
        let granted = grant(server, asked, &login, &subject, scopes).await;
        let code = granted.map_err(|error| not_stored(&error))?;
        Ok((code, subject))
    }

    /// A consent of before is this user's, and was not taken back: known only now.
    async fn check_consent(
        &self,
        server: &AuthorizationServer,
        subject: &str,
    ) -> Result<(), LoginError> {
        let Basis::Before(recalled) = self.pending.basis() else {
            return Ok(());
        };
        let holds = recalled.holds(server, self.pending.request(), subject);
        match holds.await {
            Ok(true) => Ok(()),
            Ok(false) => Err(LoginError::AskAgain),
            Err(error) => Err(not_stored(&error)),
        }
    }

    /// The four rows of RFC 9207 §2.4: nothing of an answer that fails them is acted on or shown.
    async fn check_issuer(&self, server: &AuthorizationServer) -> Result<(), LoginError> {
        let expected = server.upstream.expected_issuer().await.map_err(|error| {
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
        Err(LoginError::Redirect(OAuthErrorCode::ServerError))
    }

    /// The upstream's code. Without one nothing can be spent, so nothing is written down either: the
    /// store holds what logins leave behind, not what anybody sends here.
    fn code(&self) -> Result<AuthorizationCode, LoginError> {
        if let Some(error) = self.form.get("error") {
            // Only whether the user said no, or would have to be asked, is taken over; the upstream's
            // words are not.
            let denied = error == "access_denied";
            tracing::info!(event = "upstream_refused_login", fault = "upstream", denied);
            let silent = self.pending.request().prompt().is_none();
            return Err(LoginError::Redirect(match error {
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
        code.ok_or(LoginError::Redirect(OAuthErrorCode::ServerError))
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
        let verifier = verifier.ok_or(LoginError::Redirect(OAuthErrorCode::ServerError))?;
        let callback = server.public_url.join(paths::CALLBACK);
        match server.upstream.redeem(code, &verifier, &callback).await {
            Ok(login) => Ok(login),
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
                    Err(_) => LoginError::Redirect(OAuthErrorCode::TemporarilyUnavailable),
                }
            }
            UpstreamError::Outage(_) => {
                LoginError::Redirect(OAuthErrorCode::TemporarilyUnavailable)
            }
            UpstreamError::InvalidGrant | UpstreamError::Refused(_) => {
                LoginError::Redirect(OAuthErrorCode::ServerError)
            }
        }
    }
}

fn not_stored(error: &StoreError) -> LoginError {
    tracing::error!(event = "login_not_stored", fault = "server", reason = %Causes(error));
    LoginError::Redirect(OAuthErrorCode::TemporarilyUnavailable)
}

fn not_admitted(reason: &'static str) -> LoginError {
    tracing::info!(event = "not_admitted", fault = "client", reason);
    LoginError::Redirect(OAuthErrorCode::AccessDenied)
}

/// Writes the grant, for as long as its code lives, and then the code.
async fn grant(
    server: &AuthorizationServer,
    asked: &CheckedRequest,
    login: &UpstreamLogin,
    subject: &str,
    scopes: Scopes,
) -> Result<AuthorizationCode, StoreError> {
    let now = server.clock.now();
    let expires_at = now.plus(server.lifetimes.code);
    let handle = GrantHandle::generate(&*server.random);
    let code = AuthorizationCode::new(server.random.token());
    let grant = Grant {
        subject: subject.to_owned(),
        client: asked.client().clone(),
        client_name: asked.client_name().map(str::to_owned),
        resource: asked.resource().clone(),
        scopes,
        created_at: now,
        code: Some(CodeState {
            challenge: asked.challenge().clone(),
            redirect_uri: asked.redirect().uri().as_str().to_owned(),
            expires_at,
            redeemed: false,
        }),
        refresh: None,
        upstream: UpstreamState::new(&login.tokens, now),
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
    tracing::info!(
        event = "grant_made",
        grant = handle.log_name(),
        client = asked.client().as_str()
    );
    Ok(code)
}
