//! What a client asks for, checked step by step: the same for `/authorize` and for `/par`
//! (RFC 6749 §4.1.1, OAuth 2.1 §4.1.1, RFC 9126 §2.1).

use bytes::Bytes;
use http::{Extensions, Response};
use serde::{Deserialize, Serialize};

use super::{
    AuthorizationServer, UnknownScopes,
    clients::{Client, ClientKind, ResolveError},
    pages::ErrorPageKind,
    prompt::Prompt,
    pushed_request::PushedRequest,
    redirect::{RedirectError, RegisteredRedirect},
};
use crate::oauth::{
    AuthorizationCode, ClientId, CodeChallenge, Form, JwkThumbprint, OAuthErrorCode,
    ResourceIdentifier, Scopes, State,
};

/// The request as it was read; nothing in it is trusted.
pub(super) struct AuthorizationRequest {
    form: Form,
}

/// The request of a client that is known.
pub(super) struct KnownClient {
    form: Form,
    client: Client,
    came: Came,
}

/// How the parameters came to us.
enum Came {
    /// In the query of `/authorize`.
    InQuery,
    /// In a request to `/par`, just now.
    BeingPushed,
    /// In a request to `/par`, before.
    Pushed(PushedRequest),
}

/// A request with every check passed; what travels, sealed, until the login is done.
///
/// Made by [`KnownClient::checked`] alone: nobody else can fill it in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CheckedRequest {
    #[serde(rename = "c")]
    client: ClientId,
    #[serde(rename = "k")]
    preregistered: bool,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    client_name: Option<String>,
    #[serde(rename = "u")]
    redirect: RegisteredRedirect,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    #[serde(rename = "h")]
    challenge: CodeChallenge,
    #[serde(rename = "r")]
    resource: ResourceIdentifier,
    #[serde(rename = "o")]
    scopes: Scopes,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pushed: Option<PushedRequest>,
    /// The key that has to redeem the code, if the client said so.
    #[serde(rename = "j", default, skip_serializing_if = "Option::is_none")]
    key: Option<JwkThumbprint>,
    #[serde(rename = "m", default, skip_serializing_if = "Prompt::is_empty")]
    prompt: Prompt,
    #[serde(rename = "w", default)]
    may_be_remembered: bool,
}

/// What the client asks for, beside where to.
struct Wishes {
    challenge: CodeChallenge,
    resource: ResourceIdentifier,
    scopes: Scopes,
    prompt: Prompt,
    key: Option<JwkThumbprint>,
}

/// Why a request goes no further.
///
/// Only the second kind redirects, and it holds the proof that it may.
pub(super) enum AuthorizeError {
    /// Shown to the person: the client or its redirection URI is not known.
    Page(ErrorPageKind, &'static str),
    /// Sent to the client.
    Redirect {
        redirect: RegisteredRedirect,
        state: Option<State>,
        error: OAuthErrorCode,
    },
}

impl AuthorizationRequest {
    pub(super) fn parse(server: &AuthorizationServer, query: &str) -> Result<Self, AuthorizeError> {
        let form = Form::parse(query.as_bytes())
            .map_err(|_| AuthorizeError::page("parameters cannot be read"))?;
        // Neither can be answered by redirect while it is not clear which client, where to, or with
        // which state.
        let needed: &[&str] = if server.pushed.is_some() && form.get("request_uri").is_some() {
            // What stands beside a pushed request counts for nothing (RFC 9126 §4).
            &["client_id", "request_uri"]
        } else {
            &["client_id", "redirect_uri", "state"]
        };
        if needed.iter().any(|name| form.repeats(name)) {
            return Err(AuthorizeError::page(
                "client_id, redirect_uri, state or request_uri was sent twice",
            ));
        }
        Ok(Self { form })
    }

    /// For whoever sent a request with these extensions.
    pub(super) async fn check(
        self,
        server: &AuthorizationServer,
        caller: &Extensions,
    ) -> Result<CheckedRequest, AuthorizeError> {
        let known = self.known_client(server, caller).await?;
        let known = known.with_what_was_pushed(server).await?;
        let redirect = known.registered_redirect()?;
        known.checked(server, redirect)
    }

