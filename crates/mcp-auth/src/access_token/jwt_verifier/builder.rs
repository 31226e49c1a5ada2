//! Setting up a [`JwtVerifier`].

use std::{sync::Arc, time::Duration};

use super::{JwtIssuer, JwtVerifier, VerifiedTokens};
use crate::{
    BuildError,
    net::{HttpClient, default_http_client},
    oauth::{Clock, SystemClock},
};

/// Sets up a [`JwtVerifier`].
#[derive(Debug)]
#[must_use]
pub struct JwtVerifierBuilder {
    issuers: Vec<JwtIssuer>,
    leeway: Duration,
    http: Option<Arc<dyn HttpClient>>,
    clock: Arc<dyn Clock>,
}

impl JwtVerifierBuilder {
    pub(super) fn new(issuer: JwtIssuer) -> Self {
        Self {
            issuers: vec![issuer],
            leeway: Duration::from_secs(60),
            http: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// With one more issuer: a token is verified by the keys of the one that it names.
    pub fn with_further_issuer(mut self, issuer: JwtIssuer) -> Self {
        self.issuers.push(issuer);
        self
    }

    /// How far the issuer's clock and ours may differ (RFC 7519 §4.1.4); 60 seconds by default, ten
    /// minutes at most.
    pub const fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// With another HTTP client than the built-in one. The URLs it is asked for are the operator's own,
    /// or named in the metadata of an issuer that the operator named.
    pub fn with_http_client(mut self, http: Arc<dyn HttpClient>) -> Self {
        self.http = Some(http);
        self
    }

    /// With another clock than the system's.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Checks the arguments; no issuer is asked yet.
    ///
    /// # Errors
    ///
    /// When an issuer is there twice, its keys or algorithms cannot be used, the leeway is too long, or
    /// there is no HTTP client.
    pub fn build(self) -> Result<JwtVerifier, BuildError> {
        if self.leeway > MAX_LEEWAY {
            return Err(BuildError::argument("leeway", "is ten minutes at most"));
        }
        let http = match self.http {
            Some(http) => http,
            None => default_http_client()?,
        };
        let mut issuers = Vec::new();
        for issuer in self.issuers {
            let trusted = issuer.trusted(Arc::clone(&http), Arc::clone(&self.clock))?;
            let known = issuers
                .iter()
                .any(|other: &super::TrustedIssuer| other.issuer == trusted.issuer);
            if known {
                return Err(BuildError::argument(
                    "issuer",
                    "the same issuer is there twice",
                ));
            }
            issuers.push(trusted);
        }
        Ok(JwtVerifier {
            issuers,
            leeway: self.leeway,
            clock: self.clock,
            verified: VerifiedTokens::default(),
        })
    }
}

const MAX_LEEWAY: Duration = Duration::from_secs(600);
