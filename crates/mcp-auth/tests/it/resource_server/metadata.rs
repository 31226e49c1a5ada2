//! Protected resource metadata (RFC 9728).

use mcp_auth::{
    oauth::{ProtectedResourceMetadata, PublicUrl, Scopes},
    resource_server::{ResourceServer, ResourceServers},
};

use crate::{
    mcp_server::{ISSUER, ORIGIN, Plain, RESOURCE, at, local, serve, serve_local},
    tokens::Tokens,
    wire::Ask,
};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

// RS-50, RS-51, RS-52, RS-53, RS-55, RS-57, RS-58, RS-60, RS-61, RS-62
#[tokio::test]
async fn the_document_is_complete_and_has_nothing_empty() {
    let server = serve_local().await;
    let answer = Ask::new("GET", &format!("{WELL_KNOWN}/mcp"))
        .send(server)
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let document = answer.json();
    assert_eq!(
        document,
        serde_json::json!({
            "resource": RESOURCE,
            "authorization_servers": [ISSUER],
            "scopes_supported": ["mcp:tools"],
            "bearer_methods_supported": ["header"],
        })
    );
}

// RS-58
#[tokio::test]
async fn without_scopes_the_field_is_left_out() {
    let builder = local(Tokens::default()).with_required_scopes(Scopes::empty());
    let named = builder.with_resource_name("Files").build().unwrap();
    let server = serve(&Plain::from(named)).await;
    let document = Ask::new("GET", &format!("{WELL_KNOWN}/mcp"))
        .send(server)
        .await
        .json();
    assert_eq!(document.get("scopes_supported"), None);
    assert_eq!(document["resource_name"], "Files");
}

// RS-54, RS-55
#[tokio::test]
async fn one_endpoint_has_the_root_form_with_the_exact_url() {
    let server = serve_local().await;
    let document = Ask::new("GET", WELL_KNOWN).send(server).await.json();
    assert_eq!(document["resource"], RESOURCE);
}

// RS-53, RS-56
#[tokio::test]
async fn several_endpoints_have_a_document_each_and_no_root_form() {
    let main = local(Tokens::default()).build().unwrap();
    let further = at(ORIGIN, "/teams/a/mcp", Tokens::default())
        .build()
        .unwrap();
    let servers = ResourceServers::new(main, vec![further]).unwrap();
    let server = serve(&Plain {
        servers,
        sets: Vec::new(),
    })
    .await;
    for path in ["/mcp", "/teams/a/mcp"] {
        let answer = Ask::new("GET", &format!("{WELL_KNOWN}{path}"))
            .send(server)
            .await;
        assert_eq!(answer.json()["resource"], format!("{ORIGIN}{path}"));
        let challenge = Ask::call("whoami").to(path).send(server).await;
        let named = format!("resource_metadata=\"{ORIGIN}{WELL_KNOWN}{path}\"");
        assert!(challenge.challenge().contains(&named), "{challenge:?}");
    }
    assert_eq!(Ask::new("GET", WELL_KNOWN).send(server).await.status, 404);
}

// RS-53
#[tokio::test]
async fn an_endpoint_at_the_root_has_the_root_form() {
    let root = at(ORIGIN, "/", Tokens::default()).build().unwrap();
    let server = serve(&Plain::from(root)).await;
    let document = Ask::new("GET", WELL_KNOWN).send(server).await.json();
    assert_eq!(document["resource"], ORIGIN);
    assert_eq!(Ask::call("whoami").to("/").send(server).await.status, 401);
}

// RS-59, RS-67
#[tokio::test]
async fn the_document_is_open_to_everybody_and_every_page() {
    let server = serve_local().await;
    let path = format!("{WELL_KNOWN}/mcp");
    for method in ["GET", "HEAD"] {
        let ask = Ask::new(method, &path).header("origin", "https://any.example");
        let answer = ask.send(server).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert!(answer.header("cache-control").unwrap().contains("max-age"));
    }
    let preflight = Ask::new("OPTIONS", &path)
        .header("origin", "https://any.example")
        .header("access-control-request-headers", "mcp-protocol-version");
    let answer = preflight.send(server).await;
    assert_eq!(answer.status, 204);
    let allowed = answer.header("access-control-allow-headers").unwrap();
    for name in ["authorization", "mcp-protocol-version", "*"] {
        assert!(allowed.split(", ").any(|one| one == name), "{allowed}");
    }
    let post = Ask::new("POST", &path).send(server).await;
    assert_eq!(
        (post.status, post.header("allow")),
        (405, Some("GET, HEAD, OPTIONS"))
    );
}

// RS-69
#[tokio::test]
async fn a_forged_host_steers_no_document() {
    let server = serve_local().await;
    let ask = Ask::new("GET", &format!("{WELL_KNOWN}/mcp"))
        .host("evil.example")
        .header("x-forwarded-host", "evil.example");
    let answer = ask.send(server).await;
    assert!(!answer.body.contains("evil"), "{answer:?}");
}

// RS-38
#[tokio::test]
async fn offline_access_is_neither_published_nor_challenged() {
    let scopes = Scopes::parse("mcp:tools offline_access").unwrap();
    let builder = local(Tokens::default()).with_scopes_supported(scopes.clone());
    let server = serve(&Plain::from(builder.build().unwrap())).await;
    let document = Ask::new("GET", WELL_KNOWN).send(server).await;
    let challenge = Ask::call("whoami").send(server).await;
    for text in [&document.body, challenge.challenge()] {
        assert!(!text.contains("offline_access"), "{text}");
    }
    assert!(
        local(Tokens::default())
            .with_required_scopes(scopes)
            .build()
            .is_err()
    );
}

// RS-65
#[test]
fn unknown_fields_survive_a_round_trip() {
    let text = format!(
        r#"{{"resource":"{RESOURCE}","authorization_servers":["{ISSUER}"],"x_new":{{"a":[1]}}}}"#
    );
    let document: ProtectedResourceMetadata = serde_json::from_str(&text).unwrap();
    let again: serde_json::Value = serde_json::to_value(&document).unwrap();
    assert_eq!(
        again,
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    );
}

// RS-17, RS-52
#[test]
fn refuses_paths_with_more_than_one_spelling() {
    let public_url = PublicUrl::parse(ORIGIN).unwrap();
    let verifier = Tokens::default().verifier();
    for path in [
        "",
        "mcp",
        "/mcp/",
        "//mcp",
        "/a/../mcp",
        "/./mcp",
        "/m%63p",
        "/mcp?x",
        "/mcp#x",
        "/m cp",
    ] {
        let built = ResourceServer::builder(public_url.clone(), path, verifier.clone()).build();
        assert!(built.is_err(), "{path}");
    }
    let twice = || local(Tokens::default()).build().unwrap();
    assert!(ResourceServers::new(twice(), vec![twice()]).is_err());
    let elsewhere = at("https://mcp.example.com", "/b", Tokens::default())
        .build()
        .unwrap();
    assert!(ResourceServers::new(twice(), vec![elsewhere]).is_err());
}