    async fn known_client(
        self,
        server: &AuthorizationServer,
        caller: &Extensions,
    ) -> Result<KnownClient, AuthorizeError> {
        let id = self
            .form
            .get("client_id")
            .ok_or(AuthorizeError::page("no client_id"))?;
        let id = ClientId::parse(id).map_err(|_| {
            AuthorizeError::Page(ErrorPageKind::UnknownClient, "malformed client_id")
        })?;
        let client =
            server
                .clients
                .resolve_for(&id, caller)
                .await
                .map_err(|error| match error {
                    ResolveError::UnknownKey => AuthorizeError::Page(
                        ErrorPageKind::ClientOfOtherKey,
                        "client_id under an unknown key",
                    ),
                    ResolveError::Document(reason) | ResolveError::DocumentUnclear(reason) => {
                        AuthorizeError::Page(ErrorPageKind::ClientDocument, reason)
                    }
                    ResolveError::DocumentUnavailable(reason)
                    | ResolveError::DocumentNeeded(reason) => {
                        AuthorizeError::Page(ErrorPageKind::ClientDocumentUnavailable, reason)
                    }
                    ResolveError::Unavailable(_) => AuthorizeError::Page(
                        ErrorPageKind::StoreUnavailable,
                        "clients cannot be looked up",
                    ),
                    _ => AuthorizeError::Page(ErrorPageKind::UnknownClient, "unknown client"),
                })?;
        Ok(KnownClient {
            form: self.form,
            client,
            came: Came::InQuery,
        })
    }
}

impl KnownClient {
    /// The parameters that an authenticated client pushes.
    pub(super) const fn pushing(client: Client, form: Form) -> Self {
        Self {
            form,
            client,
            came: Came::BeingPushed,
        }
    }

