//! What a client said of how it is to be served, and what of it is served here.

use serde::{Deserialize, Serialize};

use super::ApplicationType;
use crate::oauth::ClientMetadata;

/// What a client is told again only where it said something of it (RFC 7591 §3.2.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::authorization_server) struct Said {
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub(in crate::authorization_server) application_type: Option<ApplicationType>,
    /// RFC 9449 §5.2.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub(in crate::authorization_server) dpop_bound_access_tokens: Option<bool>,
    /// RFC 9126 §6.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub(in crate::authorization_server) require_pushed_authorization_requests: Option<bool>,
}

/// What this server does only if the operator wants it to.
#[derive(Debug, Clone, Copy)]
pub(in crate::authorization_server) struct Served {
    pub(in crate::authorization_server) dpop: bool,
    pub(in crate::authorization_server) pushed_requests: bool,
    pub(in crate::authorization_server) identity_assertions: bool,
}

impl Said {
    /// What holds of it: where something is not served, the answer is no.
    pub(in crate::authorization_server) fn held_to(mut self, served: Served) -> Self {
        let only = |said: Option<bool>, is_served| said.map(|said| said && is_served);
        self.dpop_bound_access_tokens = only(self.dpop_bound_access_tokens, served.dpop);
        self.require_pushed_authorization_requests = only(
            self.require_pushed_authorization_requests,
            served.pushed_requests,
        );
        self
    }

    /// Says the same in the client's metadata.
    pub(in crate::authorization_server) fn note_in(self, metadata: &mut ClientMetadata) {
        metadata.dpop_bound_access_tokens = self.dpop_bound_access_tokens == Some(true);
        metadata.require_pushed_authorization_requests =
            self.require_pushed_authorization_requests == Some(true);
    }
}
