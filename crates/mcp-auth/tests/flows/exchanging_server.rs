//! A resource server whose tools may exchange tokens, and the principal that its layer makes.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    http::{Request, Response},
};
use mcp_auth::{
    Principal,
    access_token::StaticTokens,
    oauth::{AccessToken, PublicUrl, Timestamp},
    resource_server::ResourceServer,
    upstream::TokenExchange,
};
use tower::{Layer, ServiceExt, service_fn};

pub struct ExchangingServer {
    principal: Principal,
    exchange: Arc<TokenExchange>,
    token: String,
}

impl ExchangingServer {
    /// That takes this token as one of the exchange's issuer.
    pub fn new(exchange: &Arc<TokenExchange>, token: &str) -> Self {
        Self::of(exchange.issuer().as_str(), exchange, token)
    }

    /// That takes this token as one of this issuer.
    pub fn of(issuer: &str, exchange: &Arc<TokenExchange>, token: &str) -> Self {
        Self {
            principal: Principal::new(issuer, "user-1"),
            exchange: Arc::clone(exchange),
            token: format!("{token:-<16}"),
        }
    }

    pub fn ending(mut self, ends: Timestamp) -> Self {
        self.principal = self.principal.with_expiry(ends);
        self
    }

    /// Whom a tool behind the layer sees.
    pub async fn principal(&self) -> Principal {
        let token = AccessToken::new(self.token.as_str());
        let verifier = StaticTokens::new().with_token(&token, self.principal.clone());
        let public_url = PublicUrl::parse("https://mcp.example").unwrap();
        let server = ResourceServer::builder(public_url, "/mcp", Arc::new(verifier.unwrap()))
            .with_token_exchange(Arc::clone(&self.exchange))
            .build()
            .unwrap();
        let service = service_fn(|request: Request<Body>| async move {
            let mut response = Response::new(Body::empty());
            let principal = request.extensions().get::<Principal>().cloned();
            response.extensions_mut().insert(principal);
            Ok::<_, Infallible>(response)
        });
        let request = Request::post("https://mcp.example/mcp")
            .header("host", "mcp.example")
            .header("authorization", format!("Bearer {}", self.token))
            .body(Body::empty())
            .unwrap();
        let response = server
            .layer()
            .layer(service)
            .oneshot(request)
            .await
            .unwrap();
        let seen = response.extensions().get::<Option<Principal>>();
        seen.cloned().flatten().expect("a principal")
    }
}
