//! The environment of the examples: one table of variables, the same words everywhere.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use crate::{
    BuildError,
    authorization_server::clients::PreregisteredClients,
    net::TrustedProxies,
    oauth::{ClientSecret, PublicUrl, Scopes},
    store::KeyRing,
    upstream::{OAuthUpstream, OAuthUpstreamBuilder},
};

/// What the variables of `docs/environment.md` say, parsed.
///
/// A variable that is malformed, unknown under `MCP_AUTH_`, or whose feature is not built yet stops
/// the start with one sentence that names it.
#[derive(Debug)]
pub struct Environment {
    listen: SocketAddr,
    public_url: PublicUrl,
    upstream: Option<UpstreamVariables>,
    pub(super) key_ring: Option<KeyRing>,
    pub(super) allowed_origins: Vec<String>,
    pub(super) rate_limits: bool,
    pub(super) scopes: Option<Scopes>,
    pub(super) access_ttl: Option<Duration>,
    pub(super) refresh_ttl: Option<Duration>,
    pub(super) code_ttl: Option<Duration>,
    pub(super) refresh_grace: Option<Duration>,
    pub(super) revocation_cache: Option<Duration>,
    pub(super) clients: Option<PreregisteredClients>,
    pub(super) registration: bool,
    pub(super) approve: bool,
    trusted_proxies: TrustedProxies,
}

/// Where the upstream is, and our client there.
#[derive(Debug)]
struct UpstreamVariables {
    place: Place,
    client_id: String,
    client_secret: Option<ClientSecret>,
    scopes: Vec<String>,
}

#[derive(Debug)]
enum Place {
    Issuer(String),
    Endpoints {
        authorization: String,
        token: String,
        userinfo: String,
    },
}

/// The variables whose feature is built.
const BUILT: [&str; 17] = [
    "MCP_AUTH_LISTEN",
    "MCP_AUTH_PUBLIC_URL",
    "MCP_AUTH_KEY",
    "MCP_AUTH_TOKEN",
    "MCP_AUTH_ALLOWED_ORIGINS",
    "MCP_AUTH_TRUSTED_PROXIES",
    "MCP_AUTH_RATE_LIMIT",
    "MCP_AUTH_STORE",
    "MCP_AUTH_SCOPES",
    "MCP_AUTH_ACCESS_TTL",
    "MCP_AUTH_REFRESH_TTL",
    "MCP_AUTH_CODE_TTL",
    "MCP_AUTH_REFRESH_GRACE",
    "MCP_AUTH_REVOCATION_CACHE",
    "MCP_AUTH_CLIENTS",
    "MCP_AUTH_DCR",
    "MCP_AUTH_DEV_APPROVE",
];

/// The variables that are known and whose feature is not built yet.
const NOT_BUILT: [&str; 5] = [
    "MCP_AUTH_SIGNING_KEY",
    "MCP_AUTH_CIMD",
    "MCP_AUTH_DEV_CIMD_CA",
    "UPSTREAM_PRESET",
    "UPSTREAM_REVOCATION_ENDPOINT",
];

