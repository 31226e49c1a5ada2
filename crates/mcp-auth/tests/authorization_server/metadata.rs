//! `GET /.well-known/oauth-authorization-server` and `/.well-known/openid-configuration`.

use crate::harness::Server;

#[tokio::test]
async fn a_host_goes_all_the_way() {
    let server = Server::start().await;
    let mut host = server.host();
    let tokens = host.sign_in().await.unwrap().tokens;
    let said = host
        .call_tool(&tokens.access_token, "whoami")
        .await
        .unwrap();
    assert!(said.contains("user-alice"), "{said}");
}
