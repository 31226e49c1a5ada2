//! What was asked of the demo upstream, for tests to look at.

use std::{collections::VecDeque, fmt};

use serde::Serialize;

/// How often each thing happened since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counters {
    /// Requests to `/authorize`.
    pub authorize_requests: u64,
    /// Passwords that were right.
    pub sign_ins: u64,
    /// Passwords that were wrong.
    pub failed_sign_ins: u64,
    /// Requests to `/token` of every kind.
    pub token_requests: u64,
    /// Requests to `/token` with `grant_type=authorization_code`.
    pub code_exchanges: u64,
    /// Requests to `/token` with `grant_type=refresh_token`.
    pub refreshes: u64,
    /// Times a refresh token came that had been used before.
    pub refresh_reuses: u64,
    /// Requests to `/userinfo`.
    pub userinfo_requests: u64,
    /// Requests to `/revoke`.
    pub revocations: u64,
    /// Tokens that were given in return for another.
    pub token_exchanges: u64,
    /// Requests to `/register`.
    pub registrations: u64,
    /// Requests for the discovery documents.
    pub discoveries: u64,
    /// Requests for the key set.
    pub jwks_requests: u64,
}

/// One request as it came.
///
/// `Debug` shows the names of the parameters only: their values are secrets.
#[derive(Clone)]
pub struct SeenRequest {
    parameters: Vec<(String, String)>,
    authorization: Option<String>,
}

impl SeenRequest {
    pub(super) fn new(parameters: Vec<(String, String)>, authorization: Option<String>) -> Self {
        Self {
            parameters,
            authorization,
        }
    }

    /// The first value under this name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        super::server::first(&self.parameters, name)
    }

    /// All parameters in order.
    #[must_use]
    pub fn parameters(&self) -> &[(String, String)] {
        &self.parameters
    }

    /// The `Authorization` header.
    #[must_use]
    pub fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }
}

impl fmt::Debug for SeenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self
            .parameters
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        f.debug_struct("SeenRequest")
            .field("parameters", &names)
            .field("authorization", &self.authorization.is_some())
            .finish()
    }
}

/// Counters and the latest requests.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) counters: Counters,
    authorize: VecDeque<SeenRequest>,
    token: VecDeque<SeenRequest>,
    revocation: VecDeque<SeenRequest>,
}

impl Observed {
    pub(super) fn saw_authorize(&mut self, request: SeenRequest) {
        self.counters.authorize_requests += 1;
        keep(&mut self.authorize, request);
    }

    pub(super) fn saw_token(&mut self, request: SeenRequest) {
        self.counters.token_requests += 1;
        match request.parameter("grant_type") {
            Some("authorization_code") => self.counters.code_exchanges += 1,
            Some("refresh_token") => self.counters.refreshes += 1,
            _ => {}
        }
        keep(&mut self.token, request);
    }

    pub(super) fn saw_revocation(&mut self, request: SeenRequest) {
        self.counters.revocations += 1;
        keep(&mut self.revocation, request);
    }

    pub(super) fn authorize_requests(&self) -> Vec<SeenRequest> {
        self.authorize.iter().cloned().collect()
    }

    pub(super) fn token_requests(&self) -> Vec<SeenRequest> {
        self.token.iter().cloned().collect()
    }

    pub(super) fn revocation_requests(&self) -> Vec<SeenRequest> {
        self.revocation.iter().cloned().collect()
    }
}

fn keep(requests: &mut VecDeque<SeenRequest>, request: SeenRequest) {
    if requests.len() == KEPT_REQUESTS {
        requests.pop_front();
    }
    requests.push_back(request);
}

/// An example may run for days.
const KEPT_REQUESTS: usize = 1_000;
