//! The token for the provider's API that the host's token is exchanged for.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Principal, UpstreamTokenError, principal::UpstreamTokenSource};
use crate::{
    oauth::{AccessToken, Timestamp},
    upstream::{ExchangeError, TokenExchange},
};

/// The host's token, shut in: it can be exchanged and nothing else, and is wiped when it goes.
#[derive(Debug)]
struct ToExchange {
    exchange: Arc<TokenExchange>,
    host_token: AccessToken,
    ends: Option<Timestamp>,
}

impl Principal {
    /// With upstream tokens in exchange for the one that speaks for it, if its issuer exchanges them.
    ///
    /// What another vouches for, such as a service key, is none of that issuer's business.
    pub(crate) fn exchanging(
        self,
        exchange: &Arc<TokenExchange>,
        host_token: &AccessToken,
    ) -> Self {
        if self.issuer() != exchange.issuer().as_str() {
            return self;
        }
        let source = ToExchange {
            exchange: Arc::clone(exchange),
            host_token: host_token.clone(),
            ends: self.expires_at(),
        };
        self.with_upstream(Arc::new(source))
    }
}

#[async_trait]
impl UpstreamTokenSource for ToExchange {
    async fn upstream_token(&self) -> Result<AccessToken, UpstreamTokenError> {
        let exchanged = self.exchange.exchange(&self.host_token, self.ends).await;
        exchanged.map_err(|error| match error {
            ExchangeError::Over(_) => UpstreamTokenError::GrantGone,
            ExchangeError::Away(_) => UpstreamTokenError::Unavailable(Some(error.into())),
            ExchangeError::Refused(reason) => UpstreamTokenError::NotExchanged(reason),
        })
    }
}
