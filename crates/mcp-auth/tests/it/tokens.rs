//! A verifier that knows a few tokens, each for one resource.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use mcp_auth::{
    Principal,
    access_token::{TokenVerifier, VerifyError},
    oauth::{AccessToken, ClientId, ResourceIdentifier, Scopes},
    store::StoreError,
};

/// Tokens by name; `waiting` ones are answered only after a wait, as by a verifier over the network.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tokens {
    known: Vec<(String, String, Principal)>,
    waiting: bool,
}

impl Tokens {
    /// `alice` and `bob` for this resource, both with the scope `mcp:tools`.
    pub(crate) fn for_resource(resource: &str) -> Self {
        Self::default()
            .with("alice", resource, principal("alice", "mcp:tools"))
            .with("bob", resource, principal("bob", "mcp:tools"))
    }

    pub(crate) fn with(mut self, token: &str, resource: &str, principal: Principal) -> Self {
        self.known
            .push((token.to_owned(), resource.to_owned(), principal));
        self
    }

    pub(crate) fn waiting(mut self) -> Self {
        self.waiting = true;
        self
    }

    pub(crate) fn verifier(self) -> Arc<dyn TokenVerifier> {
        Arc::new(self)
    }

    fn find(
        &self,
        token: &AccessToken,
        resource: &ResourceIdentifier,
    ) -> Result<Principal, VerifyError> {
        if token.expose() == "unavailable" {
            return Err(VerifyError::Unavailable {
                retry_after: Duration::from_secs(7),
                source: Some(Box::new(StoreError::Unavailable(Some(
                    "the-store-at-10.0.0.7".into(),
                )))),
            });
        }
        let found = self
            .known
            .iter()
            .find(|(known, _, _)| known == token.expose());
        match found {
            None => Err(VerifyError::Invalid("inward-detail: no such token")),
            Some((_, audience, _)) if audience != resource.as_str() => {
                Err(VerifyError::Invalid("inward-detail: another audience"))
            }
            Some((_, _, principal)) => Ok(principal.clone()),
        }
    }
}

#[async_trait]
impl TokenVerifier for Tokens {
    fn verify_now(
        &self,
        token: &AccessToken,
        resource: &ResourceIdentifier,
    ) -> Option<Result<Principal, VerifyError>> {
        (!self.waiting).then(|| self.find(token, resource))
    }

    async fn verify(
        &self,
        token: &AccessToken,
        resource: &ResourceIdentifier,
    ) -> Result<Principal, VerifyError> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.find(token, resource)
    }
}

pub(crate) fn principal(subject: &str, scopes: &str) -> Principal {
    Principal::new("https://issuer.example", subject)
        .with_client(ClientId::parse("a-client").unwrap())
        .with_scopes(Scopes::parse(scopes).unwrap())
}