    /// The parameters that were pushed before, where the query names them: they go through every check
    /// again, for the client may have been changed since.
    async fn with_what_was_pushed(
        self,
        server: &AuthorizationServer,
    ) -> Result<Self, AuthorizeError> {
        let (Some(uri), Some(pushed)) = (self.form.get("request_uri"), &server.pushed) else {
            return Ok(self);
        };
        let (form, request) = pushed.open(server, self.client.id(), uri).await?;
        Ok(Self {
            form,
            client: self.client,
            came: Came::Pushed(request),
        })
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    pub(super) const fn form(&self) -> &Form {
        &self.form
    }

    pub(super) fn registered_redirect(&self) -> Result<RegisteredRedirect, AuthorizeError> {
        RegisteredRedirect::of(&self.client, self.form.get("redirect_uri")).map_err(|error| {
            let reason = match error {
                RedirectError::NotRegistered => "redirect_uri is not registered",
                RedirectError::Missing => "no redirect_uri, and the client has several",
            };
            AuthorizeError::Page(ErrorPageKind::RedirectNotRegistered, reason)
        })
    }

    pub(super) fn checked(
        &self,
        server: &AuthorizationServer,
        redirect: RegisteredRedirect,
    ) -> Result<CheckedRequest, AuthorizeError> {
        let Ok(state) = self.form.get("state").map(State::parse).transpose() else {
            // It cannot be carried, so it cannot be given back either.
            return Err(AuthorizeError::Redirect {
                redirect,
                state: None,
                error: OAuthErrorCode::InvalidRequest,
            });
        };
        match self.parameters(server) {
            Ok(wishes) => Ok(CheckedRequest {
                may_be_remembered: self.may_be_remembered(&redirect),
                client: self.client.id().clone(),
                preregistered: self.client.kind() == ClientKind::Preregistered,
                client_name: self.client.metadata().client_name.clone(),
                redirect,
                state,
                challenge: wishes.challenge,
                resource: wishes.resource,
                scopes: wishes.scopes,
                prompt: wishes.prompt,
                key: wishes.key,
                pushed: match &self.came {
                    Came::Pushed(request) => Some(request.clone()),
                    Came::InQuery | Came::BeingPushed => None,
                },
            }),
            Err(error) => Err(AuthorizeError::Redirect {
                redirect,
                state,
                error,
            }),
        }
    }

    /// Whether a consent to this may ever be remembered: somebody vouches for the client, the code goes
    /// to an address that only its host has, and the client proved to be itself when it pushed this.
    ///
    /// The last is for hosts that log in at several authorization servers. One of these may send the
    /// browser on to us with a request of its own making, and nothing that a browser sends tells that
    /// from a login that the user began.
    fn may_be_remembered(&self, redirect: &RegisteredRedirect) -> bool {
        let vouched = matches!(
            self.client.kind(),
            ClientKind::Preregistered | ClientKind::Document
        );
        let its_own = matches!(self.came, Came::Pushed(_)) && self.client.is_confidential();
        vouched && its_own && redirect.uri().is_https() && !redirect.uri().is_loopback()
    }

    fn parameters(&self, server: &AuthorizationServer) -> Result<Wishes, OAuthErrorCode> {
        use OAuthErrorCode::{InvalidRequest, InvalidScope, UnsupportedResponseType};
        if self.form.repeats_any() {
            return Err(InvalidRequest);
        }
        self.request_object(server)?;
        match self.form.get("response_type") {
            None => return Err(InvalidRequest),
            Some("code") => {}
            Some(_) => return Err(UnsupportedResponseType),
        }
        if self
            .form
            .get("response_mode")
            .is_some_and(|mode| mode != "query")
        {
            return Err(InvalidRequest);
        }
        // OAuth 2.1 §4.1.1: without a method the challenge is `plain`, which is not served.
        if self.form.get("code_challenge_method") != Some("S256") {
            return Err(InvalidRequest);
        }
        let challenge = self.form.get("code_challenge").ok_or(InvalidRequest)?;
        let challenge = CodeChallenge::parse(challenge).map_err(|_| InvalidRequest)?;
        let resource = asked_resource(self.form.resources(), &server.resources)?;
        let asked =
            Scopes::parse(self.form.get("scope").unwrap_or_default()).map_err(|_| InvalidScope)?;
        let scopes = self.scopes(server, &asked).ok_or(InvalidScope)?;
        let prompt = Prompt::parse(self.form.get("prompt")).map_err(|_| InvalidRequest)?;
        Ok(Wishes {
            challenge,
            resource,
            scopes,
            prompt,
            key: self.key(server)?,
        })
    }

    /// `dpop_jkt`, where proofs are served: the code is then worth nothing without this key
    /// (RFC 9449 §10).
    fn key(&self, server: &AuthorizationServer) -> Result<Option<JwkThumbprint>, OAuthErrorCode> {
        let asked = self
            .form
            .get("dpop_jkt")
            .filter(|_| server.proofs.is_some());
        let key = asked.map(JwkThumbprint::parse).transpose();
        key.map_err(|_| OAuthErrorCode::InvalidRequest)
    }

    /// Whether the parameters came in a way that is served, and that this client may use.
    fn request_object(&self, server: &AuthorizationServer) -> Result<(), OAuthErrorCode> {
        use OAuthErrorCode::{InvalidRequest, RequestNotSupported, RequestUriNotSupported};
        if self.form.get("request").is_some() {
            return Err(RequestNotSupported);
        }
        let names_another = self.form.get("request_uri").is_some();
        let pushed = server.pushed.as_ref();
        // Where nothing can be pushed, nobody is shut out for having wanted to.
        let wanted = self.client.metadata().require_pushed_authorization_requests;
        let required = pushed.is_some_and(|pushed| pushed.required || wanted);
        match self.came {
            Came::InQuery if names_another => Err(RequestUriNotSupported),
            // RFC 9126 §2.1.
            Came::BeingPushed | Came::Pushed(_) if names_another => Err(InvalidRequest),
            Came::InQuery if required => Err(InvalidRequest),
            _ => Ok(()),
        }
    }

    /// What is offered of what was asked for; the minimum if nothing was.
    ///
    /// What is not offered is left out, and the token response says so (OAuth 2.1 §3.2.2.1); or it is
    /// refused, if the operator wants that.
    /// `offline_access` asks for what every grant here has.
    fn scopes(&self, server: &AuthorizationServer, asked: &Scopes) -> Option<Scopes> {
        // The operator may limit a client; what a stranger registered with limits nobody, because a
        // host registers with the scopes of its first challenge and steps up later.
        let own = self.client.metadata().scope.as_ref();
        let own = own.filter(|_| self.client.kind() == ClientKind::Preregistered);
        let allowed =
            |scopes: &Scopes| own.map_or_else(|| scopes.clone(), |own| scopes.intersection(own));
        let asked: Scopes = asked
            .iter()
            .filter(|scope| scope.as_str() != "offline_access")
            .cloned()
            .collect();
        let refuses = server.unknown_scopes == UnknownScopes::Refused;
        if refuses && !allowed(&server.scopes).contains_all(&asked) {
            return None;
        }
        let scopes = if asked.is_empty() {
            allowed(&server.required_scopes)
        } else {
            allowed(&server.scopes).intersection(&asked)
        };
        (!scopes.is_empty()).then_some(scopes)
    }
}

/// The one resource of ours that is meant (RFC 8707 §2); the only one, where none is named.
pub(super) fn asked_resource<'a>(
    asked: impl Iterator<Item = &'a str>,
    ours: &[ResourceIdentifier],
) -> Result<ResourceIdentifier, OAuthErrorCode> {
    let mut meant: Option<ResourceIdentifier> = None;
    for resource in asked {
        let resource =
            ResourceIdentifier::parse(resource).map_err(|_| OAuthErrorCode::InvalidTarget)?;
        if !ours.contains(&resource) || meant.as_ref().is_some_and(|other| *other != resource) {
            return Err(OAuthErrorCode::InvalidTarget);
        }
        meant = Some(resource);
    }
    match (meant, ours) {
        (Some(resource), _) => Ok(resource),
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(OAuthErrorCode::InvalidTarget),
    }
}

impl CheckedRequest {
    pub(super) const fn client(&self) -> &ClientId {
        &self.client
    }

