//! What an [`OAuthUpstream`] is built from.

use std::sync::{Arc, atomic::AtomicU64};

use tokio::sync::Mutex;

use super::{
    super::{
        IssuerKeys,
        client_authentication::ClientAuthentication,
        discovery::{UpstreamEndpoints, is_secure},
        extra_parameters::ExtraParameters,
        presets::{Preset, PresetClientAuthentication},
    },
    Discovered, OAuthUpstream,
};
use crate::{
    BuildError,
    net::{HttpClient, default_http_client},
    oauth::{ClientSecret, Clock, Issuer, SystemClock, jose::SigningKeys},
};

/// Builds an [`OAuthUpstream`].
#[derive(Debug)]
#[must_use]
pub struct OAuthUpstreamBuilder {
    issuer: Option<String>,
    endpoints: Option<[String; 3]>,
    pub(super) revocation: Option<String>,
    client_id: String,
    client_secret: Option<ClientSecret>,
    secret_in_body: bool,
    signing_keys: Option<SigningKeys>,
    authorization_parameters: Vec<(String, String)>,
    token_parameters: Vec<(String, String)>,
    scopes: Vec<String>,
    namespace: Option<String>,
    http: Option<Arc<dyn HttpClient>>,
    clock: Arc<dyn Clock>,
    revokes_single_grants: bool,
    pub(super) preset: Option<&'static Preset>,
}

impl OAuthUpstreamBuilder {
    pub(super) fn new(
        issuer: Option<String>,
        endpoints: Option<[String; 3]>,
        client_id: String,
    ) -> Self {
        Self {
            issuer,
            endpoints,
            revocation: None,
            client_id,
            client_secret: None,
            secret_in_body: false,
            signing_keys: None,
            authorization_parameters: Vec::new(),
            token_parameters: Vec::new(),
            scopes: Vec::new(),
            namespace: None,
            http: None,
            clock: Arc::new(SystemClock),
            revokes_single_grants: false,
            preset: None,
        }
    }

    /// With the secret of our client there, sent in the `Authorization` header
    /// (`client_secret_basic`).
    pub fn with_client_secret(mut self, secret: ClientSecret) -> Self {
        self.client_secret = Some(secret);
        self
    }

    /// Sends the secret in the form (`client_secret_post`) instead of the header.
    pub const fn with_client_secret_in_body(mut self) -> Self {
        self.secret_in_body = true;
        self
    }

    /// With keys in place of a secret (`private_key_jwt`, RFC 7523 §2.2, OpenID Connect Core §9): the
    /// first of them signs an assertion for each request, good for 60 seconds and for the provider's token
    /// endpoint. The provider is given the public halves when the client is registered there.
    ///
    /// # Security
    ///
    /// Give each provider keys of its own, and none that sign our access tokens: what one provider is
    /// shown must be of no use anywhere else.
    pub fn with_private_key_jwt(mut self, keys: SigningKeys) -> Self {
        self.signing_keys = Some(keys);
        self
    }

    /// With a further parameter in the authorization request, such as `audience`, `resource` or
    /// `access_type`. It replaces that of a preset; a `prompt` that the host asks for replaces one here.
    pub fn with_authorization_parameter(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        self.authorization_parameters
            .push((name.into(), value.into()));
        self
    }

    /// With a further parameter in token requests, those for codes and those for refresh tokens, such as
    /// `audience` or `resource`.
    pub fn with_token_parameter(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        self.token_parameters.push((name.into(), value.into()));
        self
    }

