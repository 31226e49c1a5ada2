//! Any OAuth 2.0 or OpenID provider as upstream.

mod builder;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use oauth2::{CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope};
use tokio::sync::Mutex;

pub use builder::OAuthUpstreamBuilder;

use super::{
    ExpectedIssuer, IssuerKeys, Upstream, UpstreamAuthorization, UpstreamError, UpstreamIdentity,
    UpstreamLogin, UpstreamToken, UpstreamTokens,
    client_authentication::{ClientAuthentication, Speaker},
    discovery::{UpstreamEndpoints, discover},
    extra_parameters::ExtraParameters,
    id_token,
    presets::{Chosen, FilledPlace, Preset},
    revocation, token_request, userinfo,
};
use crate::{
    BuildError,
    net::HttpClient,
    oauth::{AuthorizationCode, Clock, CodeVerifier, Issuer, RefreshToken, Timestamp},
};

/// Any OAuth 2.0 or OpenID provider, spoken to as its client.
///
/// Who the user is: an OpenID provider (one with an issuer and keys, asked for the scope `openid`) says it
/// in an ID token, which must be there and is checked by its keys and our `nonce` (OpenID Connect Core
/// §3.1.3.7). Its userinfo endpoint, where it has one, is asked with the access token that was just issued,
/// must speak of the same user, and gives the claims (§5.3). Any other provider needs a userinfo endpoint,
/// and what that says over TLS is the user.
#[derive(Debug)]
pub struct OAuthUpstream {
    pub(super) client_id: String,
    pub(super) authentication: ClientAuthentication,
    pub(super) http: Arc<dyn HttpClient>,
    pub(super) clock: Arc<dyn Clock>,
    issuer: Option<Issuer>,
    discovered: Mutex<Discovered>,
    attempts: AtomicU64,
    scopes: Vec<String>,
    namespace: String,
    display_host: String,
    revokes_single_grants: bool,
    /// Where ID tokens are asked for.
    id_token_keys: Option<Arc<IssuerKeys>>,
    authorization_parameters: ExtraParameters,
    pub(super) token_parameters: ExtraParameters,
    preset: Option<&'static Preset>,
}

/// What discovery found, and when.
#[derive(Debug, Default)]
struct Discovered {
    endpoints: Option<Arc<UpstreamEndpoints>>,
    /// None where they were configured: those do not grow old.
    read_again_from: Option<Timestamp>,
}

impl OAuthUpstream {
    /// A provider with a metadata document, read when it is first needed: the process starts
    /// whether or not the provider is there.
    pub fn with_issuer(
        issuer: impl Into<String>,
        client_id: impl Into<String>,
    ) -> OAuthUpstreamBuilder {
        OAuthUpstreamBuilder::new(Some(issuer.into()), None, client_id.into())
    }

    /// A provider without a metadata document: its authorization, token and userinfo endpoints.
    pub fn with_endpoints(
        authorization: impl Into<String>,
        token: impl Into<String>,
        userinfo: impl Into<String>,
        client_id: impl Into<String>,
    ) -> OAuthUpstreamBuilder {
        let endpoints = [authorization.into(), token.into(), userinfo.into()];
        OAuthUpstreamBuilder::new(None, Some(endpoints), client_id.into())
    }

    /// A provider that is known here: `github`, or `entra:tenant=…` where its [`Preset`] has
    /// placeholders, more of them with commas between. It brings its endpoints, the scopes of a sign-in,
    /// and what it wants otherwise than others do.
    ///
    /// # Errors
    ///
    /// When there is no such preset, when a value is missing or could mean another place, or when the
    /// provider takes an [`Upstream`] of its own.
    pub fn with_preset(
        preset: &str,
        client_id: impl Into<String>,
    ) -> Result<OAuthUpstreamBuilder, BuildError> {
        let chosen = Chosen::parse(preset)?;
        let id = client_id.into();
        let mut builder = match chosen.place()? {
            FilledPlace::Issuer(issuer) => OAuthUpstreamBuilder::new(Some(issuer), None, id),
            FilledPlace::Endpoints {
                endpoints,
                revocation,
            } => {
                let mut builder = OAuthUpstreamBuilder::new(None, Some(endpoints), id);
                builder.revocation = revocation;
                builder
            }
        };
        builder.preset = Some(chosen.preset);
        Ok(builder.with_scopes(chosen.preset.scopes.iter().copied()))
    }

    /// The issuer of a known provider; none for one that has no metadata document.
    pub(crate) fn issuer_of_preset(preset: &str) -> Result<Option<Issuer>, BuildError> {
        match Chosen::parse(preset)?.place()? {
            FilledPlace::Issuer(issuer) => Issuer::parse(&issuer)
                .map(Some)
                .map_err(|error| BuildError::argument("upstream preset", error.to_string())),
            FilledPlace::Endpoints { .. } => Ok(None),
        }
    }

