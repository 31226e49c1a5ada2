//! The environment of the examples: one table of variables, the same words everywhere.

mod parse;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use super::variables::Variables;
use crate::{
    BuildError,
    access_token::{AccessTokenForm, SigningKeys},
    authorization_server::clients::PreregisteredClients,
    net::TrustedProxies,
    oauth::{ClientSecret, Issuer, PublicUrl, Scopes},
    store::{KeyRing, StoreUrl},
    upstream::{OAuthUpstream, OAuthUpstreamBuilder, TokenExchange, TokenExchangeBuilder},
};

/// What the variables of `docs/environment.md` say, parsed.
///
/// A variable that is malformed or unknown under `MCP_AUTH_` stops the start with one sentence that
/// names it.
#[derive(Debug)]
pub struct Environment {
    listen: SocketAddr,
    public_url: PublicUrl,
    upstream: Option<UpstreamVariables>,
    store: StoreUrl,
    pub(super) key_ring: Option<KeyRing>,
    pub(super) signing_keys: Option<SigningKeys>,
    pub(super) token_form: Option<AccessTokenForm>,
    pub(super) allowed_origins: Vec<String>,
    pub(super) rate_limits: bool,
    pub(super) scopes: Option<Scopes>,
    pub(super) access_ttl: Option<Duration>,
    pub(super) refresh_ttl: Option<Duration>,
    pub(super) code_ttl: Option<Duration>,
    pub(super) refresh_grace: Option<Duration>,
    pub(super) revocation_cache: Option<Duration>,
    pub(super) clients: Option<PreregisteredClients>,
    pub(super) registration: Option<bool>,
    pub(super) client_documents: Option<bool>,
    pub(super) development_ca: Option<Vec<u8>>,
    pub(super) approve: bool,
    trusted_proxies: TrustedProxies,
}

/// Where the upstream is, and our client there.
#[derive(Debug)]
struct UpstreamVariables {
    place: Place,
    revocation: Option<String>,
    client_id: Option<String>,
    client_secret: Option<ClientSecret>,
    scopes: Vec<String>,
}

#[derive(Debug)]
enum Place {
    Preset(String),
    Issuer(String),
    Endpoints {
        authorization: String,
        token: String,
        userinfo: String,
    },
}

/// A code lives ten minutes at the most (RFC 6749 §4.1.2); an access token should be short-lived.
const DAY: u64 = 24 * 3600;
const YEARS: u64 = 10 * 365 * DAY;

impl Environment {
    /// Reads the process's environment.
    ///
    /// # Errors
    ///
    /// When a variable cannot be used; the error names it.
    pub fn from_env() -> Result<Self, BuildError> {
        Self::parse(&Variables::read(&["MCP_AUTH_", "UPSTREAM_"])?)
    }

