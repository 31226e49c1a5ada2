//! Who calls `POST /token`, and how they prove it.

use base64::{Engine, engine::general_purpose::STANDARD};
use mcp_auth::authorization_server::clients::PreregisteredClients;
use serde_json::json;

use crate::{
    client::{Answer, Client, Parameters, basic, token, token_with},
    harness::Server,
};

async fn with_header(server: &Server, form: &Parameters, authorization: &str) -> Answer {
    let header = authorization.to_owned();
    token_with(server, form, |request| {
        request.header("authorization", header)
    })
    .await
}

/// AST-08, AST-11.
#[tokio::test]
async fn a_secret_is_taken_in_the_form_and_in_the_header_whichever_was_registered() {
    let server = Server::start().await;
    for method in ["client_secret_basic", "client_secret_post"] {
        let client = Client::registered(
            &server,
            json!({
                "redirect_uris": ["https://client.example/cb"],
                "token_endpoint_auth_method": method,
            }),
        )
        .await;
        let secret = client.secret.clone().unwrap();
        let refresh = client.tokens(&server).await.refresh; // in the form
        let bare = client.refreshing(&refresh).without("client_secret");
        let header = basic(&client.id, &secret);
        let next = with_header(&server, &bare, &header).await.tokens();
        // The client_id in the form as well, or not.
        let bare = client
            .refreshing(&next.refresh)
            .without("client_secret")
            .without("client_id");
        with_header(&server, &bare, &header).await.tokens();
    }
}

/// AST-08, AST-12.
#[tokio::test]
async fn a_public_client_only_names_itself() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let tokens = client.tokens(&server).await;
    let form = client.refreshing(&tokens.refresh);
    let nameless = form.clone().without("client_id");
    token(&server, &nameless)
        .await
        .refuses(401, "invalid_client");
    // With an empty secret in the header it still only names itself.
    with_header(&server, &nameless, &basic(&client.id, ""))
        .await
        .tokens();
}

/// AST-12, AST-06.
#[tokio::test]
async fn a_client_with_a_secret_always_needs_it() {
    let server = Server::start().await;
    let client = Client::confidential(&server).await;
    let other = Client::confidential(&server).await;
    let code = client.code(&server).await;
    let form = client.redemption(&server, &code);
    let bare = form.clone().without("client_secret");
    token(&server, &bare).await.refuses(401, "invalid_client");
    for wrong in ["wrong", "", other.secret.as_ref().unwrap()] {
        let form = form.clone().with("client_secret", wrong);
        let refused = token(&server, &form).await;
        refused.refuses(401, "invalid_client");
        assert_eq!(refused.header("www-authenticate"), None);
        let refused = with_header(&server, &bare, &basic(&client.id, wrong)).await;
        refused.refuses(401, "invalid_client");
        let challenge = refused.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Basic "), "{challenge}");
    }
    token(&server, &form).await.tokens();
}

/// AST-09.
#[tokio::test]
async fn two_credentials_are_one_too_many() {
    let server = Server::start().await;
    let client = Client::confidential(&server).await;
    let other = Client::confidential(&server).await;
    let secret = client.secret.clone().unwrap();
    let code = client.code(&server).await;
    let form = client.redemption(&server, &code);
    let header = basic(&client.id, &secret);
    with_header(&server, &form, &header)
        .await
        .refuses(400, "invalid_request");
    let bare = form.clone().without("client_secret");
    let two = token_with(&server, &bare, |request| {
        request
            .header("authorization", header.clone())
            .header("authorization", header.clone())
    });
    two.await.refuses(400, "invalid_request");
    let two_ids = form
        .clone()
        .without("client_secret")
        .with("client_id", &other.id);
    with_header(&server, &two_ids, &header)
        .await
        .refuses(401, "invalid_client");
    token(&server, &form).await.tokens();
}

/// AST-06, AST-08.
#[tokio::test]
async fn a_malformed_authorization_header_is_answered_with_401() {
    let server = Server::start().await;
    let client = Client::confidential(&server).await;
    let secret = client.secret.clone().unwrap();
    let form = client.refreshing("x").without("client_secret");
    let encoded = |text: &str| format!("Basic {}", STANDARD.encode(text));
    for bad in [
        "Basic",
        "Basic ",
        "Basic !!!",
        "Bearer x",
        "Digest x",
        &basic(&client.id, &secret).replacen("Basic ", "Basic", 1),
        &encoded("no colon"),
        &encoded(":secret-without-id"),
        &encoded("%zz:x"),
        &encoded(&format!("{}:%", client.id)),
        &format!("Basic {}", STANDARD.encode([0xff, b':', 0xfe])),
    ] {
        let refused = with_header(&server, &form, bad).await;
        refused.refuses(401, "invalid_client");
        let challenge = refused.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Basic "), "{bad}");
    }
}

/// AST-10.
#[tokio::test]
async fn id_and_secret_are_form_decoded() {
    const SECRET: &str = "a:b%20c d+e/ü=&";
    let clients = PreregisteredClients::parse_json(
        &json!([{
            "client_id": "de:sk",
            "redirect_uris": ["https://desk.example/cb"],
            "client_secret": SECRET,
        }])
        .to_string(),
    )
    .unwrap();
    let server = Server::builder(|tier| tier.with_preregistered_clients(clients))
        .start()
        .await;
    let desk = Client {
        id: "de:sk".into(),
        secret: Some(SECRET.into()),
        redirect_uri: "https://desk.example/cb".into(),
    };
    let code = desk.code(&server).await;
    let form = desk
        .redemption(&server, &code)
        .without("client_secret")
        .without("client_id");
    let raw = format!("Basic {}", STANDARD.encode(format!("de%3Ask:{SECRET}")));
    with_header(&server, &form, &raw)
        .await
        .refuses(401, "invalid_client");
    with_header(&server, &form, &basic("de:sk", SECRET))
        .await
        .tokens();
}

/// AST-12, DCR-18.
#[tokio::test]
async fn an_unknown_client_is_told_so() {
    let server = Server::start().await;
    let client = Client::public(&server).await;
    let tokens = client.tokens(&server).await;
    let form = client.refreshing(&tokens.refresh);
    for id in ["nobody", "dcr.AAAA", "http://client.example/id"] {
        let form = form.clone().with("client_id", id);
        token(&server, &form).await.refuses(401, "invalid_client");
    }
    let odd = form.clone().with("client_id", "a\u{7}b");
    token(&server, &odd).await.refuses(401, "invalid_client");
    // An unknown one is judged before what it brings.
    let both = form.with("client_id", "nobody").with("refresh_token", "x");
    token(&server, &both).await.refuses(401, "invalid_client");
}

/// AST-08.
#[tokio::test]
async fn client_assertions_are_not_taken_for_a_proof() {
    let server = Server::start().await;
    let client = Client::confidential(&server).await;
    let code = client.code(&server).await;
    let form = client
        .redemption(&server, &code)
        .without("client_secret")
        .and(
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        )
        .and("client_assertion", "eyJhbGciOiJub25lIn0.e30.");
    token(&server, &form).await.refuses(401, "invalid_client");
}
