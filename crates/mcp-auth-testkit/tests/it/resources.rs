//! Tokens for MCP servers (RFC 8707), and hosts that do not say for which.

use jsonwebtoken::dangerous::insecure_decode;
use mcp_auth_testkit::{Browser, browser::Decision};
use serde_json::{Value, json};

use crate::relying_party::{REDIRECT, RelyingParty};

const RESOURCE: &str = "http://127.0.0.1:8000/mcp";

#[tokio::test]
async fn a_host_that_names_no_resource_gets_a_token_for_the_only_one() {
    let party = RelyingParty::start().await;
    party.upstream.register_resource(RESOURCE);
    let token = token_of_a_host(&party, "").await;
    assert_eq!(audience(&token).unwrap(), RESOURCE);
}

#[tokio::test]
async fn a_host_that_names_no_resource_gets_a_token_for_none_of_two() {
    let party = RelyingParty::start().await;
    let other = "https://other.example/mcp";
    party.upstream.register_resource(RESOURCE);
    party.upstream.register_resource(other);
    assert_eq!(audience(&token_of_a_host(&party, "").await), None);
    let named = token_of_a_host(&party, other).await;
    assert_eq!(audience(&named).unwrap(), other);
}

#[tokio::test]
async fn the_operators_own_client_gets_a_token_for_the_api_here() {
    let party = RelyingParty::start().await;
    party.upstream.register_resource(RESOURCE);
    let tokens = party.tokens().await;
    assert_eq!(audience(tokens.text("access_token")), None);
}

/// Registers, signs in and redeems the code.
async fn token_of_a_host(party: &RelyingParty, resource: &str) -> String {
    let metadata = json!({ "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none" });
    let registration = party.http.post(party.url("/register")).json(&metadata);
    let client: Value = registration.send().await.unwrap().json().await.unwrap();
    let client = client["client_id"].as_str().unwrap();
    let url = party.authorize_url(&[("client_id", client), ("resource", resource)]);
    let mut browser = Browser::new();
    let callback = browser.walk(&url, REDIRECT, Decision::Approve).await;
    let callback = callback.unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", callback.code().unwrap()),
        ("redirect_uri", REDIRECT),
        ("code_verifier", party.verifier.expose()),
    ];
    let redemption = party.http.post(party.url("/token")).form(&form);
    let tokens: Value = redemption.send().await.unwrap().json().await.unwrap();
    tokens["access_token"].as_str().unwrap().to_owned()
}

/// None for a token that is no JWT.
fn audience(token: &str) -> Option<String> {
    let token = insecure_decode::<Value>(token).ok()?;
    token.claims["aud"].as_str().map(str::to_owned)
}
