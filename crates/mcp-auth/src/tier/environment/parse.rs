//! What only an authorization server's environment has.

use std::{path::Path, time::Duration};

use zeroize::Zeroizing;

use super::{Place, UpstreamVariables};
use crate::{
    BuildError,
    access_token::{AccessTokenForm, SigningKeys},
    authorization_server::clients::PreregisteredClients,
    net::TrustedProxies,
    oauth::{ClientSecret, Issuer, Scopes},
    store::{KeyRing, StoreUrl},
    tier::variables::Variables,
    upstream::OAuthUpstream,
};

impl Variables {
    pub(super) fn key_ring(&self) -> Result<Option<KeyRing>, BuildError> {
        const NAME: &str = "MCP_AUTH_KEY";
        let ring = self
            .text_or_file(NAME)?
            .map(|text| KeyRing::parse(&text))
            .transpose();
        ring.map_err(|error| BuildError::argument(NAME, error.to_string()))
    }

    pub(super) fn signing_keys(&self) -> Result<Option<SigningKeys>, BuildError> {
        const NAME: &str = "MCP_AUTH_SIGNING_KEY";
        let keys = self
            .text_or_file(NAME)?
            .map(|text| SigningKeys::parse(&text))
            .transpose();
        keys.map_err(|error| BuildError::argument(NAME, error.to_string()))
    }

    /// The form of access tokens; `jwt` needs keys.
    pub(super) fn token_form(&self) -> Result<Option<AccessTokenForm>, BuildError> {
        match self.get("MCP_AUTH_TOKEN") {
            None => Ok(None),
            Some("sealed") => Ok(Some(AccessTokenForm::Sealed)),
            Some("jwt") if self.get("MCP_AUTH_SIGNING_KEY").is_some() => {
                Ok(Some(AccessTokenForm::Jwt))
            }
            Some("jwt") => Err(BuildError::missing(
                "MCP_AUTH_SIGNING_KEY",
                "MCP_AUTH_TOKEN=jwt needs a key to sign with",
            )),
            Some(_) => Err(BuildError::argument(
                "MCP_AUTH_TOKEN",
                "must be `sealed` or `jwt`",
            )),
        }
    }

    /// Where the store is: in memory unless something is said.
    pub(super) fn store(&self) -> Result<StoreUrl, BuildError> {
        const NAME: &str = "MCP_AUTH_STORE";
        let url = self.get(NAME).map(StoreUrl::parse).transpose();
        let url = url.map_err(|error| error.named(NAME))?;
        Ok(url.unwrap_or_else(StoreUrl::memory))
    }

