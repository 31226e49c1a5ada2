//! A resource server whose verifier is under test.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    http::{Request, Response},
};
use mcp_auth::{
    Principal,
    access_token::{JwtIssuer, JwtVerifier, JwtVerifierBuilder, TokenVerifier},
    oauth::{Clock, PublicUrl, Scopes},
    resource_server::ResourceServer,
};
use mcp_auth_testkit::MovingClock;
use tower::{Layer, ServiceExt, service_fn};

use crate::issuer::Issuer;

pub const RESOURCE: &str = "https://mcp.example/mcp";

/// One MCP endpoint, and the clock that everything goes by.
pub struct Server {
    pub clock: MovingClock,
    server: ResourceServer,
}

/// An answer, as far as tests look at it.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub error: Option<String>,
    pub retry_after: Option<String>,
}

/// Whom the service behind the layer saw.
pub type Seen = Principal;

impl Server {
    pub fn new(clock: &MovingClock, verifier: Arc<dyn TokenVerifier>) -> Self {
        let public_url = PublicUrl::parse("https://mcp.example").unwrap();
        let server = ResourceServer::builder(public_url, "/mcp", verifier)
            .with_required_scopes(Scopes::parse("mcp:tools").unwrap())
            .build()
            .unwrap();
        Self {
            clock: clock.clone(),
            server,
        }
    }

    /// That verifies the JWTs of one issuer.
    pub fn of(issuer: &Issuer) -> Self {
        Self::with(issuer, |trusted| trusted, |builder| builder)
    }

    pub fn with(
        issuer: &Issuer,
        trusted: impl FnOnce(JwtIssuer) -> JwtIssuer,
        tune: impl FnOnce(JwtVerifierBuilder) -> JwtVerifierBuilder,
    ) -> Self {
        let clock = MovingClock::starting_now();
        let issuer = JwtIssuer::with_jwks_uri(issuer.identifier(), issuer.jwks_uri());
        let builder = JwtVerifier::builder(trusted(issuer)).with_clock(Arc::new(clock.clone()));
        Self::new(&clock, Arc::new(tune(builder).build().unwrap()))
    }

    pub fn now(&self) -> u64 {
        self.clock.now().as_seconds()
    }

    /// What comes back for a request with this token, and whom the service saw.
    pub async fn call(&self, token: &str) -> (Answer, Option<Seen>) {
        let service = service_fn(|request: Request<Body>| async move {
            let principal = request.extensions().get::<Principal>().cloned();
            let mut response = Response::new(Body::empty());
            response.extensions_mut().insert(principal);
            Ok::<_, Infallible>(response)
        });
        let request = Request::post("https://mcp.example/mcp")
            .header("host", "mcp.example")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::empty())
            .unwrap();
        let layered = self.server.layer().layer(service);
        let response = layered.oneshot(request).await.unwrap();
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        let error = header("www-authenticate").and_then(|challenge| {
            let (_, rest) = challenge.split_once("error=\"")?;
            Some(rest.split_once('"')?.0.to_owned())
        });
        let answer = Answer {
            status: response.status().as_u16(),
            error,
            retry_after: header("retry-after"),
        };
        let seen = response.extensions().get::<Option<Principal>>().cloned();
        (answer, seen.flatten())
    }

    pub async fn status(&self, token: &str) -> u16 {
        self.call(token).await.0.status
    }

    /// Whom a token that must be good speaks for.
    pub async fn principal(&self, token: &str) -> Seen {
        let (answer, seen) = self.call(token).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        seen.unwrap()
    }
}

/// How a token that is not good is answered.
pub fn invalid_token() -> Answer {
    Answer {
        status: 401,
        error: Some("invalid_token".to_owned()),
        retry_after: None,
    }
}
