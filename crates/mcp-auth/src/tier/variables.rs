//! Environment variables, as every tier reads them.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use crate::{BuildError, oauth::PublicUrl, resource_server::is_origin};

/// The variables of a process as they were set; none is empty.
pub(super) struct Variables(BTreeMap<String, String>);

/// Every variable under `MCP_AUTH_` that is built, in any tier.
const BUILT: [&str; 20] = [
    "MCP_AUTH_LISTEN",
    "MCP_AUTH_PUBLIC_URL",
    "MCP_AUTH_KEY",
    "MCP_AUTH_TOKEN",
    "MCP_AUTH_SIGNING_KEY",
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
    "MCP_AUTH_CIMD",
    "MCP_AUTH_DEV_CIMD_CA",
    "MCP_AUTH_DEV_APPROVE",
];

impl Variables {
    /// Reads the process's environment: what begins with one of these prefixes.
    ///
    /// # Errors
    ///
    /// When one of them is not UTF-8 or is unknown under `MCP_AUTH_`.
    #[allow(clippy::disallowed_methods)] // the one door of every `from_env` of the tiers
    pub(super) fn read(prefixes: &[&str]) -> Result<Self, BuildError> {
        let mut variables = BTreeMap::new();
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str() else {
                continue;
            };
            if !prefixes.iter().any(|prefix| name.starts_with(prefix)) {
                continue;
            }
            let value = value
                .into_string()
                .map_err(|_| BuildError::argument(name.to_owned(), "is not valid UTF-8"))?;
            variables.insert(name.to_owned(), value);
        }
        Self::new(variables)
    }

    /// Takes variables from anywhere.
    ///
    /// # Errors
    ///
    /// As [`Variables::read`].
    pub(super) fn new(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, BuildError> {
        let set = variables.into_iter().collect::<BTreeMap<_, _>>();
        for (name, value) in &set {
            if value.trim().is_empty() {
                return Err(BuildError::argument(
                    name.clone(),
                    "is set but empty: give it a value or unset it",
                ));
            }
            if name.starts_with("MCP_AUTH_") && !BUILT.contains(&name.as_str()) {
                return Err(BuildError::argument(
                    name.clone(),
                    "is not a variable of mcp-auth: check its spelling",
                ));
            }
        }
        Ok(Self(set))
    }

    /// A variable, without the spaces around it.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim())
    }

    /// `MCP_AUTH_LISTEN`: the address to bind.
    pub(super) fn listen(&self) -> Result<SocketAddr, BuildError> {
        let text = self.get("MCP_AUTH_LISTEN").unwrap_or("127.0.0.1:8000");
        text.parse().map_err(|_| {
            BuildError::argument(
                "MCP_AUTH_LISTEN",
                "must be an address and a port such as 127.0.0.1:8000",
            )
        })
    }

    /// `MCP_AUTH_PUBLIC_URL`: the origin that hosts see; the address to bind, on loopback.
    pub(super) fn public_url(&self, listen: SocketAddr) -> Result<PublicUrl, BuildError> {
        let text = match self.get("MCP_AUTH_PUBLIC_URL") {
            Some(text) => text.to_owned(),
            None if listen.ip().is_loopback() => loopback_origin(listen)?,
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

    /// The names of all variables.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// `MCP_AUTH_ALLOWED_ORIGINS`: further origins, separated by commas.
    pub(super) fn allowed_origins(&self) -> Result<Vec<String>, BuildError> {
        const NAME: &str = "MCP_AUTH_ALLOWED_ORIGINS";
        let Some(text) = self.get(NAME) else {
            return Ok(Vec::new());
        };
        let origins: Vec<String> = text.split(',').map(|part| part.trim().to_owned()).collect();
        if origins.iter().all(|origin| is_origin(origin)) {
            return Ok(origins);
        }
        Err(BuildError::argument(
            NAME,
            "must be origins such as https://app.example.com, separated by commas",
        ))
    }

    /// `on`, `off`, or not set.
    #[cfg(feature = "authorization-server")]
    pub(super) fn choice(&self, name: &'static str) -> Result<Option<bool>, BuildError> {
        match self.get(name) {
            None => Ok(None),
            Some("on") => Ok(Some(true)),
            Some("off") => Ok(Some(false)),
            Some(_) => Err(BuildError::argument(name, "must be `on` or `off`")),
        }
    }

    /// `1`, or not set.
    #[cfg(feature = "authorization-server")]
    pub(super) fn flag(&self, name: &'static str) -> Result<bool, BuildError> {
        match self.get(name) {
            None | Some("0") => Ok(false),
            Some("1") => Ok(true),
            Some(_) => Err(BuildError::argument(name, "must be `1` or unset")),
        }
    }
}

/// The origin under which hosts on this machine see what listens here, as they write it.
fn loopback_origin(listen: SocketAddr) -> Result<String, BuildError> {
    let host = match listen.ip() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    };
    match listen.port() {
        0 => Err(BuildError::argument(
            "MCP_AUTH_LISTEN",
            "port 0 says no origin: choose a port, or set MCP_AUTH_PUBLIC_URL",
        )),
        80 => Ok(format!("http://{host}")),
        port => Ok(format!("http://{host}:{port}")),
    }
}