    /// Parses variables from anywhere.
    ///
    /// # Errors
    ///
    /// As [`Environment::from_env`].
    pub fn from_variables(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, BuildError> {
        Self::parse(&Variables::new(variables)?)
    }

    fn parse(variables: &Variables) -> Result<Self, BuildError> {
        let listen = variables.listen()?;
        let public_url = variables.public_url(listen)?;
        let environment = Self {
            upstream: variables.upstream()?,
            store: variables.store()?,
            key_ring: variables.key_ring()?,
            signing_keys: variables.signing_keys()?,
            token_form: variables.token_form()?,
            allowed_origins: variables.allowed_origins()?,
            rate_limits: variables.choice("MCP_AUTH_RATE_LIMIT")?.unwrap_or(true),
            scopes: variables.scopes()?,
            access_ttl: variables.seconds("MCP_AUTH_ACCESS_TTL", 1, DAY)?,
            refresh_ttl: variables.seconds("MCP_AUTH_REFRESH_TTL", 1, YEARS)?,
            code_ttl: variables.seconds("MCP_AUTH_CODE_TTL", 1, 600)?,
            refresh_grace: variables.seconds("MCP_AUTH_REFRESH_GRACE", 0, 3600)?,
            revocation_cache: variables.seconds("MCP_AUTH_REVOCATION_CACHE", 0, 3600)?,
            clients: variables.clients()?,
            registration: variables.choice("MCP_AUTH_DCR")?,
            client_documents: variables.choice("MCP_AUTH_CIMD")?,
            development_ca: variables.development_ca()?,
            approve: variables.flag("MCP_AUTH_DEV_APPROVE")?,
            trusted_proxies: variables.trusted_proxies()?,
            listen,
            public_url,
        };
        if environment.approve {
            if environment.upstream.is_some() {
                return Err(BuildError::argument(
                    "MCP_AUTH_DEV_APPROVE",
                    "works with the built-in demo upstream only: unset it or UPSTREAM_*",
                ));
            }
            environment.require_loopback("MCP_AUTH_DEV_APPROVE")?;
        }
        if environment.development_ca.is_some() {
            if environment.client_documents == Some(false) {
                return Err(BuildError::argument(
                    "MCP_AUTH_DEV_CIMD_CA",
                    "is of no use with MCP_AUTH_CIMD=off: unset one of them",
                ));
            }
            environment.require_loopback("MCP_AUTH_DEV_CIMD_CA")?;
        }
        Ok(environment)
    }

    /// The address to bind; `127.0.0.1:8000` by default.
    #[must_use]
    pub const fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// The origin that hosts see; by default the address to bind.
    #[must_use]
    pub const fn public_url(&self) -> &PublicUrl {
        &self.public_url
    }

    /// Where the store is; the crate of its backend opens it. `memory:` by default.
    ///
    /// A mistake that shows when it is opened is best reported under the variable's name, with
    /// [`BuildError::named`].
    #[must_use]
    pub const fn store(&self) -> &StoreUrl {
        &self.store
    }

    /// The reverse proxies whose forwarded headers are believed; none by default.
    #[must_use]
    pub const fn trusted_proxies(&self) -> &TrustedProxies {
        &self.trusted_proxies
    }

    /// Whether consent and sign-in happen without a page: unattended development.
    #[must_use]
    pub const fn approves_without_asking(&self) -> bool {
        self.approve
    }

    /// The upstream that the variables name; none stands for the built-in demo upstream.
    ///
    /// # Errors
    ///
    /// When it cannot be built.
    pub fn upstream(&self) -> Result<Option<Arc<OAuthUpstream>>, BuildError> {
        let Some(variables) = &self.upstream else {
            return Ok(None);
        };
        let id = variables.client_id.as_deref().ok_or_else(|| {
            BuildError::missing(
                "UPSTREAM_CLIENT_ID",
                "the client registered for this server at the upstream",
            )
        })?;
        let mut builder: OAuthUpstreamBuilder = match &variables.place {
            Place::Preset(preset) => OAuthUpstream::with_preset(preset, id)
                .map_err(|error| error.named("UPSTREAM_PRESET"))?,
            Place::Issuer(issuer) => OAuthUpstream::with_issuer(issuer, id),
            Place::Endpoints {
                authorization,
                token,
                userinfo,
            } => OAuthUpstream::with_endpoints(authorization, token, userinfo, id),
        };
        if let Some(revocation) = &variables.revocation {
            builder = builder.with_revocation_endpoint(revocation);
        }
        if let Some(secret) = &variables.client_secret {
            builder = builder.with_client_secret(secret.clone());
        }
        if !variables.scopes.is_empty() {
            builder = builder.with_scopes(variables.scopes.iter().cloned());
        }
        Ok(Some(Arc::new(builder.build()?)))
    }

    /// The issuer that the variables name, for a tier whose tokens are the upstream's own; none stands for
    /// the built-in demo upstream.
    ///
    /// # Errors
    ///
    /// When the upstream has no metadata document, and so is no issuer that hosts could find.
    pub fn upstream_issuer(&self) -> Result<Option<Issuer>, BuildError> {
        let issuer =
            match self.upstream.as_ref().map(|upstream| &upstream.place) {
                None => return Ok(None),
                Some(Place::Issuer(issuer)) => {
                    let issuer = Issuer::parse(issuer);
                    Some(issuer.map_err(|error| {
                        BuildError::argument("UPSTREAM_ISSUER", error.to_string())
                    })?)
                }
                Some(Place::Preset(preset)) => OAuthUpstream::issuer_of_preset(preset)
                    .map_err(|error| error.named("UPSTREAM_PRESET"))?,
                Some(Place::Endpoints { .. }) => None,
            };
        issuer.map(Some).ok_or(BuildError::missing(
            "UPSTREAM_ISSUER",
            "hosts sign in at the upstream itself here and find it by its metadata: an upstream without one needs DcrShim (remote_dcr)",
        ))
    }

    /// The exchange of hosts' tokens at the upstream, as our client there, for a tier whose tokens are the
    /// upstream's own; none unless both the client and its secret are set.
    #[must_use]
    pub fn token_exchange(&self, issuer: Issuer) -> Option<TokenExchangeBuilder> {
        let upstream = self.upstream.as_ref()?;
        let (id, secret) = (
            upstream.client_id.as_ref()?,
            upstream.client_secret.as_ref()?,
        );
        Some(TokenExchange::builder(issuer, id, secret.clone()))
    }

    /// The first variable that is set and means something to our own authorization server alone.
    pub(super) fn of_authorization_server(&self) -> Option<&'static str> {
        let set = [
            ("MCP_AUTH_KEY", self.key_ring.is_some()),
            ("MCP_AUTH_TOKEN", self.token_form.is_some()),
            ("MCP_AUTH_SIGNING_KEY", self.signing_keys.is_some()),
            ("MCP_AUTH_STORE", self.store.scheme() != "memory"),
            ("MCP_AUTH_ACCESS_TTL", self.access_ttl.is_some()),
            ("MCP_AUTH_REFRESH_TTL", self.refresh_ttl.is_some()),
            ("MCP_AUTH_CODE_TTL", self.code_ttl.is_some()),
            ("MCP_AUTH_REFRESH_GRACE", self.refresh_grace.is_some()),
            ("MCP_AUTH_REVOCATION_CACHE", self.revocation_cache.is_some()),
            ("MCP_AUTH_CLIENTS", self.clients.is_some()),
            ("MCP_AUTH_DCR", self.registration.is_some()),
            ("MCP_AUTH_CIMD", self.client_documents.is_some()),
        ];
        let found = set.into_iter().find(|(_, is_set)| *is_set);
        found.map(|(name, _)| name)
    }

    /// Refuses another origin than the one a tier was made for.
    pub(super) fn check_public_url(&self, tier: &PublicUrl) -> Result<(), BuildError> {
        match self.public_url == *tier {
            true => Ok(()),
            false => Err(BuildError::argument(
                "MCP_AUTH_PUBLIC_URL",
                "is not the origin this tier was made for",
            )),
        }
    }

    /// The certificates of client documents for development, for the demo upstream.
    #[must_use]
    pub fn development_ca(&self) -> Option<&[u8]> {
        self.development_ca.as_deref()
    }

    /// Refuses to go on unless both the address to bind and the public origin are loopback.
    ///
    /// # Errors
    ///
    /// When one of them is not; the error says which, and what needs it.
    pub fn require_loopback(&self, what: &'static str) -> Result<(), BuildError> {
        let wrong = match (
            self.listen.ip().is_loopback(),
            self.public_url.is_loopback(),
        ) {
            (true, true) => return Ok(()),
            (false, _) => "MCP_AUTH_LISTEN",
            (true, false) => "MCP_AUTH_PUBLIC_URL",
        };
        Err(BuildError::argument(
            wrong,
            format!("must be on loopback while {what} is in use"),
        ))
    }
}

#[cfg(test)]
mod tests;
