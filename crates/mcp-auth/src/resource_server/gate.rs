//! The order of the checks, in one place:
//!
//! | | check | refused with |
//! |---|---|---|
//! | 1 | addressed to this server | 403 |
//! | 2 | sent by no page, or an allowed one | 403 |
//! | – | a preflight is answered | 204 |
//! | 3 | exactly one credential, well formed | 401, 400 |
//! | 4 | the verifier accepts it for our resource | 401, 503 |
//! | 5 | a session id is the principal's own | 404 |
//! | 6 | the scopes are enough | 403 |

use bytes::Bytes;
use http::{
    HeaderName, Method, Request, Response,
    header::{AUTHORIZATION, PROXY_AUTHORIZATION},
};

use super::{Refusal, ResourceServer, cors, header::credential, host::AllowedOrigin, watch};
use crate::{
    access_token::{Principal, VerifyError},
    net::{Causes, ResponseBody},
    oauth::AccessToken,
};

/// A request that passed checks 1 to 3: what it needs from here on.
#[derive(Debug)]
pub(super) struct Arrival {
    server: ResourceServer,
    origin: Option<AllowedOrigin>,
    token: AccessToken,
    opens_stream: bool,
}

/// A request that passed every check: what its response needs.
#[derive(Debug)]
pub(super) struct Admitted {
    server: ResourceServer,
    origin: Option<AllowedOrigin>,
    token: AccessToken,
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
            .map_err(|refusal| Box::new(refusal.respond(server, None)))?;
        let named = settings.credential_header.as_ref();
        if request.method() == Method::OPTIONS {
            let answer = cors::preflight(origin.as_ref(), headers, named);
            return Err(Box::new(answer));
        }
        let token = credential(headers, request.uri(), named)
            .map_err(|refusal| Box::new(refusal.respond(server, origin.as_ref())))?;
        let server = server.clone();
        Ok(Self {
            server,
            origin,
            token,
            opens_stream: request.method() == Method::GET,
        })
    }

    /// The credential it came with.
    pub(super) const fn token(&self) -> &AccessToken {
        &self.token
    }

    /// Checks 4 to 6, and takes everything from the request that the inner service must not see.
    pub(super) fn admit<B>(
        self,
        verified: Result<Principal, VerifyError>,
        request: &mut Request<B>,
    ) -> Result<Admitted, Box<Response<Bytes>>> {
        let Self {
            server,
            origin,
            token,
            opens_stream,
        } = self;
        match examine(&server, verified, request) {
            Ok(principal) => {
                request.extensions_mut().insert(principal.clone());
                Ok(Admitted {
                    server,
                    origin,
                    token,
                    opens_stream,
                    principal,
                })
            }
            Err(refusal) => Err(Box::new(refusal.respond(&server, origin.as_ref()))),
        }
    }
}

impl Admitted {
    /// Binds a session id to its principal, lets an allowed page read the response, and ends an event
    /// stream with its token.
    pub(super) fn finish<B>(&self, mut response: Response<B>) -> Response<ResponseBody<B>> {
        let headers = response.headers_mut();
        self.server.0.sessions.outward(headers, &self.principal);
        cors::allow(headers, self.origin.as_ref());
        let watch = watch::is_event_stream(headers)
            .then(|| watch::watch(self.server.clone(), self.token.clone(), self.opens_stream));
        response.map(|body| match watch.flatten() {
            Some(watch) => ResponseBody::watched(body, watch),
            None => ResponseBody::inner(body),
        })
    }
}

fn examine<B>(
    server: &ResourceServer,
    verified: Result<Principal, VerifyError>,
    request: &mut Request<B>,
) -> Result<Principal, Refusal> {
    let settings = &server.0;
    let principal = verified.map_err(|error| refusal_of(server, error))?;
    settings
        .sessions
        .inward(request.headers_mut(), &principal)?;
    if !settings
        .hierarchy
        .satisfies(principal.scopes(), &settings.required_scopes)
    {
        return Err(Refusal::InsufficientScope);
    }
    // What is gone here, a tool can neither log nor pass on.
    let headers = request.headers_mut();
    headers.remove(AUTHORIZATION);
    headers.remove(PROXY_AUTHORIZATION);
    headers.remove(DPOP);
    if let Some(name) = &settings.credential_header {
        headers.remove(name);
    }
    Ok(principal)
}

fn refusal_of(server: &ResourceServer, error: VerifyError) -> Refusal {
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

const DPOP: HeaderName = HeaderName::from_static("dpop");
