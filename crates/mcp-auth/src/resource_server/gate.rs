//! The order of the checks, in one place:
//!
//! | | check | refused with |
//! |---|---|---|
//! | 1 | addressed to this server | 403 |
//! | 2 | sent by no page, or an allowed one | 403 |
//! | – | a preflight is answered | 204 |
//! | 3 | exactly one credential, well formed | 401, 400 |
//! | 4 | the verifier accepts it for our resource | 401, 503 |
//! | 5 | it came as it was issued: by itself, or with a proof of the key that it is bound to | 401, 503 |
//! | 6 | with a policy for operations: its body can be read | 408, 413 |
//! | 7 | a session id is the principal's own | 404 |
//! | 8 | with a policy for operations: its body is a message, and its headers say the same | 400 |
//! | 9 | the scopes are enough | 403 |
//! | 10 | its proof, if it came with one, was not used before | 401, 503 |

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, Method, Request, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_ENCODING, PROXY_AUTHORIZATION},
};
use http_body::Body;

use super::{
    Refusal, ResourceServer,
    builder::is_offline_access,
    cors,
    dpop::{DPOP, PresentedProof},
    header::{Credential, Scheme, credential, scheme},
    host::AllowedOrigin,
    operations::{self, Malformed},
    watch,
};
use crate::{
    access_token::{CheckedProof, ExchangedToken, Principal, VerifyError},
    audit::AuditAction,
    metering,
    net::{Causes, ResponseBody, collect},
    oauth::{AccessToken, Scopes},
};

/// A request that passed checks 1 to 3: what it needs from here on.
#[derive(Debug)]
pub(super) struct Arrival {
    server: ResourceServer,
    origin: Option<AllowedOrigin>,
    credential: Credential,
    /// Looked at under the scheme that needs one.
    proof: Option<PresentedProof>,
    opens_stream: bool,
}

/// Who sent a request that passed checks 4 and 5.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) principal: Principal,
    /// The proof it came with, which is used up when everything else is right.
    pub(super) proof: Option<CheckedProof>,
    /// Its body, where that decides.
    pub(super) body: Option<Bytes>,
}

/// Where a request is after checks 1 to 9.
pub(super) enum Passed {
    /// It came without a proof: there is nothing left to check.
    Every(Admitted),
    /// The store has to say whether its proof was used before.
    ButOne(Spending),
}

/// Check 10. `Err` is an answer.
pub(super) type Spending =
    Pin<Box<dyn Future<Output = Result<Admitted, Box<Response<Bytes>>>> + Send>>;

/// A request that passed every check: what its response needs.
#[derive(Debug)]
pub(super) struct Admitted {
    server: ResourceServer,
    origin: Option<AllowedOrigin>,
    credential: Credential,
    opens_stream: bool,
    principal: Principal,
}

impl Arrival {
    /// Checks 1 to 3: everything that is known without asking the verifier. `Err` is an
    /// answer, boxed because it is much larger than what is admitted.
    pub(super) fn of<B>(
        server: &ResourceServer,
        request: &Request<B>,
    ) -> Result<Self, Box<Response<Bytes>>> {
        let (settings, headers) = (&server.0, request.headers());
        let origin = settings
            .hosts
            .check_host(request.uri(), headers)
            .and_then(|()| settings.hosts.check_origin(headers))
            .map_err(|refusal| Box::new(refusal.respond(server, None, Scheme::Bearer)))?;
        let named = settings.credential_header.as_ref();
        if request.method() == Method::OPTIONS {
            let answer = cors::preflight(origin.as_ref(), headers, named);
            return Err(Box::new(answer));
        }
        let dpop = settings.proofs.is_some();
        let credential = credential(headers, request.uri(), named, dpop).map_err(|refusal| {
            let used = scheme(headers, dpop);
            Box::new(refusal.respond(server, origin.as_ref(), used))
        })?;
        let proved = credential.scheme == Scheme::Dpop;
        let server = server.clone();
        Ok(Self {
            server,
            origin,
            credential,
            proof: proved.then(|| PresentedProof::of(request.method(), headers)),
            opens_stream: request.method() == Method::GET,
        })
    }

    /// Checks 4 and 5 where they can be made without waiting.
    pub(super) fn verify_now(&self) -> Option<Result<Verified, Refusal>> {
        if self.proof.is_some() {
            return None; // the store has to be asked in the end
        }
        let settings = &self.server.0;
        let token = &self.credential.token;
        let verified = settings.verifier.verify_now(token, &settings.resource)?;
        Some(self.server.by_itself(verified))
    }

