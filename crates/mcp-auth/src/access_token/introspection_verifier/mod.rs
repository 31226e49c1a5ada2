//! Access tokens that their issuer is asked about (RFC 7662).

mod answer;
mod builder;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use answer::Answer;
use async_trait::async_trait;
use bytes::Bytes;
use http::{
    Request, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use tokio::sync::Mutex;
use url::form_urlencoded;

use builder::Caller;
pub use builder::IntrospectionVerifierBuilder;

use super::{
    Principal, TokenVerifier, VerifyError, spoken_for::is_for, verified_tokens::VerifiedTokens,
};
use crate::{
    net::{Causes, HttpClient},
    oauth::{AccessToken, Clock, Issuer, ResourceIdentifier, Timestamp},
};

/// Verifies access tokens by asking their issuer about each (RFC 7662): for opaque tokens, and where a
/// revocation has to be seen soon.
///
/// ```
/// use mcp_auth::{access_token::IntrospectionVerifier, oauth::{ClientSecret, Issuer}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let issuer = Issuer::parse("https://id.example.com")?;
/// let verifier = IntrospectionVerifier::builder(issuer, "https://id.example.com/introspect")
///     .with_client("our-server", ClientSecret::new("its secret"))
///     .build()?;
/// # let _ = verifier; Ok(()) }
/// ```
///
/// An answer is believed for 30 seconds and never past the token's `exp`; a token that is not active is
/// not asked about again for 5. A crowd with one new token asks once. When the issuer cannot be asked, or
/// answers with anything but 200 and JSON, the answer to the host is 503.
///
/// # Security
///
/// `active` says that a token is good, not for whom: an answer without an audience, or with another's, is
/// a refusal (RFC 7662 §4). The token goes to the introspection endpoint and nowhere else.
#[derive(Debug)]
pub struct IntrospectionVerifier {
    issuer: Issuer,
    endpoint: String,
    caller: Caller,
    audiences: BTreeSet<String>,
    believed_for: Duration,
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    active: VerifiedTokens<ActiveToken>,
    /// Apart, so that a flood of these pushes no good one out.
    inactive: VerifiedTokens<()>,
    /// One question at a time for each token, and so many at once.
    asking: [Mutex<()>; AT_ONCE],
    waiting: AtomicUsize,
}

/// What an answer said that stays true for a while.
#[derive(Debug, Clone)]
struct ActiveToken {
    audience: Arc<[String]>,
    principal: Principal,
}

const MAX_TOKEN: usize = 16 * 1024;
const MAX_ANSWER: usize = 64 * 1024;
const AT_ONCE: usize = 64;
const MAX_WAITING: usize = 1024;
/// For one question, the wait for its turn included.
const DEADLINE: Duration = Duration::from_secs(10);
const INACTIVE_FOR: Duration = Duration::from_secs(5);
const LEEWAY: Duration = Duration::from_secs(60);
const RETRY_AFTER: Duration = Duration::from_secs(2);

impl IntrospectionVerifier {
    /// A verifier that asks this endpoint about this issuer's tokens.
    pub fn builder(issuer: Issuer, endpoint: impl Into<String>) -> IntrospectionVerifierBuilder {
        IntrospectionVerifierBuilder::new(issuer, endpoint.into())
    }

    /// What was said a moment ago.
    fn known(
        &self,
        token: &AccessToken,
        resource: &ResourceIdentifier,
    ) -> Option<Result<Principal, VerifyError>> {
        let now = self.clock.now();
        let name = VerifiedTokens::<ActiveToken>::name(token);
        if let Some(active) = self.active.get(&name, now) {
            return Some(self.for_resource(active, resource));
        }
        self.inactive.get(&name, now)?;
        Some(Err(VerifyError::Invalid("not active, its issuer said")))
    }

    fn for_resource(
        &self,
        active: ActiveToken,
        resource: &ResourceIdentifier,
    ) -> Result<Principal, VerifyError> {
        match is_for(&active.audience, resource, &self.audiences) {
            true => Ok(active.principal),
            false => Err(VerifyError::Invalid("issued for another resource")),
        }
    }

    /// Asks, when its turn has come and nobody asked meanwhile.
    async fn ask_in_turn(
        &self,
        token: &AccessToken,
        resource: &ResourceIdentifier,
    ) -> Result<Principal, VerifyError> {
        let name = VerifiedTokens::<ActiveToken>::name(token);
        let at = name.first().map_or(0, |byte| usize::from(*byte) % AT_ONCE);
        let turn = self.asking.get(at).ok_or(away("no turn"))?;
        let _turn = turn.lock().await;
        if let Some(known) = self.known(token, resource) {
            return known;
        }
        let answer = self.ask(token).await?;
        let now = self.clock.now();
        match answer.active_token(&self.issuer, now) {
            Ok((active, ends)) => {
                let believed = now.plus(self.believed_for);
                let until = ends.map_or(believed, |ends: Timestamp| ends.min(believed));
                self.active.remember(name, active.clone(), until, now);
                self.for_resource(active, resource)
            }
            Err(error) => {
                self.inactive
                    .remember(name, (), now.plus(INACTIVE_FOR), now);
                Err(error)
            }
        }
    }

    /// The question (RFC 7662 §2.1).
    fn question(&self, token: &AccessToken) -> Result<Request<Bytes>, VerifyError> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", token.expose());
        form.append_pair("token_type_hint", "access_token");
        self.caller.add_to(&mut form);
        let mut request = Request::post(&self.endpoint)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json");
        if let Some(credentials) = self.caller.header() {
            request = request.header(AUTHORIZATION, credentials);
        }
        let request = request.body(Bytes::from(form.finish()));
        request.map_err(|_| away("its introspection endpoint is no URL"))
    }

    async fn ask(&self, token: &AccessToken) -> Result<Answer, VerifyError> {
        let request = self.question(token)?;
        let answer = self.http.send(request, MAX_ANSWER).await.map_err(|error| {
            tracing::error!(event = "not_introspected", fault = "upstream", reason = %Causes(&error));
            away("it gives no answer")
        })?;
        let reason = match answer.status() {
            StatusCode::OK => match serde_json::from_slice(answer.body()) {
                Ok(answer) => return Ok(answer),
                Err(_) => "its answer is not one",
            },
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                "it does not accept our client: check its id and secret"
            }
            _ => "it does not answer 200",
        };
        tracing::error!(event = "not_introspected", fault = "upstream", reason);
        Err(away(reason))
    }
}

