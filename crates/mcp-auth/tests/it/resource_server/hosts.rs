//! Host and Origin (MCP transports, Security).

use crate::{
    mcp_server::{Plain, at, serve, serve_local},
    tokens::Tokens,
    wire::Ask,
};

async fn serve_public() -> std::net::SocketAddr {
    let tokens = Tokens::for_resource("https://mcp.example.com/mcp");
    let builder = at("https://mcp.example.com", "/mcp", tokens);
    let builder = builder.with_allowed_origins(["https://app.example.com"]);
    serve(&Plain::from(builder.build().unwrap())).await
}

// TR-01, TR-05
#[tokio::test]
async fn refuses_foreign_origins_before_the_token() {
    let server = serve_local().await;
    for origin in [
        "https://evil.example",
        "null",
        "http://localhost.evil.example",
        "file://",
    ] {
        for ask in [Ask::call("whoami"), Ask::call("whoami").bearer("alice")] {
            let answer = ask.header("origin", origin).send(server).await;
            assert_eq!(answer.status, 403, "{origin}");
            assert_eq!(answer.header("www-authenticate"), None);
            assert_eq!(answer.header("access-control-allow-origin"), None);
            let body = answer.json();
            assert_eq!((&body["jsonrpc"], body.get("id")), (&"2.0".into(), None));
        }
        let preflight = Ask::new("OPTIONS", "/mcp").header("origin", origin);
        assert_eq!(preflight.send(server).await.status, 403, "{origin}");
    }
    let twice = Ask::call("whoami")
        .bearer("alice")
        .header("origin", "http://localhost:1")
        .header("origin", "https://evil.example");
    assert_eq!(twice.send(server).await.status, 403);
}

// TR-02
#[tokio::test]
async fn serves_no_origin_own_origin_and_listed_origins() {
    let server = serve_public().await;
    let ask = Ask::call("whoami").host("mcp.example.com").bearer("alice");
    assert_eq!(ask.send(server).await.status, 200);
    for origin in ["https://mcp.example.com", "https://app.example.com"] {
        let answer = ask.clone().header("origin", origin).send(server).await;
        assert_eq!(answer.status, 200, "{origin}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    }
    for origin in [
        "http://localhost:6274",
        "https://app.example.com:8443",
        "http://mcp.example.com",
    ] {
        let answer = ask.clone().header("origin", origin).send(server).await;
        assert_eq!(answer.status, 403, "{origin}");
    }
}

// TR-04, TR-05
#[tokio::test]
async fn refuses_foreign_hosts_before_the_token() {
    let local = serve_local().await;
    for host in [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "0.0.0.0:8000",
    ] {
        let answer = Ask::call("whoami").host(host).send(local).await;
        assert_eq!(answer.status, 403, "{host}");
        assert_eq!(answer.header("www-authenticate"), None);
    }
    let public = serve_public().await;
    for host in [
        "localhost",
        "127.0.0.1:8000",
        "mcp.example.com:8443",
        "evil.example",
    ] {
        let answer = Ask::call("whoami")
            .host(host)
            .bearer("alice")
            .send(public)
            .await;
        assert_eq!(answer.status, 403, "{host}");
    }
}

// TR-04
#[tokio::test]
async fn a_loopback_server_answers_to_every_loopback_name() {
    let server = serve_local().await;
    for host in [
        "127.0.0.1:8000",
        "localhost:8000",
        "[::1]:8000",
        "localhost",
    ] {
        let answer = Ask::call("whoami")
            .host(host)
            .bearer("alice")
            .send(server)
            .await;
        assert_eq!(answer.status, 200, "{host}");
    }
}

// TR-04
#[tokio::test]
async fn refuses_no_host_two_hosts_and_hosts_that_disagree() {
    let server = serve_local().await;
    let two = Ask::call("whoami")
        .bearer("alice")
        .header("host", "127.0.0.1:8000");
    let disagree = Ask::call("whoami")
        .bearer("alice")
        .to("http://127.0.0.1:8000/mcp")
        .host("evil.example");
    let disagree_too = Ask::call("whoami")
        .bearer("alice")
        .to("http://evil.example/mcp");
    let none = Ask::call("whoami").bearer("alice").without("host");
    for ask in [two, disagree, disagree_too, none] {
        let status = ask.send(server).await.status;
        assert!(matches!(status, 400 | 403), "{status}: {ask:?}");
    }
    let agree = Ask::call("whoami")
        .bearer("alice")
        .to("http://127.0.0.1:8000/mcp");
    assert_eq!(agree.send(server).await.status, 200);
}
