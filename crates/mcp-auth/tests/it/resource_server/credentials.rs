//! Tokens on the request (RFC 6750 §2, OAuth 2.1 §5).

use http::HeaderName;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    mcp_server::{ORIGIN, Plain, RESOURCE, at, local, serve, serve_local},
    tokens::{Tokens, principal},
    wire::{Answer, Ask},
};

// RS-01
#[tokio::test]
async fn a_good_token_reaches_the_tool_as_a_principal() {
    let server = serve_local().await;
    let answer = Ask::call("whoami").bearer("alice").send(server).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.tool_text(), "alice");
}

// RS-01
#[tokio::test]
async fn a_verifier_that_waits_is_waited_for() {
    let tokens = Tokens::for_resource(RESOURCE).waiting();
    let server = serve(&Plain::from(local(tokens).build().unwrap())).await;
    let answer = Ask::call("whoami").bearer("bob").send(server).await;
    assert_eq!(answer.tool_text(), "bob");
    let refused = Ask::call("whoami").bearer("mallory").send(server).await;
    assert_eq!(refused.status, 401);
}

// RS-02
#[tokio::test]
async fn every_request_of_a_connection_needs_its_own_token() {
    let server = serve_local().await;
    let mut stream = tokio::net::TcpStream::connect(server).await.unwrap();
    stream
        .write_all(&Ask::call("whoami").bearer("alice").bytes())
        .await
        .unwrap();
    let second = Ask::call("whoami").header("connection", "close");
    stream.write_all(&second.bytes()).await.unwrap();
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw).await.unwrap();
    let text = String::from_utf8(raw).unwrap();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    let second = text.rfind("HTTP/1.1").unwrap();
    assert_eq!(Answer::parse(&text.as_bytes()[second..]).status, 401);
}

// RS-03
#[tokio::test]
async fn refuses_token_in_query() {
    let server = serve_local().await;
    let target = "/mcp?access_token=alice";
    let answer = Ask::call("whoami").to(target).send(server).await;
    assert_eq!(answer.status, 401);
    assert!(!answer.challenge().contains("error="), "{answer:?}");
}

// RS-04
#[tokio::test]
async fn refuses_token_in_form_body() {
    let server = serve_local().await;
    let form = Ask::new("POST", "/mcp")
        .header("content-type", "application/x-www-form-urlencoded")
        .body("access_token=alice");
    assert_eq!(form.send(server).await.status, 401);
}

// RS-05
#[tokio::test]
async fn scheme_is_compared_without_case() {
    let server = serve_local().await;
    for scheme in ["bearer", "BEARER", "BeArEr"] {
        let ask = Ask::call("whoami").header("authorization", &format!("{scheme} alice"));
        assert_eq!(ask.send(server).await.status, 200, "{scheme}");
    }
}

// RS-06, RS-11, TR-20
#[tokio::test]
async fn refuses_two_credentials() {
    let server = serve_local().await;
    let call = Ask::call("whoami").bearer("alice");
    for ask in [
        call.clone().bearer("alice"),
        call.clone().header("authorization", "Basic YTpi"),
        call.clone().to("/mcp?access_token=alice"),
        call.clone().to("/mcp?x=1&access%5ftoken=alice"),
        call.clone()
            .without("content-type")
            .header("content-type", "application/x-www-form-urlencoded"),
    ] {
        let answer = ask.send(server).await;
        assert_eq!(answer.status, 400, "{ask:?}");
        assert!(
            answer.challenge().contains("error=\"invalid_request\""),
            "{answer:?}"
        );
        let body = answer.json();
        assert_eq!(body["jsonrpc"], "2.0");
        assert_eq!(body["error"]["code"], -32600);
        assert_eq!(body.get("id"), None);
    }
}

// RS-08, RS-09, RS-11
#[tokio::test]
async fn refuses_malformed_tokens_as_invalid() {
    let server = serve_local().await;
    let long = "a".repeat(16 * 1024 + 1);
    for token in ["", " ", "a b", "a\"b", "a\\b", "a,b", "=", &long] {
        let answer = Ask::call("whoami").bearer(token).send(server).await;
        assert_eq!(answer.status, 401, "{token}");
        assert!(
            answer.challenge().contains("error=\"invalid_token\""),
            "{answer:?}"
        );
    }
}

// RS-08, RS-09
#[tokio::test]
async fn refuses_unknown_tokens_as_invalid() {
    let server = serve_local().await;
    let answer = Ask::call("whoami").bearer("mallory").send(server).await;
    assert_eq!(answer.status, 401);
    assert!(
        answer.challenge().contains("error=\"invalid_token\""),
        "{answer:?}"
    );
}