    /// Checks 4 and 5.
    pub(super) fn verify(&self) -> impl Future<Output = Result<Verified, Refusal>> + Send + use<> {
        let (server, token) = (self.server.clone(), self.credential.token.clone());
        let proof = self.proof.clone();
        async move {
            let settings = &server.0;
            match &proof {
                Some(proof) => {
                    let verified = server.verified(&token).await;
                    server.with_proof(verified, &token, proof)
                }
                None => {
                    let verified = settings.verifier.verify(&token, &settings.resource).await;
                    server.by_itself(verified)
                }
            }
        }
    }

    /// Whether its body decides on it: there is a policy, and the method is one with a body.
    pub(super) fn reads_body(&self, method: &Method) -> bool {
        let without = [Method::GET, Method::HEAD, Method::DELETE];
        self.server.0.operations.is_some() && !without.contains(method)
    }

    /// Checks 4 to 6.
    pub(super) fn verify_and_read<B>(
        &self,
        headers: &HeaderMap,
        body: B,
    ) -> impl Future<Output = Result<Verified, Refusal>> + Send + use<B>
    where
        B: Body + Send,
        B::Data: Send,
    {
        let encoded = headers
            .get(CONTENT_ENCODING)
            .is_some_and(|encoding| encoding != "identity");
        let now = self.verify_now();
        let verify = now.is_none().then(|| self.verify());
        let most = self.server.0.max_body;
        async move {
            let mut verified = match (now, verify) {
                (Some(verified), _) => verified?,
                (None, Some(verify)) => verify.await?,
                (None, None) => return Err(Refusal::InvalidToken("not verified")),
            };
            if encoded {
                // Whoever decodes it behind us would see another body than we decide on.
                return Err(Refusal::MalformedMessage("the body is encoded"));
            }
            let body = collect(body, most, BODY_DEADLINE).await;
            verified.body = Some(body.map_err(|status| match status {
                StatusCode::PAYLOAD_TOO_LARGE => Refusal::BodyTooLarge,
                StatusCode::REQUEST_TIMEOUT => Refusal::BodyTooSlow,
                _ => Refusal::MalformedMessage("the body ended early"),
            })?);
            Ok(verified)
        }
    }

    /// Checks 7 to 9; takes everything from the request that the inner service must not see.
    pub(super) fn admit<B>(
        self,
        verified: Result<Verified, Refusal>,
        request: &mut Request<B>,
    ) -> Result<Passed, Box<Response<Bytes>>>
    where
        B: From<Bytes>,
    {
        let Self {
            server,
            origin,
            credential,
            proof: _,
            opens_stream,
        } = self;
        match examine(&server, verified, request) {
            Ok(Verified {
                principal,
                proof,
                body,
            }) => {
                if let Some(body) = body {
                    *request.body_mut() = body.into();
                }
                let principal = server.with_exchange(principal, &credential.token);
                request.extensions_mut().insert(principal.clone());
                let admitted = Admitted {
                    server,
                    origin,
                    credential,
                    opens_stream,
                    principal,
                };
                Ok(match proof {
                    None => {
                        metering::token_check("accepted");
                        Passed::Every(admitted)
                    }
                    Some(proof) => Passed::ButOne(Box::pin(admitted.spent(proof))),
                })
            }
            Err(refusal) => {
                let answer = refusal.respond(&server, origin.as_ref(), credential.scheme);
                Err(Box::new(answer))
            }
        }
    }
}

impl Admitted {
    /// The same, once its proof is used up.
    async fn spent(self, proof: CheckedProof) -> Result<Self, Box<Response<Bytes>>> {
        match self.server.use_once(&proof).await {
            Ok(()) => {
                metering::token_check("accepted");
                Ok(self)
            }
            Err(refusal) => {
                let used = self.credential.scheme;
                let answer = refusal.respond(&self.server, self.origin.as_ref(), used);
                Err(Box::new(answer))
            }
        }
    }

    /// Says "later" where the session could not be read; otherwise binds a session id to its principal, lets an allowed page read the response, and ends an event
    /// stream with its token.
    pub(super) fn finish<B>(&self, mut response: Response<B>) -> Response<ResponseBody<B>> {
        if response.status() == StatusCode::INTERNAL_SERVER_ERROR && self.server.sessions_are_away()
        {
            let refusal = Refusal::SessionUnavailable {
                retry_after: RETRY_AFTER,
            };
            let answer =
                refusal.respond(&self.server, self.origin.as_ref(), self.credential.scheme);
            return answer.map(ResponseBody::own);
        }
        let headers = response.headers_mut();
        self.server.0.sessions.outward(headers, &self.principal);
        self.server.offer_nonce(headers, self.credential.scheme);
        cors::allow(headers, self.origin.as_ref());
        let token = &self.credential.token;
        let watch = watch::is_event_stream(headers)
            .then(|| watch::watch(self.server.clone(), token.clone(), self.opens_stream));
        response.map(|body| match watch.flatten() {
            Some(watch) => ResponseBody::watched(body, watch),
            None => ResponseBody::inner(body),
        })
    }
}