    /// With the endpoint where refresh tokens are given back (RFC 7009); an issuer's metadata names it.
    pub fn with_revocation_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.revocation = Some(endpoint.into());
        self
    }

    /// For a provider that ends one grant alone when a token is given back, so that it is told of each
    /// that ends here. Without this it is told when a user's last grant ends, because many providers
    /// end everything of a user at once.
    pub const fn with_single_grant_revocation(mut self) -> Self {
        self.revokes_single_grants = true;
        self
    }

    /// With the scopes to ask for there, chosen by us and never by a host.
    pub fn with_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// With a name that sets its subjects apart; by default its issuer without `https://`.
    ///
    /// # Security
    ///
    /// Subjects are `namespace|sub`: two upstreams with one namespace would share users.
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// With another HTTP client than the built-in one.
    pub fn with_http_client(mut self, http: Arc<dyn HttpClient>) -> Self {
        self.http = Some(http);
        self
    }

    /// With another clock than the system's.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Checks the arguments; the provider itself is not asked yet.
    ///
    /// # Errors
    ///
    /// When the issuer or an endpoint is not `https` (`http` on loopback), a further parameter is one that
    /// we set ourselves or is there twice, there are both a secret and keys, or there is no HTTP client.
    pub fn build(self) -> Result<OAuthUpstream, BuildError> {
        let issuer = self.issuer.as_deref().map(Issuer::parse).transpose();
        let issuer = issuer.map_err(|e| BuildError::argument("upstream issuer", e.to_string()))?;
        if let Some(revocation) = &self.revocation {
            const ARGUMENT: &str = "upstream revocation endpoint";
            if self.endpoints.is_none() {
                return Err(BuildError::argument(
                    ARGUMENT,
                    "comes from the issuer's metadata",
                ));
            }
            if !is_secure(revocation) {
                return Err(BuildError::argument(
                    ARGUMENT,
                    "must be https, or http on loopback",
                ));
            }
        }
        let mut known = None;
        if let Some([authorization, token, userinfo]) = self.endpoints {
            for (argument, endpoint) in [
                ("upstream authorization endpoint", &authorization),
                ("upstream token endpoint", &token),
                ("upstream userinfo endpoint", &userinfo),
            ] {
                let origin = endpoint.split(['?', '#']).next().unwrap_or_default();
                Issuer::parse(origin).map_err(|_| {
                    BuildError::argument(argument, "must be https, or http on loopback")
                })?;
            }
            known = Some(UpstreamEndpoints {
                issuer: None,
                sends_iss: false,
                authorization,
                token,
                userinfo: Some(userinfo),
                publishes_keys: false,
                revocation: self.revocation.clone(),
            });
        }
        if self.client_id.is_empty() {
            return Err(BuildError::missing(
                "upstream client_id",
                "the client registered for this server at the upstream",
            ));
        }
        let told = self.preset.map(|preset| preset.client_authentication);
        let in_body = self.secret_in_body || told == Some(PresetClientAuthentication::Post);
        let authentication = match (self.client_secret, self.signing_keys) {
            (None, None) => ClientAuthentication::None,
            (None, Some(keys)) => ClientAuthentication::Assertion(keys),
            (Some(secret), None) if in_body => ClientAuthentication::SecretInBody(secret),
            (Some(secret), None) => ClientAuthentication::SecretInHeader(secret),
            (Some(_), Some(_)) => {
                return Err(BuildError::argument(
                    "upstream client authentication",
                    "a secret or keys, not both",
                ));
            }
        };
        let of_preset = self.preset.map(|preset| preset.authorization_parameters);
        let argument = "upstream authorization parameters";
        let authorization_parameters =
            ExtraParameters::checked(argument, self.authorization_parameters)?
                .with_preset(argument, of_preset.unwrap_or_default())?;
        let token_parameters =
            ExtraParameters::checked("upstream token parameters", self.token_parameters)?;
        let named = issuer
            .as_ref()
            .map(Issuer::as_str)
            .or(known.as_ref().map(|e| e.authorization.as_str()));
        let named = named.unwrap_or_default();
        let bare = named.split_once("://").map_or(named, |(_, rest)| rest);
        let host = bare.split('/').next().unwrap_or(bare).to_owned();
        let namespace = self.namespace.unwrap_or_else(|| match issuer {
            Some(_) => bare.to_owned(),
            None => host.clone(),
        });
        if namespace.is_empty() || namespace.contains('|') {
            return Err(BuildError::argument(
                "upstream namespace",
                "must not be empty and must not contain `|`",
            ));
        }
        let http = match self.http {
            Some(http) => http,
            None => default_http_client()?,
        };
        let openid = self.scopes.iter().any(|scope| scope == "openid");
        let id_token_keys = issuer.clone().filter(|_| openid).map(|issuer| {
            Arc::new(IssuerKeys::of(
                issuer,
                Arc::clone(&http),
                Arc::clone(&self.clock),
            ))
        });
        Ok(OAuthUpstream {
            client_id: self.client_id,
            authentication,
            http,
            clock: self.clock,
            id_token_keys,
            authorization_parameters,
            token_parameters,
            revokes_single_grants: self.revokes_single_grants,
            preset: self.preset,
            issuer,
            discovered: Mutex::new(Discovered {
                endpoints: known.map(Arc::new),
                read_again_from: None,
            }),
            attempts: AtomicU64::new(0),
            scopes: self.scopes,
            namespace,
            display_host: host,
        })
    }
}
