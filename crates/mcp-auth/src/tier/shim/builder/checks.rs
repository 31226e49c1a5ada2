//! What `build` holds the arguments to.

use std::{sync::Arc, time::Duration};

use super::{ShimBuilder, ShimTier};
use crate::{
    BuildError,
    authorization_server::{IntrospectionClient, TrustedIssuers, clients::ClientDocuments, paths},
    net::HttpClient,
    oauth::{AccessToken, Scopes, is_scheme},
    resource_server::OperationScopes,
    store::{KeyRing, Store},
};

/// Client documents with the door they are fetched through.
pub(super) type GuardedDocuments = (ClientDocuments, Arc<dyn HttpClient>);

impl<T: ShimTier> ShimBuilder<T> {
    /// The scopes offered and the scopes required of them.
    pub(super) fn scopes(&self) -> Result<(Scopes, Scopes), BuildError> {
        let broken = |reason: &'static str| BuildError::argument("scopes", reason);
        let offered = match &self.scopes {
            Some(scopes) => scopes.clone(),
            None => Scopes::parse("mcp:tools").map_err(|e| broken(e.rule()))?,
        };
        if offered.is_empty() {
            return Err(broken("offer at least one, such as mcp:tools"));
        }
        let required = match &self.required_scopes {
            Some(scopes) => scopes.clone(),
            None => offered.iter().take(1).cloned().collect(),
        };
        if required.is_empty() || !offered.contains_all(&required) {
            return Err(BuildError::argument(
                "required scopes",
                "must be at least one, and among the scopes offered",
            ));
        }
        let operations = self.operations.as_ref().map(OperationScopes::scopes);
        let needed = operations.unwrap_or_default();
        if let Some(unknown) = needed.iter().find(|scope| !offered.contains(scope)) {
            return Err(BuildError::argument(
                "operation scopes",
                format!(
                    "`{unknown}` is not among the scopes offered, so nobody could ever hold it"
                ),
            ));
        }
        Ok((offered, required))
    }

    /// An MCP endpoint at a path of ours would never be reached, or hide what is there.
    pub(super) fn check_paths(&self) -> Result<(), BuildError> {
        let mut all = std::iter::once(&self.path).chain(&self.further_paths);
        match all.find(|path| paths::is_taken(path)) {
            None => Ok(()),
            Some(path) => Err(BuildError::argument(
                "path",
                format!(
                    "{} is an endpoint of the authorization server; choose another, such as /mcp",
                    path.escape_debug()
                ),
            )),
        }
    }

    /// Whoever asks about tokens is known and can prove to be who it is, as far as that can be told:
    /// a resolver of the operator's own is asked only when a client comes.
    pub(super) fn check_introspection(&self) -> Result<(), BuildError> {
        for client in &self.introspection {
            let known = self.preregistered.as_ref();
            let reason = match known.and_then(|clients| clients.get(client.id())) {
                Some(known) if known.is_confidential() => continue,
                Some(_) => "has neither a client_secret nor jwks to prove itself with",
                None if !self.further_clients.is_empty() => continue,
                None => "is not among the preregistered clients",
            };
            let id = client.id().as_str().escape_debug();
            return Err(BuildError::argument(
                IntrospectionClient::ARGUMENT,
                format!("`{id}` {reason}"),
            ));
        }
        Ok(())
    }

    /// Lifetimes are whole seconds, and bounded by what the specifications say of them.
    pub(super) fn check_lifetimes(&self) -> Result<(), BuildError> {
        const DAY: u64 = 24 * 3600;
        let lifetimes = &self.lifetimes;
        for (argument, value, least, most) in [
            ("access token lifetime", lifetimes.access_token, 1, DAY),
            (
                "refresh token lifetime",
                lifetimes.refresh_token,
                1,
                3650 * DAY,
            ),
            ("code lifetime", lifetimes.code, 1, 600),
            (
                "grant lifetime",
                lifetimes.grant.unwrap_or(lifetimes.refresh_token),
                1,
                3650 * DAY,
            ),
            ("refresh grace", lifetimes.refresh_grace, 0, 3600),
            (
                "remembered consent",
                self.remembered_consent.unwrap_or(Duration::from_secs(60)),
                60,
                366 * DAY,
            ),
            ("revocation bound", self.grants.revocation_bound, 0, 3600),
            ("store deadline", self.store_deadline, 1, 60),
            // No access token is older than a day, so nothing could be served for longer.
            (
                "serve until",
                self.grants.serve_until.unwrap_or(Duration::ZERO),
                0,
                DAY,
            ),
        ] {
            if value.subsec_nanos() != 0 || !(least..=most).contains(&value.as_secs()) {
                return Err(BuildError::argument(
                    argument,
                    format!("must be whole seconds from {least} to {most}"),
                ));
            }
        }
        Ok(())
    }

    /// Tokens that cannot be guessed, and registrations that end some day.
    pub(super) fn check_registration(&self) -> Result<(), BuildError> {
        const LEAST: u64 = 3600;
        const MOST: u64 = 3650 * 24 * 3600;
        let legal = |token: &AccessToken| {
            let text = token.expose();
            text.len() >= 16 && text.bytes().all(|b| b.is_ascii_graphic())
        };
        let tokens = self.initial_access_tokens.as_deref();
        if tokens.is_some_and(<[AccessToken]>::is_empty) {
            return Err(BuildError::argument(
                "initial access tokens",
                "name one at least; where nobody is to register, call without_registration",
            ));
        }
        if !tokens.unwrap_or_default().iter().all(legal) {
            return Err(BuildError::argument(
                "initial access tokens",
                "each must be at least 16 visible ASCII characters",
            ));
        }
        let Some(stored) = self.stored_registrations else {
            return Ok(());
        };
        let lifetime = stored.lifetime;
        if lifetime.subsec_nanos() != 0 || !(LEAST..=MOST).contains(&lifetime.as_secs()) {
            return Err(BuildError::argument(
                "registration lifetime",
                format!("must be whole seconds from {LEAST} to {MOST}"),
            ));
        }
        if !(10..=1_000_000).contains(&stored.capacity) {
            return Err(BuildError::argument(
                "registration capacity",
                "must be from 10 to 1,000,000",
            ));
        }
        Ok(())
    }