    /// A secret that stands in the variable itself, or in the file that it names after an `@`.
    fn text_or_file(&self, name: &'static str) -> Result<Option<Zeroizing<String>>, BuildError> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let Some(file) = text.strip_prefix('@') else {
            return Ok(Some(text.to_owned().into()));
        };
        match std::fs::read_to_string(file) {
            Ok(text) => Ok(Some(text.into())),
            Err(error) => Err(BuildError::argument(
                name,
                format!("its file cannot be read: {error}"),
            )),
        }
    }

    pub(super) fn clients(&self) -> Result<Option<PreregisteredClients>, BuildError> {
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

    pub(super) fn development_ca(&self) -> Result<Option<Vec<u8>>, BuildError> {
        let Some(file) = self.get("MCP_AUTH_DEV_CIMD_CA") else {
            return Ok(None);
        };
        let broken = |reason: String| BuildError::argument("MCP_AUTH_DEV_CIMD_CA", reason);
        let pem = std::fs::read(Path::new(file))
            .map_err(|error| broken(format!("its file cannot be read: {error}")))?;
        // Whether it is a certificate shows when it is parsed; a wrong file shows here.
        let begins = b"-----BEGIN CERTIFICATE-----";
        if !pem.windows(begins.len()).any(|part| part == begins) {
            return Err(broken("its file has no certificates in PEM".into()));
        }
        Ok(Some(pem))
    }

    pub(super) fn scopes(&self) -> Result<Option<Scopes>, BuildError> {
        let broken = |rule: &'static str| BuildError::argument("MCP_AUTH_SCOPES", rule);
        let scopes = self.get("MCP_AUTH_SCOPES").map(Scopes::parse).transpose();
        let scopes = scopes.map_err(|error| broken(error.rule()))?;
        let offline = |scopes: &Scopes| {
            scopes
                .iter()
                .any(|scope| scope.as_str() == "offline_access")
        };
        if scopes.as_ref().is_some_and(offline) {
            return Err(broken(
                "`offline_access` is not offered: every grant here can be refreshed",
            ));
        }
        Ok(scopes)
    }

    pub(super) fn trusted_proxies(&self) -> Result<TrustedProxies, BuildError> {
        let proxies =
            TrustedProxies::parse(self.get("MCP_AUTH_TRUSTED_PROXIES").unwrap_or_default());
        proxies.map_err(|error| BuildError::argument("MCP_AUTH_TRUSTED_PROXIES", error.rule()))
    }

    pub(super) fn upstream(&self) -> Result<Option<UpstreamVariables>, BuildError> {
        const PRESET: &str = "UPSTREAM_PRESET";
        const ISSUER: &str = "UPSTREAM_ISSUER";
        const ENDPOINTS: [&str; 3] = [
            "UPSTREAM_AUTHORIZATION_ENDPOINT",
            "UPSTREAM_TOKEN_ENDPOINT",
            "UPSTREAM_USERINFO_ENDPOINT",
        ];
        const REVOCATION: &str = "UPSTREAM_REVOCATION_ENDPOINT";
        const CLIENT: [&str; 4] = [
            REVOCATION,
            "UPSTREAM_CLIENT_ID",
            "UPSTREAM_CLIENT_SECRET",
            "UPSTREAM_SCOPES",
        ];
        let elsewhere = ENDPOINTS.into_iter().chain([ISSUER, REVOCATION]);
        if let Some(preset) = self.get(PRESET) {
            if let Some(name) = elsewhere.clone().find(|name| self.get(name).is_some()) {
                return Err(BuildError::argument(
                    name,
                    "cannot stand beside UPSTREAM_PRESET, which says where the provider is",
                ));
            }
            let _ = OAuthUpstream::with_preset(preset, "").map_err(|error| error.named(PRESET))?;
            return self.upstream_client(Place::Preset(preset.to_owned()), None);
        }
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
                        "needs UPSTREAM_PRESET, UPSTREAM_ISSUER, or the three UPSTREAM_*_ENDPOINT variables",
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
        for name in elsewhere {
            let issuer = name == ISSUER;
            let told = self.get(name).unwrap_or("https://not.told");
            // An endpoint may have a query; apart from that it is held to the same.
            let part = if issuer {
                told
            } else {
                told.split('?').next().unwrap_or(told)
            };
            Issuer::parse(part).map_err(|error| BuildError::argument(name, error.rule()))?;
        }
        let revocation = self.get(REVOCATION).map(str::to_owned);
        if revocation.is_some() && matches!(place, Place::Issuer(_)) {
            return Err(BuildError::argument(
                REVOCATION,
                "cannot stand beside UPSTREAM_ISSUER: it comes from its metadata",
            ));
        }
        self.upstream_client(place, revocation)
    }

    /// Our client at an upstream.
    fn upstream_client(
        &self,
        place: Place,
        revocation: Option<String>,
    ) -> Result<Option<UpstreamVariables>, BuildError> {
        Ok(Some(UpstreamVariables {
            place,
            revocation,
            client_id: self.get("UPSTREAM_CLIENT_ID").map(str::to_owned),
            client_secret: self.get("UPSTREAM_CLIENT_SECRET").map(ClientSecret::new),
            scopes: self
                .get("UPSTREAM_SCOPES")
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
        }))
    }

    pub(super) fn seconds(
        &self,
        name: &'static str,
        least: u64,
        most: u64,
    ) -> Result<Option<Duration>, BuildError> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        match text.parse::<u64>() {
            Ok(seconds) if (least..=most).contains(&seconds) => {
                Ok(Some(Duration::from_secs(seconds)))
            }
            _ => Err(BuildError::argument(
                name,
                format!("must be whole seconds from {least} to {most}"),
            )),
        }
    }
}
