//! `POST /register` for hosts of revision 2025-03-26: handed on to the provider (RFC 7591 §3).

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER},
};
use serde_json::{Map, Value, json};

use crate::{
    net::{Causes, ClientAddress, HttpClient, HttpError, Visit, Visits, empty},
    oauth::{Clock, OAuthErrorCode, RedirectUri},
};

/// Registers clients at the provider, and only such that return where the operator allows it.
#[derive(Debug)]
pub(super) struct RegistrationRelay {
    endpoint: String,
    allowed: Vec<RedirectUri>,
    http: Arc<dyn HttpClient>,
    limits: Option<Limits>,
}

/// Who comes how often.
#[derive(Debug)]
struct Limits {
    /// By network; callers whose address is not known count as one.
    callers: Arc<Visits<Option<IpAddr>>>,
    all: Arc<Visits<()>>,
}

/// Of one network a minute, as for a registration of our own.
const PER_MINUTE: u32 = 60;
const AT_ONCE: u32 = 8;
/// Of all networks together: the provider sees all of them come from us.
const ALL_PER_MINUTE: u32 = 300;
const ALL_AT_ONCE: u32 = 32;
const MAX_ANSWER: usize = 64 * 1024;

/// What a client may say about itself here (RFC 7591 §2). What names a key or a URL to fetch, or is a
/// statement of somebody else's, is the provider's own matter and is not handed on.
const MEMBERS: [&str; 8] = [
    "redirect_uris",
    "client_name",
    "client_uri",
    "token_endpoint_auth_method",
    "grant_types",
    "response_types",
    "scope",
    "application_type",
];

/// What a host needs, and nothing more: a client that gets tokens without a user's code, which a redirect
/// URI does not hold back, is nobody's to register here.
const GRANT_TYPES: [&str; 2] = ["authorization_code", "refresh_token"];
const RESPONSE_TYPES: [&str; 1] = ["code"];

impl Limits {
    /// A visit that is under way, if there is room for it.
    fn enter(&self, caller: Option<&ClientAddress>) -> Option<(Visit<Option<IpAddr>>, Visit<()>)> {
        let of_caller = self.callers.enter(caller.map(|caller| caller.network()))?;
        Some((of_caller, self.all.enter(())?))
    }
}

