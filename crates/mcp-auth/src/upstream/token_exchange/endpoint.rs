//! Where tokens are exchanged.

use std::time::Duration;

use super::{ExchangeError, attempts::Attempts};
use crate::{
    net::{Causes, HttpClient},
    oauth::{Clock, Issuer, Timestamp},
    upstream::IssuerDocument,
};

/// The token endpoint.
#[derive(Debug)]
pub(super) enum TokenEndpoint {
    Named(String),
    /// By the issuer's metadata.
    Discovered(Attempts<Result<Discovered, ExchangeError>>),
}

#[derive(Debug, Clone)]
pub(super) struct Discovered {
    url: String,
    at: Timestamp,
    /// From `at` on.
    good_for: Duration,
}

const DEADLINE: Duration = Duration::from_secs(8);
/// Metadata is read again after this, or after this long if that failed.
const MAX_AGE: Duration = Duration::from_secs(24 * 3600);
const AFTER_FAILURE: Duration = Duration::from_secs(300);

impl TokenEndpoint {
    /// Its URL, read again after a day; the old one is good while a new one cannot be read.
    pub(super) async fn url(
        &self,
        issuer: &Issuer,
        http: &dyn HttpClient,
        clock: &dyn Clock,
    ) -> Result<String, ExchangeError> {
        let attempts = match self {
            Self::Named(url) => return Ok(url.clone()),
            Self::Discovered(attempts) => attempts,
        };
        let (seen, latest) = attempts.latest();
        let known = latest.and_then(Result::ok);
        let now = clock.now();
        if let Some(known) = &known
            && now.is_within(known.at, known.good_for)
        {
            return Ok(known.url.clone());
        }
        let reading = attempts.attempt(seen, async {
            let (url, good_for) = match (read(issuer, http).await, known) {
                (Ok(url), _) => (url, MAX_AGE),
                (Err(_), Some(known)) => (known.url, AFTER_FAILURE),
                (Err(error), None) => return Err(error),
            };
            Ok(Discovered {
                url,
                at: now,
                good_for,
            })
        });
        Ok(reading.await?.url)
    }
}

async fn read(issuer: &Issuer, http: &dyn HttpClient) -> Result<String, ExchangeError> {
    let read = tokio::time::timeout(DEADLINE, IssuerDocument::read(http, issuer)).await;
    let document = match read {
        Ok(Ok(document)) => document,
        Ok(Err(error)) => {
            tracing::debug!(cause = %Causes(&error));
            return Err(ExchangeError::Away("its metadata cannot be read"));
        }
        Err(_) => return Err(ExchangeError::Away("its metadata takes too long")),
    };
    let endpoint = document.endpoint("token_endpoint").map(str::to_owned);
    endpoint.ok_or(ExchangeError::Refused(
        "its metadata names no token endpoint that can be used",
    ))
}
