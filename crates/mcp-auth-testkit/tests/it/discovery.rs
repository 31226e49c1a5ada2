//! What the demo upstream says of itself.

use mcp_auth_testkit::DemoUpstream;
use serde_json::Value;

#[tokio::test]
async fn both_documents_name_the_issuer_exactly() {
    let upstream = DemoUpstream::start().await.unwrap();
    for path in ["openid-configuration", "oauth-authorization-server"] {
        let url = format!("{}/.well-known/{path}", upstream.issuer());
        let document: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        assert_eq!(document["issuer"], upstream.issuer());
        assert_eq!(
            document["authorization_response_iss_parameter_supported"],
            true
        );
        assert_eq!(
            document["code_challenge_methods_supported"],
            serde_json::json!(["S256"])
        );
    }
    assert_eq!(upstream.counters().discoveries, 2);
}

#[tokio::test]
async fn stops_when_dropped() {
    let upstream = DemoUpstream::start().await.unwrap();
    let address = upstream.address();
    drop(upstream);
    for _ in 0..100 {
        if tokio::net::TcpStream::connect(address).await.is_err() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("still listening");
}

#[tokio::test]
async fn refuses_to_listen_beyond_loopback() {
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let error = DemoUpstream::start_on(everywhere).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}
