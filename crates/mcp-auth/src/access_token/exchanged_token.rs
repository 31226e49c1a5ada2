//! A tool's token that is got in return for the host's.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use super::{UpstreamTokenError, UpstreamTokenSource};
use crate::{
    oauth::{AccessToken, Timestamp},
    upstream::{ExchangeError, TokenExchange},
};

/// Holds the host's token for nothing but its exchange: nothing reads it out.
pub(crate) struct ExchangedToken {
    exchange: Arc<TokenExchange>,
    subject: AccessToken,
    ends: Option<Timestamp>,
}

impl ExchangedToken {
    pub(crate) const fn of(
        exchange: Arc<TokenExchange>,
        subject: AccessToken,
        ends: Option<Timestamp>,
    ) -> Self {
        Self {
            exchange,
            subject,
            ends,
        }
    }
}

#[async_trait]
impl UpstreamTokenSource for ExchangedToken {
    async fn upstream_token(&self) -> Result<AccessToken, UpstreamTokenError> {
        let exchanged = self.exchange.exchanged(&self.subject, self.ends).await;
        exchanged.map_err(|error| match error {
            ExchangeError::SubjectGone => UpstreamTokenError::GrantGone,
            ExchangeError::Refused(reason) => UpstreamTokenError::Refused(reason),
            ExchangeError::Unavailable(_) => UpstreamTokenError::Unavailable(Some(error.into())),
        })
    }
}

impl fmt::Debug for ExchangedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExchangedToken")
            .field("exchange", &self.exchange)
            .finish_non_exhaustive()
    }
}
