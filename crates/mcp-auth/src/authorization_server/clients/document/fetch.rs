//! One fetch of a JSON document that a stranger named (draft -02 §5, §8.6, §8.7).

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode, Uri,
    header::{ACCEPT, CONTENT_TYPE},
};
use serde::de::IgnoredAny;
use tokio::sync::Semaphore;

use super::{
    cache::{FetchError, Fetched},
    freshness,
};
use crate::{
    net::{Causes, ClientAddress, HttpClient, HttpError, Visits},
    oauth::Clock,
};

/// Fetches documents through the guarded door, and never many for one caller or from one host.
#[derive(Debug)]
pub(super) struct Fetcher {
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    at_once: Semaphore,
    callers: Option<Arc<Visits<IpAddr>>>,
    hosts: Arc<Visits<String>>,
    /// Where the connections go; counted by the door, which alone knows.
    addresses: Arc<Visits<IpAddr>>,
}

/// Fetches at once, for everybody from everywhere.
const AT_ONCE: usize = 128;
/// Of these for one caller: it takes many of them to keep others from being served.
const AT_ONCE_FOR_A_CALLER: u32 = 8;
/// And from one host or address: slow hosts hold up each other, not this server.
const AT_ONCE_FROM_A_HOST: u32 = 16;
/// Fetches from one host or address within a minute: nobody makes us flood a third party.
const FROM_A_HOST: u32 = 300;

impl Fetcher {
    /// With this many fetches a minute for one caller; zero is no limit.
    pub(super) fn new(http: Arc<dyn HttpClient>, clock: Arc<dyn Clock>, for_a_caller: u32) -> Self {
        Self {
            http,
            at_once: Semaphore::new(AT_ONCE),
            callers: (for_a_caller > 0)
                .then(|| Visits::new(for_a_caller, AT_ONCE_FOR_A_CALLER, Arc::clone(&clock))),
            hosts: Visits::new(FROM_A_HOST, AT_ONCE_FROM_A_HOST, Arc::clone(&clock)),
            addresses: Visits::new(FROM_A_HOST, AT_ONCE_FROM_A_HOST, Arc::clone(&clock)),
            clock,
        }
    }

    /// The document at a URL of at most `limit` bytes, as `parse` reads it, for this caller.
    pub(super) async fn fetch<T>(
        &self,
        uri: &Uri,
        limit: usize,
        caller: Option<ClientAddress>,
        parse: impl FnOnce(&[u8]) -> Result<T, &'static str> + Send,
    ) -> Result<Fetched<T>, FetchError> {
        let host = uri.host().unwrap_or_default();
        let outcome = self.document(uri, host, limit, caller).await;
        let outcome = outcome.and_then(|(headers, body)| {
            Ok(Fetched {
                value: parse(&body).map_err(FetchError::Refused)?,
                fresh_for: freshness::lifetime(&headers, self.clock.now()),
                bytes: body.len(),
            })
        });
        match &outcome {
            Ok(_) => tracing::info!(event = "document_fetched", host),
            Err(FetchError::Busy(reason)) => {
                tracing::warn!(
                    event = "document_not_asked_for",
                    fault = "client",
                    host,
                    reason
                );
            }
            Err(FetchError::Outage(reason)) => {
                tracing::warn!(
                    event = "document_not_fetched",
                    fault = "client",
                    host,
                    reason
                );
            }
            Err(FetchError::Unclear(reason) | FetchError::Refused(reason)) => {
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
        caller: Option<ClientAddress>,
    ) -> Result<(HeaderMap, Bytes), FetchError> {
        let _of_caller = match (&self.callers, caller) {
            (Some(callers), Some(caller)) => {
                let visit = callers.enter(caller.network());
                Some(visit.ok_or(FetchError::Busy("too many fetches for its caller"))?)
            }
            _ => None,
        };
        let visit = self.hosts.enter(host.to_ascii_lowercase());
        let _of_host = visit.ok_or(FetchError::Busy("too many fetches from its host"))?;
        let permit = self.at_once.try_acquire();
        let _of_all = permit.map_err(|_| FetchError::Busy("too many fetches at once"))?;
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = uri.clone();
        let accept = HeaderValue::from_static("application/json");
        request.headers_mut().insert(ACCEPT, accept);
        request.extensions_mut().insert(Arc::clone(&self.addresses));
        let answer = self.http.send(request, limit).await.map_err(|error| {
            tracing::debug!(event = "fetch_failed", host, reason = %Causes(&error));
            match error {
                HttpError::NotAllowed => FetchError::Refused("its host is not a public one"),
                HttpError::TooLarge => FetchError::Unclear("it is too large"),
                HttpError::NotSent(_) => FetchError::Outage("its host cannot be reached"),
                HttpError::NoAnswer(_) => FetchError::Outage("its host gives no answer in time"),
                HttpError::Busy => FetchError::Busy("too many fetches from its address"),
            }
        })?;
        check(&answer)?;
        let (parts, body) = answer.into_parts();
        Ok((parts.headers, body))
    }
}

/// Only 200 counts, and only a JSON object; and only 404 and 410 say that there is none.
fn check(answer: &Response<Bytes>) -> Result<(), FetchError> {
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::TOO_MANY_REQUESTS => {
            return Err(FetchError::Outage("its host asks us to slow down"));
        }
        status if status.is_server_error() => {
            return Err(FetchError::Outage("its host answers with a server error"));
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            return Err(FetchError::Refused("its host does not have it"));
        }
        status if status.is_redirection() => {
            return Err(FetchError::Unclear("its host answers with a redirect"));
        }
        StatusCode::FORBIDDEN => {
            return Err(FetchError::Unclear(
                "its host answers 403, which may be a challenge for browsers: pin a copy",
            ));
        }
        _ => return Err(FetchError::Unclear("its host does not answer 200")),
    }
    let content_type = answer.headers().get(CONTENT_TYPE);
    let content_type = content_type
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    let is_json = essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    if !is_json {
        return Err(FetchError::Unclear("it is not JSON by its content type"));
    }
    let body = answer.body();
    let is_object = body.trim_ascii_start().first() == Some(&b'{')
        && serde_json::from_slice::<IgnoredAny>(body).is_ok();
    if is_object {
        return Ok(());
    }
    Err(FetchError::Unclear("it is not one JSON object"))
}