    /// Who must push can.
    pub(super) fn check_pushed_requests(&self) -> Result<(), BuildError> {
        let clients = self.preregistered.as_ref();
        if self.pushed_requests.is_none() && clients.is_some_and(|all| all.require_pushing()) {
            return Err(BuildError::argument(
                "preregistered clients",
                "one has require_pushed_authorization_requests: call with_pushed_authorization_requests too",
            ));
        }
        if self.pushed_requests.is_none() && self.remembered_consent.is_some() {
            return Err(BuildError::argument(
                "remembered consent",
                "it is for requests that were pushed: call with_pushed_authorization_requests too",
            ));
        }
        Ok(())
    }

    /// Who wants bound tokens alone can have them.
    pub(super) fn check_bound_tokens(&self) -> Result<(), BuildError> {
        let clients = self.preregistered.as_ref();
        if self.dpop.is_none() && clients.is_some_and(|all| all.want_bound_tokens()) {
            return Err(BuildError::argument(
                "preregistered clients",
                "one has dpop_bound_access_tokens: call with_dpop too",
            ));
        }
        Ok(())
    }

    /// A scheme that runs or shows what a stranger wrote is no place to send a browser.
    pub(super) fn check_redirect_schemes(&self) -> Result<(), BuildError> {
        const NEVER: [&str; 11] = [
            "javascript",
            "data",
            "file",
            "vbscript",
            "blob",
            "about",
            "http",
            "https",
            "ftp",
            "ws",
            "wss",
        ];
        match self
            .redirect_schemes
            .iter()
            .find(|s| NEVER.contains(&s.as_str()) || !is_scheme(s))
        {
            None => Ok(()),
            Some(scheme) => Err(BuildError::argument(
                "redirect schemes",
                format!(
                    "`{}` cannot be one: name an application's own scheme, in lower case",
                    scheme.escape_debug()
                ),
            )),
        }
    }

    /// The identity providers of enterprises, with the client that fetches their keys.
    pub(super) fn enterprise(&mut self) -> Result<TrustedIssuers, BuildError> {
        let issuers = std::mem::take(&mut self.enterprise);
        #[cfg(feature = "http-client")]
        let http: Option<Arc<dyn HttpClient>> = match issuers.is_empty() {
            true => None,
            false => Some(Arc::new(crate::net::ReqwestClient::new()?)),
        };
        #[cfg(not(feature = "http-client"))]
        let http = None;
        TrustedIssuers::new(issuers, http, &self.clock)
    }

    /// The settings for client documents, with the door they are fetched through.
    pub(super) fn documents(&mut self) -> Result<Option<GuardedDocuments>, BuildError> {
        let Some(documents) = self.documents.take() else {
            return Ok(None);
        };
        if documents.is_development() && !self.public_url.is_loopback() {
            return Err(BuildError::Unsafe(
                "client documents can be fetched from loopback only by a server on loopback: leave the development CA (MCP_AUTH_DEV_CIMD_CA) out".into(),
            ));
        }
        match documents.http_client()? {
            Some(http) => Ok(Some((documents, http))),
            None if T::REGISTRATION => Ok(None),
            None => Err(BuildError::missing(
                "HTTP client",
                "the feature `http-client`, or a client of your own in the settings for client documents",
            )),
        }
    }

    /// What a browser remembers is a consent for one upstream, and does not say for which.
    pub(super) fn check_remembered_consent(&self) -> Result<(), BuildError> {
        if self.remembered_consent.is_some() && !self.further_upstreams.is_empty() {
            return Err(BuildError::argument(
                "remembered consent",
                "is not for several upstreams: people are asked where to sign in each time",
            ));
        }
        Ok(())
    }

    /// What promises no atomic steps redeems a code twice, whatever else it promises.
    pub(super) fn check_store(store: &dyn Store) -> Result<(), BuildError> {
        if store.capabilities().atomic {
            return Ok(());
        }
        Err(BuildError::Unsafe(
            "this store promises no atomic insert and replace, so two requests could redeem one code: use one that does, or its single writer".into(),
        ))
    }

    /// The keys that were given, or a fresh one where losing it loses nothing that should last.
    pub(super) fn ring(&self, store: &dyn Store) -> Result<KeyRing, BuildError> {
        if let Some(ring) = &self.key_ring {
            return Ok(ring.clone());
        }
        let kept = store.capabilities();
        if !self.public_url.is_loopback() {
            return Err(BuildError::missing(
                "MCP_AUTH_KEY (the key ring)",
                "`id:base64` with 32 random bytes; without it every client and login would be forgotten at a restart",
            ));
        }
        if kept.durable || kept.shared {
            return Err(BuildError::Unsafe("a store that outlives the process needs a key ring (MCP_AUTH_KEY) that does so too".into()));
        }
        tracing::warn!(
            "no key ring (MCP_AUTH_KEY): a fresh key is used, and every client and login is forgotten when this process ends"
        );
        Ok(KeyRing::ephemeral(&*self.random))
    }
}
