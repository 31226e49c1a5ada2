//! One fetch of a JSON document that a stranger named (draft -02 §5, §8.6, §8.7).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode, Uri,
    header::{ACCEPT, CONTENT_TYPE},
};
use tokio::sync::Semaphore;

use super::{
    cache::{FetchError, Fetched},
    freshness,
};
use crate::{
    net::{Causes, HttpClient, HttpError},
    oauth::{Clock, Timestamp},
};

/// Fetches documents through the guarded door, and never many from one host.
#[derive(Debug)]
pub(super) struct Fetcher {
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    /// Slow hosts hold up each other, not this server.
    at_once: Semaphore,
    hosts: Mutex<HashMap<String, (Timestamp, u32)>>,
}

/// Fetches at once, to all hosts together.
const AT_ONCE: usize = 64;
/// Fetches from one host within a minute.
const PER_HOST: u32 = 300;
const MINUTE: Duration = Duration::from_secs(60);
/// Hosts whose fetches are counted; past it counting begins anew.
const MAX_HOSTS: usize = 10_000;

impl Fetcher {
    pub(super) fn new(http: Arc<dyn HttpClient>, clock: Arc<dyn Clock>) -> Self {
        Self {
            http,
            clock,
            at_once: Semaphore::new(AT_ONCE),
            hosts: Mutex::default(),
        }
    }

    /// The document at a URL of at most `limit` bytes, as `parse` reads it.
    pub(super) async fn fetch<T>(
        &self,
        uri: &Uri,
        limit: usize,
        parse: impl FnOnce(&[u8]) -> Result<T, &'static str> + Send,
    ) -> Result<Fetched<T>, FetchError> {
        let host = uri.host().unwrap_or_default();
        let outcome = self.document(uri, host, limit).await;
        let outcome = outcome.and_then(|(headers, body)| {
            Ok(Fetched {
                value: parse(&body).map_err(FetchError::Refused)?,
                fresh_for: freshness::lifetime(&headers, self.clock.now()),
                bytes: body.len(),
            })
        });
        match &outcome {
            Ok(_) => tracing::info!(event = "document_fetched", host),
            Err(FetchError::Outage(reason)) => {
                tracing::warn!(
                    event = "document_not_fetched",
                    fault = "client",
                    host,
                    reason
                );
            }
            Err(FetchError::Refused(reason)) => {
                tracing::info!(event = "document_refused", fault = "client", host, reason);
            }
        }
        outcome
    }

    async fn document(
        &self,
        uri: &Uri,
        host: &str,
        limit: usize,
    ) -> Result<(HeaderMap, Bytes), FetchError> {
        if !self.host_has_one(host) {
            return Err(FetchError::Outage("too many fetches from its host"));
        }
        let _permit = self
            .at_once
            .try_acquire()
            .map_err(|_| FetchError::Outage("too many fetches at once"))?;
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = uri.clone();
        let accept = HeaderValue::from_static("application/json");
        request.headers_mut().insert(ACCEPT, accept);
        let answer = self.http.send(request, limit).await.map_err(|error| {
            tracing::debug!(event = "fetch_failed", host, reason = %Causes(&error));
            match error {
                HttpError::NotAllowed => FetchError::Refused("its host is not a public one"),
                HttpError::TooLarge => FetchError::Refused("it is too large"),
                HttpError::NotSent(_) => FetchError::Outage("its host cannot be reached"),
                HttpError::NoAnswer(_) => FetchError::Outage("its host gives no answer in time"),
            }
        })?;
        check(&answer)?;
        let (parts, body) = answer.into_parts();
        Ok((parts.headers, body))
    }

    /// Takes one from what a host may be asked in a minute: nobody makes us flood a third party.
    fn host_has_one(&self, host: &str) -> bool {
        let now = self.clock.now();
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= MAX_HOSTS && !hosts.contains_key(host) {
            hosts.retain(|_, (began, _)| now.is_within(*began, MINUTE));
            if hosts.len() >= MAX_HOSTS {
                hosts.clear();
            }
        }
        let (began, count) = hosts.entry(host.to_ascii_lowercase()).or_insert((now, 0));
        if !now.is_within(*began, MINUTE) {
            (*began, *count) = (now, 0);
        }
        *count += 1;
        *count <= PER_HOST
    }
}

/// Only 200 counts, and only JSON.
fn check(answer: &Response<Bytes>) -> Result<(), FetchError> {
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::TOO_MANY_REQUESTS => {
            return Err(FetchError::Outage("its host asks us to slow down"));
        }
        status if status.is_server_error() => {
            return Err(FetchError::Outage("its host answers with a server error"));
        }
        status if status.is_redirection() => {
            return Err(FetchError::Refused("its host answers with a redirect"));
        }
        StatusCode::FORBIDDEN => {
            return Err(FetchError::Refused(
                "its host answers 403, which may be a challenge for browsers: pin a copy",
            ));
        }
        _ => return Err(FetchError::Refused("its host does not answer 200")),
    }
    let content_type = answer.headers().get(CONTENT_TYPE);
    let content_type = content_type
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    let is_json = essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    if is_json {
        return Ok(());
    }
    Err(FetchError::Refused("it is not JSON by its content type"))
}