impl RegistrationRelay {
    pub(super) fn new(
        endpoint: String,
        allowed: Vec<RedirectUri>,
        http: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            endpoint,
            allowed,
            http,
            limits: Some(Limits {
                callers: Visits::new(PER_MINUTE, AT_ONCE, Arc::clone(&clock)),
                all: Visits::new(ALL_PER_MINUTE, ALL_AT_ONCE, clock),
            }),
        }
    }

    /// As often as anybody wants.
    pub(super) fn without_limits(mut self) -> Self {
        self.limits = None;
        self
    }

    pub(super) async fn register(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let caller = request.extensions().get::<ClientAddress>();
        let limits = self.limits.as_ref();
        let visit = limits.map(|limits| limits.enter(caller));
        if matches!(visit, Some(None)) {
            return refusal(
                OAuthErrorCode::TemporarilyUnavailable,
                StatusCode::TOO_MANY_REQUESTS,
            );
        }
        let registration = match self.checked(request) {
            Ok(registration) => registration,
            Err((code, reason)) => {
                tracing::info!(event = "registration_refused", fault = "client", reason);
                return refusal(code, code.status());
            }
        };
        match self.relayed(registration).await {
            Ok(answer) => answer,
            Err(reason) => {
                tracing::error!(
                    event = "registration_not_relayed",
                    fault = "upstream",
                    reason
                );
                let code = OAuthErrorCode::TemporarilyUnavailable;
                refusal(code, code.status())
            }
        }
    }

    /// The registration as it is handed on.
    fn checked(
        &self,
        request: &Request<Bytes>,
    ) -> Result<Map<String, Value>, (OAuthErrorCode, &'static str)> {
        use OAuthErrorCode::{InvalidClientMetadata, InvalidRedirectUri};
        let kind = request.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err((InvalidClientMetadata, "not sent as JSON"));
        }
        let mut sent: Map<String, Value> = serde_json::from_slice(request.body())
            .map_err(|_| (InvalidClientMetadata, "no JSON object"))?;
        let uris = sent.get("redirect_uris").and_then(Value::as_array);
        let uris = uris.filter(|uris| !uris.is_empty());
        let uris = uris.ok_or((InvalidRedirectUri, "no redirect_uris"))?;
        for uri in uris {
            let uri = uri.as_str().map(RedirectUri::parse);
            let Some(Ok(uri)) = uri else {
                return Err((InvalidRedirectUri, "a redirect URI that cannot be used"));
            };
            if !self.allowed.iter().any(|allowed| allowed.allows(&uri)) {
                return Err((InvalidRedirectUri, "a redirect URI that is not allowed"));
            }
        }
        sent.retain(|name, _| MEMBERS.contains(&name.as_str()));
        keep_only(&mut sent, "grant_types", &GRANT_TYPES).map_err(|()| {
            (
                InvalidClientMetadata,
                "grant_types without authorization_code",
            )
        })?;
        keep_only(&mut sent, "response_types", &RESPONSE_TYPES)
            .map_err(|()| (InvalidClientMetadata, "response_types without code"))?;
        Ok(sent)
    }

    /// What the provider says; its refusals are told in our words.
    async fn relayed(
        &self,
        registration: Map<String, Value>,
    ) -> Result<Response<Bytes>, &'static str> {
        let body = serde_json::to_vec(&registration).map_err(|_| "it cannot be written")?;
        let request = Request::post(&self.endpoint)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .body(body.into())
            .map_err(|_| "its registration endpoint is no URL")?;
        let answer = self.http.send(request, MAX_ANSWER).await.map_err(|error| {
            tracing::debug!(cause = %Causes(&error));
            match error {
                HttpError::TooLarge => "its answer is too large",
                _ => "it gives no answer",
            }
        })?;
        let told: Map<String, Value> = serde_json::from_slice(answer.body()).unwrap_or_default();
        match answer.status() {
            // RFC 7591 §3.2.1 says 201; some say 200.
            StatusCode::CREATED | StatusCode::OK
                if told.get("client_id").is_some_and(Value::is_string) =>
            {
                Ok(json(StatusCode::CREATED, &Value::Object(told)))
            }
            StatusCode::BAD_REQUEST => {
                let code = match told.get("error").and_then(Value::as_str) {
                    Some("invalid_redirect_uri") => OAuthErrorCode::InvalidRedirectUri,
                    _ => OAuthErrorCode::InvalidClientMetadata,
                };
                tracing::info!(
                    event = "registration_refused",
                    fault = "client",
                    reason = "the provider refused it"
                );
                Ok(refusal(code, code.status()))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(
                "it lets nobody register without a token of its own: DcrShim is the tier for it",
            ),
            _ => Err("it does not answer as a registration endpoint"),
        }
    }
}

/// Takes everything else out of a list, where there is one; the first of what is kept has to be in it.
fn keep_only(sent: &mut Map<String, Value>, member: &str, kept: &[&str]) -> Result<(), ()> {
    let list = match sent.get_mut(member) {
        None | Some(Value::Null) => return Ok(()),
        Some(list) => list.as_array_mut().ok_or(())?,
    };
    list.retain(|value| value.as_str().is_some_and(|value| kept.contains(&value)));
    let needed = kept.first();
    let has_it = list.iter().any(|value| value.as_str() == needed.copied());
    has_it.then_some(()).ok_or(())
}

fn refusal(code: OAuthErrorCode, status: StatusCode) -> Response<Bytes> {
    let body = json!({ "error": code.as_str(), "error_description": code.description() });
    let mut response = json(status, &body);
    if matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) {
        let later = HeaderValue::from_static("30");
        response.headers_mut().insert(RETRY_AFTER, later);
    }
    response
}

/// A registration may hold a secret, so it is kept nowhere on the way.
fn json(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = empty(status);
    *response.body_mut() = body.to_string().into();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