fn away(reason: &'static str) -> VerifyError {
    VerifyError::Unavailable {
        retry_after: RETRY_AFTER,
        source: Some(reason.into()),
    }
}

#[async_trait]
impl TokenVerifier for IntrospectionVerifier {
    fn issuers(&self) -> Vec<&str> {
        vec![self.issuer.as_str()]
    }

    fn verify_now(
        &self,
        token: &AccessToken,
        resource: &ResourceIdentifier,
    ) -> Option<Result<Principal, VerifyError>> {
        if token.expose().len() > MAX_TOKEN {
            return Some(Err(VerifyError::Invalid("longer than any token")));
        }
        self.known(token, resource)
    }

    async fn verify(
        &self,
        token: &AccessToken,
        resource: &ResourceIdentifier,
    ) -> Result<Principal, VerifyError> {
        if let Some(known) = self.verify_now(token, resource) {
            return known;
        }
        let _waiting = Waiting::among(&self.waiting).ok_or(away("too many tokens wait for it"))?;
        let asked = tokio::time::timeout(DEADLINE, self.ask_in_turn(token, resource)).await;
        asked.unwrap_or(Err(away("it takes too long")))
    }
}

/// One of those who wait for an answer.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn among(all: &'a AtomicUsize) -> Option<Self> {
        let waiting = Self(all);
        (all.fetch_add(1, Ordering::Relaxed) < MAX_WAITING).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
