//! From the host's token to one for the provider's API, by the provider itself (RFC 8693).

mod attempts;
mod builder;
mod endpoint;
mod exchanged;
mod request;

use std::{sync::Arc, time::Duration};

pub use builder::TokenExchangeBuilder;
use builder::{Client, Form, Target};
use endpoint::TokenEndpoint;
use exchanged::{Exchanged, ExchangedTokens};

use crate::{
    metering,
    net::HttpClient,
    oauth::{AccessToken, ClientSecret, Clock, Issuer, Timestamp},
};

/// Gets tokens for a provider's API in exchange for those that hosts send here: by OAuth token exchange
/// (RFC 8693), or by Microsoft Entra's on-behalf-of flow.
///
/// ```
/// use mcp_auth::{oauth::{ClientSecret, Issuer}, upstream::TokenExchange};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let issuer = Issuer::parse("https://id.example.com")?;
/// let exchange = TokenExchange::builder(issuer, "our-server", ClientSecret::new("its secret"))
///     .for_audience("https://api.example.com")
///     .with_scopes(["files:read"])
///     .build()?;
/// # let _ = exchange; Ok(()) }
/// ```
///
/// Given to `with_token_exchange` of [`DcrProxy`](crate::DcrProxy) or of a
/// [`ResourceServer`](crate::resource_server::ResourceServer), it stands behind
/// [`Principal::upstream_token`](crate::Principal::upstream_token). What it got is kept in this process's
/// memory under the SHA-256 of the host's token, until shortly before its end and never past the end of
/// the host's token. A crowd with one token exchanges it once.
///
/// A host's token that is bound to a key (DPoP) is exchanged as it is: the proof that came with it was
/// for this server, and goes no further. A provider that wants a proof of the key refuses the exchange.
///
/// # Security
///
/// The host's token goes to the token endpoint of its own issuer, over TLS, and nowhere else; tokens of
/// other issuers on the same server, and service keys, are never sent there. What comes back is for the
/// audience that is named here: the API gets a token that was issued for it and never the host's, which
/// is what the MCP specification asks for (Access Token Privilege Restriction). Name the narrowest
/// audience and scopes that the tools need: with them this server acts for every user who calls it, so a
/// tool that can be talked into something does it with this token (the confused deputy).
#[derive(Debug)]
pub struct TokenExchange {
    issuer: Issuer,
    endpoint: TokenEndpoint,
    client: Client,
    form: Form,
    target: Target,
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    tokens: ExchangedTokens,
}

/// Why there is no other token; never holds a token or text of the provider's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// The host's token, or the user's grant behind it, is not good any more.
    #[error("the host's token cannot be exchanged: {0}")]
    Over(&'static str),
    #[error("no token was exchanged: {0}")]
    Away(&'static str),
    /// Only the operator can mend it.
    #[error("the exchange was refused: {0}")]
    Refused(&'static str),
}

/// For the metadata, where it has to be read, and the exchange together.
const DEADLINE: Duration = Duration::from_secs(12);

impl TokenExchange {
    /// Exchanges tokens of this issuer, as this client of it.
    ///
    /// The token endpoint is read from the issuer's metadata when it is first needed, unless
    /// [`TokenExchangeBuilder::with_token_endpoint`] names it.
    pub fn builder(
        issuer: Issuer,
        client_id: impl Into<String>,
        client_secret: ClientSecret,
    ) -> TokenExchangeBuilder {
        TokenExchangeBuilder::new(issuer, client_id.into(), client_secret)
    }

    /// Whose tokens it exchanges.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// A token for the API, for the user of the host's token, which ends at this moment.
    pub(crate) async fn exchange(
        &self,
        host_token: &AccessToken,
        ends: Option<Timestamp>,
    ) -> Result<AccessToken, ExchangeError> {
        let now = self.clock.now();
        if ends.is_some_and(|end| end <= now) {
            return Err(ExchangeError::Over("it is over"));
        }
        let kept = self.tokens.of(host_token, now);
        let (seen, latest) = kept.latest();
        let held = latest.and_then(Result::ok).filter(|held| held.is_good(now));
        if let Some(held) = held.as_ref().filter(|held| !held.is_due(now)) {
            return Ok(held.token());
        }
        let renewed = kept.attempt(seen, self.renewed(host_token, ends, held));
        Ok(renewed.await?.token())
    }

    /// A fresh one, or the one that is held while it is good and the provider away.
    async fn renewed(
        &self,
        host_token: &AccessToken,
        ends: Option<Timestamp>,
        held: Option<Exchanged>,
    ) -> Result<Exchanged, ExchangeError> {
        let asking = tokio::time::timeout(DEADLINE, self.ask(host_token));
        let asking = async {
            let answered = asking.await;
            answered.unwrap_or(Err(ExchangeError::Away("it takes too long")))
        };
        let error = match metering::timed(metering::UPSTREAM, "exchange", asking).await {
            Ok(given) => return Ok(Exchanged::new(given, ends, self.clock.now())),
            Err(error) => error,
        };
        let issuer = self.issuer.as_str();
        match error {
            ExchangeError::Over(reason) => {
                tracing::info!(
                    event = "token_not_exchanged",
                    fault = "client",
                    reason,
                    issuer
                );
            }
            ExchangeError::Away(reason) => {
                tracing::warn!(
                    event = "token_not_exchanged",
                    fault = "upstream",
                    reason,
                    issuer
                );
                if let Some(held) = held {
                    return Ok(held.rested(self.clock.now()));
                }
            }
            ExchangeError::Refused(reason) => {
                tracing::error!(
                    event = "token_not_exchanged",
                    fault = "server",
                    reason,
                    issuer
                );
            }
        }
        Err(error)
    }
}
