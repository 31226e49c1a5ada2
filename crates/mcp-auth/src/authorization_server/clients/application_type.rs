//! Where a client runs, as it said at registration.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::oauth::RedirectUri;

/// Where a client runs (OpenID Connect Registration §2). Older hosts do not say, so without it every
/// redirection URI is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::authorization_server) enum ApplicationType {
    /// On the user's machine.
    Native,
    /// On a server.
    Web,
}

impl ApplicationType {
    /// What was sent; what is neither of the two says nothing.
    pub(in crate::authorization_server) fn of(submitted: Option<&Value>) -> Option<Self> {
        match submitted?.as_str()? {
            "native" => Some(Self::Native),
            "web" => Some(Self::Web),
            _ => None,
        }
    }

    /// A web client has no redirection URI on the user's machine. A native one has loopback, a
    /// private-use scheme, or an `https` URI that its system hands to it (RFC 8252 §7): all that
    /// can be registered.
    pub(in crate::authorization_server) fn allows(this: Option<Self>, uri: &RedirectUri) -> bool {
        this != Some(Self::Web) || (uri.is_https() && !uri.is_loopback())
    }
}