// RS-12
#[tokio::test]
async fn never_echoes_input_into_a_header() {
    let server = serve_local().await;
    let raw = "POST /mcp?canary=1 HTTP/1.1\r\nhost: 127.0.0.1:8000\r\n\
               authorization: Bearer canary\"\tcanary\r\nmcp-session-id: canary\r\n\
               origin: http://localhost:1\r\naccess-control-request-headers: canary\r\n\
               connection: close\r\n\r\n";
    let mut stream = tokio::net::TcpStream::connect(server).await.unwrap();
    stream.write_all(raw.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(!answer.contains("canary"), "{answer}");
}

// RS-14, RS-15, RS-18
#[tokio::test]
async fn refuses_a_token_for_another_resource() {
    let tokens = Tokens::for_resource(RESOURCE)
        .with(
            "longer",
            "http://127.0.0.1:8000/mcp2",
            principal("alice", "mcp:tools"),
        )
        .with("origin", ORIGIN, principal("alice", "mcp:tools"))
        .with(
            "upstream",
            "https://api.upstream.example",
            principal("alice", "mcp:tools"),
        );
    let server = serve(&Plain::from(local(tokens).build().unwrap())).await;
    for token in ["longer", "origin", "upstream"] {
        let answer = Ask::call("whoami").bearer(token).send(server).await;
        assert_eq!(answer.status, 401, "{token}");
        assert!(
            answer.challenge().contains("error=\"invalid_token\""),
            "{answer:?}"
        );
    }
}

// RS-14: each of several endpoints on one origin is a resource of its own
#[tokio::test]
async fn a_token_of_one_endpoint_never_opens_another() {
    let other = "http://127.0.0.1:8000/mcp-b";
    let tokens = Tokens::for_resource(RESOURCE).with("b", other, principal("b", "mcp:tools"));
    let main = local(tokens.clone()).build().unwrap();
    let further = at(ORIGIN, "/mcp-b", tokens).build().unwrap();
    let servers = mcp_auth::resource_server::ResourceServers::new(main, vec![further]).unwrap();
    let server = serve(&Plain {
        servers,
        sets: Vec::new(),
    })
    .await;
    let asked = |path: &'static str, token: &'static str| async move {
        Ask::call("whoami")
            .to(path)
            .bearer(token)
            .send(server)
            .await
            .status
    };
    assert_eq!(asked("/mcp", "alice").await, 200);
    assert_eq!(asked("/mcp-b", "b").await, 200);
    assert_eq!(asked("/mcp-b", "alice").await, 401);
    assert_eq!(asked("/mcp", "b").await, 401);
}

// RS-16, RS-24
#[tokio::test]
async fn a_tool_never_sees_the_token() {
    let header = HeaderName::from_static("x-api-key");
    let tokens = Tokens::for_resource(RESOURCE);
    let server = local(tokens)
        .with_credential_header(header)
        .build()
        .unwrap();
    let server = serve(&Plain::from(server)).await;
    let extra = |ask: Ask| {
        ask.header("dpop", "canary-proof")
            .header("proxy-authorization", "Basic canary")
            .header("x-other", "kept")
    };
    let by_bearer = extra(Ask::call("everything"))
        .bearer("alice")
        .send(server)
        .await;
    let by_header = extra(Ask::call("everything"))
        .header("x-api-key", "bob")
        .send(server)
        .await;
    for (answer, subject) in [(by_bearer, "alice"), (by_header, "bob")] {
        let seen = answer.tool_text();
        assert!(seen.contains("x-other") && seen.contains(subject), "{seen}");
        for hidden in ["authorization", "dpop", "canary", "x-api-key", "Bearer"] {
            assert!(!seen.contains(hidden), "{hidden}: {seen}");
        }
    }
}

// RS-21
#[tokio::test]
async fn discovery_needs_a_token_too() {
    let server = serve_local().await;
    for method in ["server/discover", "initialize", "ping", "tools/list"] {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {}});
        let ask = Ask::message(&message).header("mcp-method", method);
        assert_eq!(ask.send(server).await.status, 401, "{method}");
    }
    for method in ["GET", "DELETE", "PUT", "HEAD", "PATCH"] {
        assert_eq!(
            Ask::new(method, "/mcp").send(server).await.status,
            401,
            "{method}"
        );
    }
}

// RS-22
#[tokio::test]
async fn a_session_id_alone_opens_nothing() {
    let server = serve_local().await;
    let ask = Ask::call("whoami").header("mcp-session-id", "some-session");
    assert_eq!(ask.send(server).await.status, 401);
}

// TR-10
#[tokio::test]
async fn the_token_comes_before_the_protocol_version() {
    let server = serve_local().await;
    let ask = Ask::call("whoami")
        .without("mcp-protocol-version")
        .header("mcp-protocol-version", "1999-01-01");
    assert_eq!(ask.send(server).await.status, 401);
    assert_eq!(ask.bearer("alice").send(server).await.status, 400);
}

// TR-11
#[tokio::test]
async fn a_missing_version_header_is_served() {
    let server = serve_local().await;
    let message = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-03-26", "capabilities": {},
                   "clientInfo": {"name": "old", "version": "1"}},
    });
    let answer = Ask::message(&message).bearer("alice").send(server).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}