impl ResourceServer {
    /// Whoever has a token of the exchange's issuer can have another in return.
    fn with_exchange(&self, principal: Principal, token: &AccessToken) -> Principal {
        match &self.0.exchange {
            Some(exchange) if principal.issuer() == exchange.issuer().as_str() => {
                let ends = principal.expires_at();
                let exchanged = ExchangedToken::of(Arc::clone(exchange), token.clone(), ends);
                principal.with_upstream(Arc::new(exchanged))
            }
            _ => principal,
        }
    }
}

fn examine<B>(
    server: &ResourceServer,
    verified: Result<Verified, Refusal>,
    request: &mut Request<B>,
) -> Result<Verified, Refusal> {
    let settings = &server.0;
    let verified = verified?;
    let principal = &verified.principal;
    settings.sessions.inward(request.headers_mut(), principal)?;
    let needed = match &verified.body {
        None => None,
        Some(body) => Some(needed(server, request.headers(), body)?),
    };
    let needed = needed.as_ref().unwrap_or(&settings.required_scopes);
    if !settings.hierarchy.satisfies(principal.scopes(), needed) {
        settings.audit.record(AuditAction::StepUp, |event| {
            event.subject = Some(principal.subject().to_owned());
            event.client = principal.client().cloned();
            event.grant = principal.grant().map(str::to_owned);
            event.scopes = Some(needed.clone());
        });
        return Err(Refusal::InsufficientScope(to_ask_for(needed, principal)));
    }
    // What is gone here, a tool can neither log nor pass on.
    let headers = request.headers_mut();
    headers.remove(AUTHORIZATION);
    headers.remove(PROXY_AUTHORIZATION);
    headers.remove(DPOP);
    if let Some(name) = &settings.credential_header {
        headers.remove(name);
    }
    Ok(verified)
}

/// Operations in one body; each is looked up in the policy.
const MAX_OPERATIONS: usize = 1000;

/// The scopes that all messages of a body need together.
fn needed(server: &ResourceServer, headers: &HeaderMap, body: &[u8]) -> Result<Scopes, Refusal> {
    let messages = operations::read(body).map_err(|malformed| match malformed {
        Malformed::Json => Refusal::MalformedMessage("the body is no JSON"),
        Malformed::Shape => Refusal::MalformedMessage("the body is no JSON-RPC message"),
    })?;
    if !operations::agree(headers, &messages) {
        return Err(Refusal::HeaderMismatch);
    }
    let operations = messages.iter().flat_map(|message| &message.operations);
    if operations.clone().nth(MAX_OPERATIONS).is_some() {
        return Err(Refusal::MalformedMessage("it asks for too much at once"));
    }
    let needed = operations.flat_map(|operation| {
        let scopes = server.needed_scopes(&operation.method, operation.name.as_deref());
        scopes.iter().cloned().collect::<Vec<_>>()
    });
    let required = server.0.required_scopes.iter().cloned();
    Ok(required.chain(needed).collect())
}

/// What a new token has to have: the scopes that are needed, and then those that the old one has, so
/// that a host which asks for exactly this loses nothing.
fn to_ask_for(needed: &Scopes, principal: &Principal) -> Scopes {
    let mut granted: Vec<_> = principal.scopes().iter().collect();
    granted.retain(|scope| !is_offline_access(scope));
    granted.sort();
    let room = Scopes::MAX_SCOPES.saturating_sub(needed.iter().count());
    granted.retain(|scope| !needed.contains(scope));
    let granted = granted.into_iter().take(room);
    needed.iter().chain(granted).cloned().collect()
}

pub(super) fn refusal_of(server: &ResourceServer, error: VerifyError) -> Refusal {
    match error {
        VerifyError::Invalid(reason) => Refusal::InvalidToken(reason),
        VerifyError::Expired => Refusal::InvalidToken("expired"),
        VerifyError::Unavailable {
            retry_after,
            source,
        } => {
            if let Some(source) = source {
                let resource = server.resource().as_str();
                let cause = Causes(source.as_ref());
                tracing::error!(resource, %cause, "the token verifier is away");
            }
            Refusal::VerifierUnavailable { retry_after }
        }
    }
}

/// For how long whoever sends a body that decides may take.
const BODY_DEADLINE: Duration = Duration::from_secs(30);

/// When to try again after the store was away.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(2);