    /// Whether the operator vouches for the client.
    pub(super) const fn is_preregistered(&self) -> bool {
        self.preregistered
    }

    pub(super) fn client_name(&self) -> Option<&str> {
        self.client_name.as_deref()
    }

    pub(super) const fn redirect(&self) -> &RegisteredRedirect {
        &self.redirect
    }

    pub(super) const fn challenge(&self) -> &CodeChallenge {
        &self.challenge
    }

    pub(super) const fn resource(&self) -> &ResourceIdentifier {
        &self.resource
    }

    pub(super) const fn key(&self) -> Option<JwkThumbprint> {
        self.key
    }

    pub(super) const fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    pub(super) const fn prompt(&self) -> Prompt {
        self.prompt
    }

    pub(super) const fn may_be_remembered(&self) -> bool {
        self.may_be_remembered
    }

    /// The same request, as one that was never pushed: its `request_uri` was used.
    pub(super) fn without_its_push(mut self) -> Self {
        self.pushed = None;
        self
    }

    /// The pushed request that this is, if it is one.
    pub(super) const fn pushed(&self) -> Option<&PushedRequest> {
        self.pushed.as_ref()
    }

    /// Sends the browser back with a code.
    pub(super) fn succeed(
        &self,
        server: &AuthorizationServer,
        code: &AuthorizationCode,
    ) -> Response<Bytes> {
        self.redirect.with_code(server, code, self.state.as_ref())
    }

    /// Sends the browser back with a refusal.
    pub(super) fn fail(
        &self,
        server: &AuthorizationServer,
        error: OAuthErrorCode,
    ) -> Response<Bytes> {
        self.redirect.with_error(server, error, self.state.as_ref())
    }
}

impl AuthorizeError {
    /// The code and the reason, where there is no browser to show a page to.
    pub(super) fn into_code(self) -> (OAuthErrorCode, &'static str) {
        match self {
            Self::Page(kind, reason) => (kind.oauth_error(), reason),
            Self::Redirect { error, .. } => (error, "what was pushed is not good"),
        }
    }

    const fn page(reason: &'static str) -> Self {
        Self::Page(ErrorPageKind::MalformedRequest, reason)
    }
}
