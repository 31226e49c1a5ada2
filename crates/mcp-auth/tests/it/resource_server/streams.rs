//! An event stream ends with the token that opened it.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{Router, body::Body, routing::any};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use mcp_auth::{
    Principal,
    access_token::{TokenVerifier, VerifyError},
    oauth::{AccessToken, PublicUrl, ResourceIdentifier},
    resource_server::ResourceServer,
};
use tower::ServiceExt;

const GOOD: u8 = 0;
const AWAY: u8 = 1;
const REVOKED: u8 = 2;
const EXPIRED: u8 = 3;

/// Says of every token what it is told to.
#[derive(Debug, Clone, Default)]
struct Switch(Arc<AtomicU8>);

#[async_trait]
impl TokenVerifier for Switch {
    async fn verify(
        &self,
        _: &AccessToken,
        _: &ResourceIdentifier,
    ) -> Result<Principal, VerifyError> {
        match self.0.load(Ordering::SeqCst) {
            GOOD => Ok(Principal::new("https://issuer.example", "alice")),
            AWAY => Err(VerifyError::Unavailable {
                retry_after: Duration::from_secs(1),
                source: None,
            }),
            REVOKED => Err(VerifyError::Invalid("revoked")),
            _ => Err(VerifyError::Expired),
        }
    }
}

/// The body of an endless answer of this kind, behind the layer.
async fn endless(
    switch: &Switch,
    method: Method,
    kind: &'static str,
) -> impl http_body::Body<Data = Bytes, Error = axum::Error> + Unpin + use<> {
    let inner = Router::new().route(
        "/mcp",
        any(move || async move {
            let first = Ok::<_, Infallible>(Frame::data(Bytes::from_static(b": hello\n\n")));
            let stream = OneThenSilence(Some(first));
            ([("content-type", kind)], Body::new(StreamBody::new(stream)))
        }),
    );
    let server = ResourceServer::builder(
        PublicUrl::parse("http://127.0.0.1:8000").unwrap(),
        "/mcp",
        Arc::new(switch.clone()),
    )
    .with_stream_check(Duration::from_secs(5))
    .build()
    .unwrap();
    let request = Request::builder()
        .method(method)
        .uri("/mcp")
        .header("host", "127.0.0.1:8000")
        .header("authorization", "Bearer x")
        .body(Body::empty())
        .unwrap();
    let answer = tower::Layer::layer(&server.layer(), inner)
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    Box::pin(answer.into_body())
}

/// One item, then nothing for ever.
struct OneThenSilence<T>(Option<T>);

impl<T: Unpin> futures_core::Stream for OneThenSilence<T> {
    type Item = T;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<T>> {
        match self.0.take() {
            Some(item) => std::task::Poll::Ready(Some(item)),
            None => std::task::Poll::Pending,
        }
    }
}

/// Whether the body ends by itself within a minute.
async fn ends(
    body: &mut (impl http_body::Body<Data = Bytes, Error = axum::Error> + Unpin),
) -> bool {
    let end = tokio::time::timeout(Duration::from_secs(60), body.frame()).await;
    matches!(end, Ok(None))
}

// RS-13
#[tokio::test(start_paused = true)]
async fn an_event_stream_ends_soon_after_its_token_did() {
    let switch = Switch::default();
    let mut body = endless(&switch, Method::GET, "text/event-stream; charset=utf-8").await;
    assert!(body.frame().await.is_some());
    assert!(!ends(&mut body).await, "while the token is good it stays");
    switch.0.store(AWAY, Ordering::SeqCst);
    assert!(
        !ends(&mut body).await,
        "a verifier that cannot tell ends nothing"
    );
    switch.0.store(REVOKED, Ordering::SeqCst);
    let asked = tokio::time::Instant::now();
    assert!(ends(&mut body).await);
    assert!(
        asked.elapsed() <= Duration::from_secs(6),
        "{:?}",
        asked.elapsed()
    );
    assert!(body.frame().await.is_none(), "and stays ended");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_event_stream_is_let_through_whole() {
    let switch = Switch::default();
    let mut body = endless(&switch, Method::GET, "application/json").await;
    assert!(body.frame().await.is_some());
    switch.0.store(REVOKED, Ordering::SeqCst);
    assert!(!ends(&mut body).await);
}

// RS-13
#[tokio::test(start_paused = true)]
async fn an_answer_under_way_outlives_the_expiry_but_no_revocation() {
    let switch = Switch::default();
    let mut stream = endless(&switch, Method::GET, "text/event-stream").await;
    let mut answer = endless(&switch, Method::POST, "text/event-stream").await;
    assert!(stream.frame().await.is_some() && answer.frame().await.is_some());
    switch.0.store(EXPIRED, Ordering::SeqCst);
    assert!(ends(&mut stream).await, "what was opened as a stream ends");
    assert!(
        !ends(&mut answer).await,
        "what was asked for is still answered"
    );
    switch.0.store(REVOKED, Ordering::SeqCst);
    assert!(ends(&mut answer).await);
    switch.0.store(GOOD, Ordering::SeqCst);
    let mut endless = endless(&switch, Method::POST, "text/event-stream").await;
    assert!(endless.frame().await.is_some());
    switch.0.store(EXPIRED, Ordering::SeqCst);
    let end = tokio::time::timeout(Duration::from_secs(700), endless.frame()).await;
    assert!(matches!(end, Ok(None)), "but not for ever");
}