impl Environment {
    /// Reads the process's environment.
    ///
    /// # Errors
    ///
    /// When a variable cannot be used; the error names it.
    #[allow(clippy::disallowed_methods)] // this is the one place that reads these variables
    pub fn from_env() -> Result<Self, BuildError> {
        let ours = |name: &str| name.starts_with("MCP_AUTH_") || name.starts_with("UPSTREAM_");
        let mut variables = BTreeMap::new();
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str().filter(|name| ours(name)) else {
                continue;
            };
            let value = value
                .into_string()
                .map_err(|_| BuildError::argument(name.to_owned(), "is not valid UTF-8"))?;
            variables.insert(name.to_owned(), value);
        }
        Self::from_variables(variables)
    }

    /// Parses variables from anywhere; an empty one is not set.
    ///
    /// # Errors
    ///
    /// As [`Environment::from_env`].
    pub fn from_variables(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, BuildError> {
        let variables = Variables(
            variables
                .into_iter()
                .filter(|(_, value)| !value.trim().is_empty())
                .collect(),
        );
        variables.refuse_unknown()?;
        let listen = variables.listen()?;
        let public_url = variables.public_url(listen)?;
        let environment = Self {
            upstream: variables.upstream()?,
            key_ring: variables.key_ring()?,
            allowed_origins: variables.list("MCP_AUTH_ALLOWED_ORIGINS"),
            rate_limits: variables.switch("MCP_AUTH_RATE_LIMIT", true)?,
            scopes: variables.scopes()?,
            access_ttl: variables.seconds("MCP_AUTH_ACCESS_TTL", 1)?,
            refresh_ttl: variables.seconds("MCP_AUTH_REFRESH_TTL", 1)?,
            code_ttl: variables.seconds("MCP_AUTH_CODE_TTL", 1)?,
            refresh_grace: variables.seconds("MCP_AUTH_REFRESH_GRACE", 0)?,
            revocation_cache: variables.seconds("MCP_AUTH_REVOCATION_CACHE", 0)?,
            clients: variables.clients()?,
            registration: variables.switch("MCP_AUTH_DCR", true)?,
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
        let id = variables.client_id.as_str();
        let mut builder: OAuthUpstreamBuilder = match &variables.place {
            Place::Issuer(issuer) => OAuthUpstream::with_issuer(issuer, id),
            Place::Endpoints {
                authorization,
                token,
                userinfo,
            } => OAuthUpstream::with_endpoints(authorization, token, userinfo, id),
        };
        if let Some(secret) = &variables.client_secret {
            builder = builder.with_client_secret(secret.clone());
        }
        let upstream = builder
            .with_scopes(variables.scopes.iter().cloned())
            .build()?;
        Ok(Some(Arc::new(upstream)))
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

/// The variables as they were set.
struct Variables(BTreeMap<String, String>);

impl Variables {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim())
    }

    fn refuse_unknown(&self) -> Result<(), BuildError> {
        for name in self.0.keys() {
            if NOT_BUILT.contains(&name.as_str()) {
                return Err(BuildError::argument(
                    name.clone(),
                    "is not supported yet: unset it",
                ));
            }
            if name.starts_with("MCP_AUTH_") && !BUILT.contains(&name.as_str()) {
                return Err(BuildError::argument(
                    name.clone(),
                    "is not a variable of mcp-auth: check its spelling",
                ));
            }
        }
        match self.get("MCP_AUTH_TOKEN") {
            None | Some("sealed") => {}
            Some("jwt") => {
                return Err(BuildError::argument(
                    "MCP_AUTH_TOKEN",
                    "`jwt` is not supported yet: use `sealed`",
                ));
            }
            Some(_) => return Err(BuildError::argument("MCP_AUTH_TOKEN", "must be `sealed`")),
        }
        match self.get("MCP_AUTH_STORE") {
            None | Some("memory:") => Ok(()),
            Some(store)
                if ["sqlite:", "redis:", "rediss:", "postgres:"]
                    .iter()
                    .any(|s| store.starts_with(s)) =>
            {
                Err(BuildError::argument(
                    "MCP_AUTH_STORE",
                    "only `memory:` is supported yet",
                ))
            }
            Some(_) => Err(BuildError::argument("MCP_AUTH_STORE", "must be `memory:`")),
        }
    }

    fn listen(&self) -> Result<SocketAddr, BuildError> {
        let text = self.get("MCP_AUTH_LISTEN").unwrap_or("127.0.0.1:8000");
        text.parse().map_err(|_| {
            BuildError::argument(
                "MCP_AUTH_LISTEN",
                "must be an address and a port such as 127.0.0.1:8000",
            )
        })
    }

    fn public_url(&self, listen: SocketAddr) -> Result<PublicUrl, BuildError> {
        let text = match self.get("MCP_AUTH_PUBLIC_URL") {
            Some(text) => text.to_owned(),
            None if listen.ip().is_loopback() => format!("http://{listen}"),
            None => {
                return Err(BuildError::missing(
                    "MCP_AUTH_PUBLIC_URL",
                    "the https origin under which hosts reach this server",
                ));
            }
        };
        PublicUrl::parse(&text)
            .map_err(|error| BuildError::argument("MCP_AUTH_PUBLIC_URL", error.rule()))
    }

    fn key_ring(&self) -> Result<Option<KeyRing>, BuildError> {
        let Some(text) = self.get("MCP_AUTH_KEY") else {
            return Ok(None);
        };
        let broken =
            |error: &dyn std::fmt::Display| BuildError::argument("MCP_AUTH_KEY", error.to_string());
        let ring = match text.strip_prefix('@') {
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .map_err(|error| broken(&format!("its file cannot be read: {error}")))?;
                KeyRing::parse(&zeroize::Zeroizing::new(text))
            }
            None => KeyRing::parse(text),
        };
        ring.map(Some).map_err(|error| broken(&error))
    }

    fn clients(&self) -> Result<Option<PreregisteredClients>, BuildError> {
        let Some(file) = self.get("MCP_AUTH_CLIENTS") else {
            return Ok(None);
        };
        let broken = |reason: String| BuildError::argument("MCP_AUTH_CLIENTS", reason);
        let text = std::fs::read_to_string(Path::new(file))
            .map_err(|error| broken(format!("its file cannot be read: {error}")))?;
        PreregisteredClients::parse_json(&text)
            .map(Some)
            .map_err(|error| broken(error.to_string()))
    }

    fn scopes(&self) -> Result<Option<Scopes>, BuildError> {
        let scopes = self.get("MCP_AUTH_SCOPES").map(Scopes::parse).transpose();
        scopes.map_err(|error| BuildError::argument("MCP_AUTH_SCOPES", error.rule()))
    }

    fn trusted_proxies(&self) -> Result<TrustedProxies, BuildError> {
        let proxies =
            TrustedProxies::parse(self.get("MCP_AUTH_TRUSTED_PROXIES").unwrap_or_default());
        proxies.map_err(|error| BuildError::argument("MCP_AUTH_TRUSTED_PROXIES", error.rule()))
    }

    fn upstream(&self) -> Result<Option<UpstreamVariables>, BuildError> {
        const ISSUER: &str = "UPSTREAM_ISSUER";
        const ENDPOINTS: [&str; 3] = [
            "UPSTREAM_AUTHORIZATION_ENDPOINT",
            "UPSTREAM_TOKEN_ENDPOINT",
            "UPSTREAM_USERINFO_ENDPOINT",
        ];
        const CLIENT: [&str; 3] = [
            "UPSTREAM_CLIENT_ID",
            "UPSTREAM_CLIENT_SECRET",
            "UPSTREAM_SCOPES",
        ];
        let place = match (self.get(ISSUER), ENDPOINTS.map(|name| self.get(name))) {
            (Some(issuer), [None, None, None]) => Place::Issuer(issuer.to_owned()),
            (Some(_), _) => {
                return Err(BuildError::argument(
                    ISSUER,
                    "cannot stand beside UPSTREAM_*_ENDPOINT: the endpoints come from its metadata",
                ));
            }
            (None, [Some(authorization), Some(token), Some(userinfo)]) => Place::Endpoints {
                authorization: authorization.to_owned(),
                token: token.to_owned(),
                userinfo: userinfo.to_owned(),
            },
            (None, [None, None, None]) => {
                return match CLIENT.into_iter().find(|name| self.get(name).is_some()) {
                    Some(name) => Err(BuildError::argument(
                        name,
                        "needs UPSTREAM_ISSUER, or the three UPSTREAM_*_ENDPOINT variables",
                    )),
                    None => Ok(None),
                };
            }
            (None, endpoints) => {
                let missing = ENDPOINTS
                    .into_iter()
                    .zip(endpoints)
                    .find(|(_, value)| value.is_none());
                return Err(BuildError::missing(
                    missing.map_or(ISSUER, |(name, _)| name),
                    "the three UPSTREAM_*_ENDPOINT variables go together",
                ));
            }
        };
        let client_id = self.get("UPSTREAM_CLIENT_ID").ok_or_else(|| {
            BuildError::missing(
                "UPSTREAM_CLIENT_ID",
                "the client registered for this server at the upstream",
            )
        })?;
        Ok(Some(UpstreamVariables {
            place,
            client_id: client_id.to_owned(),
            client_secret: self.get("UPSTREAM_CLIENT_SECRET").map(ClientSecret::new),
            scopes: self
                .get("UPSTREAM_SCOPES")
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
        }))
    }

    fn seconds(&self, name: &'static str, least: u64) -> Result<Option<Duration>, BuildError> {
        const YEARS: u64 = 10 * 365 * 24 * 3600;
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        match text.parse::<u64>() {
            Ok(seconds) if (least..=YEARS).contains(&seconds) => {
                Ok(Some(Duration::from_secs(seconds)))
            }
            _ => Err(BuildError::argument(
                name,
                format!("must be whole seconds, at least {least}"),
            )),
        }
    }

    fn list(&self, name: &str) -> Vec<String> {
        let parts = self.get(name).unwrap_or_default().split(',').map(str::trim);
        parts
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    }

    fn switch(&self, name: &'static str, default: bool) -> Result<bool, BuildError> {
        match self.get(name) {
            None => Ok(default),
            Some("on") => Ok(true),
            Some("off") => Ok(false),
            Some(_) => Err(BuildError::argument(name, "must be `on` or `off`")),
        }
    }

    fn flag(&self, name: &'static str) -> Result<bool, BuildError> {
        match self.get(name) {
            None | Some("0") => Ok(false),
            Some("1") => Ok(true),
            Some(_) => Err(BuildError::argument(name, "must be `1` or unset")),
        }
    }
}
