//! The refusals that become a page, and what such a page says.

use http::StatusCode;

use super::{
    ShownText,
    error_words::{Words, words},
};
use crate::oauth::OAuthErrorCode;

/// Why a login cannot go on, where a redirect to the client is not allowed or would not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorPageKind {
    /// Nobody knows this `client_id`.
    UnknownClient,
    /// The `client_id` was sealed under a key that this server does not have.
    ClientOfOtherKey,
    /// The document that the `client_id` leads to is missing, no good, or not let in.
    ClientDocument,
    /// The document that the `client_id` leads to cannot be fetched right now.
    ClientDocumentUnavailable,
    /// The redirection URI is not one of the client's.
    RedirectNotRegistered,
    /// The request is missing something or cannot be read.
    MalformedRequest,
    /// The consent form is too old, or was made by an earlier version.
    ConsentExpired,
    /// The consent form was shown in another browser, or its cookie did not come along.
    ConsentFromElsewhere,
    /// The login is over: too old, finished before, or begun in another browser.
    LoginExpired,
    /// A form of the connected apps page that no page of ours in this browser sent.
    ActionFromElsewhere,
    /// The upstream did not sign the visitor of the connected apps page in.
    NotSignedIn,
    /// The operator does not let this user in.
    NotAdmitted,
    /// The request that the app pushed is over: too old, used, or another app's.
    PushedRequestOver,
    /// The upstream does not answer.
    UpstreamUnavailable,
    /// The store does not answer.
    StoreUnavailable,
    /// Too many requests from one network.
    TooManyRequests,
    /// The request came under a name that is not ours.
    WrongHost,
}

impl ErrorPageKind {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::UnknownClient,
        Self::ClientOfOtherKey,
        Self::ClientDocument,
        Self::ClientDocumentUnavailable,
        Self::RedirectNotRegistered,
        Self::MalformedRequest,
        Self::ConsentExpired,
        Self::ConsentFromElsewhere,
        Self::LoginExpired,
        Self::ActionFromElsewhere,
        Self::NotSignedIn,
        Self::NotAdmitted,
        Self::PushedRequestOver,
        Self::UpstreamUnavailable,
        Self::StoreUnavailable,
        Self::TooManyRequests,
        Self::WrongHost,
    ];

    /// A stable name for logs and support.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        words(self).reason
    }

    /// What happened, in fixed words.
    #[must_use]
    pub const fn what(self) -> &'static str {
        words(self).what
    }

    /// The status of the answer.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::UnknownClient
            | Self::ClientOfOtherKey
            | Self::ClientDocument
            | Self::RedirectNotRegistered
            | Self::MalformedRequest
            | Self::ConsentExpired
            | Self::PushedRequestOver
            | Self::LoginExpired
            | Self::NotSignedIn => StatusCode::BAD_REQUEST,
            Self::ConsentFromElsewhere
            | Self::ActionFromElsewhere
            | Self::NotAdmitted
            | Self::WrongHost => StatusCode::FORBIDDEN,
            Self::ClientDocumentUnavailable
            | Self::UpstreamUnavailable
            | Self::StoreUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// The error code that a program is given.
    #[must_use]
    pub const fn oauth_error(self) -> OAuthErrorCode {
        match self {
            Self::UnknownClient | Self::ClientOfOtherKey | Self::ClientDocument => {
                OAuthErrorCode::InvalidClient
            }
            Self::RedirectNotRegistered
            | Self::MalformedRequest
            | Self::ConsentExpired
            | Self::LoginExpired
            | Self::WrongHost => OAuthErrorCode::InvalidRequest,
            Self::PushedRequestOver => OAuthErrorCode::InvalidRequestUri,
            Self::ConsentFromElsewhere
            | Self::ActionFromElsewhere
            | Self::NotSignedIn
            | Self::NotAdmitted => OAuthErrorCode::AccessDenied,
            Self::ClientDocumentUnavailable
            | Self::UpstreamUnavailable
            | Self::StoreUnavailable
            | Self::TooManyRequests => OAuthErrorCode::TemporarilyUnavailable,
        }
    }

    /// Whose fault it is, for the log: `client`, `upstream` or `server`.
    #[must_use]
    pub const fn fault(self) -> &'static str {
        match self {
            Self::UpstreamUnavailable | Self::NotSignedIn => "upstream",
            Self::ClientOfOtherKey | Self::StoreUnavailable => "server",
            _ => "client",
        }
    }

    /// After how many seconds the same request may work.
    pub(super) const fn retry_after(self) -> Option<u16> {
        match self {
            Self::UpstreamUnavailable | Self::StoreUnavailable => Some(5),
            Self::ClientDocumentUnavailable => Some(15),
            Self::TooManyRequests => Some(30),
            _ => None,
        }
    }
}

/// Everything an error page says: fixed words, the operator's, and nothing that was sent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ErrorPage<'a> {
    /// The refusal.
    pub kind: ErrorPageKind,
    /// The name of this MCP server, from its operator.
    pub server_name: ShownText<'a>,
    /// The heading.
    pub title: &'static str,
    /// What happened.
    pub what: &'static str,
    /// What the user can do, in order; never empty.
    pub next: &'static [&'static str],
    /// How it is done in a host (its name, then the words), where that differs.
    pub hosts: &'static [(&'static str, &'static str)],
    /// Words of the operator's own, if there are any for this.
    pub words: Option<ShownText<'a>>,
    /// Where the page should link to, for the person to go back to the client, which is told of the
    /// refusal then; a registered redirection URI of it.
    pub back_to_client: Option<ShownText<'a>>,
    /// The stable name of the refusal.
    pub reason: &'static str,
    /// Finds the log line of this refusal.
    pub correlation: ShownText<'a>,
    /// The nonce that styles must carry.
    pub nonce: &'a str,
}

impl<'a> ErrorPage<'a> {
    /// The page of this refusal.
    #[must_use]
    pub fn new(
        kind: ErrorPageKind,
        server_name: &'a str,
        correlation: &'a str,
        nonce: &'a str,
    ) -> Self {
        let Words {
            reason,
            title,
            what,
            next,
            hosts,
        } = words(kind);
        Self {
            kind,
            server_name: ShownText::new(server_name),
            title,
            what,
            next,
            hosts,
            words: None,
            back_to_client: None,
            reason,
            correlation: ShownText::new(correlation),
            nonce,
        }
    }
}