    /// Where the provider says who a token speaks for (OpenID Connect Core §5.3).
    ///
    /// # Errors
    ///
    /// When its metadata cannot be read right now, or names none.
    pub async fn userinfo_endpoint(&self) -> Result<String, UpstreamError> {
        let endpoint = self.endpoints().await?.userinfo.clone();
        endpoint.ok_or(UpstreamError::Refused(
            "its metadata names no userinfo_endpoint",
        ))
    }

    /// Our client, at this moment.
    pub(super) fn speaker<'a>(&'a self, endpoints: &'a UpstreamEndpoints) -> Speaker<'a> {
        Speaker {
            client_id: &self.client_id,
            token_endpoint: &endpoints.token,
            now: self.clock.now(),
        }
    }

    /// The user that the ID token vouches for, where one has to be there.
    async fn vouched(
        &self,
        endpoints: &UpstreamEndpoints,
        id_token: Option<&str>,
        verifier: &CodeVerifier,
    ) -> Result<Option<UpstreamIdentity>, UpstreamError> {
        let keys = self.id_token_keys.as_ref();
        let keys = keys.filter(|_| endpoints.publishes_keys);
        let Some((keys, issuer)) = keys.zip(endpoints.issuer.as_ref()) else {
            return Ok(None);
        };
        let token = id_token.ok_or(UpstreamError::Refused(
            "it gave no id_token, though it was asked for openid",
        ))?;
        let expected = id_token::Expected {
            issuer,
            client_id: &self.client_id,
            nonce: &id_token::nonce(verifier),
            now: self.clock.now(),
        };
        id_token::verified(token, keys, &expected).await.map(Some)
    }

    /// Who the user is, as far as it is proven.
    async fn identity(
        &self,
        endpoints: &UpstreamEndpoints,
        tokens: &UpstreamTokens,
        vouched: Option<UpstreamIdentity>,
    ) -> Result<UpstreamIdentity, UpstreamError> {
        let Some(endpoint) = &endpoints.userinfo else {
            return vouched.ok_or(UpstreamError::Refused("nothing says who the user is"));
        };
        // From here on the code is spent, so an unreachable userinfo endpoint is an outage.
        let own_subject = self.preset.and_then(Preset::own_subject);
        let told =
            userinfo::identity(&*self.http, endpoint, &tokens.access_token, own_subject).await?;
        // OpenID Connect Core §5.3.2: an answer about somebody else must not be used.
        let is_of_another =
            |vouched: UpstreamIdentity| userinfo::sub(&told) != Some(vouched.subject);
        if vouched.is_some_and(is_of_another) {
            return Err(UpstreamError::Refused(
                "its userinfo answer is not about the user of its id_token",
            ));
        }
        Ok(told)
    }

    /// The endpoints, read again after a day; old ones are good while new ones cannot be read.
    pub(super) async fn endpoints(&self) -> Result<Arc<UpstreamEndpoints>, UpstreamError> {
        let before = self.attempts.load(Ordering::SeqCst);
        let mut discovered = self.discovered.lock().await;
        let Some(known) = discovered.endpoints.clone() else {
            return self.first_read(&mut discovered, before).await;
        };
        let now = self.clock.now();
        let Some(issuer) = self.issuer.as_ref().filter(|_| discovered.is_due(now)) else {
            return Ok(known);
        };
        // One caller looks; nobody waits for it, and it does not look again soon if that fails.
        discovered.read_again_from = Some(now.plus(AFTER_FAILURE));
        drop(discovered);
        if let Ok(read) = self.discover_in_time(issuer).await {
            self.discovered.lock().await.keep(read, now);
        }
        let discovered = self.discovered.lock().await;
        Ok(discovered.endpoints.clone().unwrap_or(known))
    }

    /// Whoever waited for a reading that failed, or that was given up, shares its failure: a provider
    /// that hangs costs a crowd one deadline, not one each.
    async fn first_read(
        &self,
        discovered: &mut Discovered,
        before: u64,
    ) -> Result<Arc<UpstreamEndpoints>, UpstreamError> {
        let issuer = self.issuer.as_ref().ok_or(UpstreamError::Refused(
            "it has neither issuer nor endpoints",
        ))?;
        if self.attempts.load(Ordering::SeqCst) != before {
            return Err(UpstreamError::Outage(
                "its metadata could not be read just now",
            ));
        }
        let _attempt = Attempt(&self.attempts);
        let read = self.discover_in_time(issuer).await?;
        Ok(discovered.keep(read, self.clock.now()))
    }

