//! Mounting: nothing reaches the MCP service past its layer.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use bytes::Bytes;
use http::{Request, Response};
use mcp_auth::{Tier, net::EndpointSet};
use tower::{Layer, ServiceExt};

use crate::{
    mcp_server::{Plain, RESOURCE, local, mcp, serve, serve_app, serve_local},
    tokens::Tokens,
    wire::Ask,
};

#[derive(Debug)]
struct Echo;

#[async_trait]
impl EndpointSet for Echo {
    fn owns(&self, path: &str) -> bool {
        path.ends_with("/echo")
    }

    async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        Response::new(request.into_body())
    }
}

fn plain() -> Plain {
    let server = local(Tokens::for_resource(RESOURCE)).build().unwrap();
    Plain {
        servers: server.into(),
        sets: vec![Arc::new(Echo)],
    }
}

// RS-20, RS-21
#[tokio::test]
async fn other_spellings_of_the_mcp_path_are_404() {
    let server = serve_local().await;
    for path in [
        "/mcp/",
        "//mcp",
        "/mcp//",
        "/./mcp",
        "/x/../mcp",
        "/mcp/.",
        "/mcp%2f",
        "/%6dcp",
        "/MCP",
        "/mcp;x",
        "/mcp/x",
        "/",
        "/mcp%00",
        "/mcp.",
        "/mcp\\",
    ] {
        for token in ["alice", "mallory"] {
            let answer = Ask::call("whoami")
                .to(path)
                .bearer(token)
                .send(server)
                .await;
            assert!(matches!(answer.status, 400 | 404), "{path}: {answer:?}");
        }
    }
}

// RS-20: the same two calls mount in each way that axum has
#[tokio::test]
async fn layer_and_endpoints_mount_in_every_way() {
    let tier = plain();
    let layered = || tier.layer().layer(mcp());
    let routed = Router::new()
        .route_service("/mcp", layered())
        .fallback_service(tier.endpoints());
    let nested = Router::new()
        .nest_service("/mcp", layered())
        .fallback_service(tier.endpoints());
    let protected = Router::new().fallback_service(tier.protect(mcp()));
    for app in [routed, nested, protected] {
        let server = serve_app(app).await;
        assert_eq!(Ask::call("whoami").send(server).await.status, 401);
        let answer = Ask::call("whoami").bearer("alice").send(server).await;
        assert_eq!(answer.tool_text(), "alice");
        let document = Ask::new("GET", "/.well-known/oauth-protected-resource/mcp");
        assert_eq!(document.send(server).await.status, 200);
        assert_eq!(Ask::new("GET", "/nothing").send(server).await.status, 404);
        let below = Ask::call("whoami").to("/mcp/below").send(server).await;
        assert!(matches!(below.status, 401 | 404), "{below:?}");
    }
}

#[tokio::test]
async fn a_resource_is_found_by_its_exact_path() {
    let tier = plain();
    assert_eq!(tier.resource("/mcp").unwrap().resource().as_str(), RESOURCE);
    assert!(tier.resource("/mcp/").is_none() && tier.resource("/other").is_none());
}

#[tokio::test]
async fn endpoints_read_at_most_64_kib() {
    let server = serve(&plain()).await;
    let echo = |size: usize| Ask::new("POST", "/echo").body(&"a".repeat(size));
    let most = echo(64 * 1024).send(server).await;
    assert_eq!((most.status, most.body.len()), (200, 64 * 1024));
    assert_eq!(echo(64 * 1024 + 1).send(server).await.status, 413);
    let chunk = format!("{:x}\r\n{}\r\n", 40 * 1024, "b".repeat(40 * 1024));
    let chunked = Ask::new("POST", "/echo").header("transfer-encoding", "chunked");
    let raw = String::from_utf8(chunked.header("connection", "close").bytes()).unwrap();
    let raw = raw.replace("content-length: 0\r\n", "") + &chunk + &chunk + "0\r\n\r\n";
    let mut stream = tokio::net::TcpStream::connect(server).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, raw.as_bytes())
        .await
        .unwrap();
    let mut head = [0; 12];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut head)
        .await
        .unwrap();
    assert_eq!(&head, b"HTTP/1.1 413");
}

#[tokio::test]
async fn doubtful_paths_reach_no_endpoint() {
    let server = serve(&plain()).await;
    for path in ["/a/../echo", "//echo", "/%65cho/echo", "/./echo"] {
        assert_eq!(
            Ask::new("POST", path).send(server).await.status,
            404,
            "{path}"
        );
    }
}

/// A body that never comes.
#[derive(Debug)]
struct Silent;

impl http_body::Body for Silent {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let started = tokio::time::Instant::now();
    let posted = Request::post("/echo").body(Silent).unwrap();
    let answer = plain().endpoints().oneshot(posted).await.unwrap();
    assert_eq!(answer.status(), 408);
    assert!(started.elapsed() <= std::time::Duration::from_secs(11));
    // Nobody asks for the body of a GET.
    let asked = Request::get("/echo").body(Silent).unwrap();
    let answer = plain().endpoints().oneshot(asked).await.unwrap();
    assert_eq!(answer.status(), 200);
}
