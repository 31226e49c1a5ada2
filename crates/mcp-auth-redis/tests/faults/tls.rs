//! TLS, with a certificate that is trusted by nobody but whom it is told to.

use std::process::Command;

use base64::{Engine, engine::general_purpose::STANDARD};
use mcp_auth_testkit::services::{RedisServer, Scratch, free_port};

use super::*;

#[tokio::test]
async fn speaks_tls_to_a_server_that_it_trusts_and_to_no_other() {
    let folder = Scratch::new("redis-tls").unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let names = vec!["localhost".to_owned()];
    let certified = rcgen::generate_simple_self_signed(names).unwrap();
    std::fs::write(
        file("certificate"),
        pem("CERTIFICATE", certified.cert.der()),
    )
    .unwrap();
    std::fs::write(
        file("key"),
        pem("PRIVATE KEY", &certified.signing_key.serialize_der()),
    )
    .unwrap();
    let port = free_port().unwrap();
    let settings = RedisServer::settings()
        .with("tls-port", &port.to_string())
        .with("tls-cert-file", &file("certificate"))
        .with("tls-key-file", &file("key"))
        .with("tls-ca-cert-file", &file("certificate"))
        .with("tls-auth-clients", "no");
    let Some(server) = settings.start() else {
        return;
    };
    let url = format!("rediss://localhost:{port}");
    is_away(&open(&url).await).await;
    is_away(&open(&server.url().replace("redis:", "rediss:")).await).await;

    // The roots are those of the process: another one, which trusts this certificate.
    let told = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "tls::as_a_process_of_its_own"])
        .env("SSL_CERT_FILE", file("certificate"))
        .env("STORE_UNDER_TEST", &url)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&told.stdout);
    assert!(said.contains("1 passed"), "{said}");
    assert_eq!(server.command(&["DBSIZE"]), "2");
}

#[tokio::test]
#[ignore = "the test above runs it"]
async fn as_a_process_of_its_own() {
    let store = open(&std::env::var("STORE_UNDER_TEST").unwrap()).await;
    put(&store, 1).await;
    assert!(holds(&store, 1).await);
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len())
        .step_by(64)
        .map(|start| &text[start..text.len().min(start + 64)])
        .collect();
    let text = lines.join("\n");
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}
