//! What holds for every type that holds a secret, and for every line that compares one.

use std::sync::Arc;

use mcp_auth::{
    oauth::{
        AccessToken, AuthorizationCode, ClientSecret, CodeVerifier, RefreshToken, SystemRandom,
    },
    store::{KeyRing, Purpose, Sealer},
    upstream::UpstreamTokens,
};

use crate::arrows::{files, sources};

// STO-13
#[test]
fn debug_of_a_public_type_tells_no_secret() {
    const CANARY: &str = "canary-canary-canary-canary-canary-canary-canary";
    let tokens =
        UpstreamTokens::new(AccessToken::new(CANARY)).with_refresh_token(RefreshToken::new(CANARY));
    let key = "canary:Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5LWNhbmE=";
    let ring = KeyRing::parse(key).unwrap();
    let sealer = Sealer::new(&ring, Purpose::Cookie, "issuer", Arc::new(SystemRandom));
    let upstream = mcp_auth::upstream::OAuthUpstream::with_issuer("https://id.example", "us")
        .with_client_secret(ClientSecret::new(CANARY));
    let shown = [
        format!("{:?}", AccessToken::new(CANARY)),
        format!("{:?}", RefreshToken::new(CANARY)),
        format!("{:?}", AuthorizationCode::new(CANARY)),
        format!("{:?}", ClientSecret::new(CANARY)),
        format!("{:?}", CodeVerifier::parse(CANARY).unwrap()),
        format!("{tokens:?}"),
        format!("{ring:?}"),
        format!("{sealer:?}"),
        format!("{upstream:?}"),
        format!("{:?}", upstream.build().unwrap()),
    ];
    for shown in shown {
        assert!(
            !shown.contains("canary-canary") && !shown.contains("Y2FuYXJ5"),
            "{shown}"
        );
    }
}

// STO-16
#[test]
fn no_line_compares_an_exposed_secret_by_itself() {
    let compares = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        let exposed = code.contains("expose()") || code.contains("expose_secret()");
        exposed && (code.contains("==") || code.contains("!="))
    };
    assert!(compares("if a.expose() == b.expose() {"));
    assert!(!compares("let a = b.expose(); // == c"));
    let mut found = Vec::new();
    let mut exposing = 0;
    for (path, text) in files(&sources()) {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        exposing += code.matches("expose()").count();
        let lines = code.lines().filter(|line| compares(line));
        found.extend(lines.map(|line| format!("{}: {}", path.display(), line.trim())));
    }
    assert!(exposing > 10, "only {exposing} places were read");
    assert!(found.is_empty(), "{}", found.join("\n"));
}
