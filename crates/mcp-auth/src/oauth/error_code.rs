//! Every OAuth error code with its status and its fixed words: the one table the wire answers from.

use http::StatusCode;

/// A registered error code (RFC 6749 §4.1.2.1 and §5.2, RFC 6750 §3.1, RFC 7591 §3.2.2, RFC 8707 §2,
/// RFC 9449 §5 and §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OAuthErrorCode {
    /// The request is malformed.
    InvalidRequest,
    /// The client is unknown or did not prove itself.
    InvalidClient,
    /// The code or refresh token is not good.
    InvalidGrant,
    /// The client may not use this grant.
    UnauthorizedClient,
    /// The grant type is not served.
    UnsupportedGrantType,
    /// The response type is not served.
    UnsupportedResponseType,
    /// The scope is unknown, malformed or wider than granted.
    InvalidScope,
    /// The resource is not one of ours, or not the one that was authorized.
    InvalidTarget,
    /// The user or the policy said no.
    AccessDenied,
    /// Something broke here.
    ServerError,
    /// Something is away for now; the same request will work later.
    TemporarilyUnavailable,
    /// A redirection URI cannot be registered.
    InvalidRedirectUri,
    /// The registration is not acceptable.
    InvalidClientMetadata,
    /// The `request_uri` is unknown, another client's, over, or used (RFC 9101 §6.2, RFC 9126 §2.2).
    InvalidRequestUri,
    /// Request objects are not served (OpenID Connect Core §3.1.2.6).
    RequestNotSupported,
    /// A `request_uri` is not served (OpenID Connect Core §3.1.2.6).
    RequestUriNotSupported,
    /// Nobody is signed in, and no page may be shown (OpenID Connect Core §3.1.2.6).
    LoginRequired,
    /// The user has to consent, and no page may be shown.
    ConsentRequired,
    /// The user has to see a page, and none may be shown.
    InteractionRequired,
    /// The access token is not good.
    InvalidToken,
    /// The access token is good but too weak.
    InsufficientScope,
    /// The proof of possession is missing or not good.
    InvalidDpopProof,
    /// The proof of possession needs a nonce of the server's.
    UseDpopNonce,
}

impl OAuthErrorCode {
    /// The code as it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The status of a direct answer with this code.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.row().1
    }

    /// The fixed words that go with it; never anything from a request or a source error.
    #[must_use]
    pub const fn description(self) -> &'static str {
        self.row().2
    }

    const fn row(self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::InvalidRequest => (
                "invalid_request",
                S::BAD_REQUEST,
                "The request is missing a parameter, repeats one, or is malformed.",
            ),
            Self::InvalidClient => (
                "invalid_client",
                S::UNAUTHORIZED,
                "The client is unknown or did not authenticate. Register again if it was registered before.",
            ),
            Self::InvalidGrant => (
                "invalid_grant",
                S::BAD_REQUEST,
                "The code or refresh token is invalid, expired, used, or was issued to another client. Sign in again.",
            ),
            Self::UnauthorizedClient => (
                "unauthorized_client",
                S::BAD_REQUEST,
                "This client may not use this grant.",
            ),
            Self::UnsupportedGrantType => (
                "unsupported_grant_type",
                S::BAD_REQUEST,
                "This grant type is not supported.",
            ),
            Self::UnsupportedResponseType => (
                "unsupported_response_type",
                S::BAD_REQUEST,
                "Only response_type=code is supported.",
            ),
            Self::InvalidScope => (
                "invalid_scope",
                S::BAD_REQUEST,
                "The scope is malformed, unknown, or wider than what was granted.",
            ),
            Self::InvalidTarget => (
                "invalid_target",
                S::BAD_REQUEST,
                "The resource is unknown here or is not the one that was authorized.",
            ),
            Self::AccessDenied => ("access_denied", S::FORBIDDEN, "Access was denied."),
            Self::ServerError => (
                "server_error",
                S::INTERNAL_SERVER_ERROR,
                "The authorization server failed.",
            ),
            Self::TemporarilyUnavailable => (
                "temporarily_unavailable",
                S::SERVICE_UNAVAILABLE,
                "The authorization server cannot answer right now. Try the same request again.",
            ),
            Self::InvalidRedirectUri => (
                "invalid_redirect_uri",
                S::BAD_REQUEST,
                "A redirect_uri must be https, http on loopback, or a private-use scheme, without fragment and user information.",
            ),
            Self::InvalidClientMetadata => (
                "invalid_client_metadata",
                S::BAD_REQUEST,
                "The client metadata is malformed or asks for what is not supported.",
            ),
            Self::InvalidRequestUri => (
                "invalid_request_uri",
                S::BAD_REQUEST,
                "The request_uri is unknown, expired, used, or was issued to another client.",
            ),
            Self::RequestNotSupported => (
                "request_not_supported",
                S::BAD_REQUEST,
                "Request objects are not supported.",
            ),
            Self::RequestUriNotSupported => (
                "request_uri_not_supported",
                S::BAD_REQUEST,
                "The request_uri parameter is not supported.",
            ),
            Self::LoginRequired => ("login_required", S::BAD_REQUEST, "The user has to sign in."),
            Self::ConsentRequired => (
                "consent_required",
                S::BAD_REQUEST,
                "The user has to consent.",
            ),
            Self::InteractionRequired => (
                "interaction_required",
                S::BAD_REQUEST,
                "The user has to be shown a page.",
            ),
            Self::InvalidToken => (
                "invalid_token",
                S::UNAUTHORIZED,
                "The access token is invalid, expired, revoked, or meant for another resource.",
            ),
            Self::InsufficientScope => (
                "insufficient_scope",
                S::FORBIDDEN,
                "The access token does not have the scopes this needs.",
            ),
            Self::InvalidDpopProof => (
                "invalid_dpop_proof",
                S::BAD_REQUEST,
                "The DPoP proof is missing, malformed, used, or made for something else.",
            ),
            Self::UseDpopNonce => (
                "use_dpop_nonce",
                S::BAD_REQUEST,
                "The DPoP proof needs the nonce of the DPoP-Nonce header.",
            ),
        }
    }
}

impl std::fmt::Display for OAuthErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
