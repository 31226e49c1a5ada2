//! A token for the upstream's API in return for one that a host brought (RFC 8693).

mod attempts;
mod builder;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{
    Request, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded;

use attempts::Attempts;
pub use builder::TokenExchangeBuilder;

use super::{IssuerDocument, UpstreamError, expires_in::seconds};
use crate::{
    net::{Causes, HttpClient, basic_credentials},
    oauth::{AccessToken, ClientSecret, Clock, Issuer, SHA256_LEN, Timestamp, sha256},
};

/// Exchanges the tokens of one issuer, that hosts bring, for tokens of its API, which tools may use.
///
/// ```
/// use mcp_auth::{oauth::{ClientSecret, Issuer}, upstream::TokenExchange};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let issuer = Issuer::parse("https://id.example.com")?;
/// let exchange = TokenExchange::builder(issuer, "our-client", ClientSecret::new("its secret"))
///     .for_audience("https://api.example.com")
///     .build()?;
/// # let _ = exchange; Ok(()) }
/// ```
///
/// A token is asked for when a tool wants it, once for all who want it together, and used until half a
/// minute before its end, or the end of the host's token. While the issuer is away it is used to its end.
///
/// # Security
///
/// A tool never sees the host's token. The issuer decides whether our client may act for that user at the
/// API; give that client no more than the tools need.
pub struct TokenExchange {
    issuer: Issuer,
    endpoint: Option<String>,
    client_id: String,
    secret: ClientSecret,
    in_body: bool,
    form: Form,
    target: Vec<(&'static str, String)>,
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    discovered: tokio::sync::Mutex<Option<String>>,
    slots: Mutex<HashMap<Name, Arc<Slot>>>,
}

/// The wire form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    TokenExchange,
    OnBehalfOf,
}

type Name = [u8; SHA256_LEN];

/// What came of asking for one token.
type Slot = Attempts<Result<Exchanged, ExchangeError>>;

#[derive(Clone)]
struct Exchanged {
    token: AccessToken,
    /// From here on the next one is asked for.
    use_until: Timestamp,
    good_until: Timestamp,
}

/// Why there is no token in return.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// The user's token is not good there any more, or the user has to consent.
    #[error("the issuer takes the host's token no more")]
    SubjectGone,
    /// Only the operator can mend it.
    #[error("the issuer refuses the exchange: {0}")]
    Refused(&'static str),
    /// The same call will work later.
    #[error("no exchange right now: {0}")]
    Unavailable(&'static str),
}

const MAX_ANSWER: usize = 64 * 1024;
const MAX_SLOTS: usize = 4096;
const DEADLINE: Duration = Duration::from_secs(10);
/// This long before its end at most, the next token is asked for.
const AHEAD: Duration = Duration::from_secs(30);
/// After a failure while the token is still good.
const REST: Duration = Duration::from_secs(5);
/// Of a token whose end is not told.
const UNTOLD: Duration = Duration::from_secs(60);
const MAX_LIFETIME: u64 = 24 * 3600;

impl TokenExchange {
    /// At this issuer, whose metadata names the token endpoint, as this client of its.
    pub fn builder(
        issuer: Issuer,
        client_id: impl Into<String>,
        secret: ClientSecret,
    ) -> TokenExchangeBuilder {
        TokenExchangeBuilder::new(issuer, client_id.into(), secret)
    }

    /// Whose tokens are exchanged: no other's ever goes there.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// A token in return for this one, which ends at `ends`.
    pub(crate) async fn exchanged(
        &self,
        subject: &AccessToken,
        ends: Option<Timestamp>,
    ) -> Result<AccessToken, ExchangeError> {
        let slot = self.slot(sha256(subject.expose().as_bytes()));
        let now = self.clock.now();
        let (seen, latest) = slot.latest();
        let kept = latest.and_then(Result::ok);
        let kept = kept.filter(|kept| now < kept.good_until);
        if let Some(good) = kept.as_ref().filter(|kept| now < kept.use_until) {
            return Ok(good.token.clone());
        }
        // Whoever waits for it has its failure too, and does not ask a provider that is away once more.
        let exchanging = slot.attempt(seen, async {
            let told = tokio::time::timeout(DEADLINE, self.ask(subject, ends)).await;
            let told = told.unwrap_or(Err(ExchangeError::Unavailable("it takes too long")));
            match (told, kept) {
                (Err(ExchangeError::Unavailable(_)), Some(mut kept)) => {
                    kept.use_until = now.plus(REST);
                    Ok(kept)
                }
                (told, _) => told,
            }
        });
        Ok(exchanging.await?.token)
    }

    fn slot(&self, name: Name) -> Arc<Slot> {
        let mut slots = self.slots();
        if slots.len() >= MAX_SLOTS && !slots.contains_key(&name) {
            let now = self.clock.now();
            slots.retain(|_, slot| {
                let kept = slot.latest().1.and_then(Result::ok);
                let somebody_asks = Arc::strong_count(slot) > 1;
                somebody_asks || kept.is_some_and(|kept| now < kept.good_until)
            });
            if slots.len() >= MAX_SLOTS {
                slots.clear();
            }
        }
        Arc::clone(slots.entry(name).or_default())
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Name, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(
        &self,
        subject: &AccessToken,
        ends: Option<Timestamp>,
    ) -> Result<Exchanged, ExchangeError> {
        let endpoint = self.token_endpoint().await?;
        let request = self.question(&endpoint, subject)?;
        let answer = self.http.send(request, MAX_ANSWER).await.map_err(|error| {
            tracing::warn!(event = "not_exchanged", fault = "upstream", reason = %Causes(&error));
            ExchangeError::Unavailable("it gives no answer")
        })?;
        let told = self.read(answer.status(), answer.body());
        let told = told.and_then(|told| {
            match AccessToken::new(told.access_token.as_str()).matches(subject) {
                // It would go to the API, which it is not for.
                true => Err(ExchangeError::Refused("it gives the host's own token back")),
                false => Ok(told),
            }
        });
        told.inspect_err(|error| {
            tracing::warn!(event = "not_exchanged", fault = "upstream", reason = %error);
        })
        .map(|told| self.kept(told, ends))
    }

    fn question(
        &self,
        endpoint: &str,
        subject: &AccessToken,
    ) -> Result<Request<Bytes>, ExchangeError> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        match self.form {
            Form::TokenExchange => {
                form.append_pair(
                    "grant_type",
                    "urn:ietf:params:oauth:grant-type:token-exchange",
                );
                form.append_pair("subject_token", subject.expose());
                form.append_pair("subject_token_type", ACCESS_TOKEN_TYPE);
                form.append_pair("requested_token_type", ACCESS_TOKEN_TYPE);
            }
            Form::OnBehalfOf => {
                form.append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
                form.append_pair("assertion", subject.expose());
                form.append_pair("requested_token_use", "on_behalf_of");
            }
        }
        for (name, value) in &self.target {
            form.append_pair(name, value);
        }
        let mut request = Request::post(endpoint)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json");
        if self.in_body {
            form.append_pair("client_id", &self.client_id);
            form.append_pair("client_secret", self.secret.expose());
        } else if let Some(credentials) = basic_credentials(&self.client_id, &self.secret) {
            request = request.header(AUTHORIZATION, credentials);
        }
        let request = request.body(Bytes::from(form.finish()));
        request.map_err(|_| ExchangeError::Refused("its token endpoint is no URL"))
    }

    fn read(&self, status: StatusCode, body: &[u8]) -> Result<Answer, ExchangeError> {
        use ExchangeError::{Refused, SubjectGone, Unavailable};
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Unavailable("it says that it cannot at the moment"));
        }
        let error: Value = serde_json::from_slice(body).unwrap_or_default();
        let error = error.get("error").and_then(Value::as_str);
        // Some say an error with 200.
        if status.is_success() && error.is_none() {
            let answer: Option<Answer> = serde_json::from_slice(body).ok();
            let answer = answer.ok_or(Unavailable("its answer is not one"))?;
            let is_access_token = |kind: &String| kind == ACCESS_TOKEN_TYPE || kind == JWT_TYPE;
            if !answer
                .issued_token_type
                .as_ref()
                .is_none_or(is_access_token)
            {
                return Err(Refused("it gives tokens of another type"));
            }
            if !answer
                .token_type
                .as_ref()
                .is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"))
            {
                return Err(Refused("it gives tokens of another type than Bearer"));
            }
            let fits = |b: u8| b.is_ascii_graphic();
            if answer.access_token.is_empty() || !answer.access_token.bytes().all(fits) {
                return Err(Unavailable("its answer has no bearer token"));
            }
            return Ok(answer);
        }
        Err(match error {
            Some(
                "invalid_grant"
                | "invalid_token"
                | "interaction_required"
                | "login_required"
                | "consent_required",
            ) => SubjectGone,
            // RFC 8693 §2.2.2: what has to be said of a subject token that is not good.
            Some("invalid_request") if self.form == Form::TokenExchange => SubjectGone,
            Some("invalid_client") => {
                Refused("it does not accept our client: check its id and secret")
            }
            Some("unauthorized_client") => Refused("our client may not exchange tokens"),
            Some("invalid_target") => Refused("it gives no token for this audience"),
            Some("invalid_scope") => Refused("it gives no token with these scopes"),
            Some("unsupported_grant_type") => Refused("it exchanges no tokens"),
            Some("temporarily_unavailable") => Unavailable("it says that it cannot at the moment"),
            _ => Refused("its token endpoint refused the request"),
        })
    }