    async fn discover_in_time(&self, issuer: &Issuer) -> Result<UpstreamEndpoints, UpstreamError> {
        let openid = self.id_token_keys.is_some();
        let read = tokio::time::timeout(DEADLINE, discover(&*self.http, issuer, openid)).await;
        read.unwrap_or(Err(UpstreamError::Outage("its metadata takes too long")))
    }
}

impl Discovered {
    /// After its time, and where the clock was ahead when it was read.
    fn is_due(&self, now: Timestamp) -> bool {
        let due = |from: Timestamp| from <= now || now.plus(MAX_AGE) < from;
        self.read_again_from.is_none_or(due)
    }

    fn keep(&mut self, read: UpstreamEndpoints, now: Timestamp) -> Arc<UpstreamEndpoints> {
        let endpoints = Arc::new(read);
        self.endpoints = Some(Arc::clone(&endpoints));
        self.read_again_from = Some(now.plus(MAX_AGE));
        endpoints
    }
}

/// Counts an attempt, however it ends.
struct Attempt<'a>(&'a AtomicU64);

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// For all the forms of the metadata's URL together.
const DEADLINE: Duration = Duration::from_secs(8);
/// Metadata is read again after this (RFC 8414 leaves it to us), or after this long if that failed.
const MAX_AGE: Duration = Duration::from_secs(24 * 3600);
const AFTER_FAILURE: Duration = Duration::from_secs(300);

#[async_trait]
impl Upstream for OAuthUpstream {
    fn namespace(&self) -> &str {
        &self.namespace
    }

    fn display_host(&self) -> &str {
        &self.display_host
    }

    fn scopes(&self) -> Vec<String> {
        self.scopes.clone()
    }

    /// An OpenID provider does, once it is spoken to as one.
    fn honours_prompt(&self) -> bool {
        self.scopes.iter().any(|scope| scope == "openid")
    }

    async fn authorization_url(
        &self,
        request: &UpstreamAuthorization<'_>,
    ) -> Result<String, UpstreamError> {
        let client = self.client().await?;
        let redirect = RedirectUrl::new(request.redirect_uri.into())
            .map_err(|_| UpstreamError::Refused("our callback is no URL"))?;
        let verifier = PkceCodeVerifier::new(request.verifier.expose().into());
        let state = request.state.to_owned();
        let mut url = client.authorize_url(move || CsrfToken::new(state));
        let asked = request.prompt.filter(|_| self.honours_prompt());
        if let Some(prompt) = asked {
            url = url.add_extra_param("prompt", prompt.to_owned());
        }
        if self.id_token_keys.is_some() {
            url = url.add_extra_param("nonce", id_token::nonce(request.verifier));
        }
        for (name, value) in self.authorization_parameters.iter() {
            // What the host wants the user to see goes first.
            if name != "prompt" || asked.is_none() {
                url = url.add_extra_param(name.to_owned(), value.to_owned());
            }
        }
        let (url, _) = url
            .add_scopes(self.scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .set_redirect_uri(std::borrow::Cow::Owned(redirect))
            .url();
        Ok(url.into())
    }

    async fn expected_issuer(&self) -> Result<ExpectedIssuer, UpstreamError> {
        let endpoints = self.endpoints().await?;
        Ok(match (&endpoints.issuer, endpoints.sends_iss) {
            (Some(issuer), true) => ExpectedIssuer::Required(issuer.clone()),
            (Some(issuer), false) => ExpectedIssuer::IfPresent(issuer.clone()),
            (None, _) => ExpectedIssuer::Unknown,
        })
    }

    async fn redeem(
        &self,
        code: &AuthorizationCode,
        verifier: &CodeVerifier,
        redirect_uri: &str,
    ) -> Result<UpstreamLogin, UpstreamError> {
        let granted = token_request::redeem_code(self, code, verifier, redirect_uri).await?;
        let (tokens, id_token) = (granted.tokens, granted.id_token);
        let endpoints = self.endpoints().await?;
        let vouched = self
            .vouched(&endpoints, id_token.as_deref(), verifier)
            .await?;
        let identity = self.identity(&endpoints, &tokens, vouched).await?;
        let identity = identity.with_namespace(self.namespace.as_str());
        Ok(UpstreamLogin::new(tokens, identity))
    }

    async fn refresh(&self, token: &RefreshToken) -> Result<UpstreamTokens, UpstreamError> {
        token_request::refresh(self, token).await
    }

    async fn revoke(&self, token: &UpstreamToken) -> Result<(), UpstreamError> {
        revocation::revoke(self, token).await
    }

    fn revokes_single_grants(&self) -> bool {
        self.revokes_single_grants
    }
}

#[cfg(test)]
mod tests;
