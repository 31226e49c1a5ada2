//! Why a request was not let in, and the response that says so.

use crate::metering;
use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};

use super::{ResourceServer, challenge::Challenge, cors, header::Scheme, host::AllowedOrigin};
use crate::oauth::{Random, Scopes};

/// Why a request was not let in: found in the response's extensions, for layers further out.
///
/// The wire carries fixed words only; what this says is for logs and metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The request is not addressed to this server: possibly DNS rebinding.
    Host,
    /// A browser page that is not on the list sent the request.
    Origin,
    /// No credential where one is looked for.
    NoCredential,
    /// More than one credential (RFC 6750 §3.1, `invalid_request`).
    TwoCredentials,
    /// The token is empty, too long, or has characters no token has.
    MalformedToken,
    /// The verifier does not accept the token, for this reason.
    InvalidToken(&'static str),
    /// The token is good but lacks scopes: these are needed, and those that it has.
    InsufficientScope(Scopes),
    /// The body is larger than what is read to decide on an operation.
    BodyTooLarge,
    /// The body took too long to arrive.
    BodyTooSlow,
    /// The body is not one JSON-RPC message or batch with one meaning, for this reason.
    MalformedMessage(&'static str),
    /// `Mcp-Method` or `Mcp-Name` says something else than the body.
    HeaderMismatch,
    /// The proof of possession is missing or not good, for this reason (RFC 9449 §7.1).
    InvalidProof(&'static str),
    /// The proof of possession needs a nonce of this server's (RFC 9449 §9).
    ProofNonce,
    /// The session id was not given to this principal, or was made up.
    Session,
    /// The verifier cannot tell right now.
    VerifierUnavailable {
        /// When to try again.
        retry_after: Duration,
    },
    /// The session began at another process, and what it began with cannot be read right now.
    SessionUnavailable {
        /// When to try again.
        retry_after: Duration,
    },
}

impl Refusal {
    /// A stable name for logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Host => "host_not_allowed",
            Self::Origin => "origin_not_allowed",
            Self::NoCredential => "no_credential",
            Self::TwoCredentials => "two_credentials",
            Self::MalformedToken => "malformed_token",
            Self::InvalidToken(_) => "invalid_token",
            Self::InsufficientScope(_) => "insufficient_scope",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyTooSlow => "body_too_slow",
            Self::MalformedMessage(_) => "malformed_message",
            Self::HeaderMismatch => "header_mismatch",
            Self::InvalidProof(_) => "invalid_dpop_proof",
            Self::ProofNonce => "use_dpop_nonce",
            Self::Session => "session_of_another",
            Self::VerifierUnavailable { .. } => "verifier_unavailable",
            Self::SessionUnavailable { .. } => "session_unavailable",
        }
    }

    /// Whose fault it is: `client` or `server`.
    #[must_use]
    pub const fn fault(&self) -> &'static str {
        match self {
            Self::VerifierUnavailable { .. } | Self::SessionUnavailable { .. } => "server",
            _ => "client",
        }
    }

    /// The status it is answered with.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Host | Self::Origin | Self::InsufficientScope(_) => StatusCode::FORBIDDEN,
            Self::NoCredential
            | Self::MalformedToken
            | Self::InvalidToken(_)
            | Self::InvalidProof(_)
            | Self::ProofNonce => StatusCode::UNAUTHORIZED,
            Self::TwoCredentials | Self::MalformedMessage(_) | Self::HeaderMismatch => {
                StatusCode::BAD_REQUEST
            }
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Session => StatusCode::NOT_FOUND,
            Self::VerifierUnavailable { .. } | Self::SessionUnavailable { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    /// JSON-RPC error code and fixed words.
    const fn words(&self) -> (i32, &'static str) {
        match self {
            Self::Host => (-32600, "This server is not known under that host name."),
            Self::Origin => (-32600, "Requests from that origin are not allowed."),
            Self::NoCredential => (-32600, "Authorization is required."),
            Self::TwoCredentials => (-32600, "Send exactly one credential, in one header."),
            Self::MalformedToken | Self::InvalidToken(_) => {
                (-32600, "The access token is not accepted here.")
            }
            Self::BodyTooLarge => (-32600, "The request is too large."),
            Self::BodyTooSlow => (-32600, "The request took too long to arrive."),
            Self::MalformedMessage(_) => (-32600, "The body is not a JSON-RPC message."),
            Self::HeaderMismatch => (-32020, "The headers do not say what the body says."),
            Self::InsufficientScope(_) => (-32600, "The access token lacks the needed scopes."),
            Self::InvalidProof(_) => (-32600, "The DPoP proof is not accepted here."),
            Self::ProofNonce => (-32600, "The DPoP proof needs a nonce of this server."),
            Self::Session => (-32001, "Session not found."),
            Self::VerifierUnavailable { .. } => (
                -32603,
                "The access token cannot be checked right now. Try again.",
            ),
            Self::SessionUnavailable { .. } => (
                -32603,
                "The session cannot be looked up right now. Try again.",
            ),
        }
    }

    /// The response, with one event in the log under the same correlation id.
    ///
    /// The body is a JSON-RPC error without `id`: a 400 without one makes clients fall back to an
    /// older transport.
    pub(super) fn respond(
        self,
        server: &ResourceServer,
        origin: Option<&AllowedOrigin>,
        used: Scheme,
    ) -> Response<Bytes> {
        let correlation_id = server.0.correlation.next();
        self.record(server, &correlation_id);
        metering::token_check(self.code());
        let (code, message) = self.words();
        let mut body = String::with_capacity(160);
        // Fixed words and hexadecimal digits only: nothing that JSON would need escaped.
        let written = write!(
            body,
            r#"{{"jsonrpc":"2.0","error":{{"code":{code},"message":"{message}","data":{{"correlation_id":"{correlation_id}"}}}}}}"#
        );
        debug_assert!(written.is_ok(), "writing to a String does not fail");
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for challenge in self.challenge().into_iter().flat_map(|challenge| {
            let challenges = &server.0.challenges;
            challenges.of(challenge, used)
        }) {
            headers.append(WWW_AUTHENTICATE, challenge);
        }
        server.offer_nonce(headers, used);
        if let Self::VerifierUnavailable { retry_after }
        | Self::SessionUnavailable { retry_after } = &self
        {
            headers.insert(RETRY_AFTER, HeaderValue::from(retry_after.as_secs().max(1)));
        }
        cors::allow(headers, origin);
        response.extensions_mut().insert(self);
        response
    }

    const fn challenge(&self) -> Option<Challenge<'_>> {
        match self {
            Self::NoCredential => Some(Challenge::Bare),
            Self::MalformedToken | Self::InvalidToken(_) => Some(Challenge::InvalidToken),
            Self::TwoCredentials => Some(Challenge::InvalidRequest),
            Self::InsufficientScope(scopes) => Some(Challenge::InsufficientScope(scopes)),
            Self::InvalidProof(_) => Some(Challenge::InvalidProof),
            Self::ProofNonce => Some(Challenge::UseNonce),
            Self::VerifierUnavailable { .. } => Some(Challenge::Unavailable),
            // A challenge here would invite a login that changes nothing.
            Self::Host
            | Self::Origin
            | Self::BodyTooLarge
            | Self::BodyTooSlow
            | Self::MalformedMessage(_)
            | Self::HeaderMismatch
            | Self::Session
            | Self::SessionUnavailable { .. } => None,
        }
    }

    fn record(&self, server: &ResourceServer, correlation_id: &str) {
        let resource = server.resource().as_str();
        let (reason, fault) = (self.code(), self.fault());
        match self {
            // Every host's first request comes without a token, and the first with one without a nonce.
            Self::NoCredential | Self::ProofNonce => {
                tracing::debug!(reason, fault, correlation_id, resource, "request refused");
            }
            Self::InvalidToken(detail)
            | Self::InvalidProof(detail)
            | Self::MalformedMessage(detail) => {
                tracing::info!(
                    reason,
                    fault,
                    correlation_id,
                    resource,
                    detail,
                    "request refused"
                );
            }
            Self::VerifierUnavailable { .. } | Self::SessionUnavailable { .. } => {
                tracing::error!(reason, fault, correlation_id, resource, "request refused");
            }
            Self::InsufficientScope(asked) => {
                tracing::info!(
                    reason,
                    fault,
                    correlation_id,
                    resource,
                    scopes = %asked,
                    "request refused"
                );
            }
            _ => tracing::info!(reason, fault, correlation_id, resource, "request refused"),
        }
    }
}

/// Names for refusals that tie a response to its event in the log; no secrets.
#[derive(Debug)]
pub(super) struct CorrelationIds(AtomicU64);

impl CorrelationIds {
    pub(super) fn new(random: &dyn Random) -> Self {
        Self(AtomicU64::new(u64::from_ne_bytes(random.bytes())))
    }

    fn next(&self) -> String {
        // An odd step visits every value once and keeps neighbours from looking alike.
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        format!("{:016x}", self.0.fetch_add(STEP, Ordering::Relaxed))
    }
}