    fn kept(&self, told: Answer, ends: Option<Timestamp>) -> Exchanged {
        let now = self.clock.now();
        let lifetime = match told
            .expires_in
            .as_ref()
            .and_then(|told| seconds(told, MAX_LIFETIME))
        {
            Some(seconds) => Duration::from_secs(seconds),
            None => UNTOLD,
        };
        let ahead = match told.expires_in {
            Some(_) => (lifetime / 10).min(AHEAD),
            None => Duration::ZERO,
        };
        let at_most = |end: Timestamp| ends.map_or(end, |ends| ends.min(end));
        Exchanged {
            token: AccessToken::new(told.access_token),
            use_until: at_most(now.plus(lifetime.saturating_sub(ahead))),
            good_until: at_most(now.plus(lifetime)),
        }
    }

    async fn token_endpoint(&self) -> Result<String, ExchangeError> {
        if let Some(endpoint) = &self.endpoint {
            return Ok(endpoint.clone());
        }
        let mut discovered = self.discovered.lock().await;
        if let Some(endpoint) = &*discovered {
            return Ok(endpoint.clone());
        }
        let document = IssuerDocument::read(&*self.http, &self.issuer).await;
        let document = document.map_err(|error| {
            tracing::warn!(event = "not_exchanged", fault = "upstream", reason = %Causes(&error));
            match error {
                UpstreamError::Refused(reason) => ExchangeError::Refused(reason),
                _ => ExchangeError::Unavailable("its metadata cannot be read"),
            }
        })?;
        let endpoint = document.endpoint("token_endpoint");
        let endpoint = endpoint.ok_or(ExchangeError::Refused(
            "its metadata names no secure token endpoint",
        ))?;
        *discovered = Some(endpoint.to_owned());
        Ok(endpoint.to_owned())
    }
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    issued_token_type: Option<String>,
    token_type: Option<String>,
    expires_in: Option<Value>,
}

const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT_TYPE: &str = "urn:ietf:params:oauth:token-type:jwt";

impl fmt::Debug for TokenExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenExchange")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}
